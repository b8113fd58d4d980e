// routing.h - which experts each token goes to, and where its rows then stand: plain values.
//
// An assignment is (token, slot), numbered token * top_k + slot.  A row is an assignment's place
// once all are ordered by expert, then by token; expert e owns rows begin[e] .. begin[e + 1].
// Dropless: there are exactly n_tokens * top_k rows.
#pragma once
#include <cstdint>
#include <span>

#include "base/arena.h"
#include "config/model_config.h"

namespace farthing {

template <class T>
struct Routing {
  Routing() = default;
  Routing(Arena& arena, const ModelConfig& config, int n_tokens);

  Matrix<std::int32_t> expert;    // [n_tokens, top_k], ascending in each token
  Matrix<T> weight;               // [n_tokens, top_k]
  Matrix<T> affinity;             // [n_tokens, n_routed_experts], sigmoid of the router's logits
  std::span<std::int64_t> count;  // [n_routed_experts] assignments; sums to all of them
  std::span<std::int32_t> begin;  // [n_routed_experts + 1]
  std::span<std::int32_t> row_of_assignment;  // [n_tokens * top_k]
  std::span<std::int32_t> assignment_of_row;  // its inverse
  std::span<std::int32_t> token_of_row;       // assignment_of_row / top_k

  int n_rows_of(int e) const {
    const auto index = static_cast<std::size_t>(e);
    return begin[index + 1] - begin[index];
  }
};

// Fills all but weight and affinity from `expert`.  Every token counts, whatever its loss
// weight: rows of the batch are packed full, so there is no padding to leave out.
template <class T>
void order_by_expert(const Routing<T>& routing);

// h[t] += sum over slots of weight * rows[row of (t, slot)], slots ascending.
template <class T>
void combine(Matrix<T> h, Matrix<const T> rows, const Routing<T>& routing);

// The transpose of rows[r] = x[token_of_row[r]]: writes dx[t] = sum over slots of drows[row of (t,
// slot)].
template <class T>
void dispatch_backward(Matrix<T> dx, Matrix<const T> drows, const Routing<T>& routing);

}  // namespace farthing
