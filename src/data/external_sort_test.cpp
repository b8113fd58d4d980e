// external_sort_test.cpp - every record once and in order, whatever the memory.
#include "data/external_sort.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/rng.h"

namespace farthing {
namespace {

struct Number {
  std::uint64_t value;
  bool operator<(const Number& other) const { return value < other.value; }
};

TEST(ExternalSort, OrderDoesNotDependOnMemory) {
  const auto path =
      std::filesystem::temp_directory_path() / ("farthing-sort-" + std::to_string(getpid()));
  const Rng rng(3, RngStream::kTest);
  std::vector<std::uint64_t> wanted;
  for (std::uint64_t i = 0; i < 20000; ++i) wanted.push_back(rng.below(i, 5000));
  const auto unsorted = wanted;
  std::sort(wanted.begin(), wanted.end());
  // All in memory; one merge; several levels of merging; the least there can be.
  for (const std::int64_t memory_bytes : {1 << 20, 40000, 4000, 1}) {
    ExternalSort<Number> sorter(memory_bytes, path.string());
    for (const auto value : unsorted) sorter.add({value});
    sorter.finish();
    EXPECT_EQ(sorter.size(), 20000);
    EXPECT_EQ(sorter.spilled_bytes() > 0, memory_bytes < 160000);
    EXPECT_EQ(sorter.spilled_bytes() > 160000, memory_bytes < 40000) << memory_bytes;
    std::vector<std::uint64_t> found;
    for (Number number{}; sorter.next(number);) found.push_back(number.value);
    EXPECT_EQ(found, wanted) << memory_bytes;
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST(ExternalSort, OfNothing) {
  ExternalSort<Number> sorter(1000, "/nonexistent/never-made");
  sorter.finish();
  Number number{};
  EXPECT_FALSE(sorter.next(number));
}

}  // namespace
}  // namespace farthing
