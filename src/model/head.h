// head.h - the output head and cross-entropy in chunks of tokens: never the whole logits matrix.
//
//   logits = x W^T,  logprob_i = log softmax(logits_i)[target_i]
//   dlogits = grad_scale_i (p - onehot),  dx = dlogits W,  dW += dlogits^T x
//
// Shapes   x dx [n_tokens, hidden_size]   W dW [vocab_size, hidden_size]
// Cost     chunk of at most kChunkBytes; 6 hidden_size vocab_size FLOPs a token with gradients.
// Exact    The chunk depends on the vocabulary alone, never on threads.
#pragma once
#include <cstdint>
#include <span>

#include "base/arena.h"
#include "model/parameters.h"

namespace farthing {

template <class T>
struct Head {
  static constexpr std::int64_t kChunkBytes = 32 << 20;

  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, int vocab_size, int n_tokens);
    Matrix<T> logits;  // [chunk, vocab_size]
  };
  struct Gradients {
    Matrix<T> dx;                   // written
    Matrix<T> dweight;              // added into
    std::span<const T> grad_scale;  // [n_tokens]; empty: no gradients at all
  };

  const ParameterStore<T>& weights;
  int id;  // of W

  // Writes logprob (0 where target < 0), and gradients.
  void forward_backward(std::span<T> logprob, Matrix<const T> x,
                        std::span<const std::int32_t> targets, const Gradients& gradients,
                        const Scratch& scratch) const;
};

}  // namespace farthing
