// schedule.h - what a rank does in a step, as data: the trainer executes it, the simulator times it.
#pragma once
#include <vector>

namespace farthing {

enum class PhaseKind {
  kForward,         // F
  kBackward,        // B: input and weight part, layer by layer
  kBackwardInput,   // b: the weight part waits
  kBackwardWeight,  // W: the oldest waiting weight part
};

struct ScheduleOp {
  PhaseKind kind = PhaseKind::kForward;
  int micro_batch = 0;
  int stage = 0;  // model chunk of this rank
  bool operator==(const ScheduleOp&) const = default;
};

// Operations of one rank, in order.
using RankSchedule = std::vector<ScheduleOp>;

// One rank: F and B of every micro-batch in turn; one live micro-batch.
RankSchedule single_rank_schedule(int n_micro_batches);
// The same work with every W delayed to the end, FIFO; all micro-batches live (for tests).
RankSchedule single_rank_schedule_delayed(int n_micro_batches);

}  // namespace farthing
