// run_simulation.cpp - the clocks of a run, and what happens when one rings.
#include "plan/run_simulation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"

namespace farthing {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kMostStretch = 50;  // of the useful time, before a run gives up

// Random numbers of one factor of a run, in the order in which they are needed: one that is drawn
// more often leaves the others as they were.
class Draws {
 public:
  Draws(std::uint64_t seed, std::string_view factor)
      : rng_(seed, RngStream::kSampling, hash64(factor)) {}
  double exponential(double mean) { return -mean * std::log1p(-rng_.uniform(index_++)); }
  // Lognormal around a median.
  double around(double median, double sigma) {
    return sigma > 0 ? median * std::exp(sigma * rng_.normal(index_++)) : median;
  }
  double uniform() { return rng_.uniform(index_++); }
  // Until something that happens every `mean` seconds.
  double clock(double mean) { return std::isfinite(mean) && mean > 0 ? exponential(mean) : kNever; }

 private:
  Rng rng_;
  std::uint64_t index_ = 0;
};

struct RunDraws {
  explicit RunDraws(std::uint64_t seed)
      : failure(seed, "failure"),
        start_failure(seed, "failure while starting"),
        cause(seed, "cause"),
        detect(seed, "detect"),
        restart(seed, "restart"),
        repair(seed, "repair"),
        planned(seed, "planned"),
        preempt(seed, "preempt"),
        capacity(seed, "capacity"),
        straggler(seed, "straggler"),
        found(seed, "straggler found") {}
  Draws failure, start_failure, cause, detect, restart, repair;
  Draws planned, preempt, capacity, straggler, found;
};

class RunSimulator {
 public:
  RunSimulator(const SimulatedJob& job, const ReliabilityModel& model, std::uint64_t seed,
               bool keeps_attempts)
      : job_(job), model_(model), draws_(seed), keeps_attempts_(keeps_attempts) {
    CHECK(job.n_devices > 0 && job.n_steps > 0 && job.step_seconds > 0);
    CHECK(job.devices_per_node > 0);
    useful_ = job.n_steps * job.step_seconds;
    const double nodes = std::ceil(static_cast<double>(job.n_devices) / job.devices_per_node);
    const auto around = [&](const char* factor, double median, double sigma) {
      return Draws(seed, factor).around(median, sigma);
    };
    const double rate = around("failure rate", model.failures_per_device_hour, model.rate_sigma);
    failure_mean_ = 3600 / (rate * job.n_devices);
    planned_mean_ = 86400 / model.planned_per_day;
    preempt_mean_ = 3600 / (model.preemptions_per_node_hour * nodes);
    straggler_mean_ = 30 * 86400 / (model.stragglers_per_node_month * nodes);
    double losses = 1 / preempt_mean_;  // of nodes, per second of running
    if (model.returns_nodes)
      losses += share_that_takes_node() / failure_mean_ + 1 / straggler_mean_;
    const double capacity = std::clamp(model.availability, 1e-3, 1.0);
    capacity_mean_ = losses > 0 ? (1 / capacity - 1) / losses : 0;
    detect_ = around("usual detection", model.detect_seconds, model.duration_sigma);
    restart_ = around("usual restart", model.restart_seconds, model.duration_sigma);
    repair_ = around("usual repair", model.repair_seconds, model.duration_sigma);
    outcome_.failures_by_cause.assign(failure_causes().size(), 0);
    outcome_.checkpoint_interval = interval();
    repairs_.assign(static_cast<std::size_t>(std::max(0, model.spare_nodes)), 0);
  }

  SimulatedOutcome run() {
    add(RunSecond::kRestart, begin_attempt(draws_.restart.exponential(restart_)));
    reset_clocks();
    while (!attempt_over(next_stop())) {
    }
    outcome_.wall_seconds = std::accumulate(outcome_.seconds.begin(), outcome_.seconds.end(), 0.0);
    outcome_.goodput = outcome_.finished ? useful_ / outcome_.wall_seconds : 0;
    return std::move(outcome_);
  }

