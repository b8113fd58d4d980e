// limits_test.cpp - limits of a run, each unit, and what is refused.
#include "config/limits.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace farthing {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_limits(text, "--until");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "accepted";
}

TEST(Limits, EveryKindAtOnce) {
  const Limits limits = parse_limits("500steps, 2e6tok,2h,0.50usd", "--until");
  EXPECT_EQ(limits.steps, 500);
  EXPECT_EQ(limits.tokens, 2'000'000);
  EXPECT_EQ(limits.seconds, 7200);
  EXPECT_EQ(limits.usd, 0.5);
}

TEST(Limits, UnitsAndMagnitudes) {
  EXPECT_EQ(parse_limits("2Mtok", "").tokens, 2'000'000);
  EXPECT_EQ(parse_limits("1.5Btok", "").tokens, 1'500'000'000);
  EXPECT_EQ(parse_limits("14.8Ttokens", "").tokens, 14'800'000'000'000);
  EXPECT_EQ(parse_limits("10ksteps", "").steps, 10'000);
  EXPECT_EQ(parse_limits("120 s", "").seconds, 120);
  EXPECT_EQ(parse_limits("90min", "").seconds, 5400);
  EXPECT_EQ(parse_limits("1.5d", "").seconds, 129600);
  EXPECT_EQ(parse_limits("1 step", "").steps, 1);
}

TEST(Limits, EmptyTextHasNone) {
  EXPECT_FALSE(parse_limits("", "").any());
  EXPECT_FALSE(parse_limits("  ", "").any());
}

TEST(Limits, RefusesWhatItCannotKeep) {
  EXPECT_EQ(refusal("500"),
            "--until: a limit's unit: found \"500\", wanted steps, tok, s, min, h, d or usd "
            "(500steps, 2Mtok, 90min, 0.50usd)");
  for (const char* text : {"5parsecs", "0steps", "-1h", "0.5tok", "1h,90min", "2Musd", "kktok",
                           "1h,", ",", "nanh", "1e30tok", "steps", "2kktok"}) {
    EXPECT_NE(refusal(text), "accepted") << text;
  }
}

TEST(Limits, WritingReadsBack) {
  const Limits limits = parse_limits("7steps,3Mtok,0.1s,0.001usd", "");
  EXPECT_EQ(parse_limits(to_string(limits), ""), limits);
  EXPECT_EQ(to_string(Limits{}), "");
}

}  // namespace
}  // namespace farthing
