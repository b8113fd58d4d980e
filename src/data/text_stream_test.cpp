// text_stream_test.cpp - characters split over tokens, bytes that are none, stop strings.
#include "data/text_stream.h"

#include <gtest/gtest.h>

#include "data/utf8.h"

namespace farthing {
namespace {

TEST(TextStream, EveryCutShowsWholeCharactersAndTheSameText) {
  const std::string text = "a\u00e9\u20ac\U0001F600z\xff\xc3(\xe2\x82";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      TextStream stream;
      std::string shown;
      for (const std::string& part :
           {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
        const std::string now = stream.add(part);
        ASSERT_TRUE(is_valid_utf8(now));
        shown += now;
      }
      shown += stream.finish();
      ASSERT_EQ(shown, mend_utf8(text, nullptr)) << first << " " << second;
      ASSERT_EQ(stream.text(), shown);
    }
  }
}

TEST(TextStream, AWholeCharacterIsShownAtOnce) {
  TextStream stream;
  EXPECT_EQ(stream.add("\xe2\x82"), "");
  EXPECT_EQ(stream.add("\xac!"), "\u20ac!");
}

TEST(TextStream, EndsBeforeAStopStringHoweverItComes) {
  const std::string text = "one\n\ntwo";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    TextStream stream({"never", "\n\n", ""});
    std::string shown = stream.add(text.substr(0, cut));
    shown += stream.add(text.substr(cut));
    EXPECT_TRUE(stream.stopped());
    EXPECT_EQ(shown + stream.add("more") + stream.finish(), "one");
  }
}

TEST(TextStream, TheEarliestStopStringWins) {
  TextStream stream({"cd", "bc"});
  EXPECT_EQ(stream.add("abcd"), "a");
}

TEST(TextStream, WhatOnlyBeganAsAStopStringIsShownInTheEnd) {
  TextStream stream({"stop"});
  EXPECT_EQ(stream.add("a sto"), "a ");
  EXPECT_EQ(stream.add("ne st"), "stone ");
  EXPECT_FALSE(stream.stopped());
  EXPECT_EQ(stream.finish(), "st");
}

}  // namespace
}  // namespace farthing
