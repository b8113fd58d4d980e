// placement.cpp - balanced packing and replication, put together once per layer.
#include "parallel/placement.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/error.h"

namespace farthing {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

struct Packing {
  std::vector<int> bin;       // of each item
  std::vector<int> position;  // in its bin, by arrival
};

// n items into n_bins, exactly n / n_bins each: heaviest first into the lightest bin with room.
Packing pack(const std::vector<double>& weight, int n_bins) {
  const int n = static_cast<int>(weight.size()), per_bin = n / n_bins;
  Packing packing{std::vector<int>(index(n)), std::vector<int>(index(n), 0)};
  if (per_bin == 1) {
    std::iota(packing.bin.begin(), packing.bin.end(), 0);
    return packing;
  }
  std::vector<int> order(index(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return weight[index(a)] > weight[index(b)]; });
  std::vector<double> total(index(n_bins), 0);
  std::vector<int> count(index(n_bins), 0);
  for (const int item : order) {
    int best = -1;
    for (int bin = 0; bin < n_bins; ++bin) {
      if (count[index(bin)] == per_bin) continue;
      if (best < 0 || total[index(bin)] < total[index(best)]) best = bin;
    }
    packing.bin[index(item)] = best;
    packing.position[index(item)] = count[index(best)]++;
    total[index(best)] += weight[index(item)];
  }
  return packing;
}

struct Replication {
  std::vector<int> item;    // of each slot
  std::vector<int> copies;  // of each item
};

Replication replicate(const std::vector<double>& weight, int n_slots) {
  const int n = static_cast<int>(weight.size());
  Replication result{std::vector<int>(index(n)), std::vector<int>(index(n), 1)};
  std::iota(result.item.begin(), result.item.end(), 0);
  for (int slot = n; slot < n_slots; ++slot) {
    int best = 0;
    for (int i = 1; i < n; ++i) {
      if (weight[index(i)] / result.copies[index(i)] >
          weight[index(best)] / result.copies[index(best)]) {
        best = i;
      }
    }
    result.item.push_back(best);
    ++result.copies[index(best)];
  }
  return result;
}

// Experts in the order of their nodes: node by node, group by group as packed.
std::vector<int> order_by_node(const std::vector<double>& load, int n_groups, int n_nodes) {
  const int n = static_cast<int>(load.size()), group_size = n / n_groups;
  const int groups_per_node = n_groups / n_nodes;
  std::vector<double> group_load(index(n_groups), 0);
  for (int expert = 0; expert < n; ++expert) {
    group_load[index(expert / group_size)] += load[index(expert)];
  }
  const Packing packing = pack(group_load, n_nodes);
  std::vector<int> order(index(n));
  for (int group = 0; group < n_groups; ++group) {
    const int place =
        (packing.bin[index(group)] * groups_per_node + packing.position[index(group)]) * group_size;
    for (int i = 0; i < group_size; ++i) order[index(place + i)] = group * group_size + i;
  }
  return order;
}

std::vector<int> place_layer(const std::vector<double>& load, const PlacementShape& shape) {
  const int n = static_cast<int>(load.size()), per_node = n / shape.n_nodes;
  const int slots_per_node = shape.n_slots / shape.n_nodes;
  const int devices_per_node = shape.n_devices / shape.n_nodes;
  const int per_device = shape.n_slots / shape.n_devices;
  const std::vector<int> order = order_by_node(load, shape.n_groups, shape.n_nodes);
  std::vector<int> expert_of_slot(index(shape.n_slots));
  for (int node = 0; node < shape.n_nodes; ++node) {
    std::vector<double> own(index(per_node));
    for (int i = 0; i < per_node; ++i)
      own[index(i)] = load[index(order[index(node * per_node + i)])];
    const Replication copies = replicate(own, slots_per_node);
    std::vector<double> weight(index(slots_per_node));
    for (int slot = 0; slot < slots_per_node; ++slot) {
      const auto item = index(copies.item[index(slot)]);
      weight[index(slot)] = own[item] / copies.copies[item];
    }
    const Packing packing = pack(weight, devices_per_node);
    for (int slot = 0; slot < slots_per_node; ++slot) {
      const int place = node * slots_per_node + packing.bin[index(slot)] * per_device +
                        packing.position[index(slot)];
      expert_of_slot[index(place)] = order[index(node * per_node + copies.item[index(slot)])];
    }
  }
  return expert_of_slot;
}

void check_shape(const std::vector<std::vector<double>>& load, const PlacementShape& shape) {
  const auto complain = [&](const std::string& found, const std::string& wanted) {
    throw_bad_input({"placement of experts", "a shape that cannot be", found, wanted, ""});
  };
  if (shape.n_slots < 1 || shape.n_groups < 1 || shape.n_nodes < 1 || shape.n_devices < 1) {
    complain("a count below 1", "positive counts");
  }
  if (shape.n_slots % shape.n_devices != 0) {
    complain(
        std::to_string(shape.n_slots) + " slots on " + std::to_string(shape.n_devices) + " devices",
        "a multiple of the devices");
  }
  if (shape.n_devices % shape.n_nodes != 0) complain("devices", "a multiple of the nodes");
  for (const auto& layer : load) {
    const int n = static_cast<int>(layer.size());
    if (n < 1 || n > shape.n_slots) complain(std::to_string(n) + " experts", "1 to n_slots");
    if (n % shape.n_groups != 0) complain(std::to_string(n) + " experts", "a multiple of groups");
    for (const double value : layer) {
      if (!(value >= 0 && value < 1e300)) complain("a load that is no number >= 0", "loads >= 0");
    }
  }
}

}  // namespace

Placement place_experts(const std::vector<std::vector<double>>& load, const PlacementShape& shape) {
  check_shape(load, shape);
  PlacementShape used = shape;
  if (shape.n_groups % shape.n_nodes != 0) used.n_groups = used.n_nodes = 1;
  Placement placement;
  for (const auto& layer : load) {
    placement.expert_of_slot.push_back(place_layer(layer, used));
    std::vector<std::vector<int>> slots(layer.size());
    const auto& experts = placement.expert_of_slot.back();
    for (std::size_t slot = 0; slot < experts.size(); ++slot) {
      slots[index(experts[slot])].push_back(static_cast<int>(slot));
    }
    placement.slots_of_expert.push_back(std::move(slots));
  }
  return placement;
}

std::vector<double> device_imbalance(const Placement& placement,
                                     const std::vector<std::vector<double>>& load, int n_devices) {
  std::vector<double> imbalance;
  for (std::size_t layer = 0; layer < load.size(); ++layer) {
    const auto& experts = placement.expert_of_slot[layer];
    std::vector<double> device(index(n_devices), 0);
    const std::size_t per_device = experts.size() / index(n_devices);
    for (std::size_t slot = 0; slot < experts.size(); ++slot) {
      const auto expert = index(experts[slot]);
      device[slot / per_device] +=
          load[layer][expert] /
          static_cast<double>(placement.slots_of_expert[layer][expert].size());
    }
    const double mean = std::accumulate(device.begin(), device.end(), 0.0) / n_devices;
    imbalance.push_back(mean > 0 ? *std::max_element(device.begin(), device.end()) / mean - 1 : 0);
  }
  return imbalance;
}

}  // namespace farthing
