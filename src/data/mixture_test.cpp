// mixture_test.cpp - every sample of a source once and in order; quotas held; jumps anywhere.
#include "data/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace farthing {
namespace {

DataRecipe three_sources(std::vector<double> weights, std::vector<MixStage> stages = {},
                         const std::string& shape = "steps") {
  DataRecipe data;
  data.sequence_length = 100;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    data.sources.push_back({std::string(1, static_cast<char>(97 + i)), "d", weights[i]});
  }
  data.stages = std::move(stages);
  data.stage_shape = shape;
  return data;
}

const std::vector<MixStage> kStages = {
    {200'000, {0, 1, 1}}, {200'050, {5, 0, 0}}, {900'000, {1, 2, 3}}, {3'000'000, {0, 0, 1}}};

// Walks n samples; the numbers of each source must be 0 .. count - 1, each once, near the quota.
void check_walk(const DataRecipe& data, std::int64_t n) {
  const Mixture mixture(data);
  const std::size_t n_sources = data.sources.size();
  std::vector<std::vector<bool>> seen(n_sources, std::vector<bool>(static_cast<std::size_t>(n)));
  std::vector<std::int64_t> counts(n_sources), largest(n_sources, -1);
  std::vector<double> wanted(n_sources);
  for (std::int64_t i = 0; i < n; ++i) {
    const Mixture::Place place = mixture.place(i);
    const auto source = static_cast<std::size_t>(place.source);
    ASSERT_LT(source, n_sources);
    ASSERT_FALSE(seen[source][static_cast<std::size_t>(place.sample)]) << i;
    seen[source][static_cast<std::size_t>(place.sample)] = true;
    ++counts[source];
    largest[source] = std::max(largest[source], place.sample);
    const std::vector<double> shares = mixture.shares(i);
    for (std::size_t s = 0; s < n_sources; ++s) {
      wanted[s] += shares[s];
      // A block in which the shares change may be in any order.
      ASSERT_LT(std::abs(wanted[s] - static_cast<double>(counts[s])), 18) << i;
    }
    if (i % 997 == 0) {
      EXPECT_EQ(mixture.counts(i + 1), counts);
    }
  }
  const Mixture again(data);
  for (std::size_t s = 0; s < n_sources; ++s) EXPECT_LT(largest[s] - counts[s], 16);
  for (const std::int64_t i : {n - 1, std::int64_t{0}, n / 2}) {  // no order of asking
    EXPECT_EQ(again.place(i).source, mixture.place(i).source);
    EXPECT_EQ(again.place(i).sample, mixture.place(i).sample);
  }
}

TEST(Mixture, HoldsConstantWeights) { check_walk(three_sources({0.7, 0.2, 0.1}), 40'000); }
TEST(Mixture, HoldsRareAndAbsentSources) {
  check_walk(three_sources({1, 0, 1e-4}), 60'000);
  const Mixture mixture(three_sources({1, 0, 1e-4}));
  EXPECT_EQ(mixture.counts(60'000)[1], 0);
  EXPECT_NEAR(static_cast<double>(mixture.counts(60'000)[2]), 6, 1);
}
TEST(Mixture, HoldsStages) { check_walk(three_sources({1, 1, 0}, kStages), 40'000); }
TEST(Mixture, HoldsRamps) { check_walk(three_sources({1, 1, 0}, kStages, "linear"), 40'000); }

TEST(Mixture, CountsFollowAStageAndARamp) {
  // Half and half for 2000 samples, then the second alone; or going there all the way.
  const std::vector<MixStage> stage = {{200'000, {0, 1}}};
  const auto steps = Mixture(three_sources({1, 1}, stage)).counts(4096);
  EXPECT_NEAR(static_cast<double>(steps[0]), 1000, 1.01);
  const auto linear = Mixture(three_sources({1, 1}, stage, "linear")).counts(4096);
  EXPECT_NEAR(static_cast<double>(linear[0]), 500, 1.01);
}

TEST(Mixture, FarSamplesAreExact) {
  const Mixture mixture(three_sources({0.3, 0.3, 0.4}, kStages, "linear"));
  const std::int64_t far = (std::int64_t{1} << 38) - 1;
  const Mixture::Place place = mixture.place(far);
  EXPECT_EQ(place.source, 2);  // alone since sample 30000
  EXPECT_GT(place.sample, far - 40'000);
}

TEST(Mixture, SeedsOrderDifferently) {
  DataRecipe data = three_sources({1, 1});
  const Mixture one(data);
  data.seed = 2;
  const Mixture two(data);
  int n_same = 0;
  for (int i = 0; i < 1000; ++i) n_same += one.place(i).source == two.place(i).source;
  EXPECT_NEAR(n_same, 500, 80);  // five deviations
}

}  // namespace
}  // namespace farthing
