// claims_test.cpp - every claim of the articles is recomputed and its verdict checked.
#include "economics/claims.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "config/share.h"

namespace farthing {
namespace {

std::vector<Claim> all_claims() {
  set_share_folder(FARTHING_SOURCE_DIR);
  return article_claims();
}

Claim claim_of(const std::string& inputs, const std::string& formula, const std::string& stated,
               const std::string& evidence = "ok") {
  const Csv csv = parse_csv("id,inputs,formula,stated,verdict_evidence\na,\"" + inputs + "\",\"" +
                                formula + "\"," + stated + "," + evidence + "\n",
                            "c.csv");
  return make_claims(csv).at(0);
}

std::string fault_of(const std::string& inputs, const std::string& formula,
                     const std::string& stated) {
  try {
    claim_of(inputs, formula, stated);
  } catch (const Error& error) {
    return error.message;
  }
  return "";
}

// The file's recomputed column was written with six digits.
TEST(Claims, EveryFormulaGivesWhatIsRecorded) {
  int compared = 0;
  for (const Claim& claim : all_claims()) {
    if (claim.recorded.empty()) continue;
    ASSERT_TRUE(claim.computed) << claim.id;
    const std::size_t dots = claim.recorded.find("..");
    const double low = std::atof(claim.recorded.substr(0, dots).c_str());
    const double high =
        dots == std::string::npos ? low : std::atof(claim.recorded.c_str() + dots + 2);
    EXPECT_NEAR(claim.computed->low, low, 6e-6 * std::abs(low)) << claim.id;
    EXPECT_NEAR(claim.computed->high, high, 6e-6 * std::abs(high)) << claim.id;
    ++compared;
  }
  EXPECT_EQ(compared, 126);
}

TEST(Claims, EveryVerdictOnTheArithmeticIsTheRecordedOne) {
  std::map<std::string, int> counts;
  for (const Claim& claim : all_claims()) {
    std::string expected = claim.recorded_arithmetic;
    if (expected == "n/a") expected = "nothing stated";
    if (expected == "no_arithmetic") expected = "no arithmetic";
    if (expected.starts_with("off_")) {
      EXPECT_NEAR(100 * claim.deviation, std::atof(expected.c_str() + 4), 0.51) << claim.id;
      expected = "off";
    }
    EXPECT_EQ(to_string(claim.arithmetic), expected) << claim.id << " " << claim.deviation;
    ++counts[to_string(claim.arithmetic)];
  }
  EXPECT_EQ(counts["exact"], 67);
  EXPECT_EQ(counts["rounded"], 6);
  EXPECT_EQ(counts["off"], 39);
  EXPECT_EQ(counts["no arithmetic"], 56);
  EXPECT_EQ(counts["nothing stated"], 14);
}

TEST(Claims, TheJudgementsAreConsistent) {
  int wrong = 0;
  for (const Claim& claim : all_claims()) {
    if (claim.evidence == "arith_error") {
      EXPECT_EQ(claim.arithmetic, SumCheck::kOff) << claim.id;
    }
    EXPECT_FALSE(claim.evidence == "derived" && claim.stated) << claim.id;
    if (claim.arithmetic == SumCheck::kOff && claim.evidence != "ok") {
      EXPECT_FALSE(claim.note.empty()) << claim.id;
    }
    EXPECT_FALSE(claim.is_wrong() && claim.note.empty()) << claim.id;
    wrong += claim.is_wrong() ? 1 : 0;
  }
  EXPECT_EQ(wrong, 68);
}

TEST(Claims, RangesAreComparedEndByEnd) {
  EXPECT_EQ(claim_of("p=[3, 4]; h=2", "h*p", "6..8").arithmetic, SumCheck::kExact);
  EXPECT_NEAR(claim_of("p=[3, 4]; h=2", "h*p", "6..16").deviation, 0.5, 1e-12);
  EXPECT_NEAR(claim_of("p=12", "p*1", "8..10").deviation, 0.2, 1e-12);
  EXPECT_EQ(claim_of("p=9", "p*1", "8..10").arithmetic, SumCheck::kExact);
  EXPECT_EQ(claim_of("p=9", "p*1", "").arithmetic, SumCheck::kNothingStated);
  EXPECT_EQ(claim_of("", "9", "9").arithmetic, SumCheck::kNone);
  EXPECT_TRUE(claim_of("", "9", "100+").stated_or_more);
}

// Whoever typed the verdict, a sum that is off is wrong, and is said to be.
TEST(Claims, TheComputedSumDecides) {
  const Claim off = claim_of("a=10; b=2", "a/b", "7");
  EXPECT_TRUE(off.is_wrong());
  EXPECT_EQ(off.verdict(), "wrong sum (off by 29 %)");
  const Claim near = claim_of("a=10; b=2", "a/b", "5.2");
  EXPECT_FALSE(near.is_wrong());
  EXPECT_EQ(near.verdict(), "holds");
  const Claim slandered = claim_of("a=10; b=2", "a/b", "5", "arith_error");
  EXPECT_FALSE(slandered.is_wrong());
  EXPECT_EQ(slandered.verdict(), "about right");
  EXPECT_FALSE(claim_of("a=10", "a*20", "100+").is_wrong());
  EXPECT_TRUE(claim_of("a=10", "a*5", "100+").is_wrong());
  for (const Claim& claim : all_claims()) {
    EXPECT_TRUE(claim.is_wrong() || claim.arithmetic != SumCheck::kOff) << claim.id;
    EXPECT_FALSE(claim.is_wrong() && claim.verdict().starts_with("holds")) << claim.id;
    EXPECT_FALSE(claim.is_wrong() && claim.verdict().starts_with("about right")) << claim.id;
  }
}

// One rule, as a number and as a formula of a page.
TEST(Claims, HowFarASumIsOffHasOneRule) {
  const SheetRange wide{5, 10}, one{8, 8}, low{2, 2};
  EXPECT_EQ(off_by(wide, one), 0);
  EXPECT_EQ(off_by(one, wide), 0);
  EXPECT_NEAR(off_by(wide, low), 0.6, 1e-12);
  EXPECT_NEAR(off_by(low, wide), 1.5, 1e-12);
  EXPECT_NEAR(off_by(wide, {4, 10}), 0.2, 1e-12);
  EXPECT_NEAR(off_by(one, low), 0.75, 1e-12);
  for (const auto& stated : {wide, one, low}) {
    for (const auto& computed : {wide, one, low, SheetRange{4, 10}}) {
      const bool is_range = computed.low != computed.high;
      const Formula formula = Formula::parse(off_formula(stated, "a", is_range ? "b" : ""), "t");
      const double percent = formula.evaluate(
          [&](const std::string& name) { return name == "a" ? computed.low : computed.high; });
      EXPECT_NEAR(percent, 100 * off_by(stated, computed), 1e-9);
    }
  }
  EXPECT_EQ(sum_words(0.005), "exact");
  EXPECT_EQ(sum_words(0.32), "off by 32 %");
}

TEST(Claims, HostileRowsSayWhereTheyStand) {
  EXPECT_EQ(fault_of("p=x", "p", "1"), "c.csv:2: a: inputs: found \"x\", wanted a number");
  EXPECT_EQ(fault_of("p=1", "p+q", "1"),
            "c.csv:2: a: formula: found the name q, wanted one of the inputs");
  EXPECT_NE(fault_of("p=[1, 2]; q=[1, 2, 3]", "p+q", "1"), "");
  EXPECT_NE(fault_of("p", "p", "1"), "");
  EXPECT_NE(fault_of("p=[1, ]", "p", "1"), "");
  EXPECT_NE(fault_of("p=0", "1/p", "1"), "");
  EXPECT_NE(fault_of("", "1+1", "abc"), "");
  EXPECT_NE(fault_of("", "1+1", "1..x"), "");
}

}  // namespace
}  // namespace farthing
