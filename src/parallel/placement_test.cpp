// placement_test.cpp - the published examples, and that every expert keeps a slot.
#include "parallel/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace farthing {
namespace {

const std::vector<std::vector<double>> kLoad = {
    {90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
    {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}};

TEST(Placement, HierarchicalIsThePublishedExample) {
  const Placement placement =
      place_experts(kLoad, {.n_slots = 16, .n_groups = 4, .n_nodes = 2, .n_devices = 8});
  EXPECT_EQ(placement.expert_of_slot[0],
            (std::vector<int>{5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1}));
  EXPECT_EQ(placement.expert_of_slot[1],
            (std::vector<int>{7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1}));
}

TEST(Placement, GlobalWhereGroupsDoNotDivide) {
  const Placement placement =
      place_experts(kLoad, {.n_slots = 16, .n_groups = 3, .n_nodes = 2, .n_devices = 8});
  EXPECT_EQ(placement.expert_of_slot[0],
            (std::vector<int>{10, 6, 10, 7, 0, 2, 11, 4, 5, 9, 5, 4, 8, 3, 1, 1}));
  EXPECT_EQ(placement.expert_of_slot[1],
            (std::vector<int>{1, 10, 2, 4, 5, 11, 5, 0, 6, 7, 6, 3, 8, 8, 9, 7}));
}

TEST(Placement, EveryExpertKeepsASlotAndReplicasHelp) {
  const Rng rng(1, RngStream::kTest);
  std::vector<double> load(256);
  for (std::size_t i = 0; i < load.size(); ++i) load[i] = std::exp(rng.normal(i));
  const PlacementShape shape{.n_slots = 320, .n_groups = 8, .n_nodes = 4, .n_devices = 32};
  const Placement placement = place_experts({load}, shape);
  std::size_t slots = 0;
  for (const auto& of_expert : placement.slots_of_expert[0]) {
    EXPECT_FALSE(of_expert.empty());
    slots += of_expert.size();
  }
  EXPECT_EQ(slots, 320u);
  PlacementShape plain = shape;
  plain.n_slots = 256;
  EXPECT_LT(device_imbalance(placement, {load}, 32)[0],
            device_imbalance(place_experts({load}, plain), {load}, 32)[0]);
}

TEST(Placement, ShapesThatDoNotDivideAreRefused) {
  EXPECT_THROW(place_experts(kLoad, {.n_slots = 15, .n_devices = 8}), Error);
  EXPECT_THROW(place_experts(kLoad, {.n_slots = 8, .n_devices = 8}), Error);
  EXPECT_THROW(place_experts(kLoad, {.n_slots = 16, .n_groups = 5, .n_nodes = 5, .n_devices = 8}),
               Error);
  EXPECT_THROW(place_experts({{1, -1}}, {.n_slots = 2}), Error);
}

}  // namespace
}  // namespace farthing
