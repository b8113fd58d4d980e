// attention_test.cpp - every ISA against the reference in double, masks, threads, known values.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include "kernels/attention_rows.h"
#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;
using test::random_matrix;

// One forward and backward on T.
template <class T>
struct Case {
  AttentionShape shape;
  std::vector<std::int32_t> document_start;
  Owned<T> q, kv, k_pe, d_o, o, lse, dq, dkv, dk_pe;

  explicit Case(const AttentionShape& s, std::vector<std::int32_t> start = {})
      : shape(s),
        document_start(std::move(start)),
        q(random_matrix<T>(tokens(), s.n_heads * (s.nope + s.rope), 1)),
        kv(random_matrix<T>(tokens(), s.n_heads * (s.nope + s.v), 2)),
        k_pe(random_matrix<T>(tokens(), s.rope, 3, s.rope + 7)),
        d_o(random_matrix<T>(tokens(), s.n_heads * s.v, 4)),
        o(tokens(), s.n_heads * s.v),
        lse(s.n_heads, tokens()),
        dq(q.n_rows, q.n_cols),
        dkv(kv.n_rows, kv.n_cols),
        dk_pe(tokens(), s.rope, s.rope + 7) {}

  int tokens() const { return shape.n_sequences * shape.sequence_length; }

  void forward() {
    attention_forward<T>(shape, o.view(), lse.view(), std::as_const(q).view(),
                         std::as_const(kv).view(), std::as_const(k_pe).view(), document_start);
  }
  void run() {
    forward();
    Arena measure = Arena::measuring();
    AttentionScratch<T>(measure, shape);
    Arena arena(measure.used());
    const AttentionScratch<T> scratch(arena, shape);
    attention_backward<T>(shape, {dq.view(), dkv.view(), dk_pe.view()}, d_o.view(),
                          {q.view(), kv.view(), k_pe.view(), o.view(), lse.view()}, document_start,
                          scratch);
  }
  std::vector<const Owned<T>*> results() const { return {&o, &lse, &dq, &dkv, &dk_pe}; }
};

AttentionShape shape_of(int sequences, int length, int heads, int nope, int rope, int v) {
  return {.n_sequences = sequences,
          .sequence_length = length,
          .n_heads = heads,
          .nope = nope,
          .rope = rope,
          .v = v,
          .scale = 1 / std::sqrt(double(nope + rope))};
}

// Documents of uneven length; some begin inside a tile, some tiles are wholly masked.
std::vector<std::int32_t> documents(int sequences, int length) {
  std::vector<std::int32_t> start;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    for (int i = 0, first = 0; i < length; ++i) {
      if (i > 0 && (i % 97 == 0 || i == 300)) first = i;
      start.push_back(first);
    }
  }
  return start;
}

std::vector<AttentionShape> shapes() {
  return {shape_of(1, 1, 1, 4, 2, 3),
          shape_of(2, 7, 2, 5, 4, 6),
          shape_of(1, 129, 2, 32, 16, 32),
          shape_of(2, 300, 3, 16, 8, 24),
          shape_of(1, 520, 1, 64, 32, 64),
          shape_of(1, 140, 1, 500, 20, 520)};  // heads deeper than is packed at a time
}

// With rounded operands a score is off by at most 2 eps |q| |k| scale, which is P's relative error;
// the products with P and dS add their own roundings, the gradients pass through two of them.
void expect_within_roundings(MatmulFormat format, double eps, double least) {
  const test::Restore restore;
  for (AttentionShape shape : shapes()) {
    Case<double> exact(shape);
    exact.run();
    shape.format = format;
    double q = 0, k = 0;
    for (int token = 0; token < exact.tokens(); ++token) {
      q = std::max(q, test::norm(std::as_const(exact.q).view().rows(token, 1)));
      k = std::max(k, test::norm(std::as_const(exact.kv).view().rows(token, 1)) +
                          test::norm(std::as_const(exact.k_pe).view().rows(token, 1)));
    }
    const double limit = 3 * eps * (2 + 2 * q * k / shape.n_heads * shape.scale);
    for (const Isa isa : test::available_isas()) {
      if (isa == Isa::kRef) continue;
      set_isa(isa);
      Case<float> rounded(shape);
      rounded.run();
      const auto wanted = exact.results();
      const auto found = rounded.results();
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double distance = test::relative_distance(*found[i], *wanted[i]);
        EXPECT_LE(distance, limit) << isa_name(isa) << " " << i;
        EXPECT_GT(distance, shape.sequence_length > 1 && i != 1 ? least : -1.0) << "not rounded";
      }
    }
  }
}

