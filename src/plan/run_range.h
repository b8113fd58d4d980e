// run_range.h - how long a planned run takes: failures acted out, every uncertain input drawn.
//
//   SimulatedJob job = job_of(cluster, n_devices, checkpoint_bytes, n_steps, step_seconds);
//   auto inputs = run_inputs(cluster, job, reliability_of(cluster), {p10, p50, p90});
//   sample_range(inputs, [&](auto values, auto seed) { return drawn_days(job, model, values, seed);
//   })
//
// Exact    a function of its arguments.   Cost tens of microseconds for a draw of eight weeks.
#pragma once
#include <span>
#include <vector>

#include "plan/ranges.h"
#include "plan/run_simulation.h"

namespace farthing {

SimulatedJob job_of(const Cluster& cluster, int n_devices, double checkpoint_bytes, double n_steps,
                    double step_seconds);

struct StepRange {
  double p10 = 0, p50 = 0, p90 = 0;  // seconds
};
// Step, failures, noticing, restart, repair, checkpoints, stragglers, preemptions; a figure's own
// range where its file gives one, else a width with its source.
std::vector<UncertainInput> run_inputs(const Cluster& cluster, const SimulatedJob& job,
                                       const ReliabilityModel& model, const StepRange& step);
// One run with the inputs' `values`, and its days.
SimulatedOutcome drawn_run(const SimulatedJob& job, const ReliabilityModel& model,
                           std::span<const double> values, std::uint64_t seed);
double drawn_days(const SimulatedJob& job, const ReliabilityModel& model,
                  std::span<const double> values, std::uint64_t seed);

}  // namespace farthing