 private:
  // A whole number of steps, so that a checkpoint holds whole steps.
  double interval() const {
    double seconds = job_.checkpoint_seconds;
    if (!(seconds > 0)) {
      seconds = best_checkpoint_interval(std::max(job_.checkpoint_stall_seconds, 0.1),
                                         job_mtbf(job_, model_));
    }
    return std::max(1.0, std::round(seconds / job_.step_seconds)) * job_.step_seconds;
  }
  void add(RunSecond kind, double seconds) {
    outcome_.seconds[static_cast<std::size_t>(kind)] += seconds;
  }
  void reset_clocks() {
    to_failure_ = draws_.failure.clock(failure_mean_);
    to_planned_ = draws_.planned.clock(planned_mean_);
    to_preempt_ = draws_.preempt.clock(preempt_mean_);
    to_straggler_ = draws_.straggler.clock(straggler_mean_);
  }
  double begin_attempt(double start_up) {
    attempt_ = {};
    attempt_.begin = now_;
    attempt_.start_up = start_up;
    attempt_.resumed = attempt_.reached = attempt_.saved = saved_;
    now_ += start_up;
    return start_up;
  }

  // Runs until a clock rings or the work is done.
  AttemptEnd next_stop() {
    double slow_left = kNever;  // until a straggler is found
    for (;;) {
      const double next = std::min(
          {to_failure_, to_planned_, to_preempt_, slow_left == kNever ? to_straggler_ : slow_left});
      const double speed = slow_left == kNever ? 1 : 1 / (1 + model_.straggler_slowdown);
      const double ran = advance(next, speed);
      to_failure_ -= ran;
      to_planned_ -= ran;
      to_preempt_ -= ran;
      if (slow_left == kNever)
        to_straggler_ -= ran;
      else
        slow_left -= ran;
      if (attempt_.reached >= useful_) return AttemptEnd::kFinished;
      if (now_ > kMostStretch * useful_) return AttemptEnd::kGaveUp;
      if (to_failure_ <= 0) return AttemptEnd::kFailure;
      if (to_preempt_ <= 0) return AttemptEnd::kPreempted;
      if (to_planned_ <= 0) return AttemptEnd::kPlanned;
      if (slow_left <= 0) return AttemptEnd::kStraggler;
      attempt_.slow_from = attempt_.run_seconds;
      slow_left = draws_.found.exponential(model_.straggler_found_seconds);
    }
  }

  // Runs for at most `seconds` of wall time at `speed`; whole checkpoint cycles at once.  Returns
  // the wall time it took, less only when the work is done.
  double advance(double seconds, double speed) {
    const double stall = job_.checkpoint_stall_seconds;
    const double cycle = outcome_.checkpoint_interval;
    double left = seconds, work = 0, stalled = 0;
    while (left > 0 && attempt_.reached < useful_) {
      if (in_cycle_ >= cycle) {  // a checkpoint is being written
        const double part = std::min(left, stall - in_stall_);
        in_stall_ += part;
        left -= part;
        stalled += part;
        if (in_stall_ < stall) break;
        attempt_.saved = attempt_.reached;
        in_cycle_ = in_stall_ = 0;
        const double whole = std::floor(
            std::min(left / (cycle / speed + stall), (useful_ - attempt_.reached) / cycle));
        if (std::isfinite(whole) && whole >= 2) {  // one less: its last stall is walked through
          const double jump = whole - 1;
          left -= jump * (cycle / speed + stall);
          work += jump * cycle / speed;
          stalled += jump * stall;
          attempt_.reached += jump * cycle;
          attempt_.saved = attempt_.reached;
        }
        continue;
      }
      const double want = std::min(cycle - in_cycle_, useful_ - attempt_.reached);
      const double part = std::min(left, want / speed);
      const bool completes = part >= want / speed;
      left -= part;
      work += part;
      attempt_.reached += completes ? want : part * speed;
      in_cycle_ = completes && want < cycle - in_cycle_ ? in_cycle_ + want
                  : completes                           ? cycle
                                                        : in_cycle_ + part * speed;
      if (completes && useful_ - attempt_.reached < 1e-9 * useful_) attempt_.reached = useful_;
    }
    add(RunSecond::kCheckpoint, stalled);
    add(RunSecond::kUseful, work * speed);
    add(RunSecond::kSlow, work * (1 - speed));
    attempt_.run_seconds += work + stalled;
    now_ += work + stalled;
    return work + stalled;
  }

