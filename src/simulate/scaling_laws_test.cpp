// scaling_laws_test.cpp - published points are met, and a fit finds the law that made its runs.
#include "simulate/scaling_laws.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace farthing {
namespace {

const ExpectedLoss& named(const std::vector<ExpectedLoss>& all, const std::string& word) {
  for (const ExpectedLoss& one : all) {
    if (one.law.name.find(word) != std::string::npos) return one;
  }
  ADD_FAILURE() << word;
  return all.front();
}

TEST(ScalingLaws, ChinchillaAndGopherAtTheirPublishedLosses) {
  // Hoffmann's own law gives 1.936 for Chinchilla and 1.993 for Gopher.
  const auto chinchilla = expected_losses({70e9, 70e9, 1.4e12});
  const auto gopher = expected_losses({280e9, 280e9, 300e9});
  EXPECT_NEAR(named(chinchilla, "approach 3").loss, 1.936, 0.002);
  EXPECT_NEAR(named(gopher, "approach 3").loss, 1.993, 0.002);
  EXPECT_LT(named(chinchilla, "replication").low, 1.97);
  EXPECT_GT(named(chinchilla, "replication").high, 1.97);
  // Kaplan: 1.5B parameters and unlimited data, (8.8e13 / N)^0.076 within its rounding.
  EXPECT_NEAR(named(expected_losses({1.5e9, 1.5e9, 1e16}), "Kaplan").loss,
              std::pow(6.4e13 / 1.5e9, 0.076), 1e-3);
}

TEST(ScalingLaws, ExpertsLieBetweenActiveAndAll) {
  const LossQuestion moe{36e9, 670e9, 14.8e12, 0, 9, true};
  const auto all = expected_losses(moe);
  EXPECT_TRUE(all.front().law.for_moe);
  const double with_active = named(expected_losses({36e9, 36e9, 14.8e12}), "replication").loss;
  const double with_all = named(expected_losses({670e9, 670e9, 14.8e12}), "replication").loss;
  const ExpectedLoss& between = named(all, "replication");
  EXPECT_LT(between.loss, with_active);
  EXPECT_GT(between.loss, with_all);
  LossQuestion coarse = moe;
  coarse.granularity = 1;
  EXPECT_LT(all.front().loss, expected_losses(coarse).front().loss);
}

TEST(ScalingLaws, RepeatedTokensAreWorthLess) {
  EXPECT_EQ(effective_tokens(1e9, 0), 1e9);
  EXPECT_EQ(effective_tokens(1e9, 2e9), 1e9);
  const double four = effective_tokens(4e9, 1e9);  // "almost as good as new" up to four epochs
  EXPECT_GT(four, 3.6e9);
  EXPECT_LT(four, 4e9);
  EXPECT_LT(effective_tokens(1000e9, 1e9), 16.4e9);
}

TEST(ScalingLaws, BatchAdvice) {
  const BatchAdvice advice = batch_advice(2.0, 6 * 67e9 * 2e12);
  EXPECT_NEAR(advice.critical_tokens, 2e8 / std::pow(2.0, 1 / 0.21), 1);
  // DeepSeek LLM 67B trained with 4,608 sequences of 4,096: 18.9M tokens; the law says about half.
  EXPECT_GT(advice.deepseek_tokens, 5e6);
  EXPECT_LT(advice.deepseek_tokens, 3e7);
}

TEST(ScalingLaws, AFitFindsTheLawThatMadeTheRuns) {
  const Rng rng(3, RngStream::kTest);
  const FittedLaw truth{1.5, 300, 0.30, 900, 0.33};
  std::vector<OwnRun> runs;
  std::uint64_t i = 0;
  for (const double n : {1e7, 4e7, 1.6e8, 6.4e8}) {
    for (const double d : {2e8, 1e9, 5e9}) {
      runs.push_back({"run", n, d, truth.loss(n, d) * (1 + 0.002 * rng.normal(i++))});
    }
  }
  const FittedLaw law = fit_law(runs);
  EXPECT_EQ(law.n_runs, 12);
  EXPECT_LT(law.rms, 0.003);
  EXPECT_NEAR(law.alpha, 0.30, 0.06);
  EXPECT_NEAR(law.beta, 0.33, 0.06);
  EXPECT_NEAR(law.loss(2.5e9, 2e10) / truth.loss(2.5e9, 2e10), 1, 0.02);  // four times beyond
  EXPECT_GT(law.width, 0.0005);
}

TEST(ScalingLaws, FewRunsFitLess) {
  EXPECT_NE(fit_law({{"one", 1e8, 1e9, 3.2}}).what_was_fitted.find("E alone"), std::string::npos);
  const FittedLaw three =
      fit_law({{"a", 1e8, 1e9, 3.5}, {"b", 4e8, 1e9, 3.3}, {"c", 1e8, 4e9, 3.2}});
  EXPECT_NE(three.what_was_fitted.find("E, A and B"), std::string::npos);
  EXPECT_NEAR(three.loss(1e8, 1e9), 3.5, 0.05);
  EXPECT_THROW(fit_law({}), Error);
  EXPECT_THROW(fit_law({{"bad", 1e8, 0, 3.5}}), Error);
  EXPECT_THROW(expected_losses({0, 0, 1}), Error);
}

}  // namespace
}  // namespace farthing