TEST(Attention, InBf16StaysWithinItsRoundings) {
  expect_within_roundings(MatmulFormat::kBf16, 0x1p-8, 1e-5);
}

// Rounded to 11 bits; where sums are FP16, those of 32 products err as much again, as a walk.
TEST(Attention, InTilesOfFp16StaysWithinItsRoundings) {
  expect_within_roundings(MatmulFormat::kFp16, 3 * 0x1p-11, 1e-6);
}

TEST(Attention, EqualsTheReferenceInDoubleOnEveryIsa) {
  const test::Restore restore;
  for (const AttentionShape& shape : shapes()) {
    for (const bool masked : {false, true}) {
      std::vector<std::int32_t> start;
      if (masked) start = documents(shape.n_sequences, shape.sequence_length);
      Case<double> exact(shape, start);
      exact.run();
      for (const Isa isa : test::available_isas()) {
        set_isa(isa);
        Case<float> fast(shape, start);
        fast.run();
        // Scores of size |q||k| scale ~ sqrt(d) carry d eps of error into the exponent; the
        // gradient of a lone key is a difference that cancels, hence |d_o| in the bound.
        const int d = shape.nope + shape.rope + shape.v;
        const double limit = 4 * d * test::kFloatEps;
        for (int i = 0; i < 5; ++i) {
          const double size = std::max(test::norm(exact.results()[i]->view()),
                                       i < 2 ? 0.0 : test::norm(std::as_const(exact.d_o).view()));
          const double distance = test::relative_distance(*fast.results()[i], *exact.results()[i]) *
                                  test::norm(exact.results()[i]->view());
          EXPECT_LE(distance, limit * size + 1e-30)
              << isa_name(isa) << " result " << i << " length " << shape.sequence_length
              << " masked " << masked;
        }
      }
    }
  }
}

TEST(Attention, BitsDoNotDependOnThreads) {
  const test::Restore restore;
  const AttentionShape shape = shape_of(2, 300, 3, 16, 8, 24);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    set_num_threads(1);
    Case<float> expected(shape, documents(2, 300));
    expected.run();
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      Case<float> other(shape, documents(2, 300));
      other.run();
      for (int i = 0; i < 5; ++i) EXPECT_EQ(*other.results()[i], *expected.results()[i]);
    }
  }
}

TEST(Attention, ADocumentDoesNotSeeTheOneBefore) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    const AttentionShape shape = shape_of(1, 140, 2, 8, 4, 8);
    std::vector<std::int32_t> start(140, 0);
    std::fill(start.begin() + 60, start.end(), 60);
    Case<float> whole(shape, start);
    whole.forward();
    for (int i = 0; i < 60 * whole.kv.n_cols; ++i) whole.kv.values[i] = 1e3f;
    const auto before = whole.o;
    whole.forward();
    for (int token = 60; token < 140; ++token) {
      for (int i = 0; i < whole.o.n_cols; ++i) {
        ASSERT_EQ(whole.o.view()(token, i), before.view()(token, i)) << isa_name(isa);
      }
    }
    EXPECT_NE(whole.o.view()(59, 0), before.view()(59, 0));
  }
}

TEST(Attention, EqualKeysGiveTheMeanOfTheValuesSeen) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    Case<float> c(shape_of(1, 200, 1, 4, 2, 1));
    std::ranges::fill(c.k_pe.values, 0.5f);
    for (int token = 0; token < 200; ++token) {
      for (int i = 0; i < 4; ++i) c.kv.view()(token, i) = 1.0f;
      c.kv.view()(token, 4) = float(token);
    }
    c.forward();
    for (int token = 0; token < 200; ++token) {
      EXPECT_NEAR(c.o.view()(token, 0), token / 2.0, 1e-5 * (1 + token)) << isa_name(isa);
    }
  }
}

