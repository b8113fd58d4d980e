// adamw_fast.cpp - AdamW on vectors, operation by operation the reference's: the same bits.
#include <algorithm>

#include "base/parallel.h"
#include "kernels/elementwise_fast.h"
#include "kernels/highway_targets.h"
#include "kernels/reference_elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/adamw_fast.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace farthing {
namespace HWY_NAMESPACE {

using Scalars = reference::AdamwScalars<float>;

HWY_INLINE V load_moments(const float* stored) { return hn::LoadU(D(), stored); }
HWY_INLINE void store_moments(V value, float* stored) { hn::StoreU(value, D(), stored); }

HWY_INLINE V load_moments(const std::uint16_t* stored) {
  const hn::RebindToUnsigned<D> wide;
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::PromoteTo(wide, hn::LoadU(narrow, stored));
  return hn::BitCast(D(), hn::ShiftLeft<16>(bits));
}

// As to_bf16 of number_formats.h.
HWY_INLINE void store_moments(V value, std::uint16_t* stored) {
  const hn::RebindToUnsigned<D> wide;
  const hn::RebindToSigned<D> wide_signed;
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::BitCast(wide, value);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(wide, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(wide, 0x7fff)), odd));
  const auto quiet = hn::Or(upper, hn::Set(wide, 0x40));
  const auto is_nan = hn::RebindMask(wide, hn::IsNaN(value));
  const auto result = hn::BitCast(wide_signed, hn::IfThenElse(is_nan, quiet, rounded));
  hn::StoreU(hn::DemoteTo(narrow, result), narrow, stored);
}

template <class Moment>
HWY_INLINE void adamw_range(float* weight, const float* gradient, Moment* m, Moment* v,
                            std::int64_t n, const Scalars& s) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const V g = hn::Mul(splat(s.clip_scale), hn::LoadU(D(), gradient + i));
    const V new_m =
        hn::Add(hn::Mul(splat(s.beta1), load_moments(m + i)), hn::Mul(splat(s.gain1), g));
    const V new_v = hn::Add(hn::Mul(splat(s.beta2), load_moments(v + i)),
                            hn::Mul(splat(s.gain2), hn::Mul(g, g)));
    store_moments(new_m, m + i);
    store_moments(new_v, v + i);
    const V denominator =
        hn::Add(hn::Mul(hn::Sqrt(new_v), splat(s.inv_sqrt_correction2)), splat(s.epsilon));
    const V kept = hn::Mul(hn::LoadU(D(), weight + i), splat(s.keep));
    const V move = hn::Mul(splat(s.step_size), hn::Div(new_m, denominator));
    hn::StoreU(hn::Sub(kept, move), D(), weight + i);
  }
  for (; i < n; ++i) reference::adamw_one(weight[i], gradient[i], m[i], v[i], s);
}

void adamw_range_fp32(float* weight, const float* gradient, float* m, float* v, std::int64_t n,
                      const Scalars& s) {
  adamw_range(weight, gradient, m, v, n, s);
}

void adamw_range_bf16(float* weight, const float* gradient, std::uint16_t* m, std::uint16_t* v,
                      std::int64_t n, const Scalars& s) {
  adamw_range(weight, gradient, m, v, n, s);
}

}  // namespace HWY_NAMESPACE
}  // namespace farthing
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace farthing::fast {
namespace {

constexpr std::int64_t kChunk = 1 << 14;

template <class Moment, class Kernel>
void update(std::span<float> weight, std::span<const float> gradient, std::span<Moment> m,
            std::span<Moment> v, const AdamwStep& step, Kernel kernel) {
  const reference::AdamwScalars<float> scalars(step);
  const auto n = static_cast<std::int64_t>(weight.size());
  parallel_for((n + kChunk - 1) / kChunk, [&](int chunk) {
    const std::int64_t first = chunk * kChunk;
    kernel(weight.data() + first, gradient.data() + first, m.data() + first, v.data() + first,
           std::min(kChunk, n - first), scalars);
  });
}

}  // namespace

HWY_EXPORT(adamw_range_fp32);
HWY_EXPORT(adamw_range_bf16);

void adamw_update(std::span<float> weight, std::span<const float> gradient, std::span<float> m,
                  std::span<float> v, const AdamwStep& step) {
  update(weight, gradient, m, v, step, HWY_DYNAMIC_DISPATCH(adamw_range_fp32));
}

void adamw_update(std::span<float> weight, std::span<const float> gradient,
                  std::span<std::uint16_t> m, std::span<std::uint16_t> v, const AdamwStep& step) {
  update(weight, gradient, m, v, step, HWY_DYNAMIC_DISPATCH(adamw_range_bf16));
}

}  // namespace farthing::fast
#endif  // HWY_ONCE
