// packing_test.cpp - every token's target once, windows never too full, and better than cutting.
#include "data/packing.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/rng.h"

namespace farthing {
namespace {

std::vector<std::int64_t> random_ends(std::uint64_t trial, int n, std::uint64_t longest) {
  const Rng rng(trial, RngStream::kTest, 77);
  std::vector<std::int64_t> ends;
  std::int64_t end = 0;
  for (int i = 0; i < n; ++i) {
    const auto u = static_cast<std::uint64_t>(i);
    end += static_cast<std::int64_t>(rng.below(2 * u, rng.below(2 * u + 1, longest) + 1));
    ends.push_back(end);
  }
  return ends;
}

// Every pair of neighbours within a document is in exactly one window.
void check_targets(const std::vector<std::int64_t>& ends, int sequence_length) {
  const BestFitPacking packing(ends, sequence_length);
  std::set<std::int64_t> targets;  // the second of each pair
  std::int64_t n_tokens = 0;
  std::set<std::int64_t> singles;  // documents of one token
  for (std::int64_t w = 0; w < packing.n_windows(); ++w) {
    std::int64_t room = sequence_length + 1;
    ASSERT_FALSE(packing.window(w).empty());
    for (const PackedPiece& piece : packing.window(w)) {
      ASSERT_GE(piece.length, 1);
      room -= piece.length;
      n_tokens += piece.length;
      if (piece.length == 1) singles.insert(piece.begin);
      for (std::int64_t at = piece.begin + 1; at < piece.begin + piece.length; ++at) {
        ASSERT_TRUE(targets.insert(at).second) << at;
      }
    }
    ASSERT_GE(room, 0);
  }
  std::int64_t begin = 0;
  std::size_t n_wanted = 0;
  for (const std::int64_t end : ends) {
    if (end - begin == 1) {
      EXPECT_TRUE(singles.contains(begin));
    }
    for (std::int64_t at = begin + 1; at < end; ++at) {
      ASSERT_TRUE(targets.contains(at)) << at;
      ++n_wanted;
    }
    begin = end;
  }
  EXPECT_EQ(targets.size(), n_wanted);
  if (packing.n_windows() == 0) return;
  EXPECT_DOUBLE_EQ(packing.statistics().fill_rate,
                   static_cast<double>(n_tokens) /
                       static_cast<double>(packing.n_windows() * (sequence_length + 1)));
}

TEST(BestFitPacking, KeepsEveryTargetOnce) {
  for (std::uint64_t trial = 0; trial < 30; ++trial) {
    check_targets(random_ends(trial, 300, 90), static_cast<int>(1 + trial * 3));
  }
  check_targets({}, 8);
  check_targets({0, 0, 1, 9, 18, 18}, 8);
}

TEST(BestFitPacking, FillsWhatFitsExactly) {
  // Sixes and threes into nines: two windows of sixes take the threes.
  const std::vector<std::int64_t> ends = {6, 9, 15, 18};
  const BestFitPacking packing(ends, 8);
  EXPECT_EQ(packing.n_windows(), 2);
  EXPECT_EQ(packing.statistics().fill_rate, 1);
  EXPECT_EQ(packing.statistics().truncated_documents, 0);
}

TEST(BestFitPacking, TheFullestWindowWithRoomComesFirst) {
  // Rooms of 4 and 2 are left when the 2 comes: it goes into the 2.
  const std::vector<std::int64_t> ends = {6, 14, 16};
  const BestFitPacking packing(ends, 9);
  ASSERT_EQ(packing.n_windows(), 2);
  EXPECT_EQ(packing.window(0).size(), 2u);  // the 8 came first
  EXPECT_EQ(packing.window(0)[1].begin, 14);
}

TEST(BestFitPacking, TruncatesOnlyWhatIsLongerThanAWindow) {
  const std::vector<std::int64_t> ends = random_ends(5, 5000, 300);
  const PackingStatistics packed = BestFitPacking(ends, 128).statistics();
  const PackingStatistics cut = cut_statistics(ends, 128);
  std::int64_t n_long = 0, begin = 0;
  for (const std::int64_t end : ends) {
    n_long += end - begin > 129;
    begin = end;
  }
  EXPECT_EQ(packed.truncated_documents, n_long);
  EXPECT_LT(2 * packed.truncated_documents, cut.truncated_documents);
  EXPECT_GT(packed.fill_rate, 0.98);
  EXPECT_EQ(packed.documents, cut.documents);
}

TEST(CutStatistics, CountsDocumentsThatHoldABoundary) {
  // Windows of 4: boundaries at 4, 8, 12.  The second document begins at one and is not cut there;
  // the third holds 8 as its last token, which is the target of the window before.
  const std::vector<std::int64_t> ends = {4, 6, 9, 16};
  const PackingStatistics statistics = cut_statistics(ends, 4);
  EXPECT_EQ(statistics.windows, 3);
  EXPECT_EQ(statistics.truncated_documents, 1);
  EXPECT_EQ(statistics.cuts, 1);
}

}  // namespace
}  // namespace farthing
