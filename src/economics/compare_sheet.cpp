// compare_sheet.cpp - the lines of a comparison, from prices of an hour to the frontier.
#include "economics/compare_sheet.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace farthing {
namespace {

constexpr const char* kNobody = "9e9";  // more bits than anyone has
constexpr std::size_t kTermsOfALine = 40;

std::string known(const std::string& id) { return fmt::format("known({0} * 0 + 1, 0)", id); }

// What is alike in it is one slider.
std::string price_key(const Contender& contender) {
  return fmt::format("{} {} {:.9g}", contender.device, contender.price, contender.hour_usd);
}

// Whose price it is, where there are several.
std::string names_of(const std::vector<Contender>& contenders, const std::string& key) {
  std::string names;
  std::size_t n = 0;
  for (const Contender& contender : contenders) {
    if (price_key(contender) != key || !std::isfinite(contender.hour_usd)) continue;
    if (++n <= 2) names += (n == 1 ? "" : ", ") + contender.name;
  }
  return n > 2 ? names + fmt::format(" and {} more", n - 2) : names;
}

}  // namespace

CompareSheet::CompareSheet(const std::vector<Contender>& contenders, const EqualComparison& equal)
    : contenders_(contenders), equal_(equal), trend_(trend(contenders)) {
  for (std::size_t i = 0; i < contenders_.size(); ++i) add_spending(i);
  if (equal_.against == Against::kUsd && std::isfinite(equal_.at)) add_equal();
  add_frontier();
  add_trend();
  sheet_.finish("comparison");
}

std::string CompareSheet::id(const char* what, std::size_t i) {
  return fmt::format("{}_{}", what, i);
}

void CompareSheet::add(const std::string& id, const std::string& label, const std::string& unit,
                       const std::string& formula) {
  sheet_.add({.id = id, .label = label, .unit = unit, .formula = formula});
}

void CompareSheet::add_hidden(const std::string& id, const std::string& formula) {
  sheet_.add({.id = id, .label = "", .unit = "", .formula = formula, .condition = true});
}

// "min" or "max" of many terms, or their "+": what fits into one formula; the rest in lines of its
// own, named after `id`.
std::string CompareSheet::fold(const char* function, std::vector<std::string> terms,
                               const std::string& id) {
  const bool is_sum = std::string_view(function) == "+";
  for (int level = 0; terms.size() > kTermsOfALine; ++level) {
    std::vector<std::string> folded;
    for (std::size_t begin = 0; begin < terms.size(); begin += kTermsOfALine) {
      const std::size_t end = std::min(begin + kTermsOfALine, terms.size());
      folded.push_back(fmt::format("{}_part{}_{}", id, level, folded.size()));
      add_hidden(folded.back(), fold(function,
                                     {terms.begin() + static_cast<std::ptrdiff_t>(begin),
                                      terms.begin() + static_cast<std::ptrdiff_t>(end)},
                                     id));
    }
    terms = std::move(folded);
  }
  if (terms.empty()) return "0";
  if (is_sum) return fmt::format("{}", fmt::join(terms, " + "));
  return terms.size() == 1 ? terms[0] : fmt::format("{}({})", function, fmt::join(terms, ", "));
}

bool CompareSheet::has_hours(std::size_t i) const { return !rates_[i].empty(); }

std::string CompareSheet::price_line(const Contender& contender) {
  const std::string key = price_key(contender);
  const auto [place, is_new] = prices_.emplace(key, id("price", prices_.size() + 1));
  if (!is_new) return place->second;
  const bool is_only = std::all_of(contenders_.begin(), contenders_.end(), [&](const auto& c) {
    return !std::isfinite(c.hour_usd) || price_key(c) == key;
  });
  const char* what = contender.kwh > 0                     ? "wear of one {} for an hour"
                     : contender.price.starts_with("rent") ? "rent of one {} for an hour"
                                                           : "one {} for an hour, in all";
  sheet_.add({.id = place->second,
              .label = fmt::format(fmt::runtime(what), contender.device) +
                       (is_only ? "" : ": " + names_of(contenders_, key)),
              .unit = "USD/h",
              .value = contender.hour_usd,
              .source = contender.price,
              .date = contender.price_date,
              .slider = true});
  return place->second;
}

