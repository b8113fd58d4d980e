// scenario.h - a business case as a file: quantities with sources, formulas, what to say of them.
//
//   scenarios/NAME.toml     [scenario] title about as_of answers; [[given]]; [[require]];
//                           [[formula]]; [[chart]]; [[say]]; [[check]]; [months] with [[flow]]
//                           (docs/formats.md)
//
// The calculation is one Sheet (economics/sheet.h), so values, ranges, tornado and the page's
// sliders are the same for every scenario, and a new one needs no code.
//
//   chart     the lines recomputed while one input goes from `from` to `to`
//   flow      an amount per month, from month `first` to `last`, into (+) or out of (-) the purse;
//             its formula may use `month`, 1 for the first
//   require   a given that can be no more than another, as hits of a cache among all tokens
//   say       a sentence for when a formula is above zero; {id} is its value, {id:range} its range
//   check     a published figure as it was stated, by a row of claims/article_costs.csv or by
//   number,
//             beside what the sheet gives; the verdict is claims.h's: exact, rounded, off by 32 %
//
// A given may take its value, range, date and source from the price list: price = "h100-sxm/spot",
// "electricity/industrial/us" (item/kind/region), so that --prices prices it again.
//
// likely    P10 and P90 of kDraws draws, every ranged given triangular between low, value and high
//           and independent of the others; the extremes of Sheet::range need all at once to go
//           wrong
//
// Errors   Error{kBadInput}, with file:line where there is one: unknown keys, negative quantities
//          (unless may_be_negative), shares of "%" outside 0 to 100 (unless above_100), a PUE under
//          1, a change that leaves a formula without a value (1 / 0 in its text is meant), another
//          currency without its rate to USD, a price without source or date, or not in the list.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "economics/page.h"
#include "economics/price_list.h"
#include "economics/sheet.h"
#include "report/table.h"

namespace farthing {

struct ScenarioChart {
  std::string id, title, unit, x;
  double from = 0, to = 1;
  std::vector<std::string> lines;
};

struct CashFlow {
  std::string label;
  Formula amount;  // USD of one month, positive
  bool is_income = false;
  int first = 1, last = 1;
};

struct Sentence {
  Formula when;  // empty: always
  std::string text;
};

struct Requirement {
  std::string id, at_most;  // givens or formulas
};

struct PublishedFigure {
  std::string of, to, source;  // lines; `to` is empty for a single figure
  std::string label;           // default: the line's
  SheetRange stated;
};

struct Scenario {
  std::string name, title, about;
  std::string device;  // of {device} in the title, as "H800"; may be empty
  std::string as_of;   // "2025-02": prices are judged by this date; empty: today
  Sheet sheet;
  std::vector<std::string> answers;
  std::vector<ScenarioChart> charts;
  std::vector<Requirement> requirements;
  std::vector<Sentence> sentences;
  std::vector<PublishedFigure> checks;
  bool is_changed = false;  // by --set and the like: then it is not the published figures' case
  int n_months = 0;
  Formula opening;  // USD in the purse before the first month
  std::vector<CashFlow> flows;
  std::vector<std::string> remarks;  // plain words, said after the sentences
  std::vector<std::string> priced;   // ids of the givens that the price list gave
};

// A given replaced: its range too, where the change has none.
struct ScenarioChange {
  std::string id;
  double value = 0;
  std::optional<double> low = {}, high = {};
  std::string source = "--set", date = {}, confidence = "assumed";
  std::string where = "--set";  // for messages
  std::string label = {};       // empty: the given's stays
  std::string whose() const { return where == "--set" ? where + " " + id : where; }
};
// "id=value".  Errors: Error{kUsage}.
ScenarioChange parse_change(const std::string& text);
// Of an option of its own, as "--years".  Errors: Error{kUsage}.
ScenarioChange parse_change(const std::string& id, const std::string& value,
                            const std::string& option);
// What is wrong with a change: Error{kUsage} where an option of the command line made it, of a file
// Error{kBadInput}.
[[noreturn]] void refuse_change(const ScenarioChange& change, Complaint complaint);
// No change may take a value away from a formula that has one without it; `original`: the values
// that the changes replaced.  Errors: as refuse_change().
void refuse_broken(const Sheet& sheet, const std::vector<ScenarioChange>& changes,
                   const std::map<std::string, double>& original);
ScenarioChange change_to(const std::string& id, const PriceEntry& price);

// `absent`: givens left out, with every formula, chart line, sentence and answer that needs them.
Scenario load_scenario(const std::string& name, const PriceList& prices,
                       const std::vector<ScenarioChange>& changes = {},
                       const std::vector<std::string>& absent = {});
Scenario parse_scenario(const std::string& toml, const std::string& where, const PriceList& prices,
                        const std::vector<ScenarioChange>& changes = {},
                        const std::vector<std::string>& absent = {});

inline constexpr int kDraws = 1000;
// By id of the answers; an answer that has no value in more than a tenth of the draws is left out.
std::map<std::string, SheetRange> likely_ranges(const Scenario& scenario);

struct CashMonth {
  int month = 1;
  std::vector<double> flows;  // by flow, outgoings negative
  double net = 0, balance = 0;
};
std::vector<CashMonth> cash_months(const Scenario& scenario);
// "At the end of a month the purse holds at least $8.496M.", and from which month on it is empty.
std::vector<std::string> least_words(const std::vector<CashMonth>& months);

// A check as it comes out; none where quantities were changed.
struct CheckResult {
  const PublishedFigure* figure = nullptr;
  SheetRange computed;
  double off = 0;  // off_by() of claims.h
};
inline constexpr const char* kNotTheirCase =
    "Quantities were changed: what was published is of another case, and is not held against this.";
std::vector<CheckResult> run_checks(const Scenario& scenario);

// x and the value of every line at n_points places.
std::map<std::string, std::vector<double>> draw(const Scenario& scenario,
                                                const ScenarioChart& chart, int n_points = 61);

// {id} and {id:range} replaced; only the sentences whose condition holds; least_words() last.
std::vector<std::string> spoken(const Scenario& scenario);
// {device} alone replaced; {id} stay for a page to fill.
std::string with_device(std::string text, const Scenario& scenario);
// The title with {id} as in a sentence and {device}.
std::string spoken_title(const Scenario& scenario);
// Prices more than kStaleMonths older than `today` ("2026-11"), or than the scenario's own as_of.
std::vector<std::string> stale_prices(const Scenario& scenario, const std::string& today);

// At spaces, to 98 columns or the terminal; what follows the first line is set in by `hanging` more
// than it.
std::string folded(const std::string& text, std::size_t hanging = 0);

// A word of warning where the sources' own value lies outside P10 to P90; else empty.
std::string lucky_words(const Scenario& scenario, const std::map<std::string, SheetRange>& likely);

Table answers_table(const Scenario& scenario);
Table givens_table(const Scenario& scenario);
Table swings_table(const Scenario& scenario, const std::string& id);
Table months_table(const Scenario& scenario);
Table checks_table(const Scenario& scenario);

std::string scenario_text(const Scenario& scenario, const std::string& today);
Json scenario_json(const Scenario& scenario, const std::string& today);
MoneyPage scenario_page(const Scenario& scenario, const std::string& today);

}  // namespace farthing
