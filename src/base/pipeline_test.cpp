// pipeline_test.cpp - order, back-pressure, and which fault comes out.
#include "base/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace farthing {
namespace {

struct Outcome {
  std::vector<int> consumed;
  std::string fault;
  int most_in_flight = 0;
};

// Squares of 0..n-1; `bad_work` and `bad_produce` are items that fail.
Outcome run_squares(int n, const PipelineLimits& limits, int bad_work = -1, int bad_produce = -1) {
  Outcome outcome;
  int next = 0;
  std::atomic<int> in_flight{0};
  try {
    run_pipeline<int, int>(
        limits,
        [&](int& item, std::int64_t& weight) {
          if (next == bad_produce) throw std::runtime_error("produce");
          if (next == n) return false;
          item = next++;
          weight = 10;
          outcome.most_in_flight = std::max(outcome.most_in_flight, ++in_flight);
          return true;
        },
        [&](int& item) {
          if (item == bad_work) throw std::runtime_error("work");
          volatile int spin = item % 7 * 1000;  // uneven work, so that results come out of order
          while (spin > 0) spin = spin - 1;
          return item * item;
        },
        [&](int& result) {
          --in_flight;
          outcome.consumed.push_back(result);
        });
  } catch (const std::runtime_error& error) {
    outcome.fault = error.what();
  }
  return outcome;
}

TEST(Pipeline, ResultsComeInOrderForAnyNumberOfThreads) {
  for (const int n_threads : {1, 2, 3, 8}) {
    const auto outcome = run_squares(500, {.n_threads = n_threads, .max_in_flight = 5});
    ASSERT_EQ(outcome.consumed.size(), 500u);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(outcome.consumed[static_cast<std::size_t>(i)], i * i);
    EXPECT_LE(outcome.most_in_flight, 5);
  }
}

TEST(Pipeline, WeightHoldsTheProducerBack) {
  const auto outcome = run_squares(100, {.n_threads = 3, .max_in_flight = 50, .max_weight = 30});
  EXPECT_EQ(outcome.consumed.size(), 100u);
  EXPECT_LE(outcome.most_in_flight, 3);
  const auto heavy = run_squares(20, {.n_threads = 2, .max_in_flight = 50, .max_weight = 1});
  EXPECT_EQ(heavy.consumed.size(), 20u);
  EXPECT_EQ(heavy.most_in_flight, 1);
}

TEST(Pipeline, WhatIsWorkedOnTogetherIsNotTooHeavy) {
  int next = 0;
  std::atomic<int> weight_now{0}, most{0};
  run_pipeline<int, int>(
      {.n_threads = 3, .max_in_flight = 50, .max_weight = 30},
      [&](int& item, std::int64_t& weight) {
        item = next % 5 == 4 ? 25 : 4;
        weight = item;
        return next++ < 200;
      },
      [&](int& item) {
        const int now = weight_now += item;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        return item;
      },
      [&](int& result) { weight_now -= result; });
  EXPECT_EQ(weight_now, 0);
  EXPECT_LE(most, 30);
  EXPECT_GE(most, 25);
}

TEST(Pipeline, TheEarliestFaultWinsAndWhatCameBeforeIsConsumed) {
  for (const int n_threads : {1, 2, 3}) {
    const PipelineLimits limits{.n_threads = n_threads, .max_in_flight = 6};
    auto outcome = run_squares(100, limits, 40);
    EXPECT_EQ(outcome.fault, "work");
    EXPECT_EQ(outcome.consumed.size(), 40u);
    outcome = run_squares(100, limits, -1, 41);
    EXPECT_EQ(outcome.fault, "produce");
    EXPECT_EQ(outcome.consumed.size(), 41u);
    outcome = run_squares(100, limits, 40, 42);
    EXPECT_EQ(outcome.fault, "work");
    EXPECT_EQ(outcome.consumed.size(), 40u);
  }
}

TEST(Pipeline, NothingToDo) { EXPECT_TRUE(run_squares(0, {.n_threads = 3}).consumed.empty()); }

}  // namespace
}  // namespace farthing
