// prefetch_test.cpp - the source's samples in any order of asking, faults where they belong.
#include "data/prefetch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/rng.h"

namespace farthing {
namespace {

// Sample i is {i}; now and then slowly; number `bad` throws.
struct CountingStream : SampleStream {
  explicit CountingStream(std::int64_t bad_one = -1) : bad(bad_one) {}
  void read(std::int64_t index, Sample& out) const override {
    if (index % 13 == 5) std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (index == bad) throw std::runtime_error("bad sample");
    ++n_reads;
    out.tokens.assign(1, static_cast<std::int32_t>(index));
  }
  std::int64_t bad;
  mutable std::atomic<int> n_reads = 0;
};

TEST(PrefetchedStream, GivesTheSourcesSamplesInOrder) {
  for (const auto& [depth, n_threads] : {std::pair{1, 1}, {1, 3}, {4, 1}, {7, 3}}) {
    const PrefetchedStream stream(std::make_unique<CountingStream>(), depth, n_threads);
    for (std::int64_t i = 100; i < 400; ++i) {
      ASSERT_EQ(stream.sample(i).tokens, std::vector<std::int32_t>{static_cast<std::int32_t>(i)});
    }
  }
}

TEST(PrefetchedStream, JumpsWhereverItIsAsked) {
  const PrefetchedStream stream(std::make_unique<CountingStream>(), 5, 2);
  const Rng rng(3, RngStream::kTest);
  std::int64_t at = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    at = rng.below(2 * i, 4) == 0 ? static_cast<std::int64_t>(rng.below(2 * i + 1, 50)) : at + 1;
    ASSERT_EQ(stream.sample(at).tokens[0], at) << i;
  }
}

TEST(PrefetchedStream, ReadsAhead) {
  auto source = std::make_unique<CountingStream>();
  const CountingStream& counting = *source;
  const PrefetchedStream stream(std::move(source), 6, 1);
  EXPECT_EQ(counting.n_reads, 0);
  (void)stream.sample(0);
  for (int i = 0; i < 2000 && counting.n_reads < 7; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(counting.n_reads, 7);  // and no further
}

TEST(PrefetchedStream, AFaultComesWithItsSample) {
  const PrefetchedStream stream(std::make_unique<CountingStream>(20), 8, 2);
  for (std::int64_t i = 10; i < 20; ++i) ASSERT_EQ(stream.sample(i).tokens[0], i);
  EXPECT_THROW((void)stream.sample(20), std::runtime_error);
  EXPECT_EQ(stream.sample(21).tokens[0], 21);
  EXPECT_THROW((void)stream.sample(20), std::runtime_error);
}

}  // namespace
}  // namespace farthing
