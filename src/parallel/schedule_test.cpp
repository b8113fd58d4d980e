// schedule_test.cpp - every schedule: F before B before W, each once, W FIFO, no deadlock, bounds.
#include "parallel/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace farthing {
namespace {

Schedule alone(RankSchedule rank, int n_micro_batches) {
  return {.kind = ScheduleKind::kOneFOneB,
          .n_micro_batches = n_micro_batches,
          .n_chunks = 1,
          .ranks = {std::move(rank)}};
}

TEST(Schedule, KeepsTheOrderOfEachMicroBatch) {
  for (int n = 1; n <= 33; ++n) {
    EXPECT_EQ(broken_rule(alone(single_rank_schedule(n), n)), "") << n;
    EXPECT_EQ(broken_rule(alone(single_rank_schedule_delayed(n), n)), "") << n;
  }
}

TEST(Schedule, KeepsOneMicroBatchAliveUnlessDelayed) {
  EXPECT_EQ(most_live(single_rank_schedule(7)), 1);
  EXPECT_EQ(most_live(single_rank_schedule_delayed(7)), 7);
}

TEST(Schedule, TheRulesCatchBrokenSchedules) {
  RankSchedule swapped = single_rank_schedule(2);
  std::swap(swapped[0], swapped[1]);
  EXPECT_EQ(broken_rule(alone(swapped, 2)), "B before F");
  RankSchedule lifo = single_rank_schedule_delayed(2);
  std::swap(lifo[4], lifo[5]);
  EXPECT_EQ(broken_rule(alone(lifo, 2)), "W not FIFO");
  RankSchedule short_one = single_rank_schedule_delayed(2);
  short_one.pop_back();
  EXPECT_EQ(broken_rule(alone(short_one, 2)), "work left out");
  RankSchedule twice = single_rank_schedule(2);
  twice[2] = twice[0];
  EXPECT_EQ(broken_rule(alone(twice, 2)), "F twice");
  RankSchedule paired = single_rank_schedule(2);
  paired[1].overlaps_next = true;
  EXPECT_EQ(broken_rule(alone(paired, 2)), "an overlap that is no F with a B");
  // Rank 0 wants the gradient of micro-batch 0 before it has sent micro-batch 1, rank 1 the
  // reverse.
  Schedule stuck = make_schedule(ScheduleKind::kOneFOneB, 2, 2);
  stuck.ranks[0] = {{PhaseKind::kForward, 0, 0},
                    {PhaseKind::kBackward, 0, 0},
                    {PhaseKind::kForward, 1, 0},
                    {PhaseKind::kBackward, 1, 0}};
  stuck.ranks[1] = {{PhaseKind::kForward, 0, 0},
                    {PhaseKind::kForward, 1, 0},
                    {PhaseKind::kBackward, 0, 0},
                    {PhaseKind::kBackward, 1, 0}};
  EXPECT_EQ(broken_rule(stuck), "ranks wait for each other for ever");
}

TEST(Schedule, EveryPipelineKeepsTheRules) {
  int tried = 0;
  for (int kind = 0; kind < 6; ++kind) {
    for (const int n_ranks : {1, 2, 3, 4, 6, 8, 16}) {
      for (int n = 1; n <= 3 * n_ranks + 4; ++n) {
        for (const int n_chunks : {1, 2, 3}) {
          const auto name = static_cast<ScheduleKind>(kind);
          if (!why_not(name, n_ranks, n, n_chunks).empty()) continue;
          ++tried;
          ASSERT_EQ(broken_rule(make_schedule(name, n_ranks, n, n_chunks)), "")
              << to_string(name) << " " << n_ranks << " " << n << " " << n_chunks;
        }
      }
    }
  }
  EXPECT_GT(tried, 1000);
}

// The most that any rank keeps; the bounds of schedule.h.
TEST(Schedule, LiveMicroBatchesStayInTheirBounds) {
  for (const int n_ranks : {2, 4, 8, 16}) {
    const int n = 3 * n_ranks;
    for (int r = 0; r < n_ranks; ++r) {
      const auto live = [&](ScheduleKind kind, int n_chunks = 1) {
        const Schedule schedule = make_schedule(kind, n_ranks, n, n_chunks);
        return most_live(schedule.ranks[static_cast<std::size_t>(r)]);
      };
      EXPECT_EQ(live(ScheduleKind::kGpipe), n);
      EXPECT_EQ(live(ScheduleKind::kOneFOneB), n_ranks - r);
      EXPECT_EQ(live(ScheduleKind::kZb1p), n_ranks);
      EXPECT_EQ(live(ScheduleKind::kInterleaved, 2),
                std::min(2 * (n_ranks - r - 1) + n_ranks + 1, 2 * n));
      EXPECT_LE(live(ScheduleKind::kDualPipe), n_ranks + 1);
      EXPECT_LE(live(ScheduleKind::kDualPipeV), 2 * n_ranks + 1);
    }
    int worst = 0;
    for (const RankSchedule& rank : make_schedule(ScheduleKind::kDualPipe, n_ranks, n).ranks) {
      worst = std::max(worst, most_live(rank));
    }
    EXPECT_EQ(worst, n_ranks + 1);
  }
}

TEST(Schedule, DualPipeIsThePublishedOne) {
  const Schedule schedule = make_schedule(ScheduleKind::kDualPipe, 4, 8);
  const std::string outer = "F0 F0 F0 F1 b1 W F1 [F0&B1] [F1&B0] B1 [F1&B0] B1 b0 W b0 W";
  const std::string inner = "F0 F1 F0 F1 F0 B1 [F1&B0] [F0&B1] [F1&B0] B1 B0 b1 b0 W W";
  EXPECT_EQ(to_text(schedule.ranks[0]), outer);
  EXPECT_EQ(to_text(schedule.ranks[1]), inner);
  // The other half is the same list seen from the other end: directions trade places.
  const auto mirrored = [&](std::size_t rank) {
    RankSchedule ops = schedule.ranks[rank];
    for (ScheduleOp& op : ops) op.stage = 1 - op.stage;
    return to_text(ops);
  };
  EXPECT_EQ(mirrored(3), outer);
  EXPECT_EQ(mirrored(2), inner);
}

TEST(Schedule, ZeroBubbleByHand) {
  const Schedule schedule = make_schedule(ScheduleKind::kZb1p, 2, 3);
  EXPECT_EQ(to_text(schedule.ranks[0]), "F0 F0 b0 W F0 b0 W b0 W");
  EXPECT_EQ(to_text(schedule.ranks[1]), "F0 b0 F0 b0 W F0 b0 W W");
}

TEST(Schedule, PlacesAndPositionsAreInverse) {
  for (int kind = 0; kind < 6; ++kind) {
    const Schedule schedule = make_schedule(static_cast<ScheduleKind>(kind), 4, 8, 2);
    for (int m = 0; m < schedule.n_micro_batches; ++m) {
      for (int position = 0; position < schedule.n_stages(); ++position) {
        const StagePlace place = place_of(schedule, m, position);
        EXPECT_EQ(position_of(schedule, place.rank, place.chunk), position) << kind;
      }
    }
  }
}

TEST(Schedule, ImpossibleShapesSayWhatWouldDo) {
  EXPECT_THROW(make_schedule(ScheduleKind::kDualPipe, 3, 8), Error);
  EXPECT_THROW(make_schedule(ScheduleKind::kInterleaved, 4, 6, 2), Error);
  EXPECT_THROW(make_schedule(ScheduleKind::kOneFOneB, 0, 6), Error);
  EXPECT_THROW(make_schedule(ScheduleKind::kGpipe, 2'000'000'000, 2'000'000'000), Error);
  EXPECT_NE(why_not(ScheduleKind::kDualPipe, 4, 6).find("at least 8"), std::string::npos);
  EXPECT_NE(why_not(ScheduleKind::kInterleaved, 4, 6, 2).find("8, say"), std::string::npos);
  EXPECT_EQ(schedule_kind("zb1p"), ScheduleKind::kZb1p);
  EXPECT_EQ(schedule_kind("zb9"), std::nullopt);
}

}  // namespace
}  // namespace farthing
