// part_times_test.cpp - nested parts, phases, and that no second is lost or counted twice.
#include "base/part_times.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace farthing {
namespace {

void spend(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

double seconds_of(const PartTimes& times, std::string_view part, Phase phase) {
  for (const PartTime& row : times.rows()) {
    if (row.part == part) return row.seconds[static_cast<std::size_t>(phase)];
  }
  return 0;
}

TEST(PartTimes, InnerPartsTakeTheirSecondsFromOuterOnes) {
  PartTimes times;
  const auto begin = std::chrono::steady_clock::now();
  {
    const CollectParts collect(times);
    const TimedPart outer("outer");
    spend(3);
    {
      const TimedPhase phase(Phase::kBackwardWeight);
      const TimedPart inner("inner");
      spend(20);
    }
    spend(3);
  }
  const double all =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GE(seconds_of(times, "inner", Phase::kBackwardWeight), 0.020);
  EXPECT_EQ(seconds_of(times, "inner", Phase::kForward), 0);
  EXPECT_GE(seconds_of(times, "outer", Phase::kForward), 0.006);
  EXPECT_LE(seconds_of(times, "outer", Phase::kForward), all - 0.020);
  EXPECT_LE(times.total(), all);
  EXPECT_GE(times.total(), 0.026);
}

TEST(PartTimes, NothingIsCountedWithoutACollectorOrOnOtherThreads) {
  { const TimedPart lone("lone"); }
  PartTimes times;
  {
    const CollectParts collect(times);
    std::thread([] { const TimedPart elsewhere("elsewhere"); }).join();
  }
  for (const PartTime& row : times.rows()) EXPECT_EQ(row.part, "other");
}

}  // namespace
}  // namespace farthing
