// elementwise.cpp - checks the shapes of the elementwise kernels and hands them on.
#include "kernels/elementwise.h"

#include <type_traits>

#include "kernels/elementwise_fast.h"
#include "kernels/isa.h"
#include "kernels/reference_elementwise.h"

namespace farthing {
namespace {

template <class T, class U>
void check_same_shape(Matrix<T> a, Matrix<U> b) {
  CHECK(a.n_rows == b.n_rows);
  CHECK(a.n_cols == b.n_cols);
}

template <class T>
int length(std::span<T> values) {
  return static_cast<int>(values.size());
}

}  // namespace

template <class T>
void rmsnorm_forward(Matrix<T> y, std::span<T> inv_rms, Matrix<const T> x, std::span<const T> gain,
                     double eps) {
  check_same_shape(y, x);
  CHECK(length(inv_rms) == x.n_rows);
  CHECK(length(gain) == x.n_cols);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::rmsnorm_forward(y, inv_rms, x, gain, eps);
  }
  reference::rmsnorm_forward(y, inv_rms, x, gain, eps);
}

template <class T>
void rmsnorm_backward_input(Matrix<T> dx, Matrix<const T> dy, Matrix<const T> x,
                            std::span<const T> gain, std::span<const T> inv_rms, bool accumulate) {
  check_same_shape(dx, x);
  check_same_shape(dy, x);
  CHECK(length(inv_rms) == x.n_rows);
  CHECK(length(gain) == x.n_cols);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) {
      return fast::rmsnorm_backward_input(dx, dy, x, gain, inv_rms, accumulate);
    }
  }
  reference::rmsnorm_backward_input(dx, dy, x, gain, inv_rms, accumulate);
}

template <class T>
void rmsnorm_backward_weight(std::span<T> dgain, Matrix<const T> dy, Matrix<const T> x,
                             std::span<const T> inv_rms) {
  check_same_shape(dy, x);
  CHECK(length(inv_rms) == x.n_rows);
  CHECK(length(dgain) == x.n_cols);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::rmsnorm_backward_weight(dgain, dy, x, inv_rms);
  }
  reference::rmsnorm_backward_weight(dgain, dy, x, inv_rms);
}

template <class T>
void sigmoid_rows(Matrix<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::sigmoid_rows(x);
  }
  reference::sigmoid_rows(x);
}

template <class T>
void swiglu_forward(Matrix<T> h, Matrix<const T> gate_up) {
  CHECK(h.n_rows == gate_up.n_rows);
  CHECK(2 * h.n_cols == gate_up.n_cols);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::swiglu_forward(h, gate_up);
  }
  reference::swiglu_forward(h, gate_up);
}

template <class T>
void swiglu_backward(Matrix<T> dgate_up, Matrix<const T> dh, Matrix<const T> gate_up) {
  check_same_shape(dgate_up, gate_up);
  CHECK(dh.n_rows == gate_up.n_rows);
  CHECK(2 * dh.n_cols == gate_up.n_cols);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::swiglu_backward(dgate_up, dh, gate_up);
  }
  reference::swiglu_backward(dgate_up, dh, gate_up);
}

template <class T>
void rope_rotate(Matrix<T> x, Matrix<const T> cosine, Matrix<const T> sine,
                 std::span<const std::int32_t> positions, RopeLayout layout) {
  check_same_shape(cosine, sine);
  CHECK(length(positions) == x.n_rows);
  CHECK(layout.period > 0);
  CHECK(layout.first >= 0);
  CHECK(layout.first + 2 * cosine.n_cols <= layout.period);
  CHECK(x.n_cols % layout.period == 0);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::rope_rotate(x, cosine, sine, positions, layout);
  }
  reference::rope_rotate(x, cosine, sine, positions, layout);
}

template <class T>
void softmax_cross_entropy(Matrix<T> logits, std::span<T> logprob,
                           std::span<const std::int32_t> targets, std::span<const T> grad_scale) {
  CHECK(length(logprob) == logits.n_rows);
  CHECK(length(targets) == logits.n_rows);
  CHECK(grad_scale.empty() || length(grad_scale) == logits.n_rows);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) {
      return fast::softmax_cross_entropy(logits, logprob, targets, grad_scale);
    }
  }
  reference::softmax_cross_entropy(logits, logprob, targets, grad_scale);
}

template <class T>
void add_into(Matrix<T> y, Matrix<const T> x) {
  check_same_shape(y, x);
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::add_into(y, x);
  }
  reference::add_into(y, x);
}

template <class T>
double sum_of_squares(std::span<const T> x) {
  if constexpr (std::is_same_v<T, float>) {
    if (current_isa() != Isa::kRef) return fast::sum_of_squares(x);
  }
  return reference::sum_of_squares(x);
}

#define FARTHING_INSTANTIATE(T)                                                               \
  template void rmsnorm_forward(Matrix<T>, std::span<T>, Matrix<const T>, std::span<const T>, \
                                double);                                                      \
  template void rmsnorm_backward_input(Matrix<T>, Matrix<const T>, Matrix<const T>,           \
                                       std::span<const T>, std::span<const T>, bool);         \
  template void rmsnorm_backward_weight(std::span<T>, Matrix<const T>, Matrix<const T>,       \
                                        std::span<const T>);                                  \
  template void sigmoid_rows(Matrix<T>);                                                      \
  template void swiglu_forward(Matrix<T>, Matrix<const T>);                                   \
  template void swiglu_backward(Matrix<T>, Matrix<const T>, Matrix<const T>);                 \
  template void rope_rotate(Matrix<T>, Matrix<const T>, Matrix<const T>,                      \
                            std::span<const std::int32_t>, RopeLayout);                       \
  template void softmax_cross_entropy(Matrix<T>, std::span<T>, std::span<const std::int32_t>, \
                                      std::span<const T>);                                    \
  template void add_into(Matrix<T>, Matrix<const T>);                                         \
  template double sum_of_squares(std::span<const T>);
FARTHING_INSTANTIATE(float)
FARTHING_INSTANTIATE(double)
#undef FARTHING_INSTANTIATE

}  // namespace farthing
