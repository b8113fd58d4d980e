// claims.h - what articles say that training costs, recomputed from their own inputs, and judged.
//
// A claim is a row of claims/article_costs.csv: what was stated, the inputs and the formula by
// which it can be recomputed, and what better sources say.  The number is recomputed here every
// time; the column `recomputed` is what a test compares with.
//
//   inputs    "h=2788000; p=[3.0, 4.0]"     a list gives two results, the ends of a range
//   formula   "h*p"                         economics/formula.h
//
// SumCheck, from stated and recomputed (ranges end by end, a single number with the nearer end of
// a range, relative to what was stated):
//   exact          within 1 %, or inside the stated range
//   rounded        within 6 %
//   off            further away
//   no arithmetic  a bare number, nothing to recompute
//   nothing stated
// Evidence is a judgement with its reason in `note`, and is data: ok, approx, contradicted, ...
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/csv.h"
#include "economics/sheet.h"

namespace farthing {

enum class SumCheck { kExact, kRounded, kOff, kNone, kNothingStated };
const char* to_string(SumCheck arithmetic);

struct Claim {
  std::string id, article, lines, speaker, group, name, inputs, formula, unit, evidence, note;
  std::string recorded;             // the file's own column `recomputed`, for the test
  std::string recorded_arithmetic;  // its column `verdict_arith`
  std::optional<SheetRange> stated;
  bool stated_or_more = false;  // "100+"
  std::optional<SheetRange> computed;
  SumCheck arithmetic = SumCheck::kNone;
  double deviation = 0;  // of computed from stated, over stated

  // The article is wrong: its sum is off, or a better source contradicts it.
  bool is_wrong() const;
  std::string verdict() const;  // in words: "does not add up (off 32 %)", "contradicted", ...
  std::string stated_words() const;
  std::string computed_words() const;
};

// Errors: Error{kBadInput} with path:line for inputs or formulas that cannot be read.
std::vector<Claim> make_claims(const Csv& csv);
// "000": "cost-of-training dialogue, ..." : what an article's number stands for.
std::string describe_article(const std::string& article);
// Case-insensitively in id, group, name, speaker or note; an empty word matches all.
bool has_word(const Claim& claim, const std::string& word);

}  // namespace farthing
