// step_timeline.cpp - operations wait for their rank and for their data, nothing else.
#include "plan/step_timeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace farthing {
namespace {

constexpr double kNotYet = -1;

class StepSimulator {
 public:
  StepSimulator(const Schedule& schedule, const StepCosts& costs, const Disturbance& disturbance)
      : schedule_(schedule),
        costs_(costs),
        disturbance_(disturbance),
        rng_(disturbance.seed, RngStream::kSampling),
        n_stages_(static_cast<std::size_t>(schedule.n_stages())),
        rank_free_(schedule.ranks.size(), 0),
        at_(schedule.ranks.size(), 0) {
    CHECK(costs.stages.size() == n_stages_);
    const std::size_t n = n_stages_ * static_cast<std::size_t>(schedule.n_micro_batches);
    forward_end_.assign(n, kNotYet);
    backward_end_.assign(n, kNotYet);
    timeline_.ranks.resize(schedule.ranks.size());
    timeline_.busy_seconds.assign(schedule.ranks.size(), 0);
  }

  StepTimeline run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (int rank = 0; rank < schedule_.n_ranks(); ++rank) moved |= advance(rank);
    }
    for (std::size_t rank = 0; rank < at_.size(); ++rank) {
      CHECK(at_[rank] == schedule_.ranks[rank].size(), "ranks wait for each other");
    }
    finish();
    return std::move(timeline_);
  }

 private:
  std::size_t key(int position, int micro_batch) const {
    return static_cast<std::size_t>(micro_batch) * n_stages_ + static_cast<std::size_t>(position);
  }
  // When the operation's data is at its rank; kNotYet while that is not known.
  double data_ready(int rank, const ScheduleOp& op) const {
    if (op.kind == PhaseKind::kBackwardWeight) return 0;
    const int position = position_of(schedule_, rank, op.stage);
    const bool is_forward = op.kind == PhaseKind::kForward;
    const int from = is_forward ? position - 1 : position + 1;
    if (from < 0) return 0;
    if (from == static_cast<int>(n_stages_)) return forward_end_[key(position, op.micro_batch)];
    const auto& ends = is_forward ? forward_end_ : backward_end_;
    const double end = ends[key(from, op.micro_batch)];
    if (end == kNotYet) return kNotYet;
    return place_of(schedule_, op.micro_batch, from).rank == rank ? end : end + costs_.send_seconds;
  }
  const StageCost& cost_of(int rank, const ScheduleOp& op) const {
    return costs_.stages[static_cast<std::size_t>(stage_of(schedule_, rank, op.stage))];
  }
  double paired_seconds(int rank, const ScheduleOp& op) const {
    return cost_of(rank, op).pair_share * plain_seconds(rank, op);
  }
  double plain_seconds(int rank, const ScheduleOp& op) const {
    const StageCost& cost = cost_of(rank, op);
    switch (op.kind) {
      case PhaseKind::kForward:
        return cost.forward;
      case PhaseKind::kBackward:
        return cost.backward();
      case PhaseKind::kBackwardInput:
        return cost.backward_input;
      case PhaseKind::kBackwardWeight:
        return cost.backward_weight;
    }
    return 0;
  }
  // A lognormal factor of mean 1, the same for an operation whatever the order of simulation.
  double factor(int rank, std::size_t at) const {
    const auto r = static_cast<std::size_t>(rank);
    double value = r < disturbance_.rank_slowdown.size() ? disturbance_.rank_slowdown[r] : 1;
    if (disturbance_.spread > 0) {
      const double sigma = std::sqrt(std::log1p(disturbance_.spread * disturbance_.spread));
      value *= std::exp(sigma * rng_.normal((static_cast<std::uint64_t>(r) << 32) | at) -
                        sigma * sigma / 2);
    }
    return value;
  }
  void record(int rank, const ScheduleOp& op, double begin, double end) {
    timeline_.ranks[static_cast<std::size_t>(rank)].push_back({op, begin, end});
    if (op.kind == PhaseKind::kBackwardWeight) return;
    auto& ends = op.kind == PhaseKind::kForward ? forward_end_ : backward_end_;
    ends[key(position_of(schedule_, rank, op.stage), op.micro_batch)] = end;
  }

  bool advance(int rank) {
    const auto r = static_cast<std::size_t>(rank);
    const RankSchedule& ops = schedule_.ranks[r];
    const std::size_t before = at_[r];
    while (at_[r] < ops.size()) {
      const ScheduleOp& op = ops[at_[r]];
      const ScheduleOp* other = op.overlaps_next ? &ops[at_[r] + 1] : nullptr;
      double ready = data_ready(rank, op);
      if (ready == kNotYet) break;
      double seconds = plain_seconds(rank, op);
      if (other != nullptr) {
        const double other_ready = data_ready(rank, *other);
        if (other_ready == kNotYet) break;
        ready = std::max(ready, other_ready);
        seconds = paired_seconds(rank, op) + paired_seconds(rank, *other);
      }
      seconds *= factor(rank, at_[r]);
      const double begin = std::max(ready, rank_free_[r]);
      record(rank, op, begin, begin + seconds);
      if (other != nullptr) record(rank, *other, begin, begin + seconds);
      rank_free_[r] = begin + seconds;
      timeline_.busy_seconds[r] += seconds;
      at_[r] += other != nullptr ? 2 : 1;
    }
    return at_[r] > before;
  }

  void finish() {
    timeline_.pipeline_seconds = *std::max_element(rank_free_.begin(), rank_free_.end());
    timeline_.step_seconds =
        (timeline_.pipeline_seconds + costs_.tail_seconds) * (1 + costs_.waiting_share);
    const double busy =
        std::accumulate(timeline_.busy_seconds.begin(), timeline_.busy_seconds.end(), 0.0);
    timeline_.bubble_seconds =
        timeline_.pipeline_seconds - busy / static_cast<double>(rank_free_.size());
    if (timeline_.step_seconds > 0) {
      timeline_.bubble_share = timeline_.bubble_seconds / timeline_.step_seconds;
    }
  }

  const Schedule& schedule_;
  const StepCosts& costs_;
  const Disturbance& disturbance_;
  Rng rng_;
  std::size_t n_stages_;
  std::vector<double> forward_end_, backward_end_;  // [micro_batch][position]
  std::vector<double> rank_free_;
  std::vector<std::size_t> at_;
  StepTimeline timeline_;
};

}  // namespace

