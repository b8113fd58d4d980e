// schedule.cpp - the schedules of one rank.
#include "parallel/schedule.h"

#include "base/check.h"

namespace farthing {

RankSchedule single_rank_schedule(int n_micro_batches) {
  CHECK(n_micro_batches >= 1);
  RankSchedule schedule;
  for (int micro_batch = 0; micro_batch < n_micro_batches; ++micro_batch) {
    schedule.push_back({PhaseKind::kForward, micro_batch, 0});
    schedule.push_back({PhaseKind::kBackward, micro_batch, 0});
  }
  return schedule;
}

RankSchedule single_rank_schedule_delayed(int n_micro_batches) {
  CHECK(n_micro_batches >= 1);
  RankSchedule schedule;
  for (const PhaseKind kind :
       {PhaseKind::kForward, PhaseKind::kBackwardInput, PhaseKind::kBackwardWeight}) {
    for (int micro_batch = 0; micro_batch < n_micro_batches; ++micro_batch) {
      schedule.push_back({kind, micro_batch, 0});
    }
  }
  return schedule;
}

}  // namespace farthing
