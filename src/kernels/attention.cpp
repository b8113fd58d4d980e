// attention.cpp - checks attention's shapes and hands it to the path of the current choice.
#include "kernels/attention.h"

#include <type_traits>

#include "kernels/attention_fast.h"
#include "kernels/isa.h"
#include "kernels/reference_attention.h"

namespace farthing {
namespace {

template <class T>
void check_inputs(const AttentionShape& shape, Matrix<T> q, Matrix<T> kv, Matrix<T> k_pe,
                  std::span<const std::int32_t> document_start) {
  const int n_tokens = shape.n_sequences * shape.sequence_length;
  CHECK(q.n_rows == n_tokens);
  CHECK(q.n_cols == shape.n_heads * (shape.nope + shape.rope));
  CHECK(kv.n_rows == n_tokens);
  CHECK(kv.n_cols == shape.n_heads * (shape.nope + shape.v));
  CHECK(k_pe.n_rows == n_tokens);
  CHECK(k_pe.n_cols == shape.rope);
  CHECK(document_start.empty() || static_cast<int>(document_start.size()) == n_tokens);
}

template <class T>
void check_outputs(const AttentionShape& shape, Matrix<T> o, Matrix<T> lse) {
  const int n_tokens = shape.n_sequences * shape.sequence_length;
  CHECK(o.n_rows == n_tokens);
  CHECK(o.n_cols == shape.n_heads * shape.v);
  CHECK(lse.n_rows == shape.n_heads);
  CHECK(lse.n_cols == n_tokens);
}

}  // namespace

template <class T>
AttentionScratch<T>::AttentionScratch(Arena& arena, const AttentionShape& shape) {
  const std::int64_t n_tokens =
      static_cast<std::int64_t>(shape.n_sequences) * shape.sequence_length;
  dk_pe_by_head = arena.matrix<T>(shape.n_heads * n_tokens, shape.rope);
  delta = arena.matrix<T>(shape.n_heads, n_tokens);
}

template <class T>
void attention_forward(const AttentionShape& shape, Matrix<T> o, Matrix<T> lse, Matrix<const T> q,
                       Matrix<const T> kv, Matrix<const T> k_pe,
                       std::span<const std::int32_t> document_start) {
  check_inputs(shape, q, kv, k_pe, document_start);
  check_outputs(shape, o, lse);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) {
      return fast::attention_forward(shape, o, lse, q, kv, k_pe, document_start);
    }
  }
  reference::attention_forward(shape, o, lse, q, kv, k_pe, document_start);
}

template <class T>
void attention_backward(const AttentionShape& shape, AttentionGradients<T> gradients,
                        Matrix<const T> d_o, const AttentionSaved<T>& saved,
                        std::span<const std::int32_t> document_start,
                        const AttentionScratch<T>& scratch) {
  check_inputs(shape, saved.q, saved.kv, saved.k_pe, document_start);
  check_inputs(shape, gradients.dq, gradients.dkv, gradients.dk_pe, document_start);
  check_outputs(shape, saved.o, saved.lse);
  check_outputs(shape, d_o, saved.lse);
  CHECK(scratch.dk_pe_by_head.n_rows == gradients.dq.n_rows * shape.n_heads);
  CHECK(scratch.delta.n_cols == gradients.dq.n_rows);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) {
      return fast::attention_backward(shape, gradients, d_o, saved, document_start, scratch);
    }
  }
  reference::attention_backward(shape, gradients, d_o, saved, document_start, scratch);
}

template struct AttentionScratch<float>;
template struct AttentionScratch<double>;
template void attention_forward(const AttentionShape&, Matrix<float>, Matrix<float>,
                                Matrix<const float>, Matrix<const float>, Matrix<const float>,
                                std::span<const std::int32_t>);
template void attention_forward(const AttentionShape&, Matrix<double>, Matrix<double>,
                                Matrix<const double>, Matrix<const double>, Matrix<const double>,
                                std::span<const std::int32_t>);
template void attention_backward(const AttentionShape&, AttentionGradients<float>,
                                 Matrix<const float>, const AttentionSaved<float>&,
                                 std::span<const std::int32_t>, const AttentionScratch<float>&);
template void attention_backward(const AttentionShape&, AttentionGradients<double>,
                                 Matrix<const double>, const AttentionSaved<double>&,
                                 std::span<const std::int32_t>, const AttentionScratch<double>&);

}  // namespace farthing
