// search.cpp - the loops over degrees.
#include "plan/search.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/units.h"

namespace farthing {
namespace {

constexpr std::size_t kMostTooLarge = 5;

std::vector<int> powers_of_two(int most) {
  std::vector<int> powers;
  for (int power = 1; power <= most; power *= 2) powers.push_back(power);
  return powers;
}

// Degrees worth trying: divisors of `number` up to `most`.
std::vector<int> divisors(int number, int most) {
  std::vector<int> found;
  for (int divisor = 1; divisor <= std::min(number, most); ++divisor) {
    if (number % divisor == 0) found.push_back(divisor);
  }
  return found;
}

std::vector<int> expert_degrees(const ModelShape& shape, int ranks) {
  if (!shape.is_moe()) return {1};
  std::vector<int> found;
  for (const int degree : divisors(shape.n_routed_experts, ranks)) {
    const bool is_power = (degree & (degree - 1)) == 0;
    if (ranks % degree == 0 && (is_power || degree == shape.n_routed_experts)) {
      found.push_back(degree);
    }
  }
  return found;
}

// The settled value, or all that are worth trying.
std::vector<int> pinned(int pin, std::vector<int> open) {
  return pin > 0 ? std::vector<int>{pin} : open;
}

struct ScheduleChoice {
  PipelineSchedule schedule;
  int vp;
};

std::vector<ScheduleChoice> schedules_for(const ModelShape& shape, int pp, const LayoutPins& pins) {
  std::vector<ScheduleChoice> open = {{PipelineSchedule::kNone, 1}};
  if (pp > 1) {
    open = {{PipelineSchedule::kOneFOneB, 1}, {PipelineSchedule::kZb1p, 1}};
    for (const int vp : pinned(pins.vp, {2, 4})) {
      if (vp > 1 && (pins.vp > 0 || pp * vp <= shape.num_hidden_layers + 2)) {
        open.push_back({PipelineSchedule::kInterleaved, vp});
      }
    }
    if (shape.is_moe() && pp % 2 == 0) open.push_back({PipelineSchedule::kDualPipe, 1});
  }
  std::vector<ScheduleChoice> found;
  for (const ScheduleChoice& each : open) {
    const bool is_wanted = !pins.schedule || *pins.schedule == each.schedule;
    if (is_wanted && (pins.vp == 0 || pins.vp == each.vp)) found.push_back(each);
  }
  if (found.empty()) {  // one that the search does not try by itself
    found.push_back({pins.schedule.value_or(PipelineSchedule::kInterleaved), std::max(1, pins.vp)});
  }
  return found;
}

class Search {
 public:
  Search(const PlanRequest& request, int n_kept)
      : request_(request),
        n_kept_(static_cast<std::size_t>(n_kept)),
        usable_(usable_memory(request.cluster.device)) {}

  SearchResult run() {
    const int devices = request_.cluster.n_devices();
    const int domain = std::min(request_.cluster.scale_up_domain(), 16);
    const LayoutPins& pins = request_.pins;
    for (const int tp : pinned(pins.tp, powers_of_two(std::min(domain, devices)))) {
      for (const int pp : pinned(pins.pp, divisors(devices, request_.model.num_hidden_layers))) {
        for (const int cp : pinned(pins.cp, context_degrees())) {
          const int ranks = tp * pp * cp;  // a settled one that does not divide is a fault in words
          if (devices % ranks == 0 || pins.tp > 0 || pins.pp > 0 || pins.cp > 0) {
            try_split(tp, pp, cp, std::max(1, devices / ranks));
          }
        }
      }
    }
    std::sort(result_.ranked.begin(), result_.ranked.end(), [](const auto& a, const auto& b) {
      return a.time.step_seconds < b.time.step_seconds;
    });
    for (auto& [reason, rejection] : rejections_) result_.rejections.push_back(rejection);
    std::sort(result_.rejections.begin(), result_.rejections.end(),
              [](const auto& a, const auto& b) { return a.count > b.count; });
    return std::move(result_);
  }

 private:
  std::vector<int> context_degrees() const {
    const int sequence = request_.batch.sequence_length;
    std::vector<int> degrees = {1};
    for (int cp = 2; cp <= 32 && sequence / cp >= 4096; cp *= 2) degrees.push_back(cp);
    return degrees;
  }

  void try_split(int tp, int pp, int cp, int dp) {
    const LayoutPins& pins = request_.pins;
    for (const int ep : pinned(pins.ep, expert_degrees(request_.model, dp * cp * tp))) {
      for (const auto& [schedule, vp] : schedules_for(request_.model, pp, pins)) {
        for (const int micro_batch : pinned(pins.micro_batch, {1, 2, 4, 8})) {
          Layout layout{.pp = pp, .ep = ep, .dp = dp, .tp = tp, .cp = cp, .vp = vp};
          layout.micro_batch = micro_batch;
          layout.schedule = schedule;
          layout.precision = request_.precision.value_or(NumberFormat::kBf16);
          try_memory_modes(layout);
        }
      }
    }
  }

