// sizing_test.cpp - fat trees of the published table.
#include "simulate/sizing.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace farthing {
namespace {

TEST(Sizing, FatTreesArePublishedOnes) {
  const FatTree two = fat_tree(2048, 64);
  EXPECT_EQ(two.switches, 96);
  EXPECT_EQ(two.links, 2048);
  EXPECT_EQ(8 * two.switches, 768);  // eight planes, 16,384 endpoints
  EXPECT_EQ(8 * two.links, 16384);
  const FatTree three = fat_tree(65536, 64);
  EXPECT_EQ(three.switches, 5120);
  EXPECT_EQ(three.links, 131072);
  EXPECT_EQ(fat_tree(2049, 64).layers, 3);
  EXPECT_THROW(fat_tree(65537, 64), Error);
}

}  // namespace
}  // namespace farthing
