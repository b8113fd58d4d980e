// cached_rows.cpp - see cached_rows.h; whole vectors by Highway, the rest value by value.
#include "kernels/cached_rows.h"

#include <cmath>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cached_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/vector_sweep-inl.h"

HWY_BEFORE_NAMESPACE();
namespace farthing {
namespace HWY_NAMESPACE {

using DI = hn::RebindToSigned<D>;
using VI = hn::Vec<DI>;

HWY_INLINE int lanes() { return static_cast<int>(hn::Lanes(D())); }

float tile_amax(const float* x, int n) {
  V most = splat(0);
  sweep(n, [&](auto i, auto io) HWY_ATTR {  // Max may keep a NaN: it is left out
    const V size = hn::Abs(io.load(x + i));
    most = hn::IfThenElse(hn::Gt(size, most), size, most);
  });
  return max_lanes(most);
}

// to_e4m3 of every lane: the same integers as the scalar's.
HWY_INLINE VI e4m3_codes(V x) {
  const DI di;
  const VI bits = hn::BitCast(di, x);
  const VI sign = hn::And(hn::ShiftRight<24>(bits), hn::Set(di, 0x80));
  const V size = hn::Min(hn::Abs(x), splat(kE4m3Max));
  const VI small = hn::Sub(hn::BitCast(di, hn::Add(size, splat(0x1p14f))), hn::Set(di, 0x46800000));
  const VI magnitude = hn::BitCast(di, size);
  const VI odd = hn::And(hn::ShiftRight<20>(magnitude), hn::Set(di, 1));
  const VI up = hn::Add(magnitude, hn::Add(hn::Set(di, 0x7ffff), odd));
  const VI normal = hn::Sub(hn::ShiftRight<20>(up), hn::Set(di, 0x3c0));
  const auto is_small = hn::RebindMask(di, hn::Lt(size, splat(0x1p-6f)));
  const VI code = hn::IfThenElse(is_small, small, normal);
  const auto is_nan = hn::RebindMask(di, hn::IsNaN(x));
  return hn::Or(sign, hn::IfThenElse(is_nan, hn::Set(di, 0x7f), code));
}

HWY_INLINE V from_e4m3_codes(VI code) {
  const DI di;
  const VI sign = hn::ShiftLeft<24>(hn::And(code, hn::Set(di, 0x80)));
  const VI magnitude = hn::And(code, hn::Set(di, 0x7f));
  const V small = hn::Mul(hn::ConvertTo(D(), magnitude), splat(0x1p-9f));
  const V normal = hn::BitCast(D(), hn::Add(hn::ShiftLeft<20>(magnitude), hn::Set(di, 0x3c000000)));
  const auto is_small = hn::RebindMask(D(), hn::Lt(magnitude, hn::Set(di, 8)));
  const V size = hn::IfThenElse(is_small, small, normal);
  const auto is_nan = hn::RebindMask(D(), hn::Eq(magnitude, hn::Set(di, 0x7f)));
  const V value = hn::IfThenElse(is_nan, splat(std::nanf("")), size);
  return hn::Or(value, hn::BitCast(D(), sign));
}

int keep_e4m3_vectors(std::uint8_t* to, const float* x, int n, float inverse) {
  const hn::Rebind<std::uint8_t, D> d8;
  int i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const V scaled = hn::Mul(hn::LoadU(D(), x + i), splat(inverse));
    hn::StoreU(hn::DemoteTo(d8, e4m3_codes(scaled)), d8, to + i);
  }
  return i;
}

// Without F16C Highway cuts instead of rounding, and loses NaNs: there the scalar does all.
constexpr bool kRoundsToF16 = HWY_TARGET <= HWY_AVX2;

int keep_f16_vectors(std::uint16_t* to, const float* x, int n, float inverse) {
  const hn::Rebind<hwy::float16_t, D> d16;
  const hn::Rebind<std::uint16_t, D> u16;
  int i = 0;
  for (; kRoundsToF16 && i + lanes() <= n; i += lanes()) {
    const V scaled = hn::Mul(hn::LoadU(D(), x + i), splat(inverse));
    hn::StoreU(hn::BitCast(u16, hn::DemoteTo(d16, scaled)), u16, to + i);
  }
  return i;
}

int restore_e4m3_vectors(float* x, const std::uint8_t* from, int n, float scale) {
  const hn::Rebind<std::uint8_t, D> d8;
  int i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const V value = from_e4m3_codes(hn::PromoteTo(DI(), hn::LoadU(d8, from + i)));
    hn::StoreU(hn::Mul(value, splat(scale)), D(), x + i);
  }
  return i;
}

