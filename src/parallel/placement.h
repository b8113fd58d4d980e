// placement.h - which copies of experts lie on which device, so that loads are even (EPLB).
//
//   Placement placement = place_experts(load, {.n_slots = 16, .n_groups = 4, .n_nodes = 2,
//   .n_devices = 8}); placement.expert_of_slot[layer][slot]
//
// Experts with much load get several slots.  With groups divisible by nodes the policy is
// hierarchical: groups are packed to nodes, experts replicated within a node, slots packed to the
// node's devices; otherwise the same with one group and one node.
//
// Source   the published expert-parallel load balancer of DeepSeek (github, EPLB), both policies.
// Shapes   load [layer][expert], >= 0, a moving average of tokens, say
// Errors   Error{kBadInput} for shapes that do not divide.
// Exact    ties go to the lowest index; the same loads give the same placement everywhere.
// Cost     O(layers (E log E + slots devices)).
#pragma once
#include <vector>

namespace farthing {

struct PlacementShape {
  int n_slots = 0;  // physical experts, over all devices; at least the experts
  int n_groups = 1;
  int n_nodes = 1;
  int n_devices = 1;  // divides n_slots
};

struct Placement {
  std::vector<std::vector<int>> expert_of_slot;                // [layer][slot]
  std::vector<std::vector<std::vector<int>>> slots_of_expert;  // [layer][expert][copy]
};

Placement place_experts(const std::vector<std::vector<double>>& load, const PlacementShape& shape);

// Busiest device over the mean, less 1, when an expert's load is shared evenly by its copies.
std::vector<double> device_imbalance(const Placement& placement,
                                     const std::vector<std::vector<double>>& load, int n_devices);

}  // namespace farthing
