// run_simulation.h - weeks of training acted out: failures, restarts, spares, repairs, checkpoints.
//
//   SimulatedOutcome outcome = simulate_run(job, reliability, seed);       one possible run
//   RunBand band = simulate_runs(job, reliability, 10'000, seed);    P2.5 .. P97.5 of many
//
// State: useful seconds done, useful seconds saved.  Interruptions come from exponential clocks
// (failures, preemptions, planned stops, stragglers), during restarts too.  Between them the run
// jumps whole checkpoint cycles at a time, so the cost is O(interruptions), not O(steps):
// 57 days on 2,048 devices take tens of microseconds.
//
//   failure    progress since the last checkpoint is lost; detection; a node that broke is
//              replaced by a spare, or the job waits for the first repair, or gives a rented node
//              back and waits for capacity; restart
//   planned    checkpoint, then restart
//   preempted  as planned where the notice is long enough, else as a failure; then waits for
//              capacity
//   straggler  the job runs at 1 / (1 + slowdown) until it is found and the node swapped
//
// While it waits for capacity a job holds no devices: the only seconds that nobody pays.
//
// Goodput = useful seconds / wall seconds.  Categories add up to the wall time exactly.
//
// Each kind of event has a stream of random numbers of its own: with other preemptions or stops the
// same failures come after the same seconds of running.
//
// Exact    a function of (job, reliability, seed).   Units seconds.
// Errors   CHECK for a job without devices or steps.  A run that cannot finish within 50 times its
//          useful time has finished = false.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "plan/reliability.h"

namespace farthing {

struct SimulatedJob : JobExposure {
  double n_steps = 0;
  double step_seconds = 0;
};

enum class RunSecond {
  kUseful,
  kSlow,  // what stragglers cost
  kCheckpoint,
  kRecomputed,  // done, lost, done again
  kDetect,
  kRestart,
  kNoNode,      // waiting for a repair, the spares being used up
  kNoCapacity,  // waiting after a preemption, or for a rented node's successor; no device is held
};
inline constexpr int kRunSeconds = 8;
const char* to_string(RunSecond kind);
const char* describe(RunSecond kind);

enum class AttemptEnd { kFinished, kFailure, kPlanned, kPreempted, kStraggler, kGaveUp };
const char* to_string(AttemptEnd reason);

// From one start of the job to its stop and what followed.
struct SimulatedAttempt {
  double begin = 0;             // wall seconds of the run
  double start_up = 0;          // restart, until the first step
  double resumed = 0;           // useful seconds at the start
  double reached = 0;           // at the stop
  double saved = 0;             // in the last checkpoint
  double run_seconds = 0;       // from the first step to the stop, checkpoints included
  double slow_from = -1;        // a straggler, counted from the first step; -1: none
  double detect = 0, wait = 0;  // after the stop
  AttemptEnd reason = AttemptEnd::kFinished;
  int cause = -1;  // of failure_causes(), for kFailure
};

struct SimulatedOutcome {
  bool finished = false;
  double wall_seconds = 0;
  std::array<double, kRunSeconds> seconds{};
  double goodput = 0;
  double checkpoint_interval = 0;
  int n_failures = 0, n_planned = 0, n_preempted = 0, n_stragglers = 0;
  std::vector<int> failures_by_cause;
  std::vector<SimulatedAttempt> attempts;  // only where they were asked for
  double operator[](RunSecond kind) const { return seconds[static_cast<std::size_t>(kind)]; }
  double held_seconds() const { return wall_seconds - (*this)[RunSecond::kNoCapacity]; }
};

SimulatedOutcome simulate_run(const SimulatedJob& job, const ReliabilityModel& model,
                              std::uint64_t seed, bool keeps_attempts = false);

struct Spread {
  double low = 0, p10 = 0, p50 = 0, p90 = 0, high = 0, mean = 0;  // low, high: P2.5, P97.5
};
Spread spread_of(std::vector<double> values);

struct RunBand {
  int n_runs = 0, n_unfinished = 0;
  Spread wall_seconds, goodput, failures;
  std::array<double, kRunSeconds> mean_seconds{};
};
RunBand simulate_runs(const SimulatedJob& job, const ReliabilityModel& model, int n_runs,
                      std::uint64_t seed);

}  // namespace farthing