  // Writes what is not yet saved, in so many seconds; the step under way is given up.
  void save(double seconds) {
    if (attempt_.reached < useful_) {
      const double whole =
          std::floor(attempt_.reached / job_.step_seconds + 1e-6) * job_.step_seconds;
      const double lost = std::max(0.0, attempt_.reached - whole);
      add(RunSecond::kUseful, -lost);
      add(RunSecond::kRecomputed, lost);
      attempt_.reached -= lost;
    }
    add(RunSecond::kCheckpoint, seconds);
    now_ += seconds;
    attempt_.run_seconds += seconds;
    attempt_.saved = attempt_.reached;
  }
  void lose_unsaved() {
    const double lost = attempt_.reached - attempt_.saved;
    add(RunSecond::kUseful, -lost);
    add(RunSecond::kRecomputed, lost);
  }
  void detect() {
    attempt_.detect = draws_.detect.exponential(detect_);
    add(RunSecond::kDetect, attempt_.detect);
    now_ += attempt_.detect;
  }
  void wait(RunSecond kind, double seconds) {
    attempt_.wait += seconds;
    add(kind, seconds);
    now_ += seconds;
  }
  void wait_for_capacity() {
    if (capacity_mean_ > 0)
      wait(RunSecond::kNoCapacity, draws_.capacity.exponential(capacity_mean_));
  }
  // A node leaves; repairs_ holds when each spare is (again) ready.
  void replace_node() {
    if (model_.returns_nodes) {
      wait_for_capacity();
      return;
    }
    const double back = draws_.repair.around(repair_, model_.duration_sigma);
    if (repairs_.empty()) {
      wait(RunSecond::kNoNode, back);
      return;
    }
    const auto first = std::min_element(repairs_.begin(), repairs_.end());
    const double gone = now_;
    const double ready = std::min(std::max(*first, now_), gone + back);
    const bool own_is_first = gone + back < *first;
    if (ready > now_) wait(RunSecond::kNoNode, ready - now_);
    if (!own_is_first) *first = gone + back;
  }

  // True when nothing follows.
  bool attempt_over(AttemptEnd reason) {
    attempt_.reason = reason;
    switch (reason) {
      case AttemptEnd::kFinished:
        save(job_.checkpoint_stall_seconds);
        outcome_.finished = true;
        break;
      case AttemptEnd::kGaveUp:
        lose_unsaved();
        break;
      case AttemptEnd::kFailure:
        fail();
        to_failure_ = draws_.failure.clock(failure_mean_);
        break;
      case AttemptEnd::kPlanned:
        ++outcome_.n_planned;
        save(job_.checkpoint_stall_seconds);
        to_planned_ = draws_.planned.clock(planned_mean_);
        break;
      case AttemptEnd::kPreempted:
        preempt();
        break;
      case AttemptEnd::kStraggler:
        ++outcome_.n_stragglers;
        save(job_.checkpoint_stall_seconds);
        replace_node();
        to_straggler_ = draws_.straggler.clock(straggler_mean_);
        break;
    }
    saved_ = attempt_.saved;
    in_cycle_ = in_stall_ = 0;
    if (keeps_attempts_) outcome_.attempts.push_back(attempt_);
    if (reason == AttemptEnd::kFinished || reason == AttemptEnd::kGaveUp) return true;
    restart();
    return false;
  }
  void fail() {
    ++outcome_.n_failures;
    const auto& causes = failure_causes();
    double point = draws_.cause.uniform();
    std::size_t cause = 0;
    while (cause + 1 < causes.size() && point >= causes[cause].share) {
      point -= causes[cause++].share;
    }
    ++outcome_.failures_by_cause[cause];
    attempt_.cause = static_cast<int>(cause);
    lose_unsaved();
    detect();
    if (causes[cause].takes_node) replace_node();
  }
  void preempt() {
    ++outcome_.n_preempted;
    if (model_.notice_seconds >= job_.checkpoint_stall_seconds) {
      save(job_.checkpoint_stall_seconds);
    } else {
      lose_unsaved();
    }
    wait_for_capacity();
    to_preempt_ = draws_.preempt.clock(preempt_mean_);
  }
  // Start-up, which a failure can interrupt too.
  void restart() {
    for (;;) {
      const double needed = draws_.restart.exponential(restart_);
      const double failure = draws_.start_failure.clock(failure_mean_);
      if (failure >= needed || now_ > kMostStretch * useful_) {
        add(RunSecond::kRestart, begin_attempt(needed));
        return;
      }
      add(RunSecond::kRestart, begin_attempt(failure));
      attempt_.reason = AttemptEnd::kFailure;
      fail();
      if (keeps_attempts_) outcome_.attempts.push_back(attempt_);
    }
  }

