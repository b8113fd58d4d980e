// piece_scanner_test.cpp - hand-written matchers give PCRE2's pieces, on texts made to be awkward.
#include "data/piece_scanner.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "data/character_classes.h"
#include "data/pre_tokenizer.h"
#include "data/pre_tokenizer_pattern.h"
#include "data/utf8.h"

namespace farthing {
namespace {

PreTokenizerRules one_split(const char* pattern) {
  PreTokenizerRules rules;
  rules.splits.push_back({.pattern = pattern});
  return rules;
}

std::vector<PreTokenizerRules> known_rules() {
  PreTokenizerRules spaced = gpt2_rules();
  spaced.add_prefix_space = true;
  return {gpt2_rules(),
          deepseek_v3_rules(),
          one_split(known_pattern::kCl100k),
          one_split(known_pattern::kCl100kSingleDigits),
          one_split(known_pattern::kGpt2),
          spaced};
}

// What the patterns distinguish, and neighbours of it: letters, marks, numbers of every kind,
// ideographs at the ends of DeepSeek's ranges, contractions in both cases with the long s, spaces,
// both newlines, controls, unassigned and private characters.
const std::vector<std::string> kParts = {"a",
                                         "Z",
                                         "s",
                                         "S",
                                         "t",
                                         "ll",
                                         "LL",
                                         "ve",
                                         "Re",
                                         "'",
                                         "'s",
                                         "'\u017F",
                                         "\u017F",
                                         "\u212A",
                                         "\u00E9",
                                         "\u0301",
                                         "\u0E33",
                                         "\u0903",
                                         "1",
                                         "22",
                                         "\u00B2",
                                         "\u0664",
                                         "\u3007",
                                         "\u4E00",
                                         "\u9FA5",
                                         "\u9FA6",
                                         "\u3040",
                                         "\u3097",
                                         "\u3099",
                                         "\u309F",
                                         "\u30A0",
                                         "\u30FB",
                                         "\u30FF",
                                         "\u3100",
                                         "\uFF11",
                                         " ",
                                         "  ",
                                         "\t",
                                         "\n",
                                         "\r",
                                         "\r\n",
                                         "\u0085",
                                         "\u00A0",
                                         "\u1680",
                                         "\u180E",
                                         "\u2028",
                                         "\u200B",
                                         "\u200D",
                                         "\u3000",
                                         "!",
                                         "_",
                                         "(",
                                         "$",
                                         "+",
                                         "\u00AB",
                                         "\u20AC",
                                         "\U0001F600",
                                         "\x01",
                                         std::string(1, '\0'),
                                         "\x7F",
                                         "\uE000",
                                         "\U000E0101",
                                         "\U0010FFFF",
                                         "\u0378",
                                         "\U00020000",
                                         "\u01C5",
                                         "\u02B0"};

std::string random_text(std::uint64_t trial) {
  const Rng rng(23, RngStream::kTest, trial);
  std::string text;
  const std::uint64_t n = rng.below(0, 30);
  for (std::uint64_t i = 1; i <= n; ++i) text += kParts[rng.below(i, kParts.size())];
  return text;
}

std::vector<std::string> pieces_of(const Splitter& splitter, const std::string& text) {
  Pieces pieces;
  splitter.split(text, pieces);
  return {pieces.pieces.begin(), pieces.pieces.end()};
}

TEST(PieceScanner, ALongTextInPartsGivesTheSamePieces) {
  std::string text;
  for (std::uint64_t trial = 0; text.size() < 600000; ++trial) text += random_text(trial);
  for (const PreTokenizerRules& rules : known_rules()) {
    const Splitter splitter(rules, "parts");
    Pieces pieces;
    std::vector<std::string> found;
    std::size_t n_parts = 0;
    splitter.split(text, pieces, [&] {
      EXPECT_LE(pieces.pieces.size(), kPiecesAtOnce);
      found.insert(found.end(), pieces.pieces.begin(), pieces.pieces.end());
      ++n_parts;
    });
    EXPECT_GT(n_parts, 2u);
    EXPECT_EQ(found, pieces_of(splitter, text));
  }
}

TEST(PieceScanner, GivesThePiecesOfPcre2) {
  for (const PreTokenizerRules& rules : known_rules()) {
    ASSERT_TRUE(recognise(rules).has_value());
    const Splitter fast(rules, "fast"), slow(rules, "slow", SplitMethod::kPcre2);
    for (std::uint64_t trial = 0; trial < 2500; ++trial) {
      const std::string text = random_text(trial);
      ASSERT_EQ(pieces_of(fast, text), pieces_of(slow, text)) << trial;
    }
  }
}

TEST(PieceScanner, EveryPairOfPartsInEveryNeighbourhood) {
  for (const PreTokenizerRules& rules : known_rules()) {
    const Splitter fast(rules, "fast"), slow(rules, "slow", SplitMethod::kPcre2);
    for (const std::string& first : kParts) {
      for (const std::string& second : kParts) {
        for (const char* around : {"", " ", "x", "1"}) {
          const std::string text = around + first + second + around;
          ASSERT_EQ(pieces_of(fast, text), pieces_of(slow, text)) << testing::PrintToString(text);
        }
      }
    }
  }
}

TEST(PieceScanner, RulesThatDifferAreLeftToPcre2) {
  PreTokenizerRules rules = deepseek_v3_rules();
  rules.splits[1].invert = true;
  EXPECT_FALSE(recognise(rules));
  rules = deepseek_v3_rules();
  rules.use_regex = true;
  EXPECT_FALSE(recognise(rules));
  rules = deepseek_v3_rules();
  std::swap(rules.splits[0], rules.splits[1]);
  EXPECT_FALSE(recognise(rules));
  EXPECT_FALSE(recognise(one_split(R"(\s+)")));
  EXPECT_FALSE(recognise({}));
}

TEST(CharacterClasses, AsciiTableIsPcre2s) {
  using namespace character_class;
  const std::vector<std::pair<const char*, std::uint8_t>> sets = {
      {R"(\p{L})", kLetter},      {R"(\p{M})", kMark},
      {R"(\p{N})", kNumber},      {R"([\p{P}\p{S}])", kPunctuation},
      {R"(\s)", kSpace},          {R"([\r\n])", kNewline},
      {"[A-Za-z]", kAsciiLetter}, {"[一-龥\u3040-ゟ゠-ヿ]", kCjk}};
  for (const auto& [source, flag] : sets) {
    const Pattern pattern(source, false, "test");
    Pattern::Search search(pattern);
    for (int c = 0; c < 128; ++c) {
      const std::string text(1, static_cast<char>(c));
      search.begin(text);
      EXPECT_EQ(search.next().has_value(), (kAsciiClasses[static_cast<std::size_t>(c)] & flag) != 0)
          << source << " " << c;
    }
  }
}

}  // namespace
}  // namespace farthing
