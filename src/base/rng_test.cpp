// rng_test.cpp - Philox against its published answers; permute is a bijection; moments are right.
#include "base/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"

namespace farthing {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The three philox4x32-10 lines of Random123's tests/kat_vectors: zeros, ones, digits of pi.
TEST(Rng, PhiloxGivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, ValuesAreAFunctionOfKeyStreamSubstreamAndIndex) {
  const Rng rng(7, RngStream::kTest);
  EXPECT_EQ(rng.bits(3), Rng(7, RngStream::kTest).bits(3));
  const std::set<std::uint64_t> all = {rng.bits(3),
                                       rng.bits(4),
                                       rng.bits(3 + (std::uint64_t{1} << 32)),
                                       Rng(8, RngStream::kTest).bits(3),
                                       Rng(7, RngStream::kInit).bits(3),
                                       Rng(7, RngStream::kTest, 1).bits(3),
                                       Rng(7, RngStream::kTest, std::uint64_t{1} << 32).bits(3)};
  EXPECT_EQ(all.size(), 7u);
}

TEST(Rng, UniformHasTheMomentsOfAUniform) {
  const Rng rng(1, RngStream::kTest);
  constexpr int kCount = 100000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = rng.uniform(static_cast<std::uint64_t>(i));
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
    squares += value * value;
  }
  // Five standard deviations of each mean: sqrt(1/12/n), sqrt(4/45/n).
  EXPECT_NEAR(sum / kCount, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
}

TEST(Rng, NormalHasTheMomentsOfANormal) {
  const Rng rng(1, RngStream::kTest);
  constexpr int kCount = 100000;
  std::array<double, 4> moment{};
  for (int i = 0; i < kCount; ++i) {
    const double value = rng.normal(static_cast<std::uint64_t>(i));
    ASSERT_TRUE(std::isfinite(value));
    moment[0] += value / kCount;
    moment[1] += value * value / kCount;
    moment[2] += value * value * value / kCount;
    moment[3] += value * value * value * value / kCount;
  }
  // Five standard deviations: the variances of x, x^2, x^3, x^4 are 1, 2, 15, 96.
  EXPECT_NEAR(moment[0], 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(moment[1], 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moment[2], 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moment[3], 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(Rng, BelowStaysBelowAndReachesEverything) {
  const Rng rng(2, RngStream::kTest);
  std::vector<int> hits(7);
  for (std::uint64_t i = 0; i < 7000; ++i) ++hits.at(rng.below(i, 7));
  for (const int count : hits)
    EXPECT_NEAR(count, 1000, 5 * std::sqrt(7000 * (1 / 7.0) * (6 / 7.0)));
  EXPECT_EQ(rng.below(0, 1), 0u);
  EXPECT_LT(rng.below(0, UINT64_MAX), UINT64_MAX);
  EXPECT_THROW(rng.below(0, 0), Error);
}

TEST(Rng, PermuteIsABijectionForEveryLength) {
  for (const std::uint64_t n : {1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 255, 1000, 4096, 4097}) {
    std::vector<bool> seen(n);
    for (std::uint64_t index = 0; index < n; ++index) {
      const std::uint64_t image = permute(index, n, 99);
      ASSERT_LT(image, n);
      ASSERT_FALSE(seen[image]) << "n " << n << " index " << index;
      seen[image] = true;
    }
  }
}

TEST(Rng, PermuteDependsOnTheKeyAndMovesThings) {
  int fixed = 0;
  int equal = 0;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    fixed += permute(index, 1000, 1) == index;
    equal += permute(index, 1000, 1) == permute(index, 1000, 2);
  }
  // Both are Poisson with mean 1 for a random permutation.
  EXPECT_LE(fixed, 8);
  EXPECT_LE(equal, 8);
  EXPECT_THROW(permute(1000, 1000, 1), Error);
}

TEST(Rng, PermuteReachesBeyond32Bits) {
  constexpr std::uint64_t kLength = std::uint64_t{1} << 40;
  std::set<std::uint64_t> images;
  std::uint64_t largest = 0;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    const std::uint64_t image = permute(index * (kLength / 1000), kLength, 5);
    images.insert(image);
    largest = std::max(largest, image);
  }
  EXPECT_EQ(images.size(), 1000u);
  EXPECT_LT(largest, kLength);
  EXPECT_GT(largest, kLength / 2);
}

}  // namespace
}  // namespace farthing
