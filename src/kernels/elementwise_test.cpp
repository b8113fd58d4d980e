// elementwise_test.cpp - every ISA against the reference in double; threads, NaN, known values.
#include "kernels/elementwise.h"

#include <gtest/gtest.h>

#include <functional>

#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;
using test::random_matrix;

// A kernel run on T: fixed inputs (rounded to float) in, one matrix out.
template <class T>
using Run = std::function<Owned<T>(int n_rows, int n_cols)>;

// Same as double up to `rounding` eps in norm, on every ISA; same bits with 1, 2, 3 threads.
void expect_agreement(const Run<float>& fast, const Run<double>& exact, double rounding) {
  const test::Restore restore;
  constexpr int kSizes[][2] = {{1, 2}, {5, 6}, {37, 130}, {19, 512}, {0, 8}, {130, 34}};
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const auto& [n_rows, n_cols] : kSizes) {
      set_num_threads(1);
      const auto value = fast(n_rows, n_cols);
      EXPECT_LE(test::relative_distance(value, exact(n_rows, n_cols)), rounding * test::kFloatEps)
          << isa_name(isa) << " " << n_rows << "x" << n_cols;
      for (const int threads : {2, 3}) {
        set_num_threads(threads);
        EXPECT_EQ(fast(n_rows, n_cols), value) << isa_name(isa) << " " << threads;
      }
    }
  }
}

template <class T>
Owned<T> inputs(int n_rows, int n_cols, int seed) {
  return random_matrix<T>(n_rows, n_cols, seed, n_cols + 3);  // a strided view
}

template <class T>
Owned<T> run_rmsnorm(int n, int cols) {
  const auto x = inputs<T>(n, cols, 1);
  const auto gain = random_matrix<T>(1, cols, 2);
  Owned<T> y(n, cols);
  std::vector<T> inv(n);
  rmsnorm_forward<T>(y.view(), inv, x.view(), gain.row(), 1e-6);
  return y;
}
TEST(Rmsnorm, Forward) { expect_agreement(run_rmsnorm<float>, run_rmsnorm<double>, 16); }

template <class T>
Owned<T> run_rmsnorm_backward(int n, int cols, bool accumulate) {
  const auto x = inputs<T>(n, cols, 1), dy = inputs<T>(n, cols, 3);
  const auto gain = random_matrix<T>(1, cols, 2);
  auto y = inputs<T>(n, cols, 4);
  auto dx = inputs<T>(n, cols, 5);
  std::vector<T> inv(n);
  rmsnorm_forward<T>(y.view(), inv, x.view(), gain.row(), 1e-6);
  rmsnorm_backward_input<T>(dx.view(), dy.view(), x.view(), gain.row(), inv, accumulate);
  return dx;
}
TEST(Rmsnorm, BackwardInput) {
  for (const bool accumulate : {false, true}) {
    expect_agreement([&](int n, int c) { return run_rmsnorm_backward<float>(n, c, accumulate); },
                     [&](int n, int c) { return run_rmsnorm_backward<double>(n, c, accumulate); },
                     64);
  }
}

template <class T>
Owned<T> run_rmsnorm_weight(int n, int cols) {
  const auto x = inputs<T>(n, cols, 1), dy = inputs<T>(n, cols, 3);
  auto dgain = random_matrix<T>(1, cols, 6);
  const std::vector<T> inv(n, T(0.75));
  rmsnorm_backward_weight<T>(dgain.row(), dy.view(), x.view(), inv);
  return dgain;
}
TEST(Rmsnorm, BackwardWeight) {
  expect_agreement(run_rmsnorm_weight<float>, run_rmsnorm_weight<double>, 64);
}

template <class T>
Owned<T> run_sigmoid(int n, int cols) {
  auto x = inputs<T>(n, cols, 1);
  sigmoid_rows<T>(x.view());
  return x;
}
TEST(Sigmoid, InPlace) { expect_agreement(run_sigmoid<float>, run_sigmoid<double>, 16); }

TEST(Sigmoid, ExtremesAndNan) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    Owned<float> x(1, 5);
    x.values = {-INFINITY, -200, NAN, 200, INFINITY};
    sigmoid_rows<float>(x.view());
    EXPECT_NEAR(x.values[0], 0, 1e-30) << isa_name(isa);
    EXPECT_NEAR(x.values[1], 0, 1e-30);
    EXPECT_TRUE(std::isnan(x.values[2]));
    EXPECT_EQ(x.values[3], 1);
    EXPECT_EQ(x.values[4], 1);
  }
}

