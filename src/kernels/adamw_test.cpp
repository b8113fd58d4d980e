// adamw_test.cpp - AdamW against a plain loop in double; the same bits on every ISA; BF16 moments.
#include "kernels/adamw.h"

#include <gtest/gtest.h>

#include "kernels/number_formats.h"
#include "kernels/test_values.h"

namespace farthing {
namespace {

using test::Owned;

constexpr int kCount = 40003;  // more than two chunks, not a multiple of any vector

AdamwStep some_step(int step) {
  return {.learning_rate = 1e-2,
          .beta1 = 0.9,
          .beta2 = 0.95,
          .epsilon = 1e-8,
          .weight_decay = 0.1,
          .clip_scale = 0.5,
          .step = step};
}

TEST(Adamw, FollowsTheFormulaOverManySteps) {
  const test::Restore restore;
  const auto start = test::random_matrix<float>(1, kCount, 1);
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    Owned<float> w = start, m(1, kCount), v(1, kCount);
    auto exact = test::converted<double>(start);
    std::vector<double> exact_m(kCount), exact_v(kCount);
    for (int step = 1; step <= 5; ++step) {
      const auto g = test::random_matrix<float>(1, kCount, 10 + step);
      const AdamwStep s = some_step(step);
      adamw_update(w.row(), g.row(), m.row(), v.row(), s);
      for (int i = 0; i < kCount; ++i) {
        const double gradient = s.clip_scale * g.values[i];
        exact_m[i] = s.beta1 * exact_m[i] + (1 - s.beta1) * gradient;
        exact_v[i] = s.beta2 * exact_v[i] + (1 - s.beta2) * gradient * gradient;
        const double m_hat = exact_m[i] / (1 - std::pow(s.beta1, step));
        const double v_hat = exact_v[i] / (1 - std::pow(s.beta2, step));
        exact.values[i] -= s.learning_rate * (m_hat / (std::sqrt(v_hat) + s.epsilon) +
                                              s.weight_decay * exact.values[i]);
      }
    }
    // Each step rounds the weight a few times and moves it by at most about learning_rate * 3.
    EXPECT_LT(test::relative_distance(w, exact), 5 * 4 * test::kFloatEps) << isa_name(isa);
  }
}

template <class Moment>
void expect_same_bits_everywhere() {
  const test::Restore restore;
  const auto start = test::random_matrix<float>(1, kCount, 1);
  const auto g = test::random_matrix<float>(1, kCount, 2);
  set_isa(Isa::kRef);
  set_num_threads(1);
  const auto run = [&] {
    Owned<float> w = start;
    std::vector<Moment> m(kCount), v(kCount);
    for (int step = 1; step <= 3; ++step) {
      adamw_update(w.row(), g.row(), std::span(m), std::span(v), some_step(step));
    }
    return std::tuple(w.values, m, v);
  };
  const auto expected = run();
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      EXPECT_EQ(run(), expected) << isa_name(isa) << " " << threads;
    }
  }
}

TEST(Adamw, SameBitsOnEveryIsaAndThreadCount) { expect_same_bits_everywhere<float>(); }
TEST(Adamw, SameBitsOnEveryIsaAndThreadCountBf16) { expect_same_bits_everywhere<std::uint16_t>(); }

TEST(Adamw, Bf16MomentsRoundToNearestEven) {
  const test::Restore restore;
  // With beta1 = 0 the stored m is the gradient itself: exact ties, a NaN, an infinity.
  const float values[] = {0x1.01p0f, 0x1.03p0f, 0x1.010002p0f, -0x1.01p0f,
                          NAN,       INFINITY,  0x1.fffp127f,  0.0f};
  for (const Isa isa : test::available_isas()) {
    set_isa(isa);
    std::vector<float> w(32), g(32);
    for (int i = 0; i < 32; ++i) g[i] = values[i % 8];
    std::vector<std::uint16_t> m(32), v(32);
    AdamwStep step = some_step(1);
    step.beta1 = 0;
    step.clip_scale = 1;
    adamw_update(std::span(w), std::span<const float>(g), std::span(m), std::span(v), step);
    for (int i = 0; i < 32; i += 8) {
      EXPECT_EQ(m[i + 0], 0x3f80) << isa_name(isa);  // tie to even, down
      EXPECT_EQ(m[i + 1], 0x3f82);                   // tie to even, up
      EXPECT_EQ(m[i + 2], 0x3f81);                   // above the tie
      EXPECT_EQ(m[i + 3], 0xbf80);
      EXPECT_TRUE(std::isnan(from_bf16(m[i + 4])));
      EXPECT_EQ(m[i + 5], 0x7f80);
      EXPECT_EQ(m[i + 6], 0x7f80);  // overflows
      EXPECT_EQ(m[i + 7], 0);
    }
  }
}

}  // namespace
}  // namespace farthing