std::string CompareSheet::electricity_line(const Contender& contender) {
  const auto [place, is_new] = prices_.emplace(fmt::format("kWh {:.9g}", contender.kwh_usd),
                                               id("price", prices_.size() + 1));
  if (is_new) {
    sheet_.add({.id = place->second,
                .label = "electricity",
                .unit = "USD/kWh",
                .value = contender.kwh_usd,
                .source = contender.price,
                .slider = true});
  }
  return place->second;
}

void CompareSheet::add_spending(std::size_t i) {
  const Contender& contender = contenders_[i];
  const std::string& name = contender.name;
  rates_.emplace_back();
  if (std::isfinite(contender.hour_usd)) {
    rates_[i] = price_line(contender);
    sheet_.add({.id = id("hours", i),
                .label = name + ", " + contender.device + "-hours",
                .unit = "h",
                .value = contender.core_hours,
                .source = contender.kind});
    std::string usd = id("hours", i) + " * " + rates_[i];
    if (contender.kwh > 0) {
      sheet_.add({.id = id("kwh", i),
                  .label = name + ", electricity with cooling",
                  .unit = "kWh",
                  .value = contender.kwh,
                  .source = contender.kind});
      usd += " + " + id("kwh", i) + " * " + electricity_line(contender);
      rates_[i] = id("rate", i);
      add(rates_[i], name + ", an hour in all", "USD/h", id("usd", i) + " / " + id("hours", i));
    }
    add(id("usd", i), name, "USD", usd);
  } else {
    sheet_.add({.id = id("usd", i),
                .label = name,
                .unit = "USD",
                .value = contender.end.usd,
                .source = contender.price});
  }
  sheet_.add({.id = id("bits", i),
              .label = name + ", bits per byte",
              .unit = "bits/byte",
              .value = contender.end.bits_per_byte,
              .source = "its last evaluation"});
  sheet_.add({.id = id("mtokens", i),
              .label = name + ", million tokens",
              .unit = "",
              .value = contender.end.tokens / 1e6,
              .source = contender.kind});
  add(id("per_mtoken", i), name + ", per million tokens", "USD",
      id("usd", i) + " / " + id("mtokens", i));
}

std::vector<CurveKnot> CompareSheet::places(std::size_t i) const {
  const Contender& contender = contenders_[i];
  std::vector<CurveKnot> found = knots(contender, Against::kUsd);
  if (!has_hours(i)) return found;
  for (CurveKnot& knot : found) knot.x *= contender.core_hours / contender.end.usd;
  return found;
}

// The dollars to compare at: as given, or what the least of them had spent when last measured.
void CompareSheet::add_place() {
  std::vector<std::string> ends;
  for (std::size_t i = 0; i < contenders_.size(); ++i) {
    const auto curve = places(i);
    if (curve.empty()) continue;
    add_hidden(id("reach", i),
               fmt::format("{}{}", curve.back().x, has_hours(i) ? " * " + rates_[i] : ""));
    ends.push_back(id("reach", i));
  }
  const double usual = at_equal(contenders_, Against::kUsd).at;
  if (std::abs(usual - equal_.at) <= 1e-9 * usual) {
    add("equal_at", "money of each, to compare at", "USD", fold("min", ends, "equal_at"));
    return;
  }
  sheet_.add({.id = "equal_at",
              .label = "money of each, to compare at",
              .unit = "USD",
              .value = equal_.at,
              .source = "as asked",
              .slider = true});
}

