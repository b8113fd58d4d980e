// gemm_fp16_test.cpp - the FP16 tile with promotion, on emulated vectors: it runs on any machine.
//
// The same body as gemm_avx512fp16.cpp, with a vector whose every operation is the scalar one.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/gemm_body.h"
#include "kernels/reference_gemm.h"
#include "kernels/test_values.h"

namespace farthing {
namespace {

constexpr int kWidth = 4;

using Floats = std::array<float, kWidth>;

template <class Body>
Floats each(const Body& body) {
  Floats out;
  for (int i = 0; i < kWidth; ++i) out[i] = body(i);
  return out;
}

struct Pair {
  std::uint16_t low, high;
};
Pair pair_of(float word) {
  Pair pair;
  std::memcpy(&pair, &word, sizeof(pair));
  return pair;
}
float word_of_pair(std::uint16_t low, std::uint16_t high) {
  const Pair pair{low, high};
  float word;
  std::memcpy(&word, &pair, sizeof(word));
  return word;
}
// One rounding, as a fused multiply-add of FP16 has: the sum in double is exact enough.
std::uint16_t fma_f16(std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  const double exact = double(from_f16(a)) * double(from_f16(b)) + double(from_f16(c));
  return to_f16(static_cast<float>(exact));
}

struct Emulated {
  using Reg = Floats;
  using Half = Floats;  // words of two F16 values
  static constexpr int kLanes = kWidth, kMaxRows = 3, kMaxVectors = 2;
  static constexpr int kKPerWord = 1, kLinesPerWord = 2, kScaleWords = 1;

