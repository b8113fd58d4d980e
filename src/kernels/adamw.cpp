// adamw.cpp - checks the ranges of an update and hands it to the path of the current choice.
#include "kernels/adamw.h"

#include "base/check.h"
#include "kernels/elementwise_fast.h"
#include "kernels/isa.h"
#include "kernels/reference_elementwise.h"

namespace farthing {
namespace {

template <class Moment>
void check_ranges(std::span<float> weight, std::span<const float> gradient, std::span<Moment> m,
                  std::span<Moment> v, const AdamwStep& step) {
  CHECK(weight.size() == gradient.size());
  CHECK(weight.size() == m.size());
  CHECK(weight.size() == v.size());
  CHECK(step.step >= 1);
}

}  // namespace

void adamw_update(std::span<float> weight, std::span<const float> gradient, std::span<float> m,
                  std::span<float> v, const AdamwStep& step) {
  check_ranges(weight, gradient, m, v, step);
  if (current_isa() != Isa::kRef) return fast::adamw_update(weight, gradient, m, v, step);
  reference::adamw_update(weight, gradient, m, v, step);
}

void adamw_update(std::span<float> weight, std::span<const float> gradient,
                  std::span<std::uint16_t> m, std::span<std::uint16_t> v, const AdamwStep& step) {
  check_ranges(weight, gradient, m, v, step);
  if (current_isa() != Isa::kRef) return fast::adamw_update(weight, gradient, m, v, step);
  reference::adamw_update(weight, gradient, m, v, step);
}

}  // namespace farthing
