// fill_in_middle_test.cpp - rewritten documents hold their tokens, in three parts, at the rate.
#include "data/fill_in_middle.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "data/tokenizer.h"

namespace farthing {
namespace {

constexpr std::int32_t kBegin = 1, kHole = 2, kEnd = 3, kEndOfText = 4;

struct FillInMiddleTest : testing::Test {
  FillInMiddleTest()
      : folder(std::filesystem::temp_directory_path() /
               ("farthing-fim-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
    ShardWriter writer((folder / "train").string(), 100000);
    for (int document = 0; document < 1000; ++document) {
      const auto n = static_cast<int>(
          Rng(1, RngStream::kTest).below(static_cast<std::uint64_t>(document), 40));
      std::vector<std::int32_t> ids;
      for (int i = 0; i < n; ++i) ids.push_back(10 + 50 * document + i);
      if (document % 7 != 0) ids.push_back(kEndOfText);
      writer.add_document(ids);
    }
    writer.finish();
  }
  ~FillInMiddleTest() override { std::filesystem::remove_all(folder); }
  TokenText text(double rate) const {
    return {ShardReader((folder / "train").string()), {rate, 5, kBegin, kHole, kEnd, kEndOfText}};
  }
  std::filesystem::path folder;
};

std::vector<std::int32_t> document_of(const TokenText& text, std::int64_t document) {
  const std::int64_t begin = text.document_begin(document);
  std::vector<std::int32_t> ids(
      static_cast<std::size_t>(text.document_begin(document + 1) - begin));
  text.read(begin, ids);
  return ids;
}

TEST_F(FillInMiddleTest, PutsTheDocumentTogetherAgain) {
  const TokenText plain = text(0), half = text(0.5);
  int n_rewritten = 0, n_candidates = 0;
  for (std::int64_t document = 0; document < plain.n_documents(); ++document) {
    const auto wanted = document_of(plain, document);
    const auto ids = document_of(half, document);
    n_candidates += wanted.size() >= 3;
    if (ids == wanted) continue;
    ++n_rewritten;
    ASSERT_EQ(ids.size(), wanted.size() + 3);
    ASSERT_EQ(ids[0], kBegin);
    const auto hole = std::ranges::find(ids, kHole), end = std::ranges::find(ids, kEnd);
    ASSERT_LT(hole, end);
    const bool closed = wanted.back() == kEndOfText;
    std::vector<std::int32_t> again(ids.begin() + 1, hole);
    again.insert(again.end(), end + 1, ids.end() - (closed ? 1 : 0));
    again.insert(again.end(), hole + 1, end);
    if (closed) again.push_back(ids.back());
    EXPECT_EQ(again, wanted) << document;
  }
  EXPECT_EQ(n_rewritten, half.n_rewritten());
  EXPECT_NEAR(n_rewritten, n_candidates / 2.0, 5 * std::sqrt(n_candidates / 4.0));
  EXPECT_EQ(half.n_tokens(), plain.n_tokens() + 3 * n_rewritten);
}

TEST_F(FillInMiddleTest, AnyStretchIsTheSameTokens) {
  const TokenText half = text(0.5);
  std::vector<std::int32_t> all(static_cast<std::size_t>(half.n_tokens()));
  half.read(0, all);
  for (std::uint64_t trial = 0; trial < 500; ++trial) {
    const Rng rng(9, RngStream::kTest, trial);
    const std::size_t n = 1 + rng.below(0, 100);
    const std::size_t first = rng.below(1, all.size() - n + 1);
    std::vector<std::int32_t> part(n);
    half.read(static_cast<std::int64_t>(first), part);
    ASSERT_TRUE(std::equal(part.begin(), part.end(), all.begin() + static_cast<long>(first)));
    const std::int64_t document = half.document_of(static_cast<std::int64_t>(first));
    EXPECT_LE(half.document_begin(document), static_cast<std::int64_t>(first));
    EXPECT_GT(half.document_begin(document + 1), static_cast<std::int64_t>(first));
  }
}

TEST_F(FillInMiddleTest, RateOneTakesAllThatAreLongEnough) {
  const TokenText all = text(1);
  for (std::int64_t document = 0; document < all.n_documents(); ++document) {
    const std::int64_t n =
        all.shard().document_begin(document + 1) - all.shard().document_begin(document);
    EXPECT_EQ(static_cast<std::int64_t>(document_of(all, document).size()), n < 3 ? n : n + 3);
  }
}

TEST(FillInMiddleIds, ComeFromTheTokenizer) {
  bool given = false;
  const auto train = [&](std::vector<std::string> special) {
    given = false;
    return train_tokenizer(
        [&](std::string& document) {
          document = "some text";
          return !std::exchange(given, true);
        },
        {.vocab_size = 300, .special_tokens = std::move(special)});
  };
  const Tokenizer good = train({"<|end_of_text|>", "<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"});
  const FillInMiddle fim = fill_in_middle(good, 0.1, 1, "t");
  EXPECT_EQ(fim.begin_id, 1);
  EXPECT_EQ(fim.hole_id, 2);
  EXPECT_EQ(fim.end_id, 3);
  EXPECT_EQ(fim.end_of_text_id, 0);
  EXPECT_THROW(fill_in_middle(train({"<|fim_begin|>", "<|fim_hole|>"}), 0.1, 1, "t"), Error);
}

}  // namespace
}  // namespace farthing