StepTimeline simulate_step(const Schedule& schedule, const StepCosts& costs,
                           const Disturbance& disturbance) {
  return StepSimulator(schedule, costs, disturbance).run();
}

double closed_bubble(const Schedule& schedule, const StageCost& stage) {
  const double p = schedule.n_ranks(), f = stage.forward, b = stage.backward(),
               w = stage.backward_weight, pair = stage.pair_share * (f + b);
  switch (schedule.kind) {
    case ScheduleKind::kZb1p:
      return (p - 1) * (f + b - 2 * w);
    case ScheduleKind::kDualPipe:
      return (p / 2 - 1) * (pair + b - 3 * w);
    case ScheduleKind::kDualPipeV:
      return (p - 1) * (pair + b - 3 * w);
    default:
      return (p - 1) * (f + b);  // of one chunk: interleaved divides a rank's by its chunks
  }
}

std::string to_chrome_trace(const StepTimeline& timeline, const std::string& name) {
  constexpr std::array<const char*, 4> kNames = {"F", "B", "b", "W"};
  std::string json = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  std::string quoted;  // a name is the user's
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) continue;
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  json +=
      fmt::format(R"({{"ph":"M","pid":1,"name":"process_name","args":{{"name":"{}"}}}})", quoted);
  for (std::size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
    json += fmt::format(
        ",\n"
        R"({{"ph":"M","pid":1,"tid":{0},"name":"thread_name","args":{{"name":"rank {0}"}}}})",
        rank);
    for (std::size_t i = 0; i < timeline.ranks[rank].size(); ++i) {
      const TimedOp& timed = timeline.ranks[rank][i];
      std::string words = fmt::format("{}{}", kNames[static_cast<std::size_t>(timed.op.kind)],
                                      timed.op.micro_batch);
      if (timed.op.overlaps_next) {  // one slice for both
        ++i;
        words += fmt::format(" & B{}", timeline.ranks[rank][i].op.micro_batch);
      }
      json += fmt::format(
          ",\n"
          R"({{"ph":"X","pid":1,"tid":{},"ts":{:.3f},"dur":{:.3f},"name":"{}","cat":"{}",)"
          R"("args":{{"micro_batch":{},"chunk":{}}}}})",
          rank, timed.begin * 1e6, (timed.end - timed.begin) * 1e6, words,
          timed.op.overlaps_next ? "pair" : kNames[static_cast<std::size_t>(timed.op.kind)],
          timed.op.micro_batch, timed.op.stage);
    }
  }
  return json + "\n]}\n";
}

}  // namespace farthing