template <class T>
Owned<T> run_swiglu(int n, int cols) {
  const auto gate_up = inputs<T>(n, 2 * cols, 1);
  Owned<T> h(n, cols);
  swiglu_forward<T>(h.view(), gate_up.view());
  return h;
}
TEST(Swiglu, Forward) { expect_agreement(run_swiglu<float>, run_swiglu<double>, 16); }

template <class T>
Owned<T> run_swiglu_backward(int n, int cols) {
  auto gate_up = inputs<T>(n, 2 * cols, 1);
  const auto dh = inputs<T>(n, cols, 2);
  swiglu_backward<T>(gate_up.view(), dh.view(), gate_up.view());  // in place
  return gate_up;
}
TEST(Swiglu, BackwardInPlace) {
  expect_agreement(run_swiglu_backward<float>, run_swiglu_backward<double>, 16);
}

TEST(Swiglu, ExtremeGatesAndNan) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    Owned<float> gate_up(1, 8), h(1, 4);
    gate_up.values = {-200, 200, NAN, -1e30f, 1, 1, 1, 1};
    swiglu_forward<float>(h.view(), gate_up.view());
    EXPECT_NEAR(h.values[0], 0, 1e-30) << isa_name(isa);
    EXPECT_EQ(h.values[1], 200);
    EXPECT_TRUE(std::isnan(h.values[2]));
    EXPECT_NEAR(h.values[3], 0, 1e-6);
  }
}

template <class T>
struct Angles {
  Owned<T> cosine, sine;
  Angles(int n_positions, int half) : cosine(n_positions, half), sine(n_positions, half) {
    for (int position = 0; position < n_positions; ++position) {
      for (int pair = 0; pair < half; ++pair) {
        const double angle = position * std::pow(10000.0, -double(pair) / half);
        cosine.view()(position, pair) = T(float(std::cos(angle)));
        sine.view()(position, pair) = T(float(std::sin(angle)));
      }
    }
  }
};

template <class T>
Owned<T> run_rope(int n, int cols, RopeLayout layout) {
  const int n_heads = 3, half = cols / 2, period = 2 * half + 5;
  auto x = inputs<T>(n, n_heads * period, 1);
  const Angles<T> angles(n + 7, half);
  std::vector<std::int32_t> positions(n);
  for (int i = 0; i < n; ++i) positions[i] = (i * 5) % (n + 7);
  layout.first = 4;
  layout.period = period;
  rope_rotate<T>(x.view(), angles.cosine.view(), angles.sine.view(), positions, layout);
  return x;
}
TEST(Rope, EveryLayout) {
  for (int bits = 0; bits < 4; ++bits) {
    const RopeLayout layout{.interleaved = (bits & 1) != 0, .inverse = (bits & 2) != 0};
    expect_agreement([&](int n, int c) { return run_rope<float>(n, c, layout); },
                     [&](int n, int c) { return run_rope<double>(n, c, layout); }, 4);
  }
}

TEST(Rope, InterleavedPairsTurnTogether) {
  Owned<double> x(1, 4), cosine(1, 2), sine(1, 2);
  x.values = {1, 2, 3, 4};
  cosine.values = {0, 1};
  sine.values = {1, 0};  // the first pair by 90 degrees, the second not at all
  const std::vector<std::int32_t> positions{0};
  rope_rotate<double>(x.view(), cosine.view(), sine.view(), positions, {.period = 4});
  EXPECT_EQ(x.values, (std::vector<double>{-2, 1, 3, 4}));
  x.values = {1, 2, 3, 4};
  rope_rotate<double>(x.view(), cosine.view(), sine.view(), positions,
                      {.period = 4, .interleaved = false});
  EXPECT_EQ(x.values, (std::vector<double>{-3, 2, 1, 4}));
}

