// elementwise_fast.h - the float paths of elementwise.h and adamw.h on Highway vectors.
//
// REQUIRES current_isa() != Isa::kRef; shapes are checked by the callers.
// Exact    adamw_update gives the reference's bits; the others differ by rounding.
#pragma once
#include <cstdint>
#include <span>

#include "base/matrix.h"
#include "kernels/adamw.h"
#include "kernels/elementwise.h"

namespace farthing::fast {

void rmsnorm_forward(Matrix<float> y, std::span<float> inv_rms, Matrix<const float> x,
                     std::span<const float> gain, double eps);
void rmsnorm_backward_input(Matrix<float> dx, Matrix<const float> dy, Matrix<const float> x,
                            std::span<const float> gain, std::span<const float> inv_rms,
                            bool accumulate);
void rmsnorm_backward_weight(std::span<float> dgain, Matrix<const float> dy, Matrix<const float> x,
                             std::span<const float> inv_rms);
void sigmoid_rows(Matrix<float> x);
void swiglu_forward(Matrix<float> h, Matrix<const float> gate_up);
void swiglu_backward(Matrix<float> dgate_up, Matrix<const float> dh, Matrix<const float> gate_up);
void rope_rotate(Matrix<float> x, Matrix<const float> cosine, Matrix<const float> sine,
                 std::span<const std::int32_t> positions, RopeLayout layout);
void softmax_cross_entropy(Matrix<float> logits, std::span<float> logprob,
                           std::span<const std::int32_t> targets,
                           std::span<const float> grad_scale);
void add_into(Matrix<float> y, Matrix<const float> x);
double sum_of_squares(std::span<const float> x);
void adamw_update(std::span<float> weight, std::span<const float> gradient, std::span<float> m,
                  std::span<float> v, const AdamwStep& step);
void adamw_update(std::span<float> weight, std::span<const float> gradient,
                  std::span<std::uint16_t> m, std::span<std::uint16_t> v, const AdamwStep& step);

}  // namespace farthing::fast
