// gemm_format_test.cpp - the scaled formats inside products: every code, tiles, NaN, what is hard.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/gemm.h"
#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class Body>
void on_every_isa(const Body& body) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    SCOPED_TRACE(std::string(isa_name(isa)));
    set_isa(isa);
    body();
  }
}

Owned<float> identity(int n) {
  Owned<float> m(n, n);
  for (int i = 0; i < n; ++i) m.view()(i, i) = 1;
  return m;
}

// Each row of `x` through a product with the identity: what the format makes of it.
Owned<float> through(const Owned<float>& x, GemmOptions options) {
  Owned<float> y(x.n_rows, x.n_cols);
  const auto one = identity(x.n_cols);
  gemm(y.view(), x.view(), one.view(), options);
  return y;
}

TEST(GemmFormat, EveryE4m3CodeComesThroughExactly) {
  on_every_isa([] {
    for (const MatmulFormat format : {MatmulFormat::kFp8, MatmulFormat::kFp8FloatScale}) {
      Owned<float> x(2, kTile);  // both signs; a tile that holds 448 has scale 1
      for (int i = 0; i < 127; ++i) {
        x.view()(0, i) = from_e4m3(static_cast<std::uint8_t>(i));
        x.view()(1, i) = from_e4m3(static_cast<std::uint8_t>(128 + i));
      }
      EXPECT_EQ(through(x, {.format = format}), x);
      // Half way between neighbours: to the even code; the scale is still 1.
      Owned<float> halves(1, kTile), expected(1, kTile);
      for (int i = 0; i < 126; ++i) {
        halves.row()[i] = (x.view()(0, i) + x.view()(0, i + 1)) / 2;
        expected.row()[i] = x.view()(0, i % 2 == 0 ? i : i + 1);
      }
      halves.row()[127] = expected.row()[127] = 448;
      EXPECT_EQ(through(halves, {.format = format}), expected);
    }
  });
}

TEST(GemmFormat, RoundsAsTheScalarDoesForAnyMagnitude) {
  on_every_isa([] {
    for (const MatmulFormat format : kAllMatmulFormats) {
      auto x = test::random_matrix<float>(64, 200, 7);
      for (int row = 0; row < 64; ++row) {
        for (float& value : x.view()[row]) value *= std::exp2(static_cast<float>(2 * row - 64));
      }
      Owned<float> expected(64, 200);
      for (int row = 0; row < 64; ++row) {
        for (int first = 0; first < 200; first += kTile) {
          const int end = std::min(200, first + kTile);
          float amax = 0;
          for (int i = first; i < end; ++i) amax = std::max(amax, std::abs(x.view()(row, i)));
          const float scale = tile_scale(format, amax);
          for (int i = first; i < end; ++i) {
            expected.view()(row, i) = rounded(format, x.view()(row, i), scale);
          }
        }
      }
      EXPECT_EQ(through(x, {.format = format}), expected) << format_name(format);
    }
  });
}

// The error of a rounded value, as a share of its tile's largest.
double worst_error(const Owned<float>& x, const Owned<float>& y, int row) {
  double most = 0, worst = 0;
  for (int i = 0; i < x.n_cols; ++i) {
    most = std::max(most, std::abs(double(x.view()(row, i))));
    worst = std::max(worst, std::abs(double(x.view()(row, i)) - y.view()(row, i)));
  }
  return most > 0 ? worst / most : worst;
}

// Of a product of two lines: each value is rounded by at most half an ulp of its tile's largest,
// and the sum errs by `sums` of what is added up.
double bound_of(std::span<const float> a, std::span<const float> b, double half_ulp, double sums) {
  const auto n = static_cast<int>(a.size());
  double bound = 0;
  for (int first = 0; first < n; first += kTile) {
    double a_most = 0, b_most = 0;
    const int end = std::min(n, first + kTile);
    for (int i = first; i < end; ++i) {
      a_most = std::max(a_most, std::abs(double(a[i])));
      b_most = std::max(b_most, std::abs(double(b[i])));
    }
    for (int i = first; i < end; ++i) {
      const double x = std::abs(double(a[i])), y = std::abs(double(b[i]));
      const double dx = half_ulp * a_most, dy = half_ulp * b_most;
      bound += x * dy + y * dx + dx * dy + sums * (x + dx) * (y + dy);
    }
  }
  return bound;
}

