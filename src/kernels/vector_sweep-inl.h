// vector_sweep-inl.h - Highway pieces shared by the kernels: sweeps with a masked tail, sums, exp.
//
// Included once for every target, after hwy/highway.h (see hwy/foreach_target.h).
#if defined(FARTHING_VECTOR_SWEEP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FARTHING_VECTOR_SWEEP_INL_H
#undef FARTHING_VECTOR_SWEEP_INL_H
#else
#define FARTHING_VECTOR_SWEEP_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace farthing {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using M = hn::Mask<D>;

// How a body reads and writes at one position of a sweep: all lanes, or the first few.
struct WholeVector {
  V load(const float* p) const { return hn::LoadU(D(), p); }
  void store(V v, float* p) const { hn::StoreU(v, D(), p); }
  V keep(V v, V) const { return v; }
};
struct FirstLanes {
  M mask;
  V load(const float* p) const { return hn::MaskedLoad(mask, D(), p); }
  void store(V v, float* p) const { hn::BlendedStore(v, mask, D(), p); }
  V keep(V v, V otherwise) const { return hn::IfThenElse(mask, v, otherwise); }
};

// body(position, io) over [0, n); the lanes past n load as zero and are not stored.
template <class Body>
HWY_INLINE void sweep(std::int64_t n, const Body& body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, WholeVector{});
  if (i < n) body(i, FirstLanes{hn::FirstN(D(), static_cast<std::size_t>(n - i))});
}

HWY_INLINE V splat(float value) { return hn::Set(D(), value); }
HWY_INLINE float sum_lanes(V v) { return hn::GetLane(hn::SumOfLanes(D(), v)); }
HWY_INLINE float max_lanes(V v) { return hn::GetLane(hn::MaxOfLanes(D(), v)); }

// Highway's Exp is defined up to 104 and turns NaN into 0: clamp, and let NaN through.
HWY_INLINE V safe_exp(V x) {
  const V e = hn::Exp(D(), hn::Min(x, splat(88.7f)));
  return hn::IfThenElse(hn::IsNaN(x), x, e);
}

}  // namespace HWY_NAMESPACE
}  // namespace farthing
HWY_AFTER_NAMESPACE();

#endif