double turned_dot(int query_position, int key_position, bool interleaved) {
  const int dim = 32;
  auto q = random_matrix<double>(1, dim, 1), k = random_matrix<double>(1, dim, 2);
  Angles<double> angles(64, dim / 2);
  for (int i = 0; i < 64 * dim / 2; ++i) {  // unit length in double, not only in float
    const double length = std::hypot(angles.cosine.values[i], angles.sine.values[i]);
    angles.cosine.values[i] /= length;
    angles.sine.values[i] /= length;
  }
  const RopeLayout layout{.period = dim, .interleaved = interleaved};
  const std::vector<std::int32_t> at_q{query_position}, at_k{key_position};
  const double before = test::norm(std::as_const(q).view());
  rope_rotate<double>(q.view(), angles.cosine.view(), angles.sine.view(), at_q, layout);
  rope_rotate<double>(k.view(), angles.cosine.view(), angles.sine.view(), at_k, layout);
  EXPECT_NEAR(test::norm(std::as_const(q).view()), before, 1e-12);
  double dot = 0;
  for (int i = 0; i < dim; ++i) dot += q.values[i] * k.values[i];
  return dot;
}
TEST(Rope, KeepsNormsAndSeesOnlyDistances) {
  for (const bool interleaved : {true, false}) {
    // The angles were rounded to float: 24 bits of a turn of at most 50.
    EXPECT_NEAR(turned_dot(9, 4, interleaved), turned_dot(50, 45, interleaved), 2e-5);
    EXPECT_GT(std::abs(turned_dot(9, 4, interleaved) - turned_dot(9, 8, interleaved)), 1e-2);
  }
}

template <class T>
Owned<T> run_cross_entropy(int n, int vocab) {
  auto logits = inputs<T>(n, vocab, 1);
  for (T& logit : logits.values) logit = logit * 4 + 50;
  std::vector<std::int32_t> targets(n);
  for (int i = 0; i < n; ++i) targets[i] = i % 4 == 3 ? -1 : (i * 7) % vocab;
  std::vector<T> logprob(n), scale(n, T(0.25));
  softmax_cross_entropy<T>(logits.view(), logprob, targets, scale);
  Owned<T> all(n, vocab + 1);
  for (int i = 0; i < n; ++i) {
    std::ranges::copy(logits.view()[i], all.view().row(i));
    all.view()(i, vocab) = logprob[i];
  }
  return all;
}
TEST(CrossEntropy, ProbabilitiesAndGradients) {
  // A logit of 50 +- 16 is known to 2^-19 in float: that, not the kernel, limits the agreement.
  expect_agreement(run_cross_entropy<float>, run_cross_entropy<double>, 200);
}

TEST(CrossEntropy, WithoutGradientLeavesLogits) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    auto logits = inputs<float>(3, 21, 1);
    const auto before = logits;
    std::vector<float> logprob(3);
    const std::vector<std::int32_t> targets{20, -1, 0};
    softmax_cross_entropy<float>(logits.view(), logprob, targets, {});
    EXPECT_EQ(logits, before);
    EXPECT_LT(logprob[0], 0);
    EXPECT_EQ(logprob[1], 0);
    logits.values[2 * 24 + 20] = NAN;
    softmax_cross_entropy<float>(logits.view(), logprob, targets, {});
    EXPECT_TRUE(std::isnan(logprob[2])) << isa_name(isa);
    EXPECT_FALSE(std::isnan(logprob[0]));
  }
}

TEST(AddInto, AddsOnlyInsideTheView) {
  const test::Restore restore;
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    auto y = inputs<float>(7, 33, 1);
    const auto before = y, x = inputs<float>(7, 33, 2);
    add_into<float>(y.view(), x.view());
    for (int row = 0; row < 7; ++row) {
      for (int i = 0; i < 36; ++i) {
        const int at = row * 36 + i;
        EXPECT_EQ(y.values[at], before.values[at] + (i < 33 ? x.values[at] : 0.0f));
      }
    }
  }
}

TEST(SumOfSquares, InDoubleAndInAFixedOrder) {
  const test::Restore restore;
  const auto x = random_matrix<float>(1, 100003, 1);
  double exact = 0;
  for (const float value : x.values) exact += double(value) * double(value);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    set_num_threads(1);
    const double sum = sum_of_squares<float>(x.values);
    EXPECT_NEAR(sum / exact, 1, 1e-12);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      EXPECT_EQ(sum_of_squares<float>(x.values), sum);
    }
  }
  EXPECT_EQ(sum_of_squares<float>({}), 0);
}

}  // namespace
}  // namespace farthing
