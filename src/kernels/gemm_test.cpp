// gemm_test.cpp - every instruction set against the product in double; bits, edges, groups, views.
#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "kernels/gemm_kernel.h"
#include "kernels/reference_gemm.h"
#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;

struct Shape {
  int m, n, k;
};
constexpr Shape kShapes[] = {{1, 1, 1},    {3, 5, 7},      {14, 32, 256},   {15, 33, 257},
                             {64, 16, 40}, {333, 77, 129}, {170, 520, 300}, {1, 700, 5},
                             {40, 1, 513}, {0, 8, 8},      {8, 0, 8},       {8, 8, 0}};

std::vector<GemmOptions> all_options() {
  std::vector<GemmOptions> options;
  for (int bits = 0; bits < 8; ++bits) {
    options.push_back({(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
  }
  return options;
}

struct Operands {
  Owned<float> a, b, c;
  Operands(Shape s, GemmOptions o)
      : a(o.transpose_a ? test::random_matrix<float>(s.k, s.m, 1, s.m + 3)
                        : test::random_matrix<float>(s.m, s.k, 1, s.k + 3)),
        b(o.transpose_b ? test::random_matrix<float>(s.n, s.k, 2, s.k + 5)
                        : test::random_matrix<float>(s.k, s.n, 2, s.n + 5)),
        c(test::random_matrix<float>(s.m, s.n, 3, s.n + 1)) {}
};

// |C - C_exact| <= (k + 2) eps |A| |B| element by element (Higham 2002, 3.5), summed in squares;
// and where stretches of the sum are in FP16, as many eps of FP16 as one has products.
double bound(const Operands& in, Shape s, GemmOptions o) {
  const double products = test::norm(in.a.view()) * test::norm(in.b.view());
  const bool in_fp16 = current_isa() != Isa::kRef && gemm_kernel(o.format).scale_words == 1;
  const double stretches = in_fp16 ? o.promotion_interval * 0x1p-11 * products : 0;
  return (s.k + 2) * test::kFloatEps * (products + test::norm(in.c.view())) + stretches;
}

// On every instruction set; the product in double is made once.
void expect_near_double(Shape shape, GemmOptions options) {
  const test::Restore restore;
  const Operands operands(shape, options);
  auto exact = test::converted<double>(operands.c);
  gemm(exact.view(), test::converted<double>(operands.a).view(),
       test::converted<double>(operands.b).view(), options);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    Operands in = operands;
    const double limit = bound(in, shape, options);
    gemm(in.c.view(), in.a.view(), in.b.view(), options);
    const double distance =
        test::relative_distance(in.c, exact) * test::norm(std::as_const(exact).view());
    EXPECT_LE(distance, limit) << isa_name(isa) << " " << format_name(options.format) << " "
                               << shape.m << "x" << shape.n << "x" << shape.k << " "
                               << options.transpose_a << options.transpose_b << options.accumulate;
  }
}

TEST(Gemm, EqualsTheProductInDoubleOnEveryIsa) {
  for (const Shape shape : kShapes) {
    for (const GemmOptions options : all_options()) expect_near_double(shape, options);
  }
}

// The same rounded numbers are multiplied on both sides: what is left is the FP32 sum.
TEST(Gemm, EqualsTheProductOfRoundedOperandsInEveryFormat) {
  constexpr Shape kFormatShapes[] = {{15, 33, 257}, {30, 130, 129}, {1, 10, 515}};
  for (const MatmulFormat format : kAllMatmulFormats) {
    for (const Shape shape : kFormatShapes) {
      for (GemmOptions options : all_options()) {
        if (options.accumulate != options.transpose_a) continue;
        options.format = format;
        for (const TileShape tile : {TileShape::kLine, TileShape::kBlock}) {
          options.b_tile = tile;
          expect_near_double(shape, options);
        }
      }
    }
  }
}

struct Packed {
  std::vector<float> memory;
  float* begin;
  explicit Packed(std::int64_t size) : memory(static_cast<std::size_t>(size) + 16) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory.data());
    begin = memory.data() + (64 - at % 64) % 64 / sizeof(float);
  }
};

