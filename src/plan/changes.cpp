// changes.cpp - the same plan under other inputs.
#include "plan/changes.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/units.h"
#include "plan/accounting.h"
#include "plan/search.h"

namespace farthing {
namespace {

constexpr std::size_t kMostChanges = 5;

struct Idea {
  std::string what;
  PlanRequest request;
  bool own_search = false;  // other layouts become possible
};

std::vector<Layout> layouts_of(const std::vector<Candidate>& candidates) {
  std::vector<Layout> layouts;
  for (const auto& candidate : candidates) {
    layouts.push_back(candidate.layout);
    Layout lean = candidate.layout;  // where the change frees memory or has micro-batches to spare
    lean.recompute = RecomputeMode::kNone;
    layouts.push_back(lean);
    lean.recompute = RecomputeMode::kCheap;
    layouts.push_back(lean);
  }
  return layouts;
}

void scale(Figure& figure, double factor) {
  figure.value *= factor;
  figure.text = fmt::format("{:g} x {}", factor, figure.text);
}

// A dense model that costs the same FLOPs: the experts of a token as one MLP.
ModelShape dense_twin(const ModelShape& shape) {
  ModelShape dense = shape;
  dense.name += " as a dense model of equal FLOPs";
  dense.intermediate_size =
      shape.num_experts_per_tok * shape.moe_intermediate_size + shape.shared_intermediate_size;
  dense.n_routed_experts = dense.num_experts_per_tok = dense.moe_intermediate_size = 0;
  dense.shared_intermediate_size = dense.first_k_dense_replace = 0;
  dense.n_group = dense.topk_group = 1;
  return dense;
}

void add_devices(std::vector<Idea>& ideas, const PlanRequest& request) {
  for (const char* name : {"h100", "h200", "b200", "gb200"}) {
    if (request.cluster.device.name == name || request.cluster.device.kind != "gpu") continue;
    PlanRequest other = request;
    const Device device = load_device(name);
    if (device.bf16_peak.value < request.cluster.device.bf16_peak.value) continue;
    other.cluster = with_device(request.cluster, device);
    ideas.push_back({fmt::format("{} for {}", name, request.cluster.device.name), other, true});
  }
}

void add_formats(std::vector<Idea>& ideas, const PlanRequest& request) {
  const Device& device = request.cluster.device;
  PlanRequest other = request;
  if (is_fp8(*request.precision)) {
    other.precision = NumberFormat::kBf16;
    ideas.push_back({"BF16 for FP8", other});
  } else if (device.fp8_peak.is_known()) {
    other.precision =
        has_products(device, NumberFormat::kMxfp8) ? NumberFormat::kMxfp8 : NumberFormat::kFp8;
    ideas.push_back({"FP8 for BF16", other});
  }
}

std::vector<Idea> ideas_for(const PlanRequest& request) {
  std::vector<Idea> ideas;
  try {
    add_devices(ideas, request);
  } catch (const Error&) {  // a cluster file of one's own, without the device book
  }
  add_formats(ideas, request);
  PlanRequest other = request;
  scale(other.cluster.network.scale_out, 2);
  ideas.push_back({"twice the network between nodes", other});
  other = request;
  scale(other.cluster.network.scale_up, 2);
  ideas.push_back({"twice the links inside a node", other});
  other = request;
  scale(other.cluster.device.memory, 2);
  ideas.push_back({"twice the memory", other, true});
  other = request;
  scale(other.cluster.device.memory_bandwidth, 1.5);
  ideas.push_back({"memory half as fast again", other});
  other = request;
  other.batch.global_batch *= 2;
  ideas.push_back({fmt::format("a global batch of {} sequences", other.batch.global_batch), other});
  if (request.model.is_moe()) {
    other = request;
    other.software->forced_balance = true;
    ideas.push_back({"perfectly balanced experts", other});
    other = request;
    other.software->hides_ep = true;
    if (!request.software->hides_ep) {
      ideas.push_back({"dispatch hidden behind another micro-batch", other});
    }
    other = request;
    other.model = dense_twin(request.model);
    ideas.push_back({"dense for MoE, equal FLOPs a token", other, true});
  }
  if (!request.software->graphs) {
    other = request;
    other.software->graphs = true;
    ideas.push_back({"whole steps as graphs (no host)", other});
  }
  return ideas;
}

}  // namespace

std::vector<Change> best_changes(const PlanRequest& request,
                                 const std::vector<Candidate>& layouts) {
  const double now = layouts.front().time.tokens_per_second;
  std::vector<Change> changes;
  for (const Idea& idea : ideas_for(request)) {
    std::vector<Layout> tried = layouts_of(layouts);
    if (!idea.request.model.is_moe()) {
      for (Layout& layout : tried) layout.ep = layout.etp = 1;
    }
    const std::vector<Candidate> found = time_layouts(idea.request, tried);
    if (found.empty()) continue;
    const Candidate best = evaluate(idea.request, found.front().layout);
    changes.push_back({.what = idea.what,
                       .step_seconds = best.time.step_seconds,
                       .tokens_per_second = best.time.tokens_per_second,
                       .speedup = best.time.tokens_per_second / now,
                       .layout = best.layout});
  }
  std::sort(changes.begin(), changes.end(),
            [](const Change& a, const Change& b) { return a.speedup > b.speedup; });
  // A change to worse is worth knowing when there is room: BF16 for FP8 says what FP8 brought.
  if (changes.size() > kMostChanges) changes.resize(kMostChanges);
  return changes;
}

Shortfall shortfall_of(const PlanRequest& request, const Candidate& nearest) {
  const double usable = usable_memory(request.cluster.device);
  Shortfall shortfall{
      .nearest = nearest, .missing_bytes = nearest.memory.total() - usable, .cheapest_change = ""};
  const auto fits = [&](const Layout& layout) {
    return validate(layout, request.model, request.cluster, request.batch).empty() &&
           memory_use(request.model, layout, request.batch, *request.software).total() <= usable;
  };
  std::vector<std::pair<std::string, Layout>> ideas;
  const auto add = [&](const std::string& what, auto&& change) {
    Layout layout = nearest.layout;
    change(layout);
    ideas.emplace_back(what, layout);
  };
  add("recompute cheap parts (--recompute cheap)",
      [](Layout& l) { l.recompute = RecomputeMode::kCheap; });
  add("recompute everything (--recompute full)",
      [](Layout& l) { l.recompute = RecomputeMode::kFull; });
  add("a micro-batch of one sequence", [](Layout& l) { l.micro_batch = 1; });
  add("shard the gradients (--zero 2)", [](Layout& l) { l.zero_stage = 2; });
  add("shard the weights (--zero 3)", [](Layout& l) { l.zero_stage = 3; });
  add("shard the weights and recompute everything", [](Layout& l) {
    l.zero_stage = 3;
    l.recompute = RecomputeMode::kFull;
  });
  for (const auto& [what, layout] : ideas) {
    if (fits(layout) && !(layout == nearest.layout)) {
      shortfall.cheapest_change = what;
      return shortfall;
    }
  }
  PlanRequest other = request;
  other.layout.reset();
  other.pins = {};
  if (request.layout || !(request.pins == other.pins)) {
    const SearchResult found = search_layouts(other, 1);
    if (!found.ranked.empty()) {
      shortfall.cheapest_change = "another layout: " + describe(found.ranked.front().layout);
      return shortfall;
    }
  }
  for (int factor = 2; factor <= 1024; factor *= 2) {
    other.cluster = with_devices(request.cluster, request.cluster.n_devices() * factor);
    if (other.batch.global_batch < other.cluster.n_devices() / 64) break;
    const SearchResult found = search_layouts(other, 1);
    if (found.ranked.empty()) continue;
    shortfall.cheapest_change = fmt::format("{} devices: {}", other.cluster.n_devices(),
                                            describe(found.ranked.front().layout));
    return shortfall;
  }
  shortfall.cheapest_change =
      fmt::format("devices with {} of memory", format_bytes(nearest.memory.total() / 0.95));
  return shortfall;
}

}  // namespace farthing