void CompareSheet::add_equal() {
  add_place();
  follows_ = true;
  std::vector<std::size_t> measured;
  for (std::size_t i = 0; i < contenders_.size(); ++i) {
    SheetLine line{.id = id("bits_at", i),
                   .label = contenders_[i].name + ", bits per byte at equal cost",
                   .unit = "bits/byte"};
    line.curve = places(i);
    if (line.curve.empty()) {
      line.source = "not measured";
    } else {
      line.formula = has_hours(i) ? "equal_at / " + rates_[i] : "equal_at";
      line.source = has_hours(i) ? "read off its curve over hours" : "read off its curve";
      measured.push_back(i);
    }
    sheet_.add(line);
    add_hidden(id("missing", i), "1 - " + known(id("bits_at", i)));
  }
  add_winner(measured);
  add_spread();
}

void CompareSheet::add_winner(const std::vector<std::size_t>& measured) {
  std::vector<std::string> bits, there, others, ties, early;
  for (const std::size_t i : measured) {
    const std::string at = id("bits_at", i);
    bits.push_back(fmt::format("known({}, {})", at, kNobody));
    there.push_back(known(at));
    others.push_back(fmt::format("known(if({0} - best_at, {0}, {1}), {1})", at, kNobody));
    ties.push_back(fmt::format("known(if({} - best_at, 0, 1), 0)", at));
    add_hidden(id("early", i),
               fmt::format("{} * if({} - equal_at * 1.000001, 1, 0)", known(at), id("reach", i)));
    early.push_back(id("early", i));
    add_hidden(id("is_best", i), "has_winner * " + ties.back());
  }
  add("best_at", "least bits per byte at equal cost", "bits/byte", fold("min", bits, "best_at"));
  add("n_at", "how many were measured there", "", fold("+", there, "n_at"));
  add_hidden("second_at", fold("min", others, "second_at"));
  add("margin", "bits per byte to the second", "", "second_at - best_at");
  add_hidden("n_best", fold("+", ties, "n_best"));
  add_hidden("has_winner", "if(n_at - 1, if(n_best - 1, 0, 1), 0)");
  add_hidden("is_tie", "if(n_at - 1, if(n_best - 1, 1, 0), 0)");
  add_hidden("none_there", "if(n_at, 0, 1)");
  add_hidden("too_few", "if(n_at - 1, 0, 1) - none_there");
  add_hidden("any_early", fold("max", early, "any_early"));
}

void CompareSheet::add_spread() {
  std::vector<std::string> squares, freedom, counts;
  std::size_t n = 0;
  for (const auto& group : repeats(contenders_)) {
    std::vector<std::string> there, sum, square;
    for (const int member : group) {
      const std::string at = id("bits_at", static_cast<std::size_t>(member));
      there.push_back(known(at));
      sum.push_back(fmt::format("known({} - best_at, 0)", at));
      square.push_back(fmt::format("known(({} - best_at) ** 2, 0)", at));
    }
    const std::string count = id("repeats", ++n), total = id("repeat_sum", n);
    add_hidden(count, fold("+", there, count));
    add_hidden(total, fold("+", sum, total));
    add_hidden(id("repeat_squares", n), fold("+", square, id("repeat_squares", n)));
    squares.push_back(
        fmt::format("if({0} - 1, {1} - {2} ** 2 / {0}, 0)", count, id("repeat_squares", n), total));
    freedom.push_back(fmt::format("max({} - 1, 0)", count));
    counts.push_back(fmt::format("if({0} - 1, {0}, 0)", count));
  }
  add("n_repeats", "repeats that the spread comes from", "", fold("+", counts, "n_repeats"));
  add("spread", "standard deviation of repeats", "",
      fmt::format("sqrt(max({}, 0) / ({}))", fold("+", squares, "spread"),
                  fold("+", freedom, "freedom")));
  add("times_spread", "the margin in standard deviations", "",
      "if(spread - 1e-7, margin / spread, 0 / 0)");
  add_hidden("is_clear", "has_winner * known(if(times_spread - 2, 1, 0), 0)");
  add_hidden("is_unclear", "has_winner * known(if(times_spread - 2, 0, 1), 0)");
  add_hidden("no_spread", "has_winner - is_clear - is_unclear");
}

