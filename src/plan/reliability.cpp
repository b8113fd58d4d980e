// reliability.cpp - causes of failures, checkpoint intervals, the usual run in closed form.
#include "plan/reliability.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace farthing {
namespace {

double or_else(const Figure& figure, double otherwise) {
  return figure.is_known() ? figure.value : otherwise;
}

double n_nodes(const JobExposure& job) {
  return std::ceil(static_cast<double>(job.n_devices) / job.devices_per_node);
}

// P(N >= least) of a Poisson count.
double poisson_at_least(double mean, int least) {
  double below = 0, term = std::exp(-mean);
  for (int k = 0; k < least; ++k) {
    below += term;
    term *= mean / (k + 1);
  }
  return std::clamp(1 - below, 0.0, 1.0);
}

}  // namespace

double share_that_takes_node() {
  double share = 0;
  for (const FailureCause& cause : failure_causes()) share += cause.takes_node ? cause.share : 0;
  return share;
}

const std::vector<FailureCause>& failure_causes() {
  static const std::vector<FailureCause> causes = [] {
    struct Row {
      const char* name;
      double count;
      bool takes_node;
    };
    constexpr Row kRows[] = {{"faulty GPU", 148, true},
                             {"GPU memory (HBM)", 72, true},
                             {"software", 54, false},
                             {"network switch or cable", 35, false},
                             {"host maintenance", 32, true},
                             {"GPU SRAM", 19, true},
                             {"GPU system processor", 17, true},
                             {"network card", 7, true},
                             {"collective watchdog", 7, false},
                             {"silent data corruption", 6, true},
                             {"thermal interface", 6, true},
                             {"SSD", 3, true},
                             {"power supply", 3, true},
                             {"chassis", 2, true},
                             {"IO board", 2, true},
                             {"dependency", 2, false},
                             {"CPU", 2, true},
                             {"system memory", 2, true}};
    std::vector<FailureCause> all;
    for (const Row& row : kRows) all.push_back({row.name, row.count / 419, row.takes_node});
    return all;
  }();
  return causes;
}

double best_checkpoint_interval(double stall_seconds, double mtbf_seconds) {
  if (!(mtbf_seconds < std::numeric_limits<double>::max())) return 3600;
  if (stall_seconds >= mtbf_seconds / 2) return mtbf_seconds;
  return std::sqrt(2 * stall_seconds * mtbf_seconds) - stall_seconds;
}

ReliabilityModel reliability_of(const Cluster& cluster) {
  const Reliability& facts = cluster.reliability;
  ReliabilityModel model;
  if (facts.device_failures.is_known()) {
    model.failures_per_device_hour = facts.device_failures.value * 3600;
  }
  model.detect_seconds = or_else(facts.detect, model.detect_seconds);
  model.restart_seconds = or_else(facts.restart, model.restart_seconds);
  model.repair_seconds = or_else(facts.repair, model.repair_seconds);
  model.spare_nodes = static_cast<int>(or_else(facts.spares, 0));
  model.stragglers_per_node_month = or_else(facts.stragglers, model.stragglers_per_node_month);
  model.straggler_slowdown = or_else(facts.straggler_slowdown, model.straggler_slowdown);
  model.preemptions_per_node_hour = or_else(cluster.spot.preemptions, 0) * 3600;
  model.notice_seconds = or_else(cluster.spot.notice, 0);
  model.availability = or_else(cluster.spot.availability, 1);
  model.returns_nodes = cluster.spot.preemptions.is_known() && model.spare_nodes == 0;
  return model;
}

JobExposure exposure_of(const Cluster& cluster, int n_devices, double checkpoint_bytes) {
  JobExposure job;
  job.n_devices = n_devices;
  job.devices_per_node = cluster.devices_per_node();
  job.checkpoint_stall_seconds =
      cluster.storage.write.is_known() ? checkpoint_bytes / cluster.storage.write.value : 60;
  job.checkpoint_seconds = or_else(cluster.reliability.checkpoint_every, 0);
  return job;
}

double job_mtbf(const JobExposure& job, const ReliabilityModel& model) {
  return 3600 / (model.failures_per_device_hour * job.n_devices +
                 model.preemptions_per_node_hour * n_nodes(job));
}

ExpectedGoodput expected_goodput(const JobExposure& job, const ReliabilityModel& model) {
  const double stall = job.checkpoint_stall_seconds, restart = model.restart_seconds;
  const double failures = model.failures_per_device_hour * job.n_devices / 3600;
  const double preemptions = model.preemptions_per_node_hour * n_nodes(job) / 3600;
  const double planned = model.planned_per_day / 86400;
  const double stragglers = model.stragglers_per_node_month * n_nodes(job) / (30 * 86400);
  ExpectedGoodput expected;
  expected.interruptions = failures + preemptions;
  expected.checkpoint_seconds =
      job.checkpoint_seconds > 0
          ? job.checkpoint_seconds
          : best_checkpoint_interval(std::max(stall, 0.1), job_mtbf(job, model));
  const double lost = expected.checkpoint_seconds / 2;
  const double broken = failures * share_that_takes_node() + stragglers;
  const double no_spare = model.returns_nodes
                              ? 0
                              : poisson_at_least(broken * model.repair_seconds, model.spare_nodes) *
                                    model.repair_seconds / (model.spare_nodes + 1);
  const double slowed =
      model.straggler_found_seconds * model.straggler_slowdown / (1 + model.straggler_slowdown);
  const double preempted = model.notice_seconds >= stall ? stall : lost;
  const double wall = 1 + stall / expected.checkpoint_seconds +
                      failures * (lost + model.detect_seconds + restart) +
                      planned * (stall + restart) + preemptions * (preempted + restart) +
                      stragglers * (slowed + stall + restart) + broken * no_spare;
  expected.held = 1 / wall;
  expected.share = expected.held * std::clamp(model.availability, 1e-3, 1.0);
  return expected;
}

}  // namespace farthing
