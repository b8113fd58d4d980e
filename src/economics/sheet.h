// sheet.h - a calculation that explains itself: named quantities, each given with its source or
// computed from others by a formula.
//
//   Sheet sheet;
//   sheet.add({.id = "hours", .label = "GPU-hours", .unit = "h", .value = 2788000});
//   sheet.add({.id = "price", .label = "rent", .unit = "USD/h", .value = 2, .low = 1.7, .high =
//   5}); sheet.add({.id = "run", .label = "final run", .unit = "USD", .formula = "hours * price"});
//   sheet.finish("where");     order, unknown names and circles are settled here
//   sheet.value("run")         5.576e6
//   sheet.range("run")         {4.74e6, 13.94e6}
//   sheet.swings("run")        which input moves it most (a tornado)
//
// A quantity that nobody stated is NaN; what needs it is NaN too and prints "not stated".
//
// Ranges   every input with low and high is moved alone to find the sign of its effect; then all
// are
//          moved together to the ends that lower, and that raise, the result.  Exact for formulas
//          that are monotone in every input (sums, products, quotients of positive things are).
// Cost     of a range: 2 evaluations of the sheet for each input.
#pragma once
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "economics/formula.h"

namespace farthing {

// Not 0, and no sum has a value that needs it.
inline constexpr double kNotStated = std::numeric_limits<double>::quiet_NaN();

struct CurveKnot {
  double x = 0, y = 0;
};
// Linear in log x between neighbours, NaN outside; of two at x (to 1e-9) the later.
// REQUIRES: x does not fall.
double read_off(const std::vector<CurveKnot>& curve, double x);

struct SheetLine {
  std::string id;  // a name that formulas may use
  std::string label;
  std::string unit;          // "USD", "h", "USD/h", "kWh", "%", "" ...
  std::string formula = {};  // empty: an input
  double value = std::numeric_limits<double>::quiet_NaN();  // of an input; NaN: not stated
  std::optional<double> low = {}, high = {};                // of an input
  std::optional<double> least = {}, most = {};              // that it can be at all
  std::string source = {}, date = {}, confidence = {}, note = {};
  bool slider = false;     // a page's reader may change it, from `least` to `most`
  bool whole = false;      // an input of whole numbers
  bool condition = false;  // of a sentence: no row in the page's list of numbers
  // Of a formula: its value is a place, and the line's is read off here.
  std::vector<CurveKnot> curve = {};
};

struct SheetRange {
  double low = 0, high = 0;
};

struct Swing {
  std::string id;
  double low = 0, high = 0;  // the result with this input at its low, and at its high, end
};

class Sheet {
 public:
  void add(SheetLine line);
  // Errors: Error{kBadInput} naming `where` for an id used twice or ill-formed, a bad formula, an
  // unknown name (with the nearest), a circle, low > value or value > high.
  void finish(const std::string& where);

  const std::vector<SheetLine>& lines() const { return lines_; }
  const SheetLine* find(const std::string& id) const;
  const SheetLine& at(const std::string& id) const;  // REQUIRES: it exists (CHECK)
  const Formula& formula(const std::string& id) const;
  // Ids in an order in which every formula comes after what it uses.
  const std::vector<std::string>& order() const { return order_; }

  double value(const std::string& id) const;
  // With some inputs replaced.
  using Inputs = std::map<std::string, double>;
  double value_with(const std::string& id, const Inputs& inputs) const;
  // Every line's value at once.
  std::map<std::string, double> values_with(const Inputs& inputs) const {
    return evaluate(order_, inputs);
  }
  // Low and high are equal where nothing it depends on has a range; nullopt where it has no value.
  std::optional<SheetRange> range(const std::string& id) const;
  // Largest swing first; only inputs with a range that move it.
  std::vector<Swing> swings(const std::string& id) const;
  // Inputs and formulas that `id` depends on, itself last, in order().
  std::vector<std::string> parts_of(const std::string& id) const;

  // For the pages' script: lines with values, ranges and postfix programs, in order().
  Json to_json() const;

 private:
  std::map<std::string, double> evaluate(const std::vector<std::string>& ids,
                                         const Inputs& inputs) const;

  std::vector<SheetLine> lines_;
  std::map<std::string, std::size_t> index_;
  std::map<std::string, Formula> formulas_;
  std::vector<std::string> order_;
  std::map<std::string, std::size_t> place_;  // of an id in order_
  std::map<std::string, double> values_;
};

// A value as people read it: "$5.576M", "$87,072", "2.788M GPU-h", "43.7 %", "18.1x"; four digits;
// "bits/byte" four decimals, without the unit, which stands in a heading; money under a cent with
// two; NaN: "not stated", infinite: "without limit".
std::string format_figure(double value, const std::string& unit);
std::string format_figure(const SheetRange& range, const std::string& unit);
// "$5.576M", "$0.0031"; always "$".
std::string format_dollars(double usd);

}  // namespace farthing
