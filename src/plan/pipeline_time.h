// pipeline_time.h - the pipeline of a step, acted out: how long it takes and how busy its ranks
// are.
//
//   busy    seconds of work of the mean rank
//   bubble  seconds - busy: filling and draining, stages of unequal length, waiting for sends and
//           for the slowest rank.  The one definition of plan, timeline and simulation.
//
// Ranks differ by `jitter`, evenly spread, so that no random number is needed.  `whole` acts every
// micro-batch; otherwise, and beyond some hundred thousand operations, the seconds after the
// pipeline has filled grow by a constant per micro-batch, measured over the last p of 4 p or more.
//
// Cost   about 50 ns an operation: 0.3 ms for 16 ranks and 120 micro-batches.
#pragma once
#include <cstdint>
#include <vector>

#include "plan/layout.h"
#include "plan/step_timeline.h"

namespace farthing {

struct PipelineTime {
  double seconds = 0;
  double busy = 0;
  double bubble() const { return seconds - busy; }
};

// The trainer's schedule of a layout; kNone is 1F1B on one rank.
ScheduleKind schedule_kind(PipelineSchedule schedule);

// Factors of mean 1 and relative standard deviation `jitter`, one for each rank.
std::vector<double> even_slowdown(int n_ranks, double jitter);

// REQUIRES costs of every stage.  A count of micro-batches that the schedule does not have lies on
// the line of those it has.
PipelineTime pipeline_time(const Layout& layout, std::int64_t n_micro_batches,
                           const StepCosts& costs, double jitter, bool whole);

}  // namespace farthing