// Every row once, with the numbers that it keeps: in one problem that threads share and in several,
// with more columns and more k than are packed at a time, and without any k.
TEST(Gemm, RowsAreToldOfOnceWhenTheyAreComplete) {
  const test::Restore restore;
  constexpr Shape kDoneShapes[] = {
      {700, 90, 40}, {33, 1100, 600}, {0, 8, 8}, {3, 70, 0}, {1, 1, 1}};
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const int threads : {1, 3}) {
      set_num_threads(threads);
      for (const MatmulFormat format : {MatmulFormat::kFp32, MatmulFormat::kFp8}) {
        std::vector<Operands> operands;
        std::vector<Owned<float>> told;
        std::vector<GemmProblem<float>> problems;
        const GemmOptions options{.format = format};
        for (const Shape shape : kDoneShapes) operands.emplace_back(shape, options);
        for (Operands& in : operands) {
          problems.push_back({in.c.view(), in.a.view(), in.b.view()});
          told.push_back(in.c);
          std::ranges::fill(told.back().values, 0.0f);
        }
        gemm_grouped(std::span<const GemmProblem<float>>(problems), options,
                     [&](int problem, int begin, int end) {
                       const auto c = problems[static_cast<std::size_t>(problem)].c;
                       const auto copy = told[static_cast<std::size_t>(problem)].view();
                       for (int row = begin; row < end; ++row) {
                         for (int col = 0; col < c.n_cols; ++col) copy(row, col) += c(row, col);
                       }
                     });
        for (std::size_t i = 0; i < told.size(); ++i) {
          for (int row = 0; row < kDoneShapes[i].m; ++row) {
            EXPECT_TRUE(std::ranges::equal(told[i].view()[row], operands[i].c.view()[row]))
                << isa_name(isa) << " " << threads << " " << i << " " << row;
          }
        }
      }
    }
  }
}

// Rows named twice, left out and in any order; of A as lines and as k, of B as k.
TEST(Gemm, RowsThatAreNamedGiveTheBitsOfTheirCopies) {
  const test::Restore restore;
  constexpr Shape kShape{45, 70, 300};
  constexpr int kSourceRows = 333;
  const auto name_rows = [](int n, int seed) {
    std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) {
      rows[static_cast<std::size_t>(i)] = (i * seed + 7) % kSourceRows;
    }
    return rows;
  };
  const auto copy_of = [](const Owned<float>& all, const std::vector<std::int32_t>& rows) {
    Owned<float> copy = test::random_matrix<float>(static_cast<int>(rows.size()), all.view().n_cols,
                                                   9, all.view().n_cols + 2);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::ranges::copy(all.view()[rows[i]], copy.view().row(static_cast<int>(i)));
    }
    return copy;
  };
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const MatmulFormat format : kAllMatmulFormats) {
      for (const bool transpose : {false, true}) {
        const GemmOptions options{.transpose_a = transpose, .format = format};
        const auto all_a =
            test::random_matrix<float>(kSourceRows, transpose ? kShape.m : kShape.k, 1, 303);
        const auto all_b = test::random_matrix<float>(kSourceRows, kShape.n, 2, kShape.n + 1);
        const auto a_rows = name_rows(transpose ? kShape.k : kShape.m, 5);
        const auto b_rows = name_rows(kShape.k, 11);
        const auto a = copy_of(all_a, a_rows), b = copy_of(all_b, b_rows);
        Owned<float> named = test::random_matrix<float>(kShape.m, kShape.n, 3, kShape.n);
        Owned<float> copied = named;
        const auto named_a = all_a.view(), named_b = all_b.view();
        const GemmProblem<float> problem{
            .c = named.view(),
            .a = {named_a.data, a.view().n_rows, named_a.n_cols, named_a.stride},
            .b = {named_b.data, b.view().n_rows, named_b.n_cols, named_b.stride},
            .a_rows = a_rows.data(),
            .b_rows = b_rows.data()};
        gemm_grouped(std::span<const GemmProblem<float>>(&problem, 1), options);
        gemm(copied.view(), a.view(), b.view(), options);
        EXPECT_EQ(named.values, copied.values)
            << isa_name(isa) << " " << format_name(format) << " " << transpose;
      }
    }
  }
}

TEST(Gemm, PackedBeforeOrAsItGoesIsTheSameBits) {
  const test::Restore restore;
  constexpr Shape kShape{16, 550, 531};
  for (const bool transpose : {false, true}) {
    const Operands in(kShape, {.transpose_b = transpose});
    for (const Isa isa : test::available_isas()) {
      if (isa == Isa::kRef) continue;  // never packs
      set_isa(isa);
      for (const MatmulFormat format : kAllMatmulFormats) {
        for (const TileShape tile : {TileShape::kLine, TileShape::kBlock}) {
          const GemmOptions options{.transpose_b = transpose, .format = format, .b_tile = tile};
          Packed packed(packed_size(kShape.n, kShape.k, format));
          const PackRequest request{packed.begin, in.b.view(), options};
          pack_b(std::span<const PackRequest>(&request, 1));
          Owned<float> before(kShape.m, kShape.n), as_it_goes(kShape.m, kShape.n);
          for (const int threads : {1, 3}) {
            set_num_threads(threads);
            const GemmProblem<float> problem{before.view(), in.a.view(), in.b.view(), packed.begin};
            gemm_grouped(std::span<const GemmProblem<float>>(&problem, 1), options);
            gemm(as_it_goes.view(), in.a.view(), in.b.view(), options);
            EXPECT_EQ(before, as_it_goes) << isa_name(isa) << " " << format_name(format);
          }
        }
      }
    }
  }
}

