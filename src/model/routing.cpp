// routing.cpp - a counting sort, and rows brought back from the experts.
#include "model/routing.h"

#include <algorithm>

#include "base/parallel.h"

namespace farthing {

template <class T>
Routing<T>::Routing(Arena& arena, const ModelConfig& config, int n_tokens) {
  const int top_k = config.num_experts_per_tok;
  const std::int64_t n_assignments = static_cast<std::int64_t>(n_tokens) * top_k;
  expert = arena.matrix<std::int32_t>(n_tokens, top_k);
  weight = arena.matrix<T>(n_tokens, top_k);
  affinity = arena.matrix<T>(n_tokens, config.n_routed_experts);
  count = arena.array<std::int64_t>(config.n_routed_experts);
  begin = arena.array<std::int32_t>(config.n_routed_experts + 1);
  row_of_assignment = arena.array<std::int32_t>(n_assignments);
  assignment_of_row = arena.array<std::int32_t>(n_assignments);
  token_of_row = arena.array<std::int32_t>(n_assignments);
}

template <class T>
void order_by_expert(const Routing<T>& routing) {
  const std::span<const std::int32_t> expert(routing.expert.data,
                                             static_cast<std::size_t>(routing.expert.size()));
  std::ranges::fill(routing.count, 0);
  for (const int e : expert) ++routing.count[static_cast<std::size_t>(e)];
  routing.begin[0] = 0;
  for (std::size_t e = 0; e < routing.count.size(); ++e) {
    routing.begin[e + 1] = routing.begin[e] + static_cast<std::int32_t>(routing.count[e]);
  }
  // begin[e] serves as the next free row of expert e, and is then the begin of e + 1.
  for (std::size_t assignment = 0; assignment < expert.size(); ++assignment) {
    const int row = routing.begin[static_cast<std::size_t>(expert[assignment])]++;
    routing.row_of_assignment[assignment] = row;
    routing.assignment_of_row[static_cast<std::size_t>(row)] =
        static_cast<std::int32_t>(assignment);
    routing.token_of_row[static_cast<std::size_t>(row)] =
        static_cast<std::int32_t>(assignment) / routing.expert.n_cols;
  }
  for (std::size_t e = routing.count.size(); e > 0; --e) routing.begin[e] = routing.begin[e - 1];
  routing.begin[0] = 0;
}

template <class T>
void combine(Matrix<T> h, Matrix<const T> rows, const Routing<T>& routing) {
  const int top_k = routing.expert.n_cols;
  CHECK(rows.n_rows == h.n_rows * top_k);
  parallel_for(h.n_rows, [&](int token) {
    const std::int64_t first = static_cast<std::int64_t>(token) * top_k;
    T* const to = h.row(token);
    for (int slot = 0; slot < top_k; ++slot) {
      const auto assignment = static_cast<std::size_t>(first + slot);
      const T* const from = rows.row(routing.row_of_assignment[assignment]);
      const T weight = routing.weight(token, slot);
      for (int col = 0; col < h.n_cols; ++col) to[col] += weight * from[col];
    }
  });
}

template <class T>
void dispatch_backward(Matrix<T> dx, Matrix<const T> drows, const Routing<T>& routing) {
  const int top_k = routing.expert.n_cols;
  CHECK(drows.n_rows == dx.n_rows * top_k);
  parallel_for(dx.n_rows, [&](int token) {
    const std::int64_t first = static_cast<std::int64_t>(token) * top_k;
    T* const to = dx.row(token);
    std::fill(to, to + dx.n_cols, T{0});
    for (int slot = 0; slot < top_k; ++slot) {
      const auto assignment = static_cast<std::size_t>(first + slot);
      const T* const from = drows.row(routing.row_of_assignment[assignment]);
      for (int col = 0; col < dx.n_cols; ++col) to[col] += from[col];
    }
  });
}

#define FARTHING_INSTANTIATE(T)                                         \
  template struct Routing<T>;                                           \
  template void order_by_expert(const Routing<T>&);                     \
  template void combine(Matrix<T>, Matrix<const T>, const Routing<T>&); \
  template void dispatch_backward(Matrix<T>, Matrix<const T>, const Routing<T>&);
FARTHING_INSTANTIATE(float)
FARTHING_INSTANTIATE(double)
#undef FARTHING_INSTANTIATE

}  // namespace farthing