// Those that can stand on it, most bits first, which on the frontier is fewest dollars first.
void CompareSheet::add_frontier() {
  for (std::size_t i = 0; i < contenders_.size(); ++i) {
    const CurvePoint& end = contenders_[i].end;
    if (std::isfinite(end.usd) && std::isfinite(end.bits_per_byte)) candidates_.push_back(i);
  }
  if (candidates_.size() > kMostOnFrontier) {
    candidates_.clear();
    for (const int i : frontier(contenders_)) candidates_.push_back(static_cast<std::size_t>(i));
    if (candidates_.size() > kMostOnFrontier) {  // the best of them
      candidates_.erase(candidates_.begin(),
                        candidates_.end() - static_cast<std::ptrdiff_t>(kMostOnFrontier));
    }
  }
  const auto bits = [&](std::size_t i) { return contenders_[i].end.bits_per_byte; };
  std::stable_sort(candidates_.begin(), candidates_.end(),
                   [&](std::size_t a, std::size_t b) { return bits(a) > bits(b); });
  std::vector<std::string> all;
  for (const std::size_t i : candidates_) {
    std::vector<std::string> beaten = {"0"}, usd = {"-1"}, before = {kNobody};
    for (const std::size_t j : candidates_) {
      if (j == i) continue;
      if (bits(j) > bits(i)) {
        usd.push_back(fmt::format("if({}, {}, -1)", id("on", j), id("usd", j)));
        before.push_back(fmt::format("if({}, {}, {})", id("on", j), id("bits", j), kNobody));
      } else if (bits(j) < bits(i) || j < i) {
        beaten.push_back(fmt::format("if({} - {}, 0, 1)", id("usd", j), id("usd", i)));
      } else {
        beaten.push_back(fmt::format("if({} - {}, 1, 0)", id("usd", i), id("usd", j)));
      }
    }
    add_hidden(id("on", i), "1 - " + fold("max", beaten, id("on", i)));
    add_hidden(id("usd_before", i), fold("max", usd, id("usd_before", i)));
    add_hidden(id("bits_before", i), fold("min", before, id("bits_before", i)));
    add_hidden(id("follows_one", i), fmt::format("if({} + 1, 1, 0)", id("usd_before", i)));
    add(id("centibit", i), contenders_[i].name + ", for 0.01 bit, from the one before", "USD",
        fmt::format("if({0}, ({1} - {2}) / ({3} - {4}) * 0.01, 0 / 0)", id("follows_one", i),
                    id("usd", i), id("usd_before", i), id("bits_before", i), id("bits", i)));
    all.push_back(id("on", i));
  }
  add_hidden("n_on", fold("+", all, "n_on"));
  for (const std::size_t i : candidates_) {
    add_hidden(id("alone", i), fmt::format("if(n_on - 1, 0, {})", id("on", i)));
    if (!follows_ || candidates_.size() < 2) continue;
    add_hidden(id("only", i), fmt::format("too_few * {}", id("alone", i)));
  }
  if (follows_) add_hidden("too_few_on", "too_few * if(n_on - 1, 1, 0)");
}

// Money spent in order, and up to where each reached the target.
void CompareSheet::add_trend() {
  std::string before;
  for (const int at : trend_.order) {
    const auto i = static_cast<std::size_t>(at);
    const Contender& contender = contenders_[i];
    std::string sum = std::isfinite(contender.end.usd) ? id("usd", i) : "0";
    if (!before.empty()) sum = fmt::format("{} + {}", before, sum);
    before = id("spent", i);
    add(before, "spent up to " + contender.name, "USD", sum);
    const Reached reached = usd_to_reach(contender, trend_.target);
    if (!std::isfinite(reached.usd)) continue;
    const double place =
        has_hours(i) ? reached.usd * contender.core_hours / contender.end.usd : reached.usd;
    add(id("reached", i), contender.name + ", to the target", "USD",
        fmt::format("{}{}", place, has_hours(i) ? " * " + rates_[i] : ""));
  }
}

}  // namespace farthing
