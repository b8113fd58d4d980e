// balance.h - keeping experts evenly busy: the bias without a loss, and the sequence-wise loss.
//
//   bias     b_i += speed * sign(mean(count) - count_i), sign(0) = 0, once an optimizer step, with
//            the assignments of the whole global batch
//   loss     per sequence of T tokens and MoE block:  L = alpha sum_i f_i P_i
//            f_i = E / (K T) * number of tokens with i in TopK(s): raw s, no bias, no groups
//            P_i = mean_t s'_it,  s'_it = s_it / S_t,  S_t = sum_j s_jt
//            dL/ds_it = alpha / (T S_t) * (f_i - sum_j f_j s'_jt), f constant;  dz = ds s (1 - s)
//            averaged over the sequences of the global batch, summed over blocks
//
// Source   DeepSeek-V3 (arXiv:2412.19437), section 2.1.2, equations 17 to 20; Wang et al. 2024
//          (arXiv:2408.15664) for the bias and MaxVio.
// Exact    Bits do not depend on the number of threads.
#pragma once
#include <cstdint>
#include <span>

#include "base/arena.h"

namespace farthing {

void update_correction_bias(std::span<float> bias, std::span<const std::int64_t> counts,
                            double speed);

// MaxVio = max(count) / mean(count) - 1; 0 when nothing was counted.
double max_violation(std::span<const std::int64_t> counts);

template <class T>
struct SequenceBalance {
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, int n_sequences, int n_routed_experts);
    Matrix<T> f;              // [n_sequences, n_routed_experts]
    std::span<double> value;  // [n_sequences] sum_i f_i P_i; 1 at perfect balance
  };

  int sequence_length = 0;
  int top_k = 0;

  // affinity [n_tokens, n_routed_experts].  Returns the sum of value.
  double forward(const Saved& saved, Matrix<const T> affinity) const;
  // Adds factor * d(sum of value) / dlogits; factor = alpha / number of sequences.
  void backward(Matrix<T> dlogits, const Saved& saved, Matrix<const T> affinity,
                double factor) const;
};

}  // namespace farthing
