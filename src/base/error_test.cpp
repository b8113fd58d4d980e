// error_test.cpp - the wording of complaints, and hints by edit distance.
#include "base/error.h"

#include <gtest/gtest.h>

#include <vector>

namespace farthing {
namespace {

TEST(Error, ComplaintSaysWhereWhatFoundWantedHint) {
  EXPECT_EQ(to_string({"a.toml:3", "unknown key", "\"lr\"", "\"learning_rate\"", "see recipes/"}),
            "a.toml:3: unknown key: found \"lr\", wanted \"learning_rate\" (see recipes/)");
}

TEST(Error, EmptyPartsAreLeftOut) {
  EXPECT_EQ(to_string({"", "empty file", "", "", ""}), "empty file");
  EXPECT_EQ(to_string({"x", "bad", "", "3", ""}), "x: bad: wanted 3");
  EXPECT_EQ(to_string({"x", "bad", "2", "", ""}), "x: bad: found 2");
}

TEST(Error, AFileNameCannotSteerTheTerminal) {
  EXPECT_EQ(to_string({"a\x1b[31m\n.txt", "is empty", "", "", ""}),
            "a\\x1b[31m\\x0a.txt: is empty");
}

TEST(Error, BadInputIsStatusThree) {
  try {
    throw_bad_input({"x", "bad", "", "", ""});
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code), 3);
    EXPECT_STREQ(error.what(), "x: bad");
  }
}

TEST(Error, EditDistanceCountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(Error, NearestSpellingIsNearOrNothing) {
  const std::vector<std::string> keys = {"learning_rate", "warmup_steps", "seed"};
  EXPECT_EQ(nearest_spelling("learnin_rate", keys), "learning_rate");
  EXPECT_EQ(nearest_spelling("sed", keys), "seed");
  EXPECT_EQ(nearest_spelling("zzzzzzzzz", keys), "");
}

}  // namespace
}  // namespace farthing
