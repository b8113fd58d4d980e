// parallel_test.cpp - every index once, a static partition, nesting, changing the pool.
#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/error.h"

namespace farthing {
namespace {

class ParallelTest : public testing::TestWithParam<int> {
 protected:
  ParallelTest() { set_num_threads(GetParam()); }
  ~ParallelTest() override { set_num_threads(1); }
};

INSTANTIATE_TEST_SUITE_P(Threads, ParallelTest, testing::Values(1, 2, 3));

// Plain ints: two threads on one index, or a result not published to the caller, is a race that
// the thread sanitizer names.
TEST_P(ParallelTest, CallsEveryIndexOnce) {
  EXPECT_EQ(num_threads(), GetParam());
  for (const int n : {0, 1, 2, 3, 7, 64, 1000}) {
    std::vector<int> calls(static_cast<std::size_t>(n));
    for (int repeat = 0; repeat < 50; ++repeat) {
      parallel_for(n, [&](int i) { ++calls[static_cast<std::size_t>(i)]; });
    }
    for (const int count : calls) EXPECT_EQ(count, 50) << "n " << n;
  }
}

TEST_P(ParallelTest, AnIndexStaysWithItsThread) {
  constexpr int kCount = 100;
  std::vector<std::thread::id> first(kCount);
  std::vector<std::thread::id> again(kCount);
  parallel_for(kCount,
               [&](int i) { first[static_cast<std::size_t>(i)] = std::this_thread::get_id(); });
  for (int repeat = 0; repeat < 20; ++repeat) {
    parallel_for(kCount,
                 [&](int i) { again[static_cast<std::size_t>(i)] = std::this_thread::get_id(); });
    EXPECT_EQ(first, again);
  }
  int changes = 0;
  for (std::size_t i = 1; i < first.size(); ++i) changes += first[i] != first[i - 1];
  EXPECT_EQ(changes, GetParam() - 1) << "shares are contiguous and nobody is left out";
}

TEST_P(ParallelTest, NestedCallsRunWhereTheyAre) {
  std::vector<int> calls(8 * 8);
  std::atomic<int> strayed{0};
  parallel_for(8, [&](int row) {
    const auto owner = std::this_thread::get_id();
    parallel_for(8, [&](int col) {
      strayed += std::this_thread::get_id() != owner;
      ++calls[static_cast<std::size_t>(row * 8 + col)];
    });
  });
  EXPECT_EQ(strayed.load(), 0);
  for (const int count : calls) EXPECT_EQ(count, 1);
}

TEST_P(ParallelTest, ThePoolIsUsableAfterANestedCall) {
  parallel_for(4, [](int) { parallel_for(4, [](int) {}); });
  std::vector<std::thread::id> owner(4);
  parallel_for(4, [&](int i) { owner[static_cast<std::size_t>(i)] = std::this_thread::get_id(); });
  EXPECT_EQ(owner.front() == owner.back(), GetParam() == 1);
}

TEST(Parallel, WorkersThatSleptWakeUp) {
  set_num_threads(3);
  std::vector<int> calls(3);
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    parallel_for(3, [&](int i) { ++calls[static_cast<std::size_t>(i)]; });
  }
  EXPECT_EQ(calls, (std::vector<int>{3, 3, 3}));
  set_num_threads(1);
}

TEST(Parallel, RefusesFewerThanOneThread) {
  EXPECT_THROW(set_num_threads(0), Error);
  EXPECT_GE(available_processors(), 1);
}

}  // namespace
}  // namespace farthing
