// check_test.cpp - what a failed CHECK says, and that it evaluates its condition once.
#include "base/check.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace farthing {
namespace {

struct Silent {
  bool operator==(const Silent&) const { return false; }
};

template <class Function>
std::string message_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kFailed);
    return error.message;
  }
  return "nothing was thrown";
}

TEST(Check, PassesInSilence) {
  EXPECT_NO_THROW(CHECK(2 + 2 == 4));
  EXPECT_NO_THROW(CHECK(true, "words"));
  EXPECT_NO_THROW(CHECK(1 < 2 && 2 < 3));
}

TEST(Check, ShowsFileConditionAndBothValues) {
  const int n_rows = 3;
  const int expected = 4;
  const auto message = message_of([&] { CHECK(n_rows == expected); });
  EXPECT_EQ(message.rfind("check_test.cpp:", 0), 0u) << message;
  EXPECT_NE(message.find("CHECK(n_rows == expected): 3 vs 4"), std::string::npos) << message;
}

TEST(Check, AppendsTheWords) {
  const auto message = message_of([] { CHECK(1 > 2, "no rows"); });
  EXPECT_NE(message.find("1 vs 2: no rows"), std::string::npos) << message;
}

TEST(Check, EveryComparisonIsCheckedTheRightWayRound) {
  EXPECT_NO_THROW(CHECK(1 != 2));
  EXPECT_NO_THROW(CHECK(1 < 2));
  EXPECT_NO_THROW(CHECK(2 <= 2));
  EXPECT_NO_THROW(CHECK(2 > 1));
  EXPECT_NO_THROW(CHECK(2 >= 2));
  EXPECT_THROW(CHECK(1 != 1), Error);
  EXPECT_THROW(CHECK(2 < 2), Error);
  EXPECT_THROW(CHECK(3 <= 2), Error);
  EXPECT_THROW(CHECK(2 > 2), Error);
  EXPECT_THROW(CHECK(1 >= 2), Error);
  EXPECT_THROW(CHECK(1 < 2 && 3 < 2), Error);
}

TEST(Check, ValuesThatCannotBePrintedStillFail) {
  EXPECT_NE(message_of([] { CHECK(Silent{} == Silent{}); }).find("? vs ?"), std::string::npos);
}

TEST(Check, EvaluatesItsConditionOnce) {
  int calls = 0;
  CHECK(++calls == 1);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace farthing