// Many at once are written past the caches.
TEST(Gemm, ManyPackedAtOnceAreTheSameBits) {
  const test::Restore restore;
  constexpr Shape kShape{1, 550, 531};
  constexpr int kCopies = 40;
  for (const bool transpose : {false, true}) {
    const Operands in(kShape, {.transpose_b = transpose});
    for (const Isa isa : test::available_isas()) {
      set_isa(isa);
      for (const MatmulFormat format : kAllMatmulFormats) {
        const std::int64_t size = packed_size(kShape.n, kShape.k, format);
        const std::int64_t step = (size + 15) / 16 * 16;
        Packed alone(size), many(kCopies * step);
        const GemmOptions options{.transpose_b = transpose, .format = format};
        std::vector<PackRequest> requests;
        for (int i = 0; i < kCopies; ++i) {
          requests.push_back({many.begin + i * step, in.b.view(), options});
        }
        pack_b(requests);
        requests = {{alone.begin, in.b.view(), options}};
        pack_b(requests);
        const std::span<const float> wanted(alone.begin, static_cast<std::size_t>(size));
        for (const int i : {0, kCopies / 2, kCopies - 1}) {
          EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), many.begin + i * step))
              << isa_name(isa) << " " << format_name(format);
        }
      }
    }
  }
}

// Large enough, rows of whole lines, the last panel of rows not full; in one depth and in two.
TEST(Gemm, PastTheCachesAreTheSameBits) {
  const test::Restore restore;
  constexpr int kM = 1030, kN = 1056;
  Packed memory(std::int64_t{kM} * kN);
  const Matrix<float> streamed(memory.begin, kM, kN);
  for (const Isa isa : test::available_isas()) {
    if (isa == Isa::kRef) continue;  // has no caches in mind
    set_isa(isa);
    for (const int k : {70, 600}) {
      Operands in({kM, kN, k}, {});
      for (const MatmulFormat format : {MatmulFormat::kFp32, MatmulFormat::kBf16}) {
        std::ranges::fill(memory.memory, std::numeric_limits<float>::quiet_NaN());
        gemm(streamed, in.a.view(), in.b.view(), {.format = format, .past_caches = true});
        gemm(in.c.view(), in.a.view(), in.b.view(), {.format = format});
        for (int row = 0; row < kM; ++row) {
          ASSERT_TRUE(std::ranges::equal(streamed[row], in.c.view()[row]))
              << isa_name(isa) << " " << format_name(format) << " k " << k << " row " << row;
        }
      }
    }
  }
}

TEST(Gemm, DoubleEqualsThreeLoops) {
  const Shape shape{37, 70, 131};
  for (const GemmOptions options : all_options()) {
    const Operands in(shape, options);
    auto c = test::converted<double>(in.c);
    gemm(c.view(), test::converted<double>(in.a).view(), test::converted<double>(in.b).view(),
         options);
    for (int row = 0; row < shape.m; ++row) {
      for (int col = 0; col < shape.n; ++col) {
        double sum = options.accumulate ? in.c.view()(row, col) : 0;
        for (int k = 0; k < shape.k; ++k) {
          const double a = options.transpose_a ? in.a.view()(k, row) : in.a.view()(row, k);
          const double b = options.transpose_b ? in.b.view()(col, k) : in.b.view()(k, col);
          sum += a * b;
        }
        ASSERT_NEAR(c.view()(row, col), sum, 1e-12) << row << " " << col;
      }
    }
  }
}

TEST(Gemm, LeavesWhatIsBesideTheViewAlone) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    const auto a = test::random_matrix<float>(29, 40, 1);
    const auto b = test::random_matrix<float>(40, 37, 2);
    Owned<float> c(31, 41);
    std::ranges::fill(c.values, -7.0f);
    gemm(c.view().rows(1, 29).cols(2, 37), a.view(), b.view());
    for (int row = 0; row < 31; ++row) {
      for (int col = 0; col < 41; ++col) {
        const bool inside = row >= 1 && row < 30 && col >= 2 && col < 39;
        EXPECT_EQ(c.view()(row, col) == -7.0f, !inside) << row << " " << col;
      }
    }
  }
}

