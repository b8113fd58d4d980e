// attention_rows.cpp - softmax forward and backward on one row, one body for every vector width.
#include "kernels/attention_rows.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace farthing {
namespace HWY_NAMESPACE {

void zero_unseen(const fast::ScoreRow& row, float* values) {
  std::fill(values, values + row.first, 0.0f);
  std::fill(values + row.end, values + row.n, 0.0f);
}

float softmax_row(const fast::ScoreRow& row, float& top, float& sum) {
  zero_unseen(row, row.score);
  float* seen = row.score + row.first;
  const int n_seen = row.end - row.first;
  const V scale = splat(row.scale);
  V top_lanes = splat(top);
  sweep(n_seen, [&](auto i, auto io) HWY_ATTR {
    const V score = hn::Mul(io.load(seen + i), scale);
    top_lanes = hn::Max(top_lanes, io.keep(score, top_lanes));
  });
  const float new_top = max_lanes(top_lanes);
  V sums = splat(0);
  sweep(n_seen, [&](auto i, auto io) HWY_ATTR {
    const V e = safe_exp(hn::MulSub(io.load(seen + i), scale, splat(new_top)));
    sums = hn::Add(sums, io.keep(e, splat(0)));
    io.store(e, seen + i);
  });
  const float shrink = std::exp(top - new_top);
  sum = sum * shrink + sum_lanes(sums);
  top = new_top;
  return shrink;
}

void softmax_backward_row(const fast::ScoreRow& row, float* dp, float lse, float delta) {
  zero_unseen(row, row.score);
  zero_unseen(row, dp);
  float* seen = row.score + row.first;
  float* d_seen = dp + row.first;
  const V scale = splat(row.scale);
  sweep(row.end - row.first, [&](auto i, auto io) HWY_ATTR {
    const V p = safe_exp(hn::MulSub(io.load(seen + i), scale, splat(lse)));
    const V change = hn::Sub(io.load(d_seen + i), splat(delta));
    io.store(p, seen + i);
    io.store(hn::Mul(hn::Mul(scale, p), change), d_seen + i);
  });
}

float dot_row(const float* a, const float* b, int n) {
  V sum = splat(0);
  sweep(n,
        [&](auto i, auto io) HWY_ATTR { sum = hn::MulAdd(io.load(a + i), io.load(b + i), sum); });
  return sum_lanes(sum);
}

void scale_row(float* x, int n, float factor) {
  sweep(n,
        [&](auto i, auto io) HWY_ATTR { io.store(hn::Mul(io.load(x + i), splat(factor)), x + i); });
}

void copy_past_caches(float* to, const float* from, int n) {
  constexpr int kLine = 16;
  const D d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  if (reinterpret_cast<std::uintptr_t>(to) % (sizeof(float) * kLine) != 0 || n % kLine != 0) {
    std::copy_n(from, n, to);
    return;
  }
  for (int i = 0; i < n; i += lanes) hn::Stream(hn::LoadU(d, from + i), d, to + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace farthing
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace farthing {
HWY_EXPORT(softmax_row);
HWY_EXPORT(softmax_backward_row);
HWY_EXPORT(dot_row);
HWY_EXPORT(scale_row);
HWY_EXPORT(copy_past_caches);

namespace fast {
float softmax_row(const ScoreRow& row, float& top, float& sum) {
  return HWY_DYNAMIC_DISPATCH(softmax_row)(row, top, sum);
}
void softmax_backward_row(const ScoreRow& row, float* dp, float lse, float delta) {
  HWY_DYNAMIC_DISPATCH(softmax_backward_row)(row, dp, lse, delta);
}
float dot_row(const float* a, const float* b, int n) {
  return HWY_DYNAMIC_DISPATCH(dot_row)(a, b, n);
}
void scale_row(float* x, int n, float factor) { HWY_DYNAMIC_DISPATCH(scale_row)(x, n, factor); }
void copy_past_caches(float* to, const float* from, int n) {
  HWY_DYNAMIC_DISPATCH(copy_past_caches)(to, from, n);
}
void flush_stores() { hwy::FlushStream(); }
}  // namespace fast
}  // namespace farthing
#endif  // HWY_ONCE