TEST(GemmFormat, KeepsItsRelativeErrorOnHardTiles) {
  on_every_isa([] {
    Owned<float> x(5, kTile);
    const auto noise = test::random_matrix<float>(5, kTile, 3);
    for (int i = 0; i < kTile; ++i) {
      x.view()(0, i) = 3.7f;                                          // constant
      x.view()(1, i) = std::abs(noise.view()(1, i));                  // all positive
      x.view()(2, i) = 100.0f + noise.view()(2, i);                   // dominated by its mean
      x.view()(3, i) = noise.view()(3, i) * (i == 77 ? 1e4f : 1.0f);  // one outlier
      x.view()(4, i) = (i % 2 == 0 ? 1 : -1) * (1 + 1e-3f * noise.view()(4, i));  // cancelling
    }
    for (const auto& [format, half_ulp] : {std::pair{MatmulFormat::kBf16, 0x1p-8},
                                           {MatmulFormat::kFp8, 0x1p-4},
                                           {MatmulFormat::kFp8FloatScale, 0x1p-4 + 0x1p-22},
                                           {MatmulFormat::kFp16, 0x1p-11}}) {
      const auto y = through(x, {.format = format});
      for (int row = 0; row < 5; ++row) {
        EXPECT_LE(worst_error(x, y, row), half_ulp) << format_name(format) << " " << row;
      }
    }
  });
}

// All operands the largest there are, over several tiles of k and panels: no sum passes what FP16
// holds, whatever the interval, and the result is right.
TEST(GemmFormat, AllMaximumTilesDoNotOverflow) {
  on_every_isa([] {
    for (const float magnitude : {1.0f, 448.0f, 1e30f, 1e-3f}) {
      constexpr int kRows = 30, kCols = 130, kDepth = 3 * kTile + 40;
      Owned<float> a(kRows, kDepth), b(kCols, kDepth), c(kRows, kCols);
      std::ranges::fill(a.values, magnitude);
      std::ranges::fill(b.values, 1.0f);
      for (const auto& [format, half_ulp] :
           {std::pair{MatmulFormat::kFp16, 0x1p-11f}, {MatmulFormat::kFp8, 0x1p-4f}}) {
        for (const int interval : kPromotionIntervals) {
          gemm(c.view(), a.view(), b.view(),
               {.transpose_b = true, .format = format, .promotion_interval = interval});
          const float right = kDepth * magnitude;
          const float bound = right * (half_ulp + static_cast<float>(interval) * 0x1p-11f);
          for (const float value : c.values) {
            ASSERT_NEAR(value, right, bound) << format_name(format) << " " << interval;
          }
        }
      }
    }
  });
}