TEST(Gemm, BitsDoNotDependOnThreadsNorOnOtherRows) {
  const test::Restore restore;
  const auto a = test::random_matrix<float>(261, 600, 1);
  const auto b = test::random_matrix<float>(290, 600, 2);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    set_num_threads(1);
    Owned<float> expected(261, 290);
    gemm(expected.view(), a.view(), b.view(), {.transpose_b = true});
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      Owned<float> c(261, 290);
      gemm(c.view(), a.view(), b.view(), {.transpose_b = true});
      EXPECT_EQ(c, expected) << isa_name(isa) << " " << threads;
    }
    for (const int first : {0, 5, 200}) {
      Owned<float> few(9, 290);
      gemm(few.view(), a.view().rows(first, 9), b.view(), {.transpose_b = true});
      for (int row = 0; row < 9; ++row) {
        for (int col = 0; col < 290; ++col) {
          ASSERT_EQ(few.view()(row, col), expected.view()(first + row, col));
        }
      }
    }
  }
}

// Large enough to be cut, by rows and by columns; all three products of a linear layer.
TEST(Gemm, BitsDoNotDependOnThreadsInAnyFormat) {
  const test::Restore restore;
  constexpr GemmOptions kProducts[] = {{.transpose_b = true}, {}, {.transpose_a = true}};
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const MatmulFormat format : kAllMatmulFormats) {
      for (GemmOptions options : kProducts) {
        options.format = format;
        for (const Shape shape : {Shape{190, 150, 140}, Shape{40, 270, 200}}) {
          Operands in(shape, options);
          std::vector<Owned<float>> results;
          for (const int threads : {1, 2, 3}) {
            set_num_threads(threads);
            gemm(in.c.view(), in.a.view(), in.b.view(), options);
            results.push_back(in.c);
          }
          EXPECT_EQ(results[1], results[0]) << isa_name(isa) << " " << format_name(format);
          EXPECT_EQ(results[2], results[0]) << isa_name(isa) << " " << format_name(format);
        }
      }
    }
  }
}

TEST(Gemm, GroupedEqualsOneByOneToTheBit) {
  const test::Restore restore;
  const int rows[] = {0, 64, 1, 0, 200, 13, 96};
  const auto tokens = test::random_matrix<float>(374, 130, 1);
  const auto weights = test::random_matrix<float>(7 * 48, 130, 2);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const MatmulFormat format : kAllMatmulFormats) {
      const GemmOptions options{.transpose_b = true, .format = format};
      Owned<float> grouped(374, 48), single(374, 48);
      std::vector<GemmProblem<float>> problems;
      int first = 0;
      for (int expert = 0; expert < 7; ++expert) {
        const auto x = tokens.view().rows(first, rows[expert]);
        const auto w = weights.view().rows(48 * expert, 48);
        problems.push_back({grouped.view().rows(first, rows[expert]), x, w});
        gemm(single.view().rows(first, rows[expert]), x, w, options);
        first += rows[expert];
      }
      for (const int threads : {1, 2, 3}) {
        set_num_threads(threads);
        std::ranges::fill(grouped.values, 0.0f);
        gemm_grouped(std::span<const GemmProblem<float>>(problems), options);
        EXPECT_EQ(grouped, single) << isa_name(isa) << " " << format_name(format) << " " << threads;
      }
    }
  }
}

TEST(Gemm, InsideAParallelBodyGivesTheSameBits) {
  const test::Restore restore;
  set_num_threads(2);
  const auto a = test::random_matrix<float>(100, 90, 1);
  const auto b = test::random_matrix<float>(90, 80, 2);
  Owned<float> outside(100, 80);
  gemm(outside.view(), a.view(), b.view());
  std::vector<Owned<float>> inside(4, Owned<float>(100, 80));
  parallel_for(4, [&](int i) { gemm(inside[i].view(), a.view(), b.view()); });
  for (const auto& c : inside) EXPECT_EQ(c, outside);
}

TEST(Gemm, RefusesShapesThatDoNotFit) {
  Owned<float> a(3, 4), b(5, 6), c(3, 6);
  EXPECT_ANY_THROW(gemm(c.view(), a.view(), b.view()));
}

}  // namespace
}  // namespace farthing
