// compare_sheet.h - the comparison as formulas, so that another price of an hour moves all of it.
//
//   usd_i       hours_i * what an hour cost (+ kWh at the meter * electricity, of an owned machine)
//   equal_at    the least of the contenders' dollars at their last evaluations, unless given
//   bits_at_i   its curve over hours, read off at equal_at / (usd_i / hours_i)
//   on_i        1 where nobody else has fewer dollars and fewer bits, one of them strictly
//
// The same as at_equal() and frontier() of compare.h at the contenders' own prices.
// Cost     kMostOnFrontier^2 terms for the frontier, O(contenders + evaluations) for the rest.
#pragma once
#include <string>
#include <vector>

#include "economics/compare.h"

namespace farthing {

inline constexpr std::size_t kMostOnFrontier = 40;

class CompareSheet {
 public:
  CompareSheet(const std::vector<Contender>& contenders, const EqualComparison& equal);

  Sheet take() { return std::move(sheet_); }  // finished

  // "usd_3": the line of a contender.
  static std::string id(const char* what, std::size_t i);
  bool follows() const { return follows_; }                           // equal cost, as formulas
  bool has_hours(std::size_t i) const;                                // its dollars follow a price
  const std::string& rate(std::size_t i) const { return rates_[i]; }  // USD per hour; "": stated
  std::vector<CurveKnot> places(std::size_t i) const;  // its curve over hours, or dollars
  const std::vector<std::size_t>& candidates() const { return candidates_; }  // most bits first
  const Trend& over_time() const { return trend_; }

 private:
  void add(const std::string& id, const std::string& label, const std::string& unit,
           const std::string& formula);
  void add_hidden(const std::string& id, const std::string& formula);
  std::string fold(const char* function, std::vector<std::string> terms, const std::string& id);
  std::string price_line(const Contender& contender);
  std::string electricity_line(const Contender& contender);
  void add_spending(std::size_t i);
  void add_place();
  void add_equal();
  void add_winner(const std::vector<std::size_t>& measured);
  void add_spread();
  void add_frontier();
  void add_trend();

  const std::vector<Contender>& contenders_;
  const EqualComparison& equal_;
  Trend trend_;
  Sheet sheet_;
  bool follows_ = false;
  std::vector<std::string> rates_;
  std::vector<std::size_t> candidates_;
  std::map<std::string, std::string> prices_;  // what was priced how -> its line
};

}  // namespace farthing
