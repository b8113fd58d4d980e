// compare.h - runs, receipts and plans side by side: at equal cost, on the frontier, over time.
//
//   value at x     between two evaluations linear in log x; outside what was measured: unknown
//                  (NaN)
//   equal          x = the least of the contenders' last evaluations, unless the reader gives one
//   frontier       nobody else has fewer dollars and fewer bits per byte, one of them strictly
//   USD per 0.01 bit   (usd2 - usd1) / (bits1 - bits2) * 0.01, between neighbours on the frontier
//   trend          least squares of log(USD to reach the target) on days; the target is the worst
//                  of the runs' last values, which all of them have reached; a run that was below
//                  it at its first evaluation shows the most it can have spent and is left out
//
// Bits per byte compare only on the same held-out text; loss per token never does across
// tokenizers.
// An evaluation before a run's end sees a learning rate that has not decayed: it is marked.
// Errors   Error{kBadInput} for what is no run, receipt or plan, or contradicts itself.
// Cost     O(contenders^2 + evaluations).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "economics/page.h"
#include "report/receipt.h"
#include "report/table.h"

namespace farthing {

enum class Against { kSteps, kTokens, kSeconds, kUsd };
const char* to_string(Against against);

struct CurvePoint {
  double steps = kNotStated;
  double tokens = kNotStated;
  double seconds = kNotStated;
  double usd = kNotStated;
  double bits_per_byte = kNotStated;
  double eval_bytes = 0;  // of the text scored; 0: not stated
};
double along(const CurvePoint& point, Against against);

struct Contender {
  std::string name;
  std::string kind;               // run, simulation, import, receipt, plan
  std::vector<CurvePoint> curve;  // evaluations in order
  CurvePoint end;                 // the totals, with the last evaluation
  double begun_unix = kNotStated;
  double model_flops = kNotStated;
  double joules = kNotStated;
  bool joules_from_watts = false;  // a receipt's, by its book's watts: another book has others
  double core_hours = kNotStated;  // device-hours where it ran on devices
  // Where hours were paid, usd = core_hours * hour_usd + kwh * kwh_usd: the rent, or the wear of an
  // owned machine and the electricity that its meter counted.  NaN: dollars without their hours.
  double hour_usd = kNotStated;
  double kwh = 0, kwh_usd = 0;
  std::string price;  // in words; runs priced alike say the same
  std::string price_date;
  std::string device = "core";
  std::map<std::string, std::string> recipe;  // "train.learning_rate" -> "0.003"; empty: unknown
};

// recipe_toml may be empty.  The curve is that of report/series.h.
Contender contender_from_run(const ReportInput& input, const std::string& recipe_toml);
// receipt.json of this program or of anyone (docs/receipt.schema.json), or what `farthing plan
// --json` prints.  The dollars of a receipt without "usd" are its definition "final_run".
// Refuses: no tokens and no dollars where no standard receipt says so, negative or non-finite
// figures, another currency than USD, categories that do not add up to their total.
Contender contender_from_json(const Json& json, const std::string& where);

// Its evaluations that have both figures.
std::vector<CurveKnot> knots(const Contender& contender, Against against);
// The same hours at the prices, and where nothing was measured at the watts, of a book.  Without
// hours the dollars stay as they were stated.
void price_again(Contender& contender, const PriceBook& book);

double value_at(const Contender& contender, Against against, double x);
// What it had spent when it first reached so few bits; NaN if it never did.  Where already its
// first evaluation was below, that evaluation's money is the most that it can have been.
struct Reached {
  double usd = kNotStated;
  bool at_most = false;
};
Reached usd_to_reach(const Contender& contender, double bits_per_byte);

struct EqualComparison {
  Against against = Against::kUsd;
  double at = kNotStated;             // NaN: nothing to compare at
  std::vector<double> bits_per_byte;  // by contender
  std::vector<bool> before_the_end;   // the run went on from there
  int winner = -1;                    // -1: fewer than two values, or a tie
  double margin = kNotStated;         // bits per byte to the second
  // standard deviation of repeats (recipes alike but for seeds)
  double spread = kNotStated;
  int n_repeats = 0;  // contenders that the spread comes from
};
// Groups of two and more whose recipes are alike but for names and seeds; a run given twice is no
// repeat of itself.
std::vector<std::vector<int>> repeats(const std::vector<Contender>& contenders);
// Two and more with the same tokens and bits per byte, and begin and steps where stated: they
// differ by their prices alone.
bool is_one_run(const std::vector<Contender>& contenders);
EqualComparison at_equal(const std::vector<Contender>& contenders, Against against,
                         std::optional<double> at = {});

// Indices by rising dollars.
std::vector<int> frontier(const std::vector<Contender>& contenders);
double usd_per_centibit(const Contender& from, const Contender& to);
// Between the last two evaluations of one run on as much text, at different steps; NaN where the
// later was no better.
double last_usd_per_centibit(const Contender& contender);

struct Trend {
  std::vector<int> order;      // by begin; without a date, and simulations, left out
  double target = kNotStated;  // bits per byte
  // 0.5: half as dear a month later; NaN: under three dates
  double usd_ratio_per_30_days = kNotStated;
};
Trend trend(const std::vector<Contender>& contenders);

// Keys whose values differ, run names and seeds included: {key, a, b}.
std::vector<std::vector<std::string>> recipe_difference(const Contender& a, const Contender& b);

// "0.0006592 USD": enough digits to do the division again by hand.
std::string money_words(double usd);

// What a reader should know before he believes the table: one sentence each.
extern const char* const kEarlyWords;  // where a value is from before a run's end
std::vector<std::string> cautions(const std::vector<Contender>& contenders,
                                  const EqualComparison& equal);

Table totals_table(const std::vector<Contender>& contenders);
Table equal_table(const std::vector<Contender>& contenders, const EqualComparison& equal);
Table frontier_table(const std::vector<Contender>& contenders);
Table trend_table(const std::vector<Contender>& contenders, const Trend& trend);
// What the ends say where nobody wins at equal cost; all but kOneRun go on after kTooFew.
extern const char* const kOneRun;                  // is_one_run()
extern const char* const kNoneThere;               // nobody was measured there
extern const char* const kTooFew;                  // one was
extern const char* const kSettleWords;             // the frontier has several
std::string alone_words(const std::string& name);  // the frontier has one
std::string winner_words(const std::vector<Contender>& contenders, const EqualComparison& equal);
// The same after "At ... each: ".
std::string winner_verdict(const std::vector<Contender>& contenders, const EqualComparison& equal);

std::string compare_text(const std::vector<Contender>& contenders, const EqualComparison& equal);
Json compare_json(const std::vector<Contender>& contenders, const EqualComparison& equal);
// Sliders for what an hour cost, one for each price among the contenders; dollars, curves, the
// winner at equal cost and the frontier follow them.  Dollars stated without hours stay.
MoneyPage compare_page(const std::vector<Contender>& contenders, const EqualComparison& equal);

}  // namespace farthing