  static Reg load(const float* from) {
    Reg r;
    std::memcpy(r.data(), from, sizeof(r));
    return r;
  }
  static Reg load_first(const float* from, int n) {
    Reg r{};
    std::memcpy(r.data(), from, sizeof(float) * static_cast<std::size_t>(n));
    return r;
  }
  static void store(float* to, const Reg& value) { std::memcpy(to, value.data(), sizeof(value)); }
  static void store_first(float* to, int n, const Reg& value) {
    std::memcpy(to, value.data(), sizeof(float) * static_cast<std::size_t>(n));
  }
  static Reg broadcast(float value) {
    return each([&](int) { return value; });
  }
  static Reg add(const Reg& a, const Reg& b) {
    return each([&](int i) { return a[i] + b[i]; });
  }
  static Reg mul(const Reg& a, const Reg& b) {
    return each([&](int i) { return a[i] * b[i]; });
  }
  static Reg div(const Reg& a, const Reg& b) {
    return each([&](int i) { return a[i] / b[i]; });
  }
  static Reg max(const Reg& a, const Reg& b) {
    return each([&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
  }
  static Reg abs(const Reg& a) {
    return each([&](int i) { return std::abs(a[i]); });
  }
  static float reduce_max(const Reg& a) { return *std::max_element(a.begin(), a.end()); }
  static Reg round_e4m3(const Reg& x) {
    return each([&](int i) { return from_e4m3(to_e4m3(x[i])); });
  }
  static Reg power_of_two_above(const Reg& x) {
    return each([&](int i) { return farthing::power_of_two_above(x[i]); });
  }
  static Half half_zero() { return broadcast(0.0f); }
  static Half multiply_add(const float* a, int row, const Reg& b, const Half& sum) {
    const Pair pair = pair_of(a[row / 2]);
    const std::uint16_t left = row % 2 == 0 ? pair.low : pair.high;
    return each([&](int i) {
      const Pair right = pair_of(b[i]), old = pair_of(sum[i]);
      return word_of_pair(fma_f16(left, right.low, old.low), fma_f16(left, right.high, old.high));
    });
  }
  static void store_sums(float* to, const Half& sums) { store(to, sums); }
  static Reg widen(const float* sums) {
    return each([&](int i) {
      const Pair pair = pair_of(sums[i / 2]);
      return from_f16(i % 2 == 0 ? pair.low : pair.high);
    });
  }
  static Reg join(const float* low, const float* high) {
    return each([&](int i) { return i < kLanes / 2 ? low[i] : high[i - kLanes / 2]; });
  }
  static void store_halves(float* to, int n_words, const Reg& value) {
    for (int i = 0; i < n_words; ++i) {
      to[i] = word_of_pair(to_f16(value[2 * i]), to_f16(value[2 * i + 1]));
    }
  }
  static void store_pairs(const float* lines, std::int64_t line_step, int n_k, float* to,
                          std::int64_t step) {
    const auto half = [&](int line, int k) {
      const Pair pair = pair_of(lines[line * line_step + k / 2]);
      return k % 2 == 0 ? pair.low : pair.high;
    };
    for (int k = 0; k < n_k; ++k) {
      for (int i = 0; i < kLanes / 2; ++i) {
        to[k * step + i] = word_of_pair(half(2 * i, k), half(2 * i + 1, k));
      }
    }
  }
};

using test::Owned;

template <MatmulFormat kFormat, Side kSide>
void pack(const Owned<float>& m, float* to, int step, int first, int n_lines, bool by_columns) {
  Owned<float> turned(m.n_cols, m.n_rows);
  for (int line = 0; line < m.n_rows; ++line) {
    for (int k = 0; k < m.n_cols; ++k) turned.view()(k, line) = m.view()(line, k);
  }
  const float* columns = turned.values.data() + first;
  if (by_columns) {
    pack_columns<Emulated, kFormat, kSide>(
        {to, step, {columns, turned.stride}, n_lines, m.n_cols, nullptr});
  } else {
    pack_lines<Emulated, kFormat, kSide>(
        {to, step, {m.view().row(first), m.stride}, n_lines, m.n_cols, nullptr});
  }
}

// C = A B^T by one tile of 3 x 16 (or less), A and B [lines, depth] packed by lines or by columns.
template <MatmulFormat kFormat>
Owned<float> product_of(int interval, const Owned<float>& a, const Owned<float>& b,
                        bool by_columns) {
  using V = Emulated;
  constexpr int kCols = 2 * kWidth;  // of a vector
  const int depth = a.n_cols, width = (b.n_rows + kCols - 1) / kCols * kWidth;
  const int step = words_per_k<V>(a.n_rows);
  const auto n_words = words_of<V>(depth);
  std::vector<float> packed_a(static_cast<std::size_t>(n_words * step + kWidth));
  std::vector<float> packed_b(static_cast<std::size_t>(n_words * width));
  pack<kFormat, Side::kA>(a, packed_a.data(), step, 0, a.n_rows, by_columns);
  for (int col = 0; col < b.n_rows; col += kWidth) {
    pack<kFormat, Side::kB>(b, packed_b.data() + col / 2, width, col,
                            std::min(kWidth, b.n_rows - col), by_columns);
  }
  Owned<float> c(a.n_rows, b.n_rows);
  multiply_rows<V, V::kMaxRows>({a.n_rows, b.n_rows, static_cast<int>(n_words), packed_a.data(),
                                 packed_b.data(), c.values.data(), c.stride, false, false,
                                 interval});
  return c;
}

Owned<float> product(int interval, MatmulFormat format, const Owned<float>& a,
                     const Owned<float>& b, bool by_columns) {
  return format == MatmulFormat::kFp8 ? product_of<MatmulFormat::kFp8>(interval, a, b, by_columns)
                                      : product_of<MatmulFormat::kFp16>(interval, a, b, by_columns);
}

// Relative error in norm against the product in double of the operands rounded to the format.
double error_of(MatmulFormat format, const Owned<float>& a, const Owned<float>& b,
                const Owned<float>& c) {
  Owned<double> exact(a.n_rows, b.n_rows);
  reference::gemm<double>(exact.view(), test::converted<double>(a).view(),
                          test::converted<double>(b).view(),
                          {.transpose_b = true, .format = format});
  return test::relative_distance(c, exact);
}

double error_by_stretch(int interval, MatmulFormat format, const Owned<float>& a,
                        const Owned<float>& b) {
  const auto by_lines = product(interval, format, a, b, false);
  EXPECT_EQ(by_lines, product(interval, format, a, b, true));
  return error_of(format, a, b, by_lines);
}

// A sum of n FP16 products errs by at most n 2^-11 of the sum of magnitudes.
TEST(GemmFp16, ErrsByItsStretchNotByItsDepth) {
  const auto a = test::random_matrix<float>(3, 700, 1), b = test::random_matrix<float>(7, 700, 2);
  for (const MatmulFormat format : {MatmulFormat::kFp16, MatmulFormat::kFp8}) {
    EXPECT_LE(error_by_stretch(32, format, a, b), 1.5e-3);
    EXPECT_LE(error_by_stretch(128, format, a, b), 3e-3);
    EXPECT_GT(error_by_stretch(32, format, a, b), 1e-5);  // it is FP16
  }
}

TEST(GemmFp16, SameSignsErrMoreAndLeastWithAShortStretch) {
  auto a = test::random_matrix<float>(2, 512, 1), b = test::random_matrix<float>(5, 512, 2);
  for (float& value : a.values) value = std::abs(value);
  for (float& value : b.values) value = 2 + std::abs(value);
  const double at_32 = error_by_stretch(32, MatmulFormat::kFp16, a, b);
  const double at_128 = error_by_stretch(128, MatmulFormat::kFp16, a, b);
  EXPECT_LE(at_32, 32 * 0x1p-11);
  EXPECT_LE(at_128, 128 * 0x1p-11);
  EXPECT_LT(at_32, at_128);
}

// All operands the largest there are: no sum passes 65504, and the result is right.
TEST(GemmFp16, AllMaximumTilesDoNotOverflow) {
  for (const float magnitude : {1.0f, 448.0f, 1e30f, 1e-30f}) {
    Owned<float> a(3, 256), b(8, 256);
    std::ranges::fill(a.values, magnitude);
    std::ranges::fill(b.values, 1.0f);
    for (const MatmulFormat format : {MatmulFormat::kFp16, MatmulFormat::kFp8}) {
      for (const int interval : kPromotionIntervals) {
        const auto c = product(interval, format, a, b, false);
        const float clamped = format == MatmulFormat::kFp8 && magnitude < 1e-10f ? 0 : magnitude;
        const float half_ulp = format == MatmulFormat::kFp8 ? 0x1p-4f : 0x1p-11f;
        const float bound = half_ulp + static_cast<float>(interval) * 0x1p-11f;
        for (const float value : c.values) {
          EXPECT_NEAR(value, 256 * clamped, bound * 256 * clamped) << magnitude << " " << interval;
        }
      }
    }
  }
}

TEST(GemmFp16, NanAndInfinityComeThrough) {
  auto a = test::random_matrix<float>(3, 140, 1);
  const auto b = test::random_matrix<float>(4, 140, 2);
  a.view()(0, 3) = std::numeric_limits<float>::quiet_NaN();
  a.view()(1, 139) = std::numeric_limits<float>::infinity();
  for (const MatmulFormat format : {MatmulFormat::kFp16, MatmulFormat::kFp8}) {
    const auto c = product(32, format, a, b, false);
    for (int col = 0; col < 4; ++col) {
      EXPECT_TRUE(std::isnan(c.view()(0, col)));
      EXPECT_FALSE(std::isfinite(c.view()(1, col)));
      EXPECT_TRUE(std::isfinite(c.view()(2, col)));
    }
  }
}

}  // namespace
}  // namespace farthing
