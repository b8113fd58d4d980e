// loader_test.cpp - the order of samples: every window once an epoch, the same whatever is asked.
#include "data/loader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/shards.h"

namespace farthing {
namespace {

struct LoaderTest : testing::Test {
  LoaderTest() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-loader-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    prefix = (folder / "train").string();
  }
  ~LoaderTest() override { std::filesystem::remove_all(folder); }

  // Tokens 0, 1, 2 ... cut into documents of these lengths: a token is its own position.
  void write_counting(const std::vector<int>& lengths) {
    ShardWriter writer(prefix, 100000);
    std::int32_t next = 0;
    for (const int length : lengths) {
      std::vector<std::int32_t> ids(static_cast<std::size_t>(length));
      std::iota(ids.begin(), ids.end(), next);
      next += length;
      writer.add_document(ids);
    }
    writer.finish();
  }

  std::filesystem::path folder;
  std::string prefix;
};

std::vector<int> first_tokens(const SampleSource& source, std::int64_t first, std::int64_t count) {
  std::vector<int> tokens;
  for (std::int64_t i = 0; i < count; ++i) tokens.push_back(source.sample(first + i).tokens[0]);
  return tokens;
}

TEST_F(LoaderTest, AnEpochVisitsEveryWindowOnce) {
  write_counting({1000, 3});
  const SampleSource source(prefix, 10, 1);
  ASSERT_EQ(source.samples_per_epoch(), 100);  // 1002 / 10: the last two tokens fill no window
  EXPECT_EQ(source.n_tokens(), 1003);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::set<int> windows;
    for (int i = 0; i < 100; ++i) {
      const Sample sample = source.sample(epoch * 100 + i);
      ASSERT_EQ(sample.tokens.size(), 11u);
      for (int k = 1; k <= 10; ++k) {
        EXPECT_EQ(sample.tokens[static_cast<std::size_t>(k)], sample.tokens[0] + k);
      }
      EXPECT_EQ(sample.tokens[0] % 10, 0);
      windows.insert(sample.tokens[0]);
    }
    EXPECT_EQ(windows.size(), 100u);
    EXPECT_EQ(*windows.rbegin(), 990);
  }
}

TEST_F(LoaderTest, WindowsReachTheLastToken) {
  write_counting({21});
  const SampleSource source(prefix, 10, 1);
  ASSERT_EQ(source.samples_per_epoch(), 2);
  const auto starts = first_tokens(source, 0, 2);
  const auto last = source.sample(starts[0] == 10 ? 0 : 1);
  EXPECT_EQ(last.tokens.back(), 20);
}

TEST_F(LoaderTest, OrderDependsOnEpochAndSeedOnly) {
  write_counting({2001});
  const SampleSource source(prefix, 10, 1), again(prefix, 10, 1), other(prefix, 10, 2);
  EXPECT_NE(first_tokens(source, 0, 200), first_tokens(source, 200, 200));
  EXPECT_NE(first_tokens(source, 0, 200), first_tokens(other, 0, 200));
  // Four ranks that take every fourth sample see together what one rank sees.
  std::vector<int> together(400);
  for (int rank = 3; rank >= 0; --rank) {
    for (int i = rank; i < 400; i += 4) {
      together[static_cast<std::size_t>(i)] = again.sample(i).tokens[0];
    }
  }
  EXPECT_EQ(together, first_tokens(source, 0, 400));
}

TEST_F(LoaderTest, TheOrderIsPinned) {
  write_counting({101});
  const SampleSource source(prefix, 10, 1);
  // A change here breaks the resuming of every earlier run.
  EXPECT_EQ(first_tokens(source, 0, 10), (std::vector<int>{30, 40, 0, 10, 50, 70, 20, 90, 60, 80}));
}

TEST_F(LoaderTest, DocumentStartIsWhereTheTokensDocumentBeginsInTheWindow) {
  write_counting({3, 0, 4, 1, 0, 0, 9, 4});  // documents begin at 0, 3, 7, 8, 17
  const SampleSource source(prefix, 5, 1);
  ASSERT_EQ(source.samples_per_epoch(), 4);
  std::vector<std::vector<std::int32_t>> found(4);
  for (int i = 0; i < 4; ++i) {
    const Sample sample = source.sample(i);
    found[static_cast<std::size_t>(sample.tokens[0] / 5)] = sample.document_start;
  }
  EXPECT_EQ(found[0], (std::vector<std::int32_t>{0, 0, 0, 3, 3}));
  EXPECT_EQ(found[1], (std::vector<std::int32_t>{0, 0, 2, 3, 3}));
  EXPECT_EQ(found[2], (std::vector<std::int32_t>{0, 0, 0, 0, 0}));
  EXPECT_EQ(found[3], (std::vector<std::int32_t>{0, 0, 2, 2, 2}));
}

TEST_F(LoaderTest, RefusesTooFewTokens) {
  write_counting({10});
  EXPECT_EQ(SampleSource(prefix, 9, 1).samples_per_epoch(), 1);
  try {
    SampleSource(prefix, 10, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("found 10, wanted at least 11"), std::string::npos)
        << error.message;
  }
}

TEST_F(LoaderTest, TextBytesComeFromTheCard) {
  write_counting({30});
  EXPECT_EQ(SampleSource(prefix, 9, 1).n_text_bytes(), 0);
  const std::string card = (folder / "card.json").string();
  write_file_atomically(card, R"({"splits": {"val": {"bytes": 7}, "train": {"bytes": 123}}})");
  EXPECT_EQ(SampleSource(prefix, 9, 1).n_text_bytes(), 123);
  write_file_atomically(card, R"({"splits": {"val": {"bytes": 7}}})");
  EXPECT_EQ(SampleSource(prefix, 9, 1).n_text_bytes(), 0);
  write_file_atomically(card, R"({"splits": {"train": {"bytes": "many"}}})");
  EXPECT_THROW(SampleSource(prefix, 9, 1), Error);
}

}  // namespace
}  // namespace farthing