// The hard tiles of above on both sides of a product, against the product in double of the operands
// as they are: each rounded once, their products added up in FP32 or, in stretches, in FP16.
TEST(GemmFormat, HardTilesMultiplyWithinTheirBound) {
  on_every_isa([] {
    constexpr int kLines = 40, kDepth = 2 * kTile + 30;
    Owned<float> a = test::random_matrix<float>(kLines, kDepth, 3), b(kLines, kDepth);
    for (int line = 0; line < kLines; ++line) {
      for (int i = 0; i < kDepth; ++i) {
        float& x = a.view()(line, i);
        const float hard[] = {3.7f, std::abs(x), 100.0f + x, x * (i % 77 == 0 ? 1e4f : 1.0f),
                              (i % 2 == 0 ? 1.0f : -1.0f) * (1 + 1e-3f * x)};
        x = hard[line % 5];
        b.view()(kLines - 1 - line, i) = x;
      }
    }
    Owned<double> exact(kLines, kLines);
    gemm(exact.view(), test::converted<double>(a).view(), test::converted<double>(b).view(),
         {.transpose_b = true});
    for (const auto& [format, half_ulp] : {std::pair{MatmulFormat::kFp32, 0.0},
                                           {MatmulFormat::kBf16, 0x1p-8},
                                           {MatmulFormat::kFp8, 0x1p-4},
                                           {MatmulFormat::kFp8FloatScale, 0x1p-4 + 0x1p-22},
                                           {MatmulFormat::kFp16, 0x1p-11}}) {
      for (const int interval : kPromotionIntervals) {
        const GemmOptions options{
            .transpose_b = true, .format = format, .promotion_interval = interval};
        Owned<float> c(kLines, kLines);
        gemm(c.view(), a.view(), b.view(), options);
        const double sums =
            kDepth * 0x1p-24 + (format == MatmulFormat::kFp32 || format == MatmulFormat::kBf16
                                    ? 0.0
                                    : interval * 0x1p-11);
        for (int i = 0; i < kLines; ++i) {
          for (int j = 0; j < kLines; ++j) {
            const double bound = bound_of(a.view()[i], b.view()[j], half_ulp, sums);
            ASSERT_NEAR(c.view()(i, j), exact.view()(i, j), bound)
                << format_name(format) << " " << interval << " " << i % 5 << " by "
                << (kLines - 1 - j) % 5;
          }
        }
      }
    }
  });
}

TEST(GemmFormat, ZerosStayZerosAndNothingUnfiniteBecomesFinite) {
  on_every_isa([] {
    for (const MatmulFormat format : kAllMatmulFormats) {
      Owned<float> x(4, 300);
      x.view()(1, 130) = std::numeric_limits<float>::quiet_NaN();
      x.view()(2, 5) = kInfinity;
      x.view()(3, 299) = -kInfinity;
      const auto weight = test::random_matrix<float>(300, 40, 4);
      Owned<float> y(4, 40);
      gemm(y.view(), x.view(), weight.view(), {.format = format, .b_tile = TileShape::kBlock});
      for (int col = 0; col < 40; ++col) {
        EXPECT_EQ(y.view()(0, col), 0.0f) << format_name(format);
        for (int row = 1; row < 4; ++row) {
          EXPECT_FALSE(std::isfinite(y.view()(row, col))) << format_name(format) << row;
        }
      }
      Owned<float> bad = weight, z(1, 40);
      bad.view()(250, 11) = std::numeric_limits<float>::quiet_NaN();
      const auto ones = test::random_matrix<float>(1, 300, 5);
      gemm(z.view(), ones.view(), bad.view(), {.format = format, .b_tile = TileShape::kBlock});
      EXPECT_TRUE(std::isnan(z.view()(0, 11))) << format_name(format);
      EXPECT_TRUE(std::isfinite(z.view()(0, 12))) << format_name(format);
      for (const float infinite : {kInfinity, -kInfinity}) {
        bad.view()(250, 11) = infinite;
        gemm(z.view(), ones.view(), bad.view(), {.format = format, .b_tile = TileShape::kBlock});
        EXPECT_FALSE(std::isfinite(z.view()(0, 11))) << format_name(format);
      }
    }
  });
}

