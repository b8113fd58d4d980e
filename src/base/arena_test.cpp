// arena_test.cpp - measuring equals using; pieces are aligned, zeroed and apart.
#include "base/arena.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace farthing {
namespace {

struct Layout {
  std::span<float> gain;
  Matrix<float> weights;
  std::span<std::uint8_t> flags;
};

Layout lay_out(Arena& arena) {
  Layout layout;
  layout.gain = arena.array<float>(3);
  layout.weights = arena.matrix<float>(5, 7);
  layout.flags = arena.array<std::uint8_t>(100);
  return layout;
}

TEST(Arena, MeasuringCountsWhatUsingUses) {
  Arena measure = Arena::measuring();
  lay_out(measure);
  EXPECT_TRUE(measure.is_measuring());
  EXPECT_EQ(measure.used(), 64 + 192 + 128);
  Arena arena(measure.used());
  lay_out(arena);
  EXPECT_EQ(arena.used(), measure.used());
}

TEST(Arena, MeasuringGivesShapesWithoutMemory) {
  Arena measure = Arena::measuring();
  const Layout layout = lay_out(measure);
  EXPECT_EQ(layout.weights.data, nullptr);
  EXPECT_EQ(layout.weights.n_rows, 5);
  EXPECT_EQ(layout.weights.n_cols, 7);
  EXPECT_TRUE(layout.gain.empty());
}

TEST(Arena, PiecesAreAlignedZeroedAndApart) {
  Arena arena(64 + 192 + 128);
  const Layout layout = lay_out(arena);
  for (const void* piece :
       {static_cast<const void*>(layout.gain.data()), static_cast<const void*>(layout.weights.data),
        static_cast<const void*>(layout.flags.data())}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece) % 64, 0u);
  }
  EXPECT_EQ(layout.gain.size(), 3u);
  for (int row = 0; row < 5; ++row) {
    EXPECT_TRUE(std::ranges::all_of(layout.weights[row], [](float x) { return x == 0.0f; }));
  }
  std::ranges::fill(layout.gain, 1.0f);
  std::ranges::fill(layout.flags, std::uint8_t{255});
  for (int row = 0; row < 5; ++row) {
    EXPECT_TRUE(std::ranges::all_of(layout.weights[row], [](float x) { return x == 0.0f; }));
  }
}

TEST(Arena, MoreThanWasMeasuredIsAFaultOfTheCode) {
  Arena arena(64);
  arena.array<float>(16);
  EXPECT_THROW(arena.array<float>(1), Error);
  EXPECT_THROW(arena.array<float>(-1), Error);
}

TEST(Arena, MemoryTheSystemRefusesIsOutOfResource) {
  try {
    Arena arena(std::int64_t{1} << 60);
    FAIL() << "an exabyte was granted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource);
    EXPECT_NE(error.message.find("1152921504.61 GB"), std::string::npos) << error.message;
  }
}

}  // namespace
}  // namespace farthing