  void try_memory_modes(Layout layout) {
    const auto faults = validate(layout, request_.model, request_.cluster, request_.batch);
    result_.n_tried += 1;
    if (!faults.empty()) {
      reject(faults.front().substr(0, faults.front().find(' ')), faults.front());
      return;
    }
    // The first mode that fits is the fastest of its stage: later ones compute or move more.
    for (const auto& [zero, recompute] : memory_modes(layout.pp)) {
      layout.zero_stage = zero;
      layout.recompute = recompute;
      if (try_layout(layout)) return;
    }
    set_aside(layout);
  }

  // From the fastest to the leanest.
  std::vector<std::pair<int, RecomputeMode>> memory_modes(int pp) const {
    const LayoutPins& pins = request_.pins;
    std::vector<std::pair<int, RecomputeMode>> modes;
    std::vector<int> stages = {1};
    if (pp == 1) stages.push_back(3);
    if (pins.zero_stage) stages = {*pins.zero_stage};
    for (const int stage : stages) {
      if (pins.recompute) {
        modes.emplace_back(stage, *pins.recompute);
        continue;
      }
      for (const RecomputeMode mode :
           {RecomputeMode::kNone, RecomputeMode::kCheap, RecomputeMode::kFull}) {
        modes.emplace_back(stage, mode);
      }
    }
    return modes;
  }

  bool try_layout(const Layout& layout) {
    Candidate candidate{.layout = layout, .batch = request_.batch, .time = {}, .memory = {}};
    candidate.memory = memory_use(request_.model, layout, request_.batch, *request_.software);
    if (candidate.memory.total() > usable_) return false;
    candidate.time = step_time({.model = request_.model,
                                .cluster = request_.cluster,
                                .layout = layout,
                                .batch = request_.batch,
                                .software = *request_.software,
                                .constants = constants_for(request_.cluster),
                                .whole_pipeline = false});
    keep(std::move(candidate));
    return true;
  }

  void keep(Candidate candidate) {
    result_.ranked.push_back(std::move(candidate));
    if (result_.ranked.size() < 4 * n_kept_) return;
    const auto middle = result_.ranked.begin() + static_cast<std::ptrdiff_t>(n_kept_);
    std::nth_element(
        result_.ranked.begin(), middle, result_.ranked.end(),
        [](const auto& a, const auto& b) { return a.time.step_seconds < b.time.step_seconds; });
    result_.ranked.resize(n_kept_);
  }

  void set_aside(const Layout& layout) {
    Candidate candidate{.layout = layout, .batch = request_.batch, .time = {}, .memory = {}};
    candidate.memory = memory_use(request_.model, layout, request_.batch, *request_.software);
    const double excess = candidate.memory.total() - usable_;
    Rejection& rejection = rejections_["memory"];
    rejection.reason = request_.pins.recompute
                           ? "does not fit in memory"
                           : "does not fit in memory, even recomputing everything";
    rejection.count += 1;
    auto& list = result_.too_large;
    if (list.empty() || excess < list.front().memory.total() - usable_) {
      rejection.nearest = fmt::format("{}: {} too much on stage {}", describe(candidate.layout),
                                      format_bytes(excess), candidate.memory.stage);
    }
    list.push_back(std::move(candidate));
    std::sort(list.begin(), list.end(),
              [](const auto& a, const auto& b) { return a.memory.total() < b.memory.total(); });
    if (list.size() > kMostTooLarge) list.pop_back();
  }

  void reject(const std::string& key, const std::string& message) {
    Rejection& rejection = rejections_[key];
    rejection.count += 1;
    if (!rejection.reason.empty()) return;
    rejection.reason = message;
  }

  const PlanRequest& request_;
  std::size_t n_kept_;
  double usable_;
  SearchResult result_;
  std::map<std::string, Rejection> rejections_;
};

}  // namespace

SearchResult search_layouts(const PlanRequest& request, int n_kept) {
  return Search(request, n_kept).run();
}

std::vector<Candidate> time_layouts(const PlanRequest& request,
                                    const std::vector<Layout>& layouts) {
  std::vector<Candidate> found;
  for (Layout layout : layouts) {
    if (request.precision) layout.precision = *request.precision;
    const double used = memory_use(request.model, layout, request.batch, *request.software).total();
    if (!validate(layout, request.model, request.cluster, request.batch).empty()) continue;
    if (used > usable_memory(request.cluster.device)) continue;
    found.push_back(evaluate(request, layout, false));
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.time.step_seconds < b.time.step_seconds; });
  return found;
}

}  // namespace farthing
