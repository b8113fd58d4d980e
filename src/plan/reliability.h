// reliability.h - what interrupts a run on a cluster: causes with rates, and what each costs.
//
// Rates are per device and hour, since published counts are. An interruption stops the whole job:
// training is synchronous.  The shares of the causes are those of Llama 3's table of 419 unexpected
// interruptions; the total rate is a cluster's own figure, by default the geometric mean of Meta's
// two research clusters, which is another source:
//
//   6.50 and 2.34 failures per 1,000 node-days of eight   ->  3.39e-5 and 1.22e-5 per device-hour
//   geometric mean 2.03e-5; as P90 and P10 of a lognormal: sigma 0.398
//
// Source   Kokolis et al. 2024 (arXiv:2410.21680); Llama 3 (arXiv:2407.21783), table 5;
//          MegaScale (arXiv:2402.15627): detection under 10 minutes, catching up under 15.
#pragma once
#include <string>
#include <vector>

#include "plan/cluster.h"

namespace farthing {

struct FailureCause {
  std::string name;
  double share = 0;         // of all unexpected interruptions
  bool takes_node = false;  // the node leaves until it is repaired
};
// Shares add up to 1.
const std::vector<FailureCause>& failure_causes();
double share_that_takes_node();

inline constexpr double kResearchClusterRate = 2.032e-5;  // 1 / (device hour)
inline constexpr double kRateSigma = 0.398;               // of its logarithm

struct ReliabilityModel {
  double failures_per_device_hour = kResearchClusterRate;
  double detect_seconds = 4 * 60;     // until the job is known to be dead, mean of one failure
  double restart_seconds = 6 * 60;    // allocation, loading, first step, mean of one restart
  double repair_seconds = 24 * 3600;  // median, until a node is back
  int spare_nodes = 0;
  double planned_per_day = 47.0 / 54;  // maintenance, upgrades: saved first, restart only
  // Nodes that run slow without failing, and what finding one takes.
  double stragglers_per_node_month = 0.005;
  double straggler_slowdown = 0.10;
  double straggler_found_seconds = 2 * 3600;
  // Spot capacity: 0 preemptions on what is owned or reserved.
  double preemptions_per_node_hour = 0;
  double notice_seconds = 120;
  double availability = 1;  // share of the time in which capacity can be had
  // A node that breaks goes back to whom it is rented from: no repair is waited for, but capacity.
  bool returns_nodes = false;
  // Uncertainty between clusters, drawn once per simulated run: sigma of the logarithm.
  double rate_sigma = kRateSigma;
  double duration_sigma = 0.5;  // of detection, restart and repair
};

// Of a cluster's file; what it does not state keeps the values above.
ReliabilityModel reliability_of(const Cluster& cluster);

// What one job loses to interruptions.
struct JobExposure {
  int n_devices = 0;
  int devices_per_node = 8;
  double checkpoint_stall_seconds = 0;  // the step waits that long
  double checkpoint_seconds = 0;        // interval; 0: best_checkpoint_interval
};
// A job of so many of the cluster's devices; a minute's stall where the storage is not stated.
JobExposure exposure_of(const Cluster& cluster, int n_devices, double checkpoint_bytes);

// Checkpoint interval that loses least, for a stall of `stall` seconds and a mean time between
// interruptions of `mtbf`:  sqrt(2 stall mtbf) - stall  below mtbf / 2, else mtbf.
// Source  Young 1974; Daly 2006, first order.
double best_checkpoint_interval(double stall_seconds, double mtbf_seconds);

// Mean time between failures and preemptions of the job, seconds.
double job_mtbf(const JobExposure& job, const ReliabilityModel& model);

// The usual run in closed form, every rate and duration at its median:
//
//   wall / useful = 1 + stall/every + failures (every/2 + detect + restart) + planned (stall +
//   restart)
//                   + preemptions (...) + stragglers (...) + broken nodes x wait for a spare
//   wait for a spare   P(Poisson(broken x repair) >= spares) x repair / (spares + 1); none where
//                      nodes are returned
//   held = useful / wall: of the hours in which devices are held, which are those that are paid
//   share = held, times the share of the time in which capacity can be had
//
// Rates per second of running.  First order: interruptions during restarts are left out; within a
// point of the simulated median for each cluster of the book that loses less than a tenth, within
// two for the spot one (a test).
struct ExpectedGoodput {
  double share = 1, held = 1;
  double checkpoint_seconds = 0;  // the interval
  double interruptions = 0;       // unexpected ones and preemptions, per second
};
ExpectedGoodput expected_goodput(const JobExposure& job, const ReliabilityModel& model);

}  // namespace farthing
