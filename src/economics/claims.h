// claims.h - what articles say that training costs, recomputed from their own inputs, and judged.
//
// A claim is a row of claims/article_costs.csv: what was stated, the inputs and the formula by
// which it can be recomputed, and what other sources say.  The number is recomputed here every
// time; the column `recomputed` is what a test compares with.
//
//   inputs    "h=2788000; p=[3.0, 4.0]"     a list gives two results, the ends of a range
//   formula   "h*p"                         economics/formula.h
//
// SumCheck, by how far recomputed is off stated (off_by, one rule for every figure of this room):
//   low end is held to low end, high to high; a single number meets a range at the number of the
//   range nearest to it.  The larger difference, over what was stated, is how far it is off.
//   exact          under 1 %
//   rounded        under 6 %
//   off            further; a sum above "100+" is not off
//   no arithmetic  a bare number, nothing to recompute
//   nothing stated
// Evidence is a judgement with its reason in `note`, and is data: ok, approx, contradicted, ...
// A sum that is off is wrong whatever the evidence.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/csv.h"
#include "economics/page.h"
#include "economics/sheet.h"

namespace farthing {

enum class SumCheck { kExact, kRounded, kOff, kNone, kNothingStated };
const char* to_string(SumCheck arithmetic);
double off_by(const SheetRange& stated, const SheetRange& recomputed);
SumCheck sum_check(double off);
std::string sum_words(double off);  // "exact", "rounded", "off by 32 %"
// off_by in percent, as a formula of the lines `from` and `to` (a range; else empty) of a sheet.
std::string off_formula(const SheetRange& stated, const std::string& from, const std::string& to);
// The verdict as a cell that follows the sliders, and the conditions of its sentences, named after
// `name`, in the sheet.  `words` of exact, rounded and off; {} in the last is by how much.
PageCell sum_cell(Sheet& sheet, const std::string& name, const std::string& off_formula,
                  const std::array<std::string, 3>& words);
// The rule, for readers.
inline constexpr const char* kOffByRule =
    "How far a sum is off: low end against low end and high against high, a single number against "
    "the nearest number of a range; the larger difference, over what was stated. Under 1 % is "
    "exact, under 6 % rounded, more is off.";

struct Claim {
  std::string id, article, lines, speaker, group, name, inputs, formula, unit, evidence, note;
  std::string recorded;             // the file's own column `recomputed`, for the test
  std::string recorded_arithmetic;  // its column `verdict_arith`
  std::optional<SheetRange> stated;
  bool stated_or_more = false;  // "100+"
  std::optional<SheetRange> computed;
  SumCheck arithmetic = SumCheck::kNone;
  double deviation = 0;  // of computed from stated, over stated

  // The article is wrong: its sum is off, it contradicts itself, or another source does.
  bool is_wrong() const;
  std::string verdict() const;  // in words: "wrong sum (off by 32 %)", "too low", ...
  std::string stated_words() const;
  std::string computed_words() const;
  std::string source() const;  // "article 000, lines 892, 895, Rachel Martinez (infra)"
  // Stated, in dollars where the unit is thousands or millions of them.
  std::optional<SheetRange> stated_usd() const;
};

// Errors: Error{kBadInput} with path:line for inputs or formulas that cannot be read.
std::vector<Claim> make_claims(const Csv& csv);
// Of claims/article_costs.csv.
std::vector<Claim> article_claims();
// "000": "cost-of-training dialogue, ..." : what an article's number stands for.
std::string describe_article(const std::string& article);
// Case-insensitively in id, group, name, speaker or note; an empty word matches all.
bool has_word(const Claim& claim, const std::string& word);

}  // namespace farthing
