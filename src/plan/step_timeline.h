// step_timeline.h - one training step acted out: every operation of a Schedule with begin and end.
//
//   StepTimeline line = simulate_step(make_schedule(ScheduleKind::kDualPipe, 16, 120), costs, {});
//   line.pipeline_seconds, line.bubble_share, line.ranks[r][i].begin
//
// A rank does its operations in order.  F waits for the activations of the stage before it, B for
// the gradient of the stage behind it, each sent in send_seconds (none within a rank); sends occupy
// no compute.  An overlapped pair begins when both may begin; each of the two takes its stage's
// pair_share of its time alone.
//
// Without sends and disturbance, stages alike, the bubble equals the closed formulas
// (closed_bubble) where they hold; ZB1P's needs F = b = W.
//
// Units    seconds.   Cost O(operations), about 50 ns each.
// Exact    deterministic for a seed.
// Errors   CHECK that costs name every stage; a schedule that deadlocks is a failed CHECK.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/schedule.h"

namespace farthing {

// One stage (one chunk of a rank), one micro-batch.
struct StageCost {
  double forward = 0;
  double backward_input = 0;
  double backward_weight = 0;
  double pair_share = 1;  // of F and of B where they are one of a pair; 1: nothing is hidden
  double backward() const { return backward_input + backward_weight; }
  double total() const { return forward + backward(); }
};

struct StepCosts {
  std::vector<StageCost> stages;  // by pipeline stage, schedule.n_stages() of them
  double send_seconds = 0;        // activations or their gradient, to a neighbouring rank
  double tail_seconds = 0;        // gradients that are not hidden, and the optimizer
  double waiting_share = 0;       // of all that: for the slowest of many nodes
};

// What makes operations of one kind differ.
struct Disturbance {
  std::vector<double> rank_slowdown;  // 1.1: a tenth slower; empty: none
  double spread = 0;  // relative standard deviation of one operation: expert imbalance, jitter
  std::uint64_t seed = 1;
};

struct TimedOp {
  ScheduleOp op;
  double begin = 0;
  double end = 0;
};

struct StepTimeline {
  std::vector<std::vector<TimedOp>> ranks;
  double pipeline_seconds = 0;       // to the end of the last operation
  double step_seconds = 0;           // and the tail and the waiting
  std::vector<double> busy_seconds;  // of each rank
  double bubble_seconds = 0;         // idle time of the mean rank
  double bubble_share = 0;           // of the step
};

StepTimeline simulate_step(const Schedule& schedule, const StepCosts& costs,
                           const Disturbance& disturbance);

// Of equal stages: pipeline seconds less a rank's own work.
double closed_bubble(const Schedule& schedule, const StageCost& stage);

// The step as Chrome trace events (JSON object format), which Perfetto opens: a thread per rank,
// microseconds.
std::string to_chrome_trace(const StepTimeline& timeline, const std::string& name);

}  // namespace farthing
