// formula_test.cpp - arithmetic, its precedence, and what it refuses.
#include "economics/formula.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace farthing {
namespace {

double value_of(const std::string& text, double x = 3) {
  return Formula::parse(text, "test").evaluate([&](const std::string&) { return x; });
}

std::string fault_of_formula(const std::string& text) {
  try {
    Formula::parse(text, "test");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "";
}

TEST(Formula, FollowsTheUsualPrecedence) {
  EXPECT_EQ(value_of("1 + 2 * 3"), 7);
  EXPECT_EQ(value_of("2 - 3 - 4"), -5);
  EXPECT_EQ(value_of("24 / 4 / 2"), 3);
  EXPECT_EQ(value_of("-2 ** 2"), -4);
  EXPECT_EQ(value_of("2 ** 3 ** 2"), 512);
  EXPECT_EQ(value_of("2 ^ -1"), 0.5);
  EXPECT_EQ(value_of("x*(x+1)"), 12);
  EXPECT_EQ(value_of("86400e15"), 8.64e19);
  EXPECT_EQ(value_of("(2*60*89083.63636363637)**0.5/60"),
            std::sqrt(2 * 60 * 89083.63636363637) / 60);
  EXPECT_EQ(value_of(".8 + 1"), 1.8);
}

TEST(Formula, KnowsItsFunctions) {
  EXPECT_EQ(value_of("min(3, 1, 2)"), 1);
  EXPECT_EQ(value_of("max(x, 1)"), 3);
  EXPECT_EQ(value_of("if(x - 3, 1, 2)"), 2);
  EXPECT_EQ(value_of("if(x - 2, 1, 2)"), 1);
  EXPECT_EQ(value_of("sqrt(x * 3) + floor(1.7) + ceil(1.2) + abs(-1) + ln(exp(1)) + log10(100)"),
            10);
  EXPECT_TRUE(std::isnan(value_of("max(x, 1)", std::nan(""))));
  EXPECT_TRUE(std::isinf(value_of("1 / 0")));
}

TEST(Formula, SaysWhereAndWhatItWanted) {
  EXPECT_EQ(fault_of_formula("1 +"),
            "test: formula, column 4: found its end, wanted a number, a name or \"(\"");
  EXPECT_EQ(fault_of_formula("system(1)"),
            "test: formula, column 1: found \"system(1)\", wanted min, max, sqrt, "
            "exp, ln, log10, abs, floor, ceil, if or pow");
  for (const char* bad : {"", "1 2", "(1", "1)", "sqrt(1,2)", "min(1)", "1..2", "a b", "2 * * 3",
                          "1;2", "x = 3", "a[0]", "\"a\"", "1e999", "inf()", "--", "#"}) {
    EXPECT_NE(fault_of_formula(bad), "") << bad;
  }
  EXPECT_NE(fault_of_formula(std::string("1\0", 2)), "");
}

TEST(Formula, RefusesWhatIsTooDeepOrTooLong) {
  EXPECT_NE(fault_of_formula(std::string(100, '(') + "1" + std::string(100, ')')), "");
  EXPECT_NE(fault_of_formula(std::string(4000, '-') + "1"), "");
  EXPECT_NE(fault_of_formula(std::string(5000, '1')), "");
  std::string sum = "1";
  for (int i = 0; i < 700; ++i) sum += "+1";
  EXPECT_NE(fault_of_formula(sum), "");
}

}  // namespace
}  // namespace farthing
