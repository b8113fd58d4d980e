// bpe_trainer_test.cpp - merges against a naive trainer; the same for any threads and order.
#include "data/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "data/piece_counts.h"
#include "data/pre_tokenizer.h"

namespace farthing {
namespace {

DocumentSource source_of(const std::vector<std::string>& documents) {
  auto next = std::make_shared<std::size_t>(0);
  return [&documents, next](std::string& document) {
    if (*next == documents.size()) return false;
    document = documents[(*next)++];
    return true;
  };
}

std::vector<std::string> random_documents(int n) {
  std::vector<std::string> documents;
  for (int i = 0; i < n; ++i) {
    const Rng rng(3, RngStream::kTest, static_cast<std::uint64_t>(i));
    std::string text;
    for (std::uint64_t c = 0; c < 120; ++c) text += "aaabbcde  \nq1"[rng.below(c, 13)];
    documents.push_back(text);
  }
  return documents;
}

// Counts every pair anew before each merge.
std::vector<std::pair<int, int>> naive_merges(const std::vector<std::string>& documents,
                                              const TokenizerSpec& begin, int n_merges) {
  std::map<std::string, int> ids;
  for (std::size_t id = 0; id < begin.vocabulary.size(); ++id) {
    ids[begin.vocabulary[id]] = static_cast<int>(id);
  }
  const Splitter splitter(begin.pre_tokenizer, "test");
  std::vector<std::vector<std::string>> words;
  for (const std::string& document : documents) {
    Pieces pieces;
    splitter.split(document, pieces);
    for (const auto piece : pieces.pieces) {
      words.emplace_back();
      for (const char c : piece)
        words.back().push_back(c == ' ' ? "Ġ" : c == '\n' ? "Ċ" : std::string(1, c));
    }
  }
  std::vector<std::pair<int, int>> merges;
  while (static_cast<int>(merges.size()) < n_merges) {
    std::map<std::pair<int, int>, int> counts;
    for (const auto& word : words) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) ++counts[{ids[word[i]], ids[word[i + 1]]}];
    }
    const auto best = std::ranges::max_element(counts, [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second < b.second : a.first > b.first;
    });
    merges.push_back(best->first);
    for (auto& word : words) {
      std::vector<std::string> out;
      for (std::size_t i = 0; i < word.size(); ++i) {
        if (i + 1 < word.size() && std::pair(ids[word[i]], ids[word[i + 1]]) == best->first) {
          out.push_back(word[i] + word[i + 1]);
          ids.emplace(out.back(), static_cast<int>(ids.size()));
          ++i;
        } else {
          out.push_back(word[i]);
        }
      }
      word = out;
    }
  }
  return merges;
}

TEST(BpeTrainer, EqualsTheNaiveTrainer) {
  const auto documents = random_documents(40);
  for (const PreTokenizer kind : {PreTokenizer::kGpt2, PreTokenizer::kDeepseekV3}) {
    TokenizerTraining training{.vocab_size = 259, .pre_tokenizer = kind};
    const TokenizerSpec begin = train_bpe(source_of(documents), training);
    ASSERT_TRUE(begin.merges.empty());
    training.vocab_size = 259 + 60;
    const TokenizerSpec trained = train_bpe(source_of(documents), training);
    const int n = static_cast<int>(trained.merges.size());
    ASSERT_GE(n, 60);
    const auto wanted = naive_merges(documents, begin, n);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(std::pair(trained.merges[i].left, trained.merges[i].right), wanted[i]) << i;
    }
  }
}

TEST(BpeTrainer, SameForAnyThreadsAndOrder) {
  auto documents = random_documents(200);
  const TokenizerTraining training{.vocab_size = 420};
  std::string first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const std::string text = train_tokenizer(source_of(documents), training).to_json_text();
    if (first.empty()) first = text;
    EXPECT_EQ(text, first) << threads << " threads";
    std::ranges::reverse(documents);
  }
}

TEST(BpeTrainer, IdsAreSpecialsThenBytesThenMerges) {
  const std::vector<std::string> documents = {"low lower lowest low low", "\xFFnew newer"};
  const Tokenizer tokenizer = train_tokenizer(source_of(documents), {.vocab_size = 262});
  EXPECT_EQ(tokenizer.id_of("<|begin_of_text|>"), 0);
  EXPECT_EQ(tokenizer.id_of("<|end_of_text|>"), tokenizer.end_of_text_id());
  EXPECT_EQ(tokenizer.id_of("!"), 3);
  EXPECT_EQ(tokenizer.id_of("1"), 19);  // as in DeepSeek-V3's own vocabulary
  EXPECT_EQ(tokenizer.id_of("Ġ"), 223);
  EXPECT_EQ(tokenizer.vocab_size(), 262);
  EXPECT_EQ(tokenizer.id_of("lo"), 259);
  EXPECT_EQ(tokenizer.id_of("low"), 260);
  const std::string text = "lowest newer \xF0\x9F\x98\x80";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(BpeTrainer, StopsWhereNothingRepeats) {
  const std::vector<std::string> documents = {"abcdef"};
  EXPECT_EQ(train_tokenizer(source_of(documents), {.vocab_size = 5000}).vocab_size(), 259);
}

TEST(BpeTrainer, RefusesWhatCannotBe) {
  const std::vector<std::string> none, some = {"text"};
  EXPECT_THROW(train_bpe(source_of(none), {}), Error);
  EXPECT_THROW(train_bpe(source_of(some), {.vocab_size = 258}), Error);
  EXPECT_THROW(train_bpe(source_of(some), {.special_tokens = {"<a>", "<a>"}}), Error);
}

// A merge once visited such a word as often as it held the pair: for hours.
TEST(BpeTrainer, APieceOfAMillionLettersIsCountedAsSeveral) {
  TokenizerTraining training;
  training.vocab_size = 280;
  std::vector<std::string> whole = {std::string(1000000, 'x')}, cut;
  for (std::size_t begin = 0; begin < whole[0].size(); begin += kMaxPieceBytes) {
    cut.push_back(whole[0].substr(begin, kMaxPieceBytes));
  }
  const TokenizerSpec spec = train_bpe(source_of(whole), training);
  EXPECT_EQ(spec.vocabulary, train_bpe(source_of(cut), training).vocabulary);
  EXPECT_EQ(spec.vocabulary.back(), std::string(kMaxPieceBytes, 'x'));
  // Whole characters of three bytes: no token begins or ends inside one but the bytes themselves.
  std::string wide;
  for (int i = 0; i < 5000; ++i) wide += "\xE3\x81\x82";
  TrainingReport report;
  train_bpe(source_of({wide}), training, &report);
  EXPECT_EQ(report.distinct_pieces, 2);  // 341 characters, and the 226 at the end
}

}  // namespace
}  // namespace farthing
