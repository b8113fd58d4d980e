// head.cpp - see head.h.
#include "model/head.h"

#include <algorithm>

#include "kernels/elementwise.h"
#include "model/linear.h"

namespace farthing {

template <class T>
Head<T>::Scratch::Scratch(Arena& arena, int vocab_size, int n_tokens) {
  constexpr std::int64_t kGranule = 32;
  const std::int64_t fitting = kChunkBytes / (static_cast<std::int64_t>(sizeof(T)) * vocab_size);
  const std::int64_t chunk = std::max(fitting / kGranule, std::int64_t{1}) * kGranule;
  logits = arena.matrix<T>(std::min<std::int64_t>(chunk, n_tokens), vocab_size);
}

template <class T>
void Head<T>::forward_backward(std::span<T> logprob, Matrix<const T> x,
                               std::span<const std::int32_t> targets, const Gradients& gradients,
                               const Scratch& scratch) const {
  const bool with_gradients = !gradients.grad_scale.empty();
  for (int first = 0; first < x.n_rows; first += scratch.logits.n_rows) {
    const int count = std::min(scratch.logits.n_rows, x.n_rows - first);
    const auto part = [&](auto span) {
      return span.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    };
    const Matrix<T> logits = scratch.logits.rows(0, count);
    const Matrix<const T> inputs = x.rows(first, count);
    linear_forward<T>(logits, inputs, weights, id);
    const std::span<const T> grad_scale =
        with_gradients ? part(gradients.grad_scale) : std::span<const T>{};
    softmax_cross_entropy<T>(logits, part(logprob), part(targets), grad_scale);
    if (!with_gradients) continue;
    linear_backward_input<T>(gradients.dx.rows(first, count), logits, weights, id);
    gemm(gradients.dweight, logits, inputs,
         backward_weight_options(weights, id, /*accumulate=*/true));
  }
}

template struct Head<float>;
template struct Head<double>;

}  // namespace farthing