  const SimulatedJob& job_;
  const ReliabilityModel& model_;
  RunDraws draws_;
  bool keeps_attempts_;
  SimulatedOutcome outcome_;
  SimulatedAttempt attempt_;
  double useful_ = 0;
  double failure_mean_ = kNever, planned_mean_ = kNever, preempt_mean_ = kNever;
  double straggler_mean_ = kNever, detect_ = 0, restart_ = 0, repair_ = 0;
  double capacity_mean_ = 0;  // of a wait: all of them leave the share of the time that can be had
  double to_failure_ = kNever, to_planned_ = kNever, to_preempt_ = kNever;
  double to_straggler_ = kNever;
  double now_ = 0, saved_ = 0;
  double in_cycle_ = 0, in_stall_ = 0;  // useful seconds since a checkpoint; of the one in writing
  std::vector<double> repairs_;
};

}  // namespace

const char* to_string(RunSecond kind) {
  constexpr const char* kNames[] = {"useful", "slow",    "checkpoint", "recomputed",
                                    "detect", "restart", "no_node",    "no_capacity"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* describe(RunSecond kind) {
  constexpr const char* kWords[] = {
      "useful steps",      "slowed by stragglers", "writing checkpoints", "lost and done again",
      "noticing failures", "restarting",           "waiting for a node",  "waiting for capacity"};
  return kWords[static_cast<std::size_t>(kind)];
}

const char* to_string(AttemptEnd reason) {
  constexpr const char* kNames[] = {"finished",  "failure",   "planned stop",
                                    "preempted", "straggler", "gave up"};
  return kNames[static_cast<std::size_t>(reason)];
}

SimulatedOutcome simulate_run(const SimulatedJob& job, const ReliabilityModel& model,
                              std::uint64_t seed, bool keeps_attempts) {
  return RunSimulator(job, model, seed, keeps_attempts).run();
}

Spread spread_of(std::vector<double> values) {
  Spread spread;
  if (values.empty()) return spread;
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    const double at = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
  };
  spread = {quantile(0.025), quantile(0.1), quantile(0.5), quantile(0.9), quantile(0.975), 0};
  spread.mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return spread;
}

RunBand simulate_runs(const SimulatedJob& job, const ReliabilityModel& model, int n_runs,
                      std::uint64_t seed) {
  RunBand band;
  std::vector<double> wall, goodput, failures;
  for (int i = 0; i < n_runs; ++i) {
    const SimulatedOutcome outcome = simulate_run(job, model, seed + static_cast<std::uint64_t>(i));
    band.n_unfinished += outcome.finished ? 0 : 1;
    wall.push_back(outcome.wall_seconds);
    goodput.push_back(outcome.goodput);
    failures.push_back(outcome.n_failures);
    for (std::size_t k = 0; k < band.mean_seconds.size(); ++k) {
      band.mean_seconds[k] += outcome.seconds[k] / n_runs;
    }
  }
  band.n_runs = n_runs;
  band.wall_seconds = spread_of(std::move(wall));
  band.goodput = spread_of(std::move(goodput));
  band.failures = spread_of(std::move(failures));
  return band;
}

}  // namespace farthing
