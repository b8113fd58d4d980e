// duplicates_test.cpp - recall and precision against brute-force Jaccard; memory changes nothing.
#include "data/duplicates.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/hash.h"
#include "base/rng.h"

namespace farthing {
namespace {

std::string text_of(int base, double changed, int variant) {
  const Rng rng(11, RngStream::kTest);
  std::string text;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto draw = static_cast<std::uint64_t>(base) * 4096 + i;
    std::uint64_t word = rng.below(draw, 5000);
    const auto change = static_cast<std::uint64_t>(variant + 1) * 10000000 + draw;
    if (static_cast<double>(rng.below(change, 100000)) < changed * 100000) {
      word = 5000 + rng.below(change + 1, 5000);
    }
    text += "w" + std::to_string(word) + " ";
  }
  return text;
}

double jaccard(const std::string& a, const std::string& b) {
  std::vector<std::uint32_t> left, right;
  append_shingles(a, 5, left);
  append_shingles(b, 5, right);
  const std::set<std::uint32_t> x(left.begin(), left.end()), y(right.begin(), right.end());
  std::size_t both = 0;
  for (const auto shingle : x) both += y.count(shingle);
  return static_cast<double>(both) / static_cast<double>(x.size() + y.size() - both);
}

struct DuplicatesTest : testing::Test {
  DuplicatesTest() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-duplicates-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    for (int base = 0; base < 400; ++base) {  // pairs from nearly equal to quite different
      texts.push_back(text_of(base, 0, 0));
      texts.push_back(text_of(base, 0.0003 * base, 1));
    }
    const MinHasher hasher(MinHashOptions{});
    std::string records;
    for (const auto& text : texts) {
      const Hash128 hash = hash128(text);
      records.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
      hasher.append_fingerprint(text, records);
    }
    write_file_atomically((folder / "print").string(), records);
  }
  ~DuplicatesTest() override { std::filesystem::remove_all(folder); }

  DedupResult run(std::int64_t memory_bytes, int n_threads) const {
    FingerprintFiles files(sizeof(Hash128) + MinHasher(MinHashOptions{}).fingerprint_bytes());
    files.add((folder / "print").string());
    return find_duplicates(files, {.exact = true,
                                   .near = true,
                                   .minhash = {},
                                   .memory_bytes = memory_bytes,
                                   .n_threads = n_threads,
                                   .spill_folder = folder.string()});
  }

  std::filesystem::path folder;
  std::vector<std::string> texts;
};

TEST_F(DuplicatesTest, RecallAndPrecisionAgainstBruteForce) {
  const auto found = run(std::int64_t{1} << 30, 1);
  // Counted away from the threshold of 0.8 by two standard errors, sqrt(0.8 * 0.2 / 112) = 0.038.
  int alike = 0, alike_found = 0, unlike = 0, unlike_found = 0;
  for (std::size_t i = 0; i < texts.size(); i += 2) {
    const double truth = jaccard(texts[i], texts[i + 1]);
    const bool dropped = found.fate[i + 1] != Fate::kKept;
    EXPECT_EQ(found.fate[i], Fate::kKept);
    if (truth >= 0.876) {
      ++alike;
      alike_found += dropped ? 1 : 0;
    } else if (truth <= 0.686) {
      ++unlike;
      unlike_found += dropped ? 1 : 0;
    }
  }
  ASSERT_GT(alike, 40);
  ASSERT_GT(unlike, 100);
  RecordProperty("recall", std::to_string(alike_found) + "/" + std::to_string(alike));
  RecordProperty("false", std::to_string(unlike_found) + "/" + std::to_string(unlike));
  // P(candidate) at 0.876 is 0.995; an estimate two errors above the truth has P = 0.0014 or so.
  EXPECT_GE(alike_found, alike * 97 / 100);
  EXPECT_LE(unlike_found, unlike * 2 / 100);
}

TEST_F(DuplicatesTest, SpillingAndThreadsChangeNothing) {
  const auto wanted = run(std::int64_t{1} << 30, 1);
  EXPECT_EQ(wanted.spilled_bytes, 0);
  for (const int n_threads : {1, 2, 3}) {
    const auto found = run(20000, n_threads);
    EXPECT_GT(found.spilled_bytes, 0);
    EXPECT_EQ(found.fate, wanted.fate);
    EXPECT_EQ(found.n_near, wanted.n_near);
    EXPECT_EQ(found.n_candidates, wanted.n_candidates);
  }
}

TEST(MinHash, EstimatesTheJaccardIndexWithoutBias) {
  const MinHasher hasher(MinHashOptions{});
  double error = 0;
  for (int base = 0; base < 60; ++base) {
    const std::string a = text_of(base, 0, 0), b = text_of(base, 0.03, 1);
    std::string x, y;
    hasher.append_fingerprint(a, x);
    hasher.append_fingerprint(b, y);
    error += (hasher.similarity(x.data(), y.data()) - jaccard(a, b)) / 60;
  }
  EXPECT_LT(std::abs(error), 4 * 0.047 / 7.7);  // sqrt(J (1-J) / 112) at most, over sqrt(60)
}

TEST(MinHash, CaseAndPunctuationDoNotCount) {
  const MinHasher hasher(MinHashOptions{});
  std::string x, y;
  hasher.append_fingerprint("The king's coin, of COPPER and silver: heavy.", x);
  hasher.append_fingerprint("the KING s coin of copper\nand silver heavy", y);
  EXPECT_EQ(x, y);
}

}  // namespace
}  // namespace farthing
