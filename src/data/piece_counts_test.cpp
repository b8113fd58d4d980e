// piece_counts_test.cpp - counts against a map; what is forgotten, bounded and the same for all.
#include "data/piece_counts.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/rng.h"
#include "data/piece_key.h"

namespace farthing {
namespace {

using Counts = std::map<std::string, std::int64_t>;

// Words of 1 to 40 letters, short ones often; the words of low numbers far more often than others.
std::string random_document(std::uint64_t trial) {
  const Rng rng(31, RngStream::kTest, trial);
  std::string text;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const double u = rng.uniform(2 * i);
    const auto word = static_cast<std::uint64_t>(3000 * u * u * u * u);
    const Rng letters(word, RngStream::kTest);
    const std::uint64_t n = 1 + letters.below(0, word % 5 == 0 ? 40 : 8);
    text += ' ';
    for (std::uint64_t c = 1; c <= n; ++c) text += static_cast<char>('a' + letters.below(c, 26));
  }
  return text;
}

std::vector<std::string> batch(std::uint64_t index) {
  std::vector<std::string> documents;
  for (std::uint64_t i = 0; i < 20; ++i) documents.push_back(random_document(100 * index + i));
  return documents;
}

struct Counted {
  Counts counts;
  std::int64_t n_forgotten = 0, largest_error = 0;
};

Counted count(int n_threads, std::int64_t memory_bytes) {
  const int before = num_threads();
  set_num_threads(n_threads);
  const Splitter splitter(gpt2_rules(), "test");
  PieceCounts counts(splitter, memory_bytes);
  for (std::uint64_t i = 0; i < 6; ++i) counts.add_batch(batch(i));
  Counted result;
  const PieceCounts::Size size = counts.size();
  std::int64_t n_bytes = 0;
  counts.drain([&](std::string_view piece, std::int64_t n) {
    EXPECT_TRUE(result.counts.emplace(piece, n).second) << piece;
    n_bytes += static_cast<std::int64_t>(piece.size());
  });
  EXPECT_EQ(size.pieces, static_cast<std::int64_t>(result.counts.size()));
  EXPECT_EQ(size.bytes, n_bytes);
  result.n_forgotten = counts.n_forgotten();
  result.largest_error = counts.largest_error();
  set_num_threads(before);
  return result;
}

Counts true_counts() {
  const Splitter splitter(gpt2_rules(), "test");
  Counts counts;
  Pieces pieces;
  for (std::uint64_t i = 0; i < 6; ++i) {
    for (const std::string& document : batch(i)) {
      splitter.split(document, pieces);
      for (const std::string_view piece : pieces.pieces) ++counts[std::string(piece)];
    }
  }
  return counts;
}

TEST(PieceCounts, EqualAMap) {
  const Counts wanted = true_counts();
  for (const int n_threads : {1, 2, 3}) {
    const Counted counted = count(n_threads, std::int64_t{1} << 30);
    EXPECT_TRUE(counted.counts == wanted) << n_threads;
    EXPECT_EQ(counted.n_forgotten, 0);
  }
}

TEST(PieceCounts, ForgetsTheRarestTheSameForAnyThreads) {
  const Counts wanted = true_counts();
  const Counted one = count(1, 60'000);
  ASSERT_GT(one.n_forgotten, 0);
  std::int64_t n_lost = 0;
  for (const auto& [piece, n] : wanted) {
    const auto found = one.counts.find(piece);
    const std::int64_t kept = found == one.counts.end() ? 0 : found->second;
    EXPECT_LE(kept, n) << piece;
    EXPECT_LE(n - kept, one.largest_error) << piece;
    n_lost += n - kept;
  }
  EXPECT_EQ(n_lost, one.n_forgotten);
  for (const int n_threads : {2, 3}) {
    const Counted other = count(n_threads, 60'000);
    EXPECT_TRUE(other.counts == one.counts) << n_threads;
    EXPECT_EQ(other.largest_error, one.largest_error);
  }
}

TEST(PieceKey, GivesThePieceBackAndTellsPiecesApart) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> seen;
  char room[16];
  for (std::uint64_t trial = 0; trial < 4000; ++trial) {
    const Rng rng(5, RngStream::kTest, trial);
    std::string piece(1 + rng.below(0, kMaxKeyBytes), '\0');
    for (std::size_t i = 0; i < piece.size(); ++i) {
      piece[i] = static_cast<char>(rng.below(i + 1, trial % 2 == 0 ? 2 : 256));
    }
    const PieceKey key = key_of(piece);
    EXPECT_EQ(piece_of(key, room), piece);
    EXPECT_EQ(seen.emplace(std::pair(key.low, key.high), piece).first->second, piece);
  }
}

}  // namespace
}  // namespace farthing
