// step_timeline_test.cpp - bubbles equal the closed formulas; waits, stragglers and traces.
#include "plan/step_timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json.h"

namespace farthing {
namespace {

StepCosts equal_stages(const Schedule& schedule, StageCost stage, double pair_share = 1) {
  stage.pair_share = pair_share;
  return {.stages = std::vector<StageCost>(static_cast<std::size_t>(schedule.n_stages()), stage)};
}

// The longest idle time of any rank, which the formulas of DualPipe mean when F&B < F+B.
double most_idle(const StepTimeline& line) {
  return line.pipeline_seconds -
         *std::min_element(line.busy_seconds.begin(), line.busy_seconds.end());
}

constexpr StageCost kEven{1.0, 1.0, 1.0};
constexpr StageCost kUsual{1.0, 1.2, 0.8};

TEST(StepTimeline, BubblesEqualTheClosedFormulas) {
  for (const int p : {2, 3, 4, 8, 16}) {
    for (const int rounds : {1, 2, 5}) {
      for (int kind = 0; kind < 4; ++kind) {
        const auto name = static_cast<ScheduleKind>(kind);
        // ZB1P's formula is for F = b = W; the others hold for any times.
        const StageCost stage = name == ScheduleKind::kZb1p ? kEven : kUsual;
        const int n_chunks = name == ScheduleKind::kInterleaved ? 3 : 1;
        const Schedule schedule = make_schedule(name, p, rounds * p, n_chunks);
        const StepTimeline line = simulate_step(schedule, equal_stages(schedule, stage), {});
        EXPECT_NEAR(line.bubble_seconds, closed_bubble(schedule, stage), 1e-9)
            << to_string(name) << " " << p << " " << rounds;
      }
    }
  }
}

TEST(StepTimeline, DualPipesBubblesEqualTheirs) {
  for (const int p : {2, 4, 8, 16}) {
    for (const auto kind : {ScheduleKind::kDualPipe, ScheduleKind::kDualPipeV}) {
      const Schedule schedule = make_schedule(kind, p, 4 * p);
      for (const double share : {1.0, 0.8}) {
        const StepTimeline line = simulate_step(schedule, equal_stages(schedule, kEven, share), {});
        StageCost paired = kEven;
        paired.pair_share = share;
        const double wanted = closed_bubble(schedule, paired);
        EXPECT_NEAR(most_idle(line), wanted, 1e-9) << to_string(kind) << " " << p << " " << share;
        if (share == 1.0) {
          EXPECT_NEAR(line.bubble_seconds, wanted, 1e-9);
        }
      }
    }
  }
}

TEST(StepTimeline, WorkIsConserved) {
  for (int kind = 0; kind < 6; ++kind) {
    const Schedule schedule = make_schedule(static_cast<ScheduleKind>(kind), 4, 8, 2);
    const StepTimeline line = simulate_step(schedule, equal_stages(schedule, kUsual), {});
    const double each = kUsual.forward + kUsual.backward();
    const double chunks = schedule.kind == ScheduleKind::kDualPipe ? 1 : schedule.n_chunks;
    for (const double busy : line.busy_seconds) EXPECT_NEAR(busy, 8 * chunks * each, 1e-9) << kind;
  }
}

TEST(StepTimeline, NothingBeginsBeforeItsData) {
  const Schedule schedule = make_schedule(ScheduleKind::kDualPipe, 4, 10);
  StepCosts costs = equal_stages(schedule, kUsual, 0.7);
  costs.send_seconds = 0.05;
  const StepTimeline line = simulate_step(schedule, costs, {.rank_slowdown = {}, .spread = 0.3});
  std::vector<std::vector<double>> forward(10, std::vector<double>(4)), backward = forward;
  for (int rank = 0; rank < 4; ++rank) {
    double last = 0;
    for (const TimedOp& timed : line.ranks[static_cast<std::size_t>(rank)]) {
      EXPECT_GE(timed.end, last);
      last = timed.end;
      const auto m = static_cast<std::size_t>(timed.op.micro_batch);
      const auto at = static_cast<std::size_t>(position_of(schedule, rank, timed.op.stage));
      if (timed.op.kind == PhaseKind::kForward) forward[m][at] = timed.end;
      if (timed.op.kind == PhaseKind::kBackward || timed.op.kind == PhaseKind::kBackwardInput) {
        backward[m][at] = timed.end;
      }
    }
  }
  for (std::size_t m = 0; m < 10; ++m) {
    for (std::size_t at = 1; at < 4; ++at) {
      EXPECT_GT(forward[m][at], forward[m][at - 1] + 0.05);
      EXPECT_GT(backward[m][at - 1], backward[m][at] + 0.05);
    }
    EXPECT_GT(backward[m][3], forward[m][3]);
  }
}

TEST(StepTimeline, OneSlowRankSlowsTheStep) {
  const Schedule schedule = make_schedule(ScheduleKind::kOneFOneB, 4, 32);
  const StepCosts costs = equal_stages(schedule, kUsual);
  const double plain = simulate_step(schedule, costs, {}).step_seconds;
  const double slow =
      simulate_step(schedule, costs, {.rank_slowdown = {1, 1, 1.1, 1}}).step_seconds;
  EXPECT_GT(slow, plain * 1.08);
  EXPECT_LT(slow, plain * 1.1 + 1e-9);
  // Spread without a change of the mean still costs, because stages wait for the slowest.
  EXPECT_GT(
      simulate_step(schedule, costs, {.rank_slowdown = {}, .spread = 0.2, .seed = 3}).step_seconds,
      plain);
}

TEST(StepTimeline, TheTraceIsJsonWithASliceForEveryOperation) {
  const Schedule schedule = make_schedule(ScheduleKind::kDualPipe, 4, 8);
  const StepTimeline line = simulate_step(schedule, equal_stages(schedule, kUsual), {});
  const Json trace = parse_json(to_chrome_trace(line, "a \"name\"\n"), "trace");
  std::size_t slices = 0, pairs = 0;
  for (const Json& event : trace["traceEvents"]) {
    slices += event["ph"] == "X" ? 1 : 0;
    pairs += event.value("cat", "") == "pair" ? 1 : 0;
  }
  std::size_t ops = 0;
  for (const auto& rank : line.ranks) ops += rank.size();
  EXPECT_EQ(slices + pairs, ops);
  EXPECT_GT(pairs, 0u);
}

}  // namespace
}  // namespace farthing