int restore_f16_vectors(float* x, const std::uint16_t* from, int n, float scale) {
  const hn::Rebind<hwy::float16_t, D> d16;
  const hn::Rebind<std::uint16_t, D> u16;
  int i = 0;
  for (; kRoundsToF16 && i + lanes() <= n; i += lanes()) {
    const V value = hn::PromoteTo(D(), hn::BitCast(d16, hn::LoadU(u16, from + i)));
    hn::StoreU(hn::Mul(value, splat(scale)), D(), x + i);
  }
  return i;
}

}  // namespace HWY_NAMESPACE
}  // namespace farthing
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace farthing {
HWY_EXPORT(tile_amax);
HWY_EXPORT(keep_e4m3_vectors);
HWY_EXPORT(keep_f16_vectors);
HWY_EXPORT(restore_e4m3_vectors);
HWY_EXPORT(restore_f16_vectors);

namespace {

std::uint8_t ue8m0_of(float power_of_two) {
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(power_of_two) >> 23);
}

// body(first value of the tile in its row, number of values, index of the tile)
template <class Body>
void for_tiles(const CachedRows& cache, int row, const Body& body) {
  for (int tile = 0; tile < cache.n_tiles(); ++tile) {
    const int first = tile * kTile;
    body(first, std::min(kTile, cache.n_cols - first), std::int64_t{row} * cache.n_tiles() + tile);
  }
}

void check_cache(const CachedRows& cache, Matrix<const float> x) {
  CHECK(x.n_rows <= cache.n_rows);
  CHECK(x.n_cols == cache.n_cols);
  CHECK(cache.format == MatmulFormat::kFp8 || cache.format == MatmulFormat::kFp16);
}

}  // namespace

void keep_rows(const CachedRows& cache, Matrix<const float> x) {
  check_cache(cache, x);
  const auto amax = HWY_DYNAMIC_DISPATCH(tile_amax);
  const auto keep_e4m3 = HWY_DYNAMIC_DISPATCH(keep_e4m3_vectors);
  const auto keep_f16 = HWY_DYNAMIC_DISPATCH(keep_f16_vectors);
  parallel_for(x.n_rows, [&](int row) {
    for_tiles(cache, row, [&](int first, int n, std::int64_t tile) {
      const float* from = x.row(row) + first;
      const float scale = tile_scale(cache.format, amax(from, n)), inverse = 1 / scale;
      cache.scale[tile] = ue8m0_of(scale);
      const std::int64_t at = std::int64_t{row} * cache.n_cols + first;
      if (cache.format == MatmulFormat::kFp8) {
        for (int i = keep_e4m3(cache.e4m3 + at, from, n, inverse); i < n; ++i) {
          cache.e4m3[at + i] = to_e4m3(from[i] * inverse);
        }
      } else {
        for (int i = keep_f16(cache.f16 + at, from, n, inverse); i < n; ++i) {
          cache.f16[at + i] = to_f16(from[i] * inverse);
        }
      }
    });
  });
}

void restore_rows(Matrix<float> x, const CachedRows& cache) {
  check_cache(cache, x);
  const auto restore_e4m3 = HWY_DYNAMIC_DISPATCH(restore_e4m3_vectors);
  const auto restore_f16 = HWY_DYNAMIC_DISPATCH(restore_f16_vectors);
  parallel_for(x.n_rows, [&](int row) {
    for_tiles(cache, row, [&](int first, int n, std::int64_t tile) {
      float* to = x.row(row) + first;
      const float scale = from_ue8m0(cache.scale[tile]);
      const std::int64_t at = std::int64_t{row} * cache.n_cols + first;
      if (cache.format == MatmulFormat::kFp8) {
        for (int i = restore_e4m3(to, cache.e4m3 + at, n, scale); i < n; ++i) {
          to[i] = from_e4m3(cache.e4m3[at + i]) * scale;
        }
      } else {
        for (int i = restore_f16(to, cache.f16 + at, n, scale); i < n; ++i) {
          to[i] = from_f16(cache.f16[at + i]) * scale;
        }
      }
    });
  });
}

}  // namespace farthing
#endif  // HWY_ONCE
