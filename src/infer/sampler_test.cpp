// sampler_test.cpp - cuts keep what they should, draws follow the probabilities, same seed same
// token.
#include "infer/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "base/error.h"

namespace farthing {
namespace {

const std::vector<float> kLogits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};

std::map<int, int> draw(const SamplingSettings& settings, int count,
                        const std::vector<float>& logits = kLogits) {
  std::map<int, int> counts;
  for (int i = 0; i < count; ++i) {
    ++counts[sample_token(logits, settings, 0, static_cast<std::uint64_t>(i))];
  }
  return counts;
}

// Within five standard deviations of n p.
void expect_shares(const std::map<int, int>& counts, const std::map<int, double>& shares, int n) {
  for (const auto& [id, share] : shares) {
    ASSERT_TRUE(counts.contains(id));
    EXPECT_NEAR(counts.at(id), n * share, 5 * std::sqrt(n * share * (1 - share))) << id;
  }
  EXPECT_EQ(counts.size(), shares.size());
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowerIdOfATie) {
  EXPECT_EQ(sample_token(kLogits, {.temperature = 0}, 0, 0), 1);
  EXPECT_EQ(sample_token(std::vector<float>{1, 5, 5, 2}, {.temperature = 0}, 3, 9), 1);
  EXPECT_EQ(sample_token(std::vector<float>{-3}, {.temperature = 0}, 0, 0), 0);
}

TEST(Sampler, DrawsFollowTheSoftmax) {
  expect_shares(draw({}, 20000), {{0, 0.1}, {1, 0.4}, {2, 0.2}, {3, 0.3}}, 20000);
}

TEST(Sampler, TemperatureSharpensAndFlattens) {
  const double z = 0.01 + 0.16 + 0.04 + 0.09;  // temperature 1/2 squares the probabilities
  expect_shares(draw({.temperature = 0.5}, 20000),
                {{0, 0.01 / z}, {1, 0.16 / z}, {2, 0.04 / z}, {3, 0.09 / z}}, 20000);
  expect_shares(draw({.temperature = 1e6}, 20000), {{0, 0.25}, {1, 0.25}, {2, 0.25}, {3, 0.25}},
                20000);
}

TEST(Sampler, TopKKeepsTheLargest) {
  expect_shares(draw({.top_k = 2}, 20000), {{1, 4.0 / 7}, {3, 3.0 / 7}}, 20000);
  EXPECT_EQ(draw({.top_k = 1}, 100), (std::map<int, int>{{1, 100}}));
  EXPECT_EQ(draw({.top_k = 99}, 2000).size(), 4u);
}

TEST(Sampler, TopPKeepsTheShortestPrefixThatHoldsIt) {
  EXPECT_EQ(draw({.top_p = 0.39}, 100), (std::map<int, int>{{1, 100}}));
  expect_shares(draw({.top_p = 0.5}, 20000), {{1, 4.0 / 7}, {3, 3.0 / 7}}, 20000);
  expect_shares(draw({.top_p = 0.85}, 20000), {{1, 4.0 / 9}, {3, 3.0 / 9}, {2, 2.0 / 9}}, 20000);
}

// top_p counts the mass that top_k left: 0.4 / 0.7 = 0.571.
TEST(Sampler, TopPComesAfterTopK) {
  EXPECT_EQ(draw({.top_k = 2, .top_p = 0.56}, 200), (std::map<int, int>{{1, 200}}));
  EXPECT_EQ(draw({.top_k = 2, .top_p = 0.58}, 200).size(), 2u);
}

TEST(Sampler, TheDrawIsNamedBySeedSequenceAndPosition) {
  const std::vector<float> flat(1000, 0.0f);
  const auto series = [&](std::uint64_t seed, std::uint64_t sequence) {
    std::vector<int> ids;
    for (std::uint64_t i = 0; i < 20; ++i) {
      ids.push_back(sample_token(flat, {.seed = seed}, sequence, i));
    }
    return ids;
  };
  EXPECT_EQ(series(1, 0), series(1, 0));
  EXPECT_NE(series(1, 0), series(2, 0));
  EXPECT_NE(series(1, 0), series(1, 1));
  const auto ids = series(1, 0);
  EXPECT_GT(std::set<int>(ids.begin(), ids.end()).size(), 10u);
}

TEST(Sampler, ImpossibleTokensAreNeverDrawn) {
  const float never = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(draw({}, 500, {never, 0, never}), (std::map<int, int>{{1, 500}}));
  EXPECT_EQ(draw({.temperature = 0.01}, 500, {0, 1000, 0}), (std::map<int, int>{{1, 500}}));
}

TEST(Sampler, RefusesNumbersThatAreNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {nan, std::numeric_limits<float>::infinity()}) {
    for (const double temperature : {0.0, 1.0}) {
      EXPECT_THROW(sample_token(std::vector<float>{0, bad}, {.temperature = temperature}, 0, 0),
                   Error);
    }
  }
  for (const SamplingSettings& bad :
       {SamplingSettings{.temperature = -1}, SamplingSettings{.temperature = nan},
        SamplingSettings{.temperature = HUGE_VAL}, SamplingSettings{.top_k = -1},
        SamplingSettings{.top_p = 0}, SamplingSettings{.top_p = 1.1},
        SamplingSettings{.top_p = nan}}) {
    EXPECT_THROW(check_sampling(bad), Error);
  }
}

}  // namespace
}  // namespace farthing
