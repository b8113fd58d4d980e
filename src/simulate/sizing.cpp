// sizing.cpp - arithmetic of trees, bytes and watts.
#include "simulate/sizing.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace farthing {

FatTree fat_tree(double endpoints, int ports) {
  const double half = ports / 2.0;
  if (endpoints <= half * ports) {
    const double leaves = std::ceil(endpoints / half);
    return {2, leaves + std::ceil(leaves * half / ports), leaves * half};
  }
  if (endpoints > half * half * ports) {
    throw_bad_input({"fat tree", "endpoints of one plane", fmt::format("{:.0f}", endpoints),
                     fmt::format("at most {:.0f} with {} ports", half * half * ports, ports), ""});
  }
  const double pods = std::ceil(endpoints / (half * half));
  return {3, pods * ports + std::ceil(pods * half * half / ports), pods * half * half * 2};
}

int fewest_spares(const Simulation& s) {
  constexpr int kRuns = 200, kMany = 4096;
  const auto p90 = [&](int spares) {
    ReliabilityModel model = s.model;
    model.spare_nodes = spares;
    return simulate_runs(s.job, model, kRuns, s.options.seed).wall_seconds.p90;
  };
  const double deadline = s.plan.request.deadline_seconds, best = p90(kMany);
  if (deadline > 0 && best > deadline) return -1;
  const double wanted = deadline > 0 ? deadline : best * 1.005;
  int low = 0, high = 1;
  while (high < kMany && p90(high) > wanted) {
    low = high;
    high *= 2;
  }
  if (high == 1 && p90(0) <= wanted) return 0;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (p90(middle) <= wanted ? high : low) = middle;
  }
  return high;
}

std::vector<SizeLine> size_cluster(const Simulation& s) {
  constexpr int kPorts = 64;
  constexpr double kTokenBytes = 4, kKept = 3, kRestartSeconds = 120, kAirWatts = 40e3;
  // 40 steps of 8 samples of 512 tokens, each read and decompressed when asked: 24.7 ms of waiting.
  constexpr double kLoaderTokens = 6.6e6;
  const Cluster& cluster = s.plan.request.cluster;
  const double per_node = cluster.devices_per_node();
  const double nodes = std::ceil(s.job.n_devices / per_node);
  const int spares = fewest_spares(s);
  const double all = nodes + std::max(0, spares);
  const FatTree plane = fat_tree(all, kPorts);
  const double bytes = s.plan.checkpoint_bytes, tokens = s.plan.request.tokens;
  const double node_watts = per_node * cluster.device.power.value + cluster.node.host_power.value;
  const double per_rack = std::max(1.0, std::floor(kAirWatts / node_watts));
  const double rate = s.plan.best().time.tokens_per_second;
  const char* const tree = "arXiv:2505.09343: a plane per device of a node, 64-port switches";
  return {
      {"nodes", nodes, "", "devices / devices per node", "the plan's layout"},
      {"spare nodes", double(spares), "",
       s.plan.request.deadline_seconds > 0 ? "fewest that hold the deadline at P90; -1: none does"
                                           : "fewest within 0.5 % of unlimited spares at P90",
       "simulated at the cluster's failure and repair rates"},
      {"network cards, training", all * per_node, "", "(nodes + spares) x devices per node", tree},
      {"network cards, storage", all, "", "one a node", "arXiv:2505.09343"},
      {"switches", plane.switches * per_node, "",
       fmt::format("{}-layer fat tree of {:.0f} endpoints, x planes", plane.layers, all), tree},
      {"cables to nodes", all * per_node, "", "one a network card", tree},
      {"cables between switches", plane.links * per_node, "", "fat tree, x planes", tree},
      {"one checkpoint", bytes / 1e12, "TB", "FP32 master and both moments", "the plan"},
      {"checkpoint storage", kKept * bytes / 1e12, "TB", "three kept", "assumed"},
      {"dataset storage", tokens * kTokenBytes / 1e12, "TB", "tokens x 4 bytes",
       "token ids in int32"},
      {"write rate", bytes / std::max(1.0, s.job.checkpoint_stall_seconds) / 1e9, "GB/s",
       "checkpoint / stall", "the cluster's storage"},
      {"read rate, restart", bytes / kRestartSeconds / 1e9, "GB/s", "checkpoint / 120 s",
       "assumed"},
      {"loader cores", std::max(all, std::ceil(rate / kLoaderTokens)), "",
       fmt::format("one a node, or tokens/s / {:.1f}M a core", kLoaderTokens / 1e6),
       "farthing bench data: zstd blocks, no cache, a core of an EPYC (Zen 5), 2026-11-25"},
      {"read rate, data", rate * kTokenBytes / 1e6, "MB/s", "tokens/s x 4 bytes", "the plan"},
      {"local cache of a node", 2 * bytes / nodes / 1e9, "GB", "two shares of a checkpoint",
       "assumed: one being written while one is kept"},
      {"power at the site", s.plan.power_watts / 1e6, "MW", "nodes x rating x load x PUE",
       "the cluster's facility"},
      {"racks", std::ceil(all / per_rack), "",
       fmt::format("{:.0f} nodes of {:.1f} kW a rack of 40 kW", per_rack, node_watts / 1e3),
       node_watts > kAirWatts ? "assumed limit of air; a node exceeds it: liquid"
                              : "assumed limit of air cooling"},
  };
}

namespace {

// Whole things whole, amounts to three figures.
std::string quantity_words(double quantity) {
  if (std::round(quantity) == quantity) return fmt::format("{:.0f}", quantity);
  const double scale = std::pow(10, 2 - std::floor(std::log10(std::abs(quantity))));
  return fmt::format("{:g}", std::round(quantity * scale) / scale);
}

}  // namespace

Table sizing_table(const std::vector<SizeLine>& lines) {
  Table table{.headings = {"what to build", "quantity", "unit", "formula", "source"}, .rows = {}};
  for (const SizeLine& line : lines) {
    table.rows.push_back(
        {line.what, quantity_words(line.quantity), line.unit, line.formula, line.source});
  }
  return table;
}

Json to_json(const std::vector<SizeLine>& lines) {
  Json json = Json::array();
  for (const SizeLine& line : lines) {
    json.push_back({{"what", line.what},
                    {"quantity", line.quantity},
                    {"unit", line.unit},
                    {"formula", line.formula},
                    {"source", line.source}});
  }
  return json;
}

std::string to_csv(const std::vector<SizeLine>& lines) {
  std::string text = "what,quantity,unit,formula,source\n";
  for (const SizeLine& l : lines) {
    text += fmt::format("\"{}\",{:.9g},\"{}\",\"{}\",\"{}\"\n", l.what, l.quantity, l.unit,
                        l.formula, l.source);
  }
  return text;
}

}  // namespace farthing
