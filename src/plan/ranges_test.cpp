// ranges_test.cpp - quantiles are met, sums have the known spread, the tornado finds what matters.
#include "plan/ranges.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "base/error.h"

namespace farthing {
namespace {

UncertainInput lognormal(const char* name, double low, double median, double high) {
  return {name, InputShape::kLognormal, low, median, high, "", ""};
}

TEST(Ranges, TheNormalQuantileIsErfsInverse) {
  for (const double p : {1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 0.77, 0.975, 0.99999}) {
    EXPECT_NEAR(0.5 * std::erfc(-normal_quantile(p) / std::sqrt(2.0)) / p, 1, 1e-7) << p;
  }
}

TEST(Ranges, LowMedianAndHighAreMet) {
  const UncertainInput skewed = lognormal("x", 2, 3, 9);
  EXPECT_NEAR(quantile(skewed, 0.1), 2, 1e-6);
  EXPECT_NEAR(quantile(skewed, 0.5), 3, 1e-6);
  EXPECT_NEAR(quantile(skewed, 0.9), 9, 1e-6);
  const UncertainInput triangle{"t", InputShape::kTriangular, 1, 2, 5, "", ""};
  EXPECT_NEAR(quantile(triangle, 0), 1, 1e-12);
  EXPECT_NEAR(quantile(triangle, 0.25), 2, 1e-12);  // the mode's share of the area
  EXPECT_NEAR(quantile(triangle, 1), 5, 1e-12);
}

TEST(Ranges, AProductOfLognormalsHasTheKnownWidth) {
  const std::vector<UncertainInput> inputs = {lognormal("a", 1 / 1.3, 1, 1.3),
                                              lognormal("b", 1 / 1.4, 1, 1.4)};
  const auto product = [](std::span<const double> v, std::uint64_t) { return v[0] * v[1]; };
  const RangeResult result = sample_range(inputs, product, {.n_draws = 40'000});
  const double wanted = std::hypot(std::log(1.3), std::log(1.4));
  EXPECT_NEAR(std::log(result.output.p90), wanted, 0.02 * wanted);
  EXPECT_NEAR(std::log(result.output.p10), -wanted, 0.02 * wanted);
  ASSERT_EQ(result.tornado.size(), 2u);
  EXPECT_EQ(result.tornado[0].name, "b");
  EXPECT_NEAR(result.tornado[0].output_high, 1.4, 1e-6);
}

TEST(Ranges, AnInputMoreShiftsNobodysDraws) {
  const UncertainInput step = lognormal("step", 19, 20, 21), rate = lognormal("rate", 1, 2, 4);
  const UncertainInput other = lognormal("other", 5, 6, 7);
  const auto last = [](std::span<const double> v, std::uint64_t) {
    return v.back() * v[v.size() - 2];
  };
  EXPECT_EQ(draw_outputs({other, step, rate}, last, {.n_draws = 100}),
            draw_outputs({step, rate}, last, {.n_draws = 100}));
  EXPECT_NE(draw_outputs({step, other}, last, {.n_draws = 100}),
            draw_outputs({step, rate}, last, {.n_draws = 100}));
}

TEST(Ranges, TheErrorOfAQuantileIsWhatSeedsDifferBy) {
  const std::vector<UncertainInput> inputs = {lognormal("a", 1 / 1.15, 1, 1.15),
                                              lognormal("b", 1 / 1.05, 1, 1.05)};
  const auto product = [](std::span<const double> v, std::uint64_t) { return v[0] * v[1]; };
  double sum = 0, squares = 0, errors = 0;
  constexpr int kSeeds = 60;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto draws = draw_outputs(inputs, product, {.n_draws = 1000, .seed = seed});
    const double p90 = spread_of(draws).p90;
    sum += p90, squares += p90 * p90, errors += quantile_error(draws, 0.9) / kSeeds;
  }
  const double sd = std::sqrt((squares - sum * sum / kSeeds) / (kSeeds - 1));
  EXPECT_NEAR(errors / sd, 1, 0.3);  // an sd of 60 is known to a tenth
  EXPECT_DOUBLE_EQ(rounded_to_error(48.29354, 0.26), 48.5);
  EXPECT_DOUBLE_EQ(rounded_to_error(-2373724.56, 11000), -2380000);
  EXPECT_DOUBLE_EQ(rounded_to_error(1.2345, 0), 1.2345);
}

TEST(Ranges, TenThousandSimulatedRunsInASecond) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<UncertainInput> inputs = {lognormal("step", 19, 20, 21),
                                              lognormal("rate", 1.22e-5, 2.03e-5, 3.39e-5)};
  ReliabilityModel model;
  model.rate_sigma = 0;
  model.spare_nodes = 8;
  const auto days = [&](std::span<const double> v, std::uint64_t seed) {
    ReliabilityModel drawn = model;
    drawn.failures_per_device_hour = v[1];
    SimulatedJob job;
    job.n_devices = 2048;
    job.checkpoint_stall_seconds = 10;
    job.n_steps = 40'000;
    job.step_seconds = v[0];
    return simulate_run(job, drawn, seed).wall_seconds / 86400;
  };
  const RangeResult result = sample_range(inputs, days, {.n_draws = 1000, .n_repeats = 20});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took.count(), 2.0) << "a thousand; also under sanitizers";
  EXPECT_EQ(result.tornado[0].name, "step");
  EXPECT_GT(result.output.p50, 40'000 * 20 / 86400.0);
}

TEST(Ranges, RangesThatAreNoneAreRefused) {
  const auto first = [](std::span<const double> v, std::uint64_t) { return v[0]; };
  EXPECT_THROW(sample_range({lognormal("x", 3, 2, 4)}, first, {}), Error);
  EXPECT_THROW(sample_range({lognormal("x", 0, 2, 4)}, first, {}), Error);
  EXPECT_THROW(sample_range({lognormal("x", 1, 2, HUGE_VAL)}, first, {}), Error);
}

}  // namespace
}  // namespace farthing
