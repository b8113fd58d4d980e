// schedule_test.cpp - every schedule runs F before B before W of each micro-batch, W in FIFO order.
#include "parallel/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>

namespace farthing {
namespace {

// The first rule that a schedule breaks, "" if none: what an executor relies on.
std::string broken_rule(const RankSchedule& schedule, int n_micro_batches) {
  std::map<int, int> n_forward, n_backward, n_weight;
  std::deque<int> waiting;  // micro-batches whose weight part is due, oldest first
  for (const ScheduleOp& op : schedule) {
    const int m = op.micro_batch;
    if (m < 0 || m >= n_micro_batches) return "a micro-batch that does not exist";
    switch (op.kind) {
      case PhaseKind::kForward:
        if (n_forward[m]++ > 0) return "F twice";
        break;
      case PhaseKind::kBackward:
      case PhaseKind::kBackwardInput:
        if (n_forward[m] == 0) return "B before F";
        if (n_backward[m]++ > 0) return "B twice";
        if (op.kind == PhaseKind::kBackward) n_weight[m]++;
        else waiting.push_back(m);
        break;
      case PhaseKind::kBackwardWeight:
        if (waiting.empty()) return "W before B";
        if (waiting.front() != m) return "W not FIFO";
        waiting.pop_front();
        n_weight[m]++;
        break;
    }
  }
  for (int m = 0; m < n_micro_batches; ++m) {
    if (n_forward[m] != 1 || n_backward[m] != 1 || n_weight[m] != 1) return "work left out";
  }
  return "";
}

int most_live(const RankSchedule& schedule) {
  int live = 0, most = 0;
  for (const ScheduleOp& op : schedule) {
    if (op.kind == PhaseKind::kForward) most = std::max(most, ++live);
    if (op.kind == PhaseKind::kBackward || op.kind == PhaseKind::kBackwardWeight) --live;
  }
  return most;
}

TEST(Schedule, KeepsTheOrderOfEachMicroBatch) {
  for (int n = 1; n <= 33; ++n) {
    EXPECT_EQ(broken_rule(single_rank_schedule(n), n), "") << n;
    EXPECT_EQ(broken_rule(single_rank_schedule_delayed(n), n), "") << n;
  }
}

TEST(Schedule, KeepsOneMicroBatchAliveUnlessDelayed) {
  EXPECT_EQ(most_live(single_rank_schedule(7)), 1);
  EXPECT_EQ(most_live(single_rank_schedule_delayed(7)), 7);
}

TEST(Schedule, TheRulesCatchBrokenSchedules) {
  RankSchedule swapped = single_rank_schedule(2);
  std::swap(swapped[0], swapped[1]);
  EXPECT_EQ(broken_rule(swapped, 2), "B before F");
  RankSchedule lifo = single_rank_schedule_delayed(2);
  std::swap(lifo[4], lifo[5]);
  EXPECT_EQ(broken_rule(lifo, 2), "W not FIFO");
  RankSchedule short_one = single_rank_schedule_delayed(2);
  short_one.pop_back();
  EXPECT_EQ(broken_rule(short_one, 2), "work left out");
}

}  // namespace
}  // namespace farthing
