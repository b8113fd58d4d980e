// cached_rows_test.cpp - what comes back is the rounded value of matmul_format.h, on every target.
#include "kernels/cached_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;

constexpr MatmulFormat kCacheFormats[] = {MatmulFormat::kFp8, MatmulFormat::kFp16};

Owned<float> through_cache(const Owned<float>& x, MatmulFormat format) {
  Arena measure = Arena::measuring();
  CachedRows(measure, x.n_rows, x.n_cols, format);
  Arena arena(measure.used());
  const CachedRows cache(arena, x.n_rows, x.n_cols, format);
  keep_rows(cache, x.view());
  Owned<float> back(x.n_rows, x.n_cols);
  restore_rows(back.view(), cache);
  return back;
}

float expected(const Owned<float>& x, int row, int col, MatmulFormat format) {
  const int first = col / kTile * kTile, end = std::min(x.n_cols, first + kTile);
  float amax = 0;
  for (int i = first; i < end; ++i) {
    const float size = std::abs(x.view()(row, i));
    if (size > amax) amax = size;
  }
  return rounded(format, x.view()(row, col), tile_scale(format, amax));
}

void expect_rounded(const Owned<float>& x) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const MatmulFormat format : kCacheFormats) {
      const auto back = through_cache(x, format);
      for (int row = 0; row < x.n_rows; ++row) {
        for (int col = 0; col < x.n_cols; ++col) {
          const float want = expected(x, row, col, format), got = back.view()(row, col);
          ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want)))
              << isa_name(isa) << " " << format_name(format) << " " << row << " " << col << ": "
              << x.view()(row, col) << " became " << got << ", not " << want;
        }
      }
    }
  }
}

TEST(CachedRows, GiveBackTheRoundedValueForAnyMagnitudeAndWidth) {
  for (const int width : {1, 7, 128, 129, 300, 512}) {
    auto x = test::random_matrix<float>(64, width, 5);
    for (int row = 0; row < 64; ++row) {
      for (float& value : x.view()[row]) value *= std::exp2(static_cast<float>(3 * row - 96));
    }
    expect_rounded(x);
  }
}

TEST(CachedRows, KeepEveryCodeOfE4m3AndTheValuesHalfWayBetween) {
  Owned<float> x(4, kTile);
  for (int i = 0; i < 127; ++i) {
    const float low = from_e4m3(static_cast<std::uint8_t>(i));
    const float high = i < 126 ? from_e4m3(static_cast<std::uint8_t>(i + 1)) : low;
    x.view()(0, i) = low, x.view()(1, i) = -low;
    x.view()(2, i) = (low + high) / 2, x.view()(3, i) = -(low + high) / 2;
  }
  for (int row = 0; row < 4; ++row) x.view()(row, 127) = 448;  // the scale is 1
  expect_rounded(x);
}

TEST(CachedRows, HardTiles) {
  Owned<float> x(5, 2 * kTile + 3);
  x.view()(0, 3) = std::numeric_limits<float>::quiet_NaN();
  x.view()(1, 200) = std::numeric_limits<float>::infinity();
  x.view()(1, 258) = -std::numeric_limits<float>::infinity();
  for (int i = 0; i < x.n_cols; ++i) {
    x.view()(2, i) = std::numeric_limits<float>::max();
    x.view()(3, i) = i % 2 == 0 ? 1e-38f : -1e-44f;
    x.view()(4, i) = i == 77 ? 1e4f : 1.0f;
  }
  expect_rounded(x);
}

TEST(CachedRows, TakeOneOrTwoBytesAValueAndOneATile) {
  Arena fp8 = Arena::measuring(), fp16 = Arena::measuring();
  CachedRows(fp8, 64, 1024, MatmulFormat::kFp8);
  CachedRows(fp16, 64, 1024, MatmulFormat::kFp16);
  EXPECT_EQ(fp8.used(), 64 * 1024 + 64 * 8);
  EXPECT_EQ(fp16.used(), 2 * 64 * 1024 + 64 * 8);
}

}  // namespace
}  // namespace farthing