// Of whole lines, results are written past the caches; in the memory of a vector they may not be.
TEST(Attention, InWholeLinesOfMemoryGivesTheSameBits) {
  const test::Restore restore;
  const AttentionShape shape = shape_of(2, 300, 2, 32, 16, 32);
  const auto in_lines = [](Arena& arena, const Owned<float>& m) {
    const Matrix<float> copy = arena.matrix<float>(m.n_rows, m.n_cols);
    for (int i = 0; i < m.n_rows; ++i) std::ranges::copy(m.view()[i], copy.row(i));
    return copy;
  };
  for (const Isa isa : test::available_isas()) {
    if (isa == Isa::kRef) continue;
    set_isa(isa);
    set_num_threads(1);
    Case<float> c(shape);
    c.run();
    set_num_threads(3);
    Arena arena(std::int64_t{8} << 20);
    const auto q = in_lines(arena, c.q), kv = in_lines(arena, c.kv), k_pe = in_lines(arena, c.k_pe);
    const auto d_o = in_lines(arena, c.d_o);
    const auto o = arena.matrix<float>(c.o.n_rows, c.o.n_cols);
    const auto lse = arena.matrix<float>(c.lse.n_rows, c.lse.n_cols);
    const auto dq = arena.matrix<float>(q.n_rows, q.n_cols);
    const auto dkv = arena.matrix<float>(kv.n_rows, kv.n_cols);
    const auto dk_pe = arena.matrix<float>(k_pe.n_rows, k_pe.n_cols);
    const AttentionScratch<float> scratch(arena, shape);
    attention_forward<float>(shape, o, lse, q, kv, k_pe, {});
    attention_backward<float>(shape, {dq, dkv, dk_pe}, d_o, {q, kv, k_pe, o, lse}, {}, scratch);
    const Matrix<float> found[] = {o, lse, dq, dkv, dk_pe};
    for (std::size_t i = 0; i < std::size(found); ++i) {
      for (int row = 0; row < found[i].n_rows; ++row) {
        ASSERT_TRUE(std::ranges::equal(found[i][row], c.results()[i]->view()[row]))
            << isa_name(isa) << " result " << i << " row " << row;
      }
    }
  }
}

// Whole lines, and all else.
TEST(Attention, CopiesPastTheCachesLikeAnyCopy) {
  const test::Restore restore;
  constexpr int kMost = 80;
  std::vector<float> from(kMost), to(kMost + 32);
  for (int i = 0; i < kMost; ++i) from[static_cast<std::size_t>(i)] = float(i + 1);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (int offset = 0; offset < 17; ++offset) {
      for (const int n : {0, 1, 8, 15, 16, 48, 64, 80}) {
        std::ranges::fill(to, 0.0f);
        fast::copy_past_caches(to.data() + offset, from.data(), n);
        fast::flush_stores();
        for (int i = 0; i < kMost + 32; ++i) {
          const bool inside = i >= offset && i < offset + n;
          ASSERT_EQ(to[static_cast<std::size_t>(i)], inside ? float(i - offset + 1) : 0.0f)
              << isa_name(isa) << " offset " << offset << " n " << n << " at " << i;
        }
      }
    }
  }
}

TEST(Attention, NanAndInfinityAreNotHiddenInAnyFormat) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const auto format : {MatmulFormat::kFp32, MatmulFormat::kBf16, MatmulFormat::kFp16}) {
      for (const float bad : {NAN, INFINITY, -INFINITY}) {
        AttentionShape shape = shape_of(1, 40, 1, 8, 4, 8);
        shape.format = format;
        Case<float> c(shape);
        c.kv.view()(10, 8) = bad;  // a value: all who see it have it
        c.forward();
        EXPECT_FALSE(std::isfinite(c.o.view()(30, 0))) << isa_name(isa) << format_name(format);
      }
      AttentionShape shape = shape_of(1, 40, 1, 8, 4, 8);
      shape.format = format;
      Case<float> c(shape);
      c.kv.view()(10, 0) = NAN;  // a key: no weight of those who see it is a number
      c.forward();
      EXPECT_TRUE(std::isfinite(c.o.view()(9, 0))) << isa_name(isa) << format_name(format);
      EXPECT_TRUE(std::isnan(c.o.view()(30, 0))) << isa_name(isa) << format_name(format);
    }
  }
}

}  // namespace
}  // namespace farthing
