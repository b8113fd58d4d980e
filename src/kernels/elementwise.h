// elementwise.h - the bandwidth-bound kernels: rmsnorm, rope, swiglu, softmax cross-entropy, sums.
//
// T is float (Highway, run-time dispatch) or double (the plain reference of kernels/reference.h).
// Shapes are CHECKed; values never are: NaN in, NaN out.
// Exact    Reductions over tokens add fixed chunks in token order: bits do not depend on threads.
#pragma once
#include <cstdint>
#include <span>

#include "base/matrix.h"

namespace farthing {

// y = x * inv_rms * gain,  inv_rms = 1 / sqrt(mean(x^2) + eps), one per token.
// Source   Zhang & Sennrich 2019 (arXiv:1910.07467).
// Shapes   x y dx dy [n_tokens, n]   gain dgain [n]   inv_rms [n_tokens]
// Writes y and inv_rms; y may be x.
template <class T>
void rmsnorm_forward(Matrix<T> y, std::span<T> inv_rms, Matrix<const T> x, std::span<const T> gain,
                     double eps);
// Writes dx, or adds into it; dx may be dy when it writes.
template <class T>
void rmsnorm_backward_input(Matrix<T> dx, Matrix<const T> dy, Matrix<const T> x,
                            std::span<const T> gain, std::span<const T> inv_rms, bool accumulate);
// Adds into dgain.
template <class T>
void rmsnorm_backward_weight(std::span<T> dgain, Matrix<const T> dy, Matrix<const T> x,
                             std::span<const T> inv_rms);

// x = 1 / (1 + exp(-x)).
template <class T>
void sigmoid_rows(Matrix<T> x);

// h = silu(gate) * up;  gate_up [n, 2*width] = [gate | up], h [n, width].
template <class T>
void swiglu_forward(Matrix<T> h, Matrix<const T> gate_up);
// Writes dgate_up; may be gate_up.
template <class T>
void swiglu_backward(Matrix<T> dgate_up, Matrix<const T> dh, Matrix<const T> gate_up);

// Rotates pairs of the `rope` columns beginning at column `first` of every `period` columns, in
// place.  Pair i of token t turns by the angle in row positions[t] of cosine/sine
// [n_positions, rope/2].
// interleaved: pairs (2i, 2i+1); otherwise (i, i + rope/2).  inverse: by the negative angle.
struct RopeLayout {
  int first = 0;
  int period = 0;
  bool interleaved = true;
  bool inverse = false;
};
template <class T>
void rope_rotate(Matrix<T> x, Matrix<const T> cosine, Matrix<const T> sine,
                 std::span<const std::int32_t> positions, RopeLayout layout);

// Row-wise cross entropy over logits [n, vocab]: writes logprob[i] = log p(target[i]) (0 where
// target < 0), and when grad_scale is not empty replaces logits by grad_scale[i] * (p - onehot)
// (rows with target < 0 become 0).  Statistics and sums in T with a fixed order.
template <class T>
void softmax_cross_entropy(Matrix<T> logits, std::span<T> logprob,
                           std::span<const std::int32_t> targets, std::span<const T> grad_scale);

// y += x, y = x + z
template <class T>
void add_into(Matrix<T> y, Matrix<const T> x);
// Sum of squares in a fixed order, accumulated in double.
template <class T>
double sum_of_squares(std::span<const T> x);

}  // namespace farthing