// Wgrad dW = dy^T x: an outlier token spoils the 128 tokens of its tile, no others.  Dgrad
// dx = dy W: it spoils its own row, no others.
TEST(GemmFormat, AnOutlierTokenStaysInItsTile) {
  on_every_isa([] {
    constexpr int kTokens = 3 * kTile, kOutlier = 150;
    const GemmOptions wgrad{.transpose_a = true, .format = MatmulFormat::kFp8};
    auto dy = test::random_matrix<float>(kTokens, 20, 1);
    const auto x = test::random_matrix<float>(kTokens, 24, 2);
    auto loud = dy;
    for (float& value : loud.view()[kOutlier]) value *= 1e4f;
    for (int tile = 0; tile < 3; ++tile) {
      Owned<float> plain(20, 24), with_outlier(20, 24);
      const auto part = [&](const auto& m) { return m.view().rows(tile * kTile, kTile); };
      gemm(plain.view(), part(dy), part(x), wgrad);
      gemm(with_outlier.view(), part(loud), part(x), wgrad);
      EXPECT_EQ(plain == with_outlier, tile != kOutlier / kTile) << tile;
    }
    Owned<float> whole(20, 24), sum(20, 24);
    gemm(whole.view(), loud.view(), x.view(), wgrad);
    for (int tile = 0; tile < 3; ++tile) {
      auto options = wgrad;
      options.accumulate = true;
      gemm(sum.view(), std::as_const(loud).view().rows(tile * kTile, kTile),
           x.view().rows(tile * kTile, kTile), options);
    }
    EXPECT_LE(test::relative_distance(sum, whole), 1e-5);  // the tiles of the whole are those
    const auto weight = test::random_matrix<float>(20, 30, 3);
    const GemmOptions dgrad{.format = MatmulFormat::kFp8, .b_tile = TileShape::kBlock};
    Owned<float> dx(kTokens, 30), loud_dx(kTokens, 30);
    gemm(dx.view(), dy.view(), weight.view(), dgrad);
    gemm(loud_dx.view(), loud.view(), weight.view(), dgrad);
    for (int token = 0; token < kTokens; ++token) {
      const bool same = std::ranges::equal(dx.view()[token], loud_dx.view()[token]);
      EXPECT_EQ(same, token != kOutlier) << token;
    }
  });
}

// Scales that differ by 2^20 from tile to tile: the small tile's share must survive.
TEST(GemmFormat, TilesOfVeryDifferentScalesAddUp) {
  on_every_isa([] {
    Owned<float> a(1, 2 * kTile), b(2 * kTile, 1), c(1, 1);
    for (int i = 0; i < kTile; ++i) {
      a.row()[i] = 0x1p20f, b.view()(i, 0) = i % 2 == 0 ? 1.0f : -1.0f;  // cancels
      a.row()[kTile + i] = 1.0f, b.view()(kTile + i, 0) = 1.0f;
    }
    gemm(c.view(), a.view(), b.view(), {.format = MatmulFormat::kFp8});
    EXPECT_EQ(c.row()[0], kTile);
  });
}

// A weight and its transpose are rounded to the same numbers.
TEST(GemmFormat, ABlockedWeightIsTheSameBothWays) {
  on_every_isa([] {
    const auto weight = test::random_matrix<float>(200, 300, 1);
    for (const MatmulFormat format : {MatmulFormat::kFp8, MatmulFormat::kFp16}) {
      Owned<float> plain(200, 300), transposed(300, 200);
      const auto rows = identity(200), cols = identity(300);
      gemm(plain.view(), rows.view(), weight.view(),
           {.format = format, .b_tile = TileShape::kBlock});
      gemm(transposed.view(), cols.view(), weight.view(),
           {.transpose_b = true, .format = format, .b_tile = TileShape::kBlock});
      for (int i = 0; i < 200; ++i) {
        for (int j = 0; j < 300; ++j) {
          ASSERT_EQ(plain.view()(i, j), transposed.view()(j, i)) << format_name(format);
        }
      }
    }
  });
}

TEST(GemmFormat, ScalesAreTheKnownOnes) {
  EXPECT_EQ(tile_scale(MatmulFormat::kFp8, 448), 1.0f);
  EXPECT_EQ(tile_scale(MatmulFormat::kFp8, 449), 2.0f);
  EXPECT_EQ(tile_scale(MatmulFormat::kFp8, 1), 0x1p-8f);
  EXPECT_EQ(tile_scale(MatmulFormat::kFp8, 0), 0x1p-22f);
  EXPECT_EQ(tile_scale(MatmulFormat::kFp8FloatScale, 448), 1.0f);
  EXPECT_EQ(tile_scale(MatmulFormat::kFp16, 16), 1.0f);
  EXPECT_EQ(tile_scale(MatmulFormat::kFp16, 17), 2.0f);
  EXPECT_TRUE(std::isfinite(1 / tile_scale(MatmulFormat::kFp16, 0)));
}

}  // namespace
}  // namespace farthing
