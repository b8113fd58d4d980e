// run_range.cpp - the uncertain inputs of a run, and one run of them.
#include "plan/run_range.h"

#include <algorithm>
#include <cmath>

namespace farthing {
namespace {

UncertainInput around(std::string name, double median, double factor, std::string unit,
                      std::string source) {
  const InputShape shape = median > 0 ? InputShape::kLognormal : InputShape::kFixed;
  return {std::move(name), shape,           median / factor,  median,
          median * factor, std::move(unit), std::move(source)};
}

// A figure's own range where its file gives one; `unit` times its SI value.
UncertainInput with_range(UncertainInput input, const Figure& figure, double unit) {
  if (!(figure.p90 > 0) || !(input.median > 0)) return input;
  input.low = figure.p10 * unit;
  input.high = figure.p90 * unit;
  return input;
}

std::string source_of(const Figure& figure, const char* otherwise) {
  return figure.is_known() ? figure.source : otherwise;
}

}  // namespace

SimulatedJob job_of(const Cluster& cluster, int n_devices, double checkpoint_bytes, double n_steps,
                    double step_seconds) {
  SimulatedJob job;
  static_cast<JobExposure&>(job) = exposure_of(cluster, n_devices, checkpoint_bytes);
  job.n_steps = std::max(1.0, std::ceil(n_steps));
  job.step_seconds = step_seconds;
  return job;
}

// In the order in which drawn_days() reads them.
std::vector<UncertainInput> run_inputs(const Cluster& cluster, const SimulatedJob& job,
                                       const ReliabilityModel& model, const StepRange& step) {
  const Reliability& facts = cluster.reliability;
  const double rate_factor = std::exp(1.2816 * model.rate_sigma);
  const double time_factor = std::exp(1.2816 * model.duration_sigma);
  return {
      {"step", InputShape::kLognormal, step.p10, step.p50, step.p90, "s",
       "the plan's range: constants of the time model"},
      with_range(around("failures per device", model.failures_per_device_hour, rate_factor, "1/h",
                        source_of(facts.device_failures, "arXiv:2410.21680") +
                            "; width: two clusters of arXiv:2410.21680"),
                 facts.device_failures, 3600),
      with_range(around("noticing a failure", model.detect_seconds, time_factor, "s",
                        source_of(facts.detect, "assumed")),
                 facts.detect, 1),
      with_range(around("restart", model.restart_seconds, time_factor, "s",
                        source_of(facts.restart, "assumed")),
                 facts.restart, 1),
      with_range(around("repair of a node", model.repair_seconds, time_factor, "s",
                        source_of(facts.repair, "assumed")),
                 facts.repair, 1),
      around("checkpoint stall", job.checkpoint_stall_seconds, 2, "s",
             "bytes over the storage's write rate; width assumed"),
      around("stragglers", model.stragglers_per_node_month, 3, "1/(node month)",
             source_of(facts.stragglers, "arXiv:2402.15627") + "; width assumed"),
      around("preemptions", model.preemptions_per_node_hour, 2, "1/(node h)",
             source_of(cluster.spot.preemptions, "not stated"))};
}

SimulatedOutcome drawn_run(const SimulatedJob& base, const ReliabilityModel& facts,
                           std::span<const double> v, std::uint64_t seed) {
  SimulatedJob job = base;
  ReliabilityModel model = facts;
  job.step_seconds = v[0];
  model.failures_per_device_hour = v[1];
  model.detect_seconds = v[2];
  model.restart_seconds = v[3];
  model.repair_seconds = v[4];
  job.checkpoint_stall_seconds = v[5];
  model.stragglers_per_node_month = v[6];
  model.preemptions_per_node_hour = v[7];
  model.rate_sigma = 0;  // drawn above
  model.duration_sigma = 0;
  return simulate_run(job, model, seed);
}

double drawn_days(const SimulatedJob& job, const ReliabilityModel& model,
                  std::span<const double> values, std::uint64_t seed) {
  return drawn_run(job, model, values, seed).wall_seconds / 86400;
}

}  // namespace farthing
