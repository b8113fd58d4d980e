// prose_test.cpp - layout undone: wrapped lines, hyphens, quotes, and sentences told from the rest.
#include "data/prose.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

TEST(Prose, ParagraphsAreSplitAtBlankLines) {
  const auto found = split_paragraphs("\n  a\n\tb\n \t\n\n\nc\r\n\r\nd");
  const std::vector<RawParagraph> wanted = {{"  a", "\tb"}, {"c\r"}, {"d"}};
  EXPECT_EQ(found, wanted);
  EXPECT_TRUE(split_paragraphs("").empty());
  EXPECT_TRUE(split_paragraphs("\n \n\t\n").empty());
}

TEST(Prose, NoBreakSpacesAreSpaces) {
  EXPECT_EQ(split_paragraphs("a\xC2\xA0z\n\xC2\xA0\nb"),
            (std::vector<RawParagraph>{{"a z"}, {"b"}}));
}

TEST(Prose, ATabGoesToTheNextMultipleOfEight) {
  EXPECT_EQ(indentation(""), 0);
  EXPECT_EQ(indentation("a"), 0);
  EXPECT_EQ(indentation("   a  b"), 3);
  EXPECT_EQ(indentation("\ta"), 8);
  EXPECT_EQ(indentation("   \ta"), 8);
  EXPECT_EQ(indentation("        \t a"), 17);
}

TEST(Prose, AWordsOwnHyphenAtALinesEndStaysAndJoins) {
  EXPECT_EQ(unwrap({"a well-", "  known  fact", "of life"}), "a well-known fact of life");
  EXPECT_EQ(unwrap({"from 1-", "2"}), "from 1- 2");          // no word
  EXPECT_EQ(unwrap({"he said --", "so"}), "he said -- so");  // a dash
  EXPECT_EQ(unwrap({"one -", "two"}), "one - two");
  EXPECT_EQ(unwrap({"-", "two"}), "- two");
  EXPECT_EQ(unwrap({}), "");
  EXPECT_EQ(unwrap({"end-", ""}), "end- ");
}

TEST(Prose, SpacesCollapse) {
  EXPECT_EQ(collapse_spaces(" \t a \r\n b  "), "a b");
  EXPECT_EQ(collapse_spaces(" \n"), "");
  EXPECT_EQ(collapse_spaces("\xC3\xA9t\xC3\xA9  x"), "\xC3\xA9t\xC3\xA9 x");
}

TEST(Prose, QuotationMarksBecomeAscii) {
  EXPECT_EQ(plain_quotes("\xE2\x80\x9CIt\xE2\x80\x99s\xE2\x80\x9D ``so'' `now'"),
            "\"It's\" \"so\" 'now'");
  EXPECT_EQ(plain_quotes("caf\xC3\xA9"), "caf\xC3\xA9");
}

TEST(Prose, SentencesAreProse) {
  for (const char* text :
       {"The cat sat on the mat.", "\"Is it really so?\" she asked them (more than once).",
        "He paid three farthings for a loaf:",
        "Voil\xC3\xA0 une id\xC3\xA9"
        "e forte."}) {
    EXPECT_TRUE(reads_as_prose(text)) << text;
  }
}

TEST(Prose, WhatIsNoSentenceIsNot) {
  for (const char* text : {
           "",
           "The cat sat on the mat",                    // no end
           "The cat sat.",                              // three words
           "See https://example.org for all of this.",  // an address
           "The cat | sat on | the mat.",               // a table
           "THE CAT SAT ON THE MAT.",                   // a heading
           "Of 12 34 56 78 90 12 34 56 it is.",         // numbers
           "a b c d e f g h.",                          // letters
           "Internationalisation characteristically overcomplicates understanding.",
           "The price of it was $5 then.",
           "Call x = foo_bar; then { return it. }",
           "It was a torn \xEF\xBF\xBD letter there.",
           "Boxes \xE2\x94\x82 are drawn with these.",
       }) {
    EXPECT_FALSE(reads_as_prose(text)) << text;
  }
}

}  // namespace
}  // namespace farthing
