// pipeline_time_test.cpp - the steady state continued is the whole; ranks differ evenly.
#include "plan/pipeline_time.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "config/share.h"
#include "plan/plan.h"

namespace farthing {
namespace {

StepCosts uneven_stages(int n_stages) {
  StepCosts costs;
  for (int i = 0; i < n_stages; ++i) {
    const double longer = i % 5 == 3 ? 1.15 : 1;
    costs.stages.push_back({1.0 * longer, 1.3 * longer, 0.7, i % 2 == 0 ? 0.8 : 0.85});
  }
  costs.send_seconds = 0.02;
  return costs;
}

TEST(PipelineTime, TheSteadyStateContinuedIsTheWhole) {
  for (const auto schedule :
       {PipelineSchedule::kGpipe, PipelineSchedule::kOneFOneB, PipelineSchedule::kInterleaved,
        PipelineSchedule::kZb1p, PipelineSchedule::kDualPipe, PipelineSchedule::kDualPipeV}) {
    Layout layout{.pp = 8};
    layout.schedule = schedule;
    layout.vp = schedule == PipelineSchedule::kInterleaved ? 2 : 1;
    const bool halves = layout.vp == 2 || schedule == PipelineSchedule::kDualPipeV;
    const StepCosts costs = uneven_stages(halves ? 16 : 8);
    const PipelineTime whole = pipeline_time(layout, 128, costs, 0.01, true);
    const PipelineTime continued = pipeline_time(layout, 128, costs, 0.01, false);
    EXPECT_NEAR(continued.seconds / whole.seconds, 1, 0.002) << name(schedule);
    EXPECT_NEAR(continued.busy / whole.busy, 1, 0.002) << name(schedule);
    EXPECT_GT(whole.bubble(), 0);
  }
}

TEST(PipelineTime, OddAndSingleRanksContinueToo) {
  for (const int pp : {1, 3, 5}) {
    for (const auto schedule : {PipelineSchedule::kOneFOneB, PipelineSchedule::kInterleaved}) {
      Layout layout{.pp = pp};
      layout.schedule = schedule;
      layout.vp = schedule == PipelineSchedule::kInterleaved ? 2 : 1;
      const StepCosts costs = uneven_stages(pp * layout.vp);
      const double whole = pipeline_time(layout, 60, costs, 0, true).seconds;
      EXPECT_NEAR(pipeline_time(layout, 60, costs, 0, false).seconds / whole, 1, 0.002) << pp;
    }
  }
}

TEST(PipelineTime, RanksDifferEvenly) {
  for (const int n : {2, 5, 16}) {
    const std::vector<double> factor = even_slowdown(n, 0.01);
    const double mean = std::accumulate(factor.begin(), factor.end(), 0.0) / n;
    double variance = 0;
    for (const double each : factor) variance += (each - mean) * (each - mean) / n;
    EXPECT_NEAR(mean, 1, 1e-12);
    EXPECT_NEAR(std::sqrt(variance), 0.01, n == 2 ? 0.002 : 0.0003);
  }
  EXPECT_EQ(even_slowdown(1, 0.01), std::vector<double>{1});
}

TEST(PipelineTime, EveryLayerLiesOnOneStage) {
  set_share_folder(FARTHING_SOURCE_DIR);
  for (const char* model : {"deepseek-v3", "llama3.1-405b", "gpt3-175b"}) {
    const ModelShape shape = load_model_shape(model);
    for (const int pp : {1, 2, 6, 16}) {
      Layout layout{.pp = pp};
      layout.vp = pp == 6 ? 3 : 1;
      const std::vector<int> layers = layers_of_stages(shape, layout);
      EXPECT_EQ(layers.size(), static_cast<std::size_t>(pp));
      EXPECT_EQ(std::accumulate(layers.begin(), layers.end(), 0), shape.num_hidden_layers);
    }
  }
  // The head and the extra prediction layer of V3 weigh about four blocks.
  EXPECT_EQ(layers_of_stages(load_model_shape("deepseek-v3"), Layout{.pp = 16}).back(), 1);
}

}  // namespace
}  // namespace farthing
