// quality_test.cpp - every rule has a text that fails it and one that passes.
#include "data/quality.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace farthing {
namespace {

std::string repeat(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

// Sentences of different words: passes every rule but those on length.
std::string good_text() {
  std::string text;
  for (int i = 0; i < 12; ++i) {
    const std::string tag(1, static_cast<char>('a' + i));
    for (const char* word : {"the", "coins", "of", "copper", "have", "been", "weighed", "and"}) {
      text += word + (std::string(word).size() > 4 ? tag + " " : std::string(" "));
    }
    text += "counted" + tag + " twice" + tag + ".\n";
  }
  return text;
}

std::string failing_rule(const std::string& rules, std::string text) {
  CleanOptions options;
  choose_rules(rules, options);
  const auto verdict = QualityFilter(options).apply(text);
  return verdict.rule == nullptr ? "" : verdict.rule;
}

TEST(Quality, EveryRuleCatchesWhatItIsFor) {
  const std::string good = good_text();
  const struct {
    const char* rule;
    std::string text;
  } bad[] = {
      {"gopher.words", "too few"},
      {"gopher.mean_word_length", repeat("a b ", 60)},
      {"gopher.hash_ratio", repeat("# the word ", 30)},
      {"gopher.ellipsis_ratio", repeat("word... ", 60)},
      {"gopher.bullet_lines", repeat("- an item\n", 20)},
      {"gopher.ellipsis_lines", repeat("goes on and on...\nends.\n", 20)},
      {"gopher.alphabetic_words", repeat("1 2 3 word ", 20)},
      {"gopher.stop_words", repeat("copper coin ", 30)},
      {"gopher.duplicate_paragraphs", repeat("one\n\n", 5)},
      {"gopher.duplicate_paragraph_characters",
       repeat("a long paragraph\n\n", 3) + "b\n\nc\n\nd\n\ne"},
      {"gopher.duplicate_lines", repeat("line\n", 5)},
      {"gopher.duplicate_line_characters", repeat("a rather long line\n", 3) + "b\nc\nd\ne\nf\n"},
      {"gopher.top_2gram", repeat("copper coin ", 10)},
      {"gopher.top_3gram", repeat("one copper coin ", 10)},
      {"gopher.top_4gram", repeat("only one copper coin ", 10)},
      {"gopher.duplicate_5gram", repeat("there is only one copper coin left ", 4)},
      {"gopher.duplicate_10gram",
       repeat("there is only one copper coin left in the whole town ", 4)},
      {"c4.lorem_ipsum", good + "Lorem Ipsum dolor."},
      {"c4.curly_bracket", good + "{"},
      {"c4.sentences", "One. Two. Three."},
      {"fineweb.terminal_punctuation", repeat("a line without an end\n", 10)},
      {"fineweb.short_lines", repeat("short.\n", 10)},
      {"fineweb.duplicate_line_characters", repeat("the very same line again.\n", 4)},
  };
  for (const auto& [rule, text] : bad) {
    EXPECT_EQ(failing_rule(rule, text), rule);
    EXPECT_EQ(failing_rule(rule, good), "") << rule;
  }
  EXPECT_EQ(failing_rule("all", good), "");
}

TEST(Quality, LineRulesTakeLinesAway) {
  CleanOptions options;
  choose_rules("c4.terminal_punctuation,c4.line_words,c4.javascript,c4.policy", options);
  std::string text =
      "A line that stays.\nMenu\nTwo words.\nPlease enable JavaScript to go on.\n"
      "We use cookies on this page.\nIt trails off...\nThis stays too!\n";
  const auto verdict = QualityFilter(options).apply(text);
  EXPECT_EQ(verdict.lines_removed, 5);
  EXPECT_EQ(text, "A line that stays.\nThis stays too!");
}

TEST(Quality, RulesFilesSetThresholds) {
  CleanOptions options;
  read_rules(
      "[clean]\nrules = \"gopher.words\"\nnormalise = true\n[clean.gopher.words]\nlow = 2\n"
      "[clean.c4.sentences]\nlow = 1\n[clean.gopher.stop_words]\nuse = false\n",
      "r.toml", options);
  ASSERT_EQ(options.rules.size(), 2u);
  EXPECT_TRUE(options.normalise);
  std::string text = "Three small words.";
  EXPECT_EQ(QualityFilter(options).apply(text).rule, nullptr);
  for (const char* bad : {"[clean]\nruels = \"c4\"\n", "[clean]\nrules = \"c5\"\n",
                          "[clean.gopher.words]\nlow = \"x\"\n", "[clean"}) {
    CleanOptions none;
    EXPECT_THROW(read_rules(bad, "r.toml", none), Error) << bad;
  }
}

TEST(Quality, Normalises) {
  EXPECT_EQ(normalised("a \r\nb\rc\n\n\n\nd\x01\xC2\xA0\xE2\x80\x8B"
                       "e  "),
            "a\nb\nc\n\nd e");
}

}  // namespace
}  // namespace farthing
