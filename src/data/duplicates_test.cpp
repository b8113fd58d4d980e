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

  // The result, and the fates of all texts.
  std::pair<DedupResult, std::vector<Fate>> run(std::int64_t memory_bytes) const {
    const FingerprintFiles files{sizeof(Hash128) + MinHasher(MinHashOptions{}).fingerprint_bytes(),
                                 1, [&](std::int64_t) { return (folder / "print").string(); }};
    const std::string fate_path = (folder / "fates").string();
    const auto result = find_duplicates(files,
                                        {.exact = true,
                                         .near = true,
                                         .minhash = {},
                                         .memory_bytes = memory_bytes,
                                         .spill_folder = folder.string()},
                                        fate_path);
    std::vector<Fate> fates;
    for (const char c : read_file(fate_path)) fates.push_back(static_cast<Fate>(c));
    EXPECT_EQ(fates.size(), texts.size());
    return {result, fates};
  }

  std::filesystem::path folder;
  std::vector<std::string> texts;
};

TEST_F(DuplicatesTest, RecallAndPrecisionAgainstBruteForce) {
  const auto [result, fates] = run(std::int64_t{1} << 30);
  // Counted away from the threshold of 0.8 by two standard errors, sqrt(0.8 * 0.2 / 112) = 0.038.
  int alike = 0, alike_found = 0, unlike = 0, unlike_found = 0;
  for (std::size_t i = 0; i < texts.size(); i += 2) {
    const double truth = jaccard(texts[i], texts[i + 1]);
    const bool dropped = fates[i + 1] != Fate::kKept;
    EXPECT_EQ(fates[i], Fate::kKept);
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

TEST_F(DuplicatesTest, SpillingChangesNothing) {
  const auto [wanted, wanted_fates] = run(std::int64_t{1} << 30);
  EXPECT_EQ(wanted.spilled_bytes, 0);
  // From one merge of a few runs to several levels, and from many pairs to one pair joined at a
  // time.
  for (const std::int64_t memory_bytes : {200000, 20000, 4000, 100}) {
    const auto [found, fates] = run(memory_bytes);
    EXPECT_GT(found.spilled_bytes, 0);
    EXPECT_EQ(fates, wanted_fates) << memory_bytes;
    EXPECT_EQ(found.n_near, wanted.n_near);
    EXPECT_EQ(found.n_candidates, wanted.n_candidates);
    EXPECT_EQ(found.n_pairs, wanted.n_pairs);
    EXPECT_EQ(found.n_clusters, wanted.n_clusters);
  }
}

// Chains: document i is alike i + 1 and, some way off, nothing else; ends are joined last.
struct DuplicateChains : testing::Test {
  DuplicateChains() {
    folder =
        std::filesystem::temp_directory_path() / ("farthing-chains-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }
  ~DuplicateChains() override { std::filesystem::remove_all(folder); }

  // One band of one row for every pair: documents with a key in common are alike.
  struct Made {
    std::vector<std::vector<std::uint64_t>> keys;  // of a document, one for every band
  };
  DedupResult run(const Made& made, std::int64_t memory_bytes, std::string& fates) const {
    const MinHashOptions minhash{.bands = 2, .rows = 1, .jaccard = 0.05};
    std::string records;
    for (std::size_t document = 0; document < made.keys.size(); ++document) {
      const Hash128 hash{document, document};
      records.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
      records.append(reinterpret_cast<const char*>(made.keys[document].data()), 16);
      records.append(2, 'x');  // the same signature: every candidate is a duplicate
    }
    write_file_atomically((folder / "print").string(), records);
    const auto result =
        find_duplicates({16 + 16 + 2, 1, [&](std::int64_t) { return (folder / "print").string(); }},
                        {.exact = true,
                         .near = true,
                         .minhash = minhash,
                         .memory_bytes = memory_bytes,
                         .spill_folder = folder.string()},
                        (folder / "fates").string());
    fates = read_file((folder / "fates").string());
    return result;
  }

  std::filesystem::path folder;
};

TEST_F(DuplicateChains, OfAnyLengthAreOneClusterInAnyMemory) {
  // 900 documents in chains of 300: number 3 j + chain stands at place j * 7 % 300 of its chain.
  Made made{std::vector<std::vector<std::uint64_t>>(900)};
  for (std::uint64_t chain = 0; chain < 3; ++chain) {
    for (std::uint64_t j = 0; j < 300; ++j) {
      const std::uint64_t place = j * 7 % 300 + chain * 1000;
      made.keys[3 * j + chain] = {hash64(std::to_string(place / 2)) | 1,
                                  hash64("b" + std::to_string((place + 1) / 2)) | 1};
    }
  }
  for (const std::int64_t memory_bytes :
       {std::int64_t{1} << 20, std::int64_t{3000}, std::int64_t{500}, std::int64_t{1}}) {
    std::string fates;
    const auto result = run(made, memory_bytes, fates);
    EXPECT_EQ(result.n_near, 897) << memory_bytes;
    EXPECT_EQ(result.n_clusters, 3);
    EXPECT_EQ(result.largest_cluster, 300);
    EXPECT_EQ(result.largest_cluster_first, 0);
    std::string wanted(900, '\2');
    wanted.replace(0, 3, 3, '\0');
    EXPECT_EQ(fates, wanted);
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
    error += (hasher.similarity(hasher.signature(x.data()), hasher.signature(y.data())) -
              jaccard(a, b)) /
             60;
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
