// sheet.cpp - a sheet put in order, evaluated, bounded; how its numbers read.
#include "economics/sheet.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "base/error.h"

namespace farthing {
namespace {

bool is_id(const std::string& id) {
  if (id.empty() || id.size() > 80 || (id[0] >= '0' && id[0] <= '9')) return false;
  return id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
         std::string::npos;
}

// Depth first, so that what a formula uses comes before it.
struct Ordering {
  const std::string& where;
  const std::map<std::string, std::size_t>& index;
  const std::map<std::string, Formula>& formulas;
  std::vector<std::string>& order;
  std::set<std::string> done = {};
  std::vector<std::string> open = {};

  void visit(const std::string& id, const std::string& user) {
    if (done.contains(id)) return;
    if (!index.contains(id)) {
      std::vector<std::string> known;
      for (const auto& [name, place] : index) known.push_back(name);
      const std::string near = nearest_spelling(id, known);
      throw_bad_input({where, "the formula of " + user, "the name " + id, "a line of this sheet",
                       near.empty() ? "" : "did you mean " + near + "?"});
    }
    if (std::find(open.begin(), open.end(), id) != open.end()) {
      throw_bad_input(
          {where, "a circle of formulas", id + " uses itself by way of " + user, "", ""});
    }
    if (open.size() > 200) throw_bad_input({where, "formulas nested too deeply", id, "", ""});
    open.push_back(id);
    for (const auto& name : formulas.at(id).names()) visit(name, id);
    open.pop_back();
    done.insert(id);
    order.push_back(id);
  }
};

constexpr const char* kEndless = "without limit";

std::string with_commas(double value) {
  std::string digits = fmt::format("{:.0f}", std::abs(value));
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  if (value < 0) digits.insert(0, 1, '-');
  return digits;
}

// Four significant digits without trailing zeros: "5.576", "18.13", "20".
std::string four_digits(double value) { return fmt::format("{:.4g}", value); }

// Three significant digits, whole cents at least: "0.50", "0.0826", "0.0000742".
std::string cents_and_below(double usd) {
  if (usd < 1e-4 && usd >= 1e-9) {
    const int places = 2 - static_cast<int>(std::floor(std::log10(usd)));
    std::string digits = fmt::format("{:.{}f}", usd, places);
    return digits.erase(digits.find_last_not_of('0') + 1);
  }
  std::string digits = fmt::format("{:.3g}", usd);
  if (digits.size() < 4) digits.append(4 - digits.size(), '0');
  return digits;
}

std::string scaled(double value) {
  const double size = std::abs(value);
  if (size >= 1e16) return fmt::format("{:.3g}", value);
  if (size >= 999.95e9) return four_digits(value / 1e12) + "T";
  if (size >= 999.95e6) return four_digits(value / 1e9) + "B";
  if (size >= 999.95e3) return four_digits(value / 1e6) + "M";
  if (size >= 9999.5) return with_commas(value);
  return four_digits(value);
}

}  // namespace

std::string format_dollars(double usd) {
  if (std::isinf(usd)) return kEndless;
  if (!std::isfinite(usd)) return "not stated";
  const double size = std::abs(usd);
  const std::string sign = usd < 0 ? "-$" : "$";
  if (size >= 999.95e3) return sign + scaled(size);
  if (size >= 999.995) return sign + with_commas(size);
  if (size >= 0.9995) return sign + fmt::format("{:.2f}", size);
  return size == 0 ? "$0" : sign + cents_and_below(size);
}

std::string format_figure(double value, const std::string& unit) {
  if (std::isinf(value)) return kEndless;
  if (!std::isfinite(value)) return "not stated";
  if (unit == "USD") return format_dollars(value);
  if (unit.starts_with("USD/")) return format_dollars(value) + unit.substr(3);
  if (unit == "x") return scaled(value) + "x";
  if (unit == "share") return scaled(value * 100) + " %";
  if (unit == "bits/byte") return fmt::format("{:.4f}", value);
  return unit.empty() ? scaled(value) : fmt::format("{} {}", scaled(value), unit);
}

std::string format_figure(const SheetRange& range, const std::string& unit) {
  const std::string low = format_figure(range.low, unit), high = format_figure(range.high, unit);
  return low == high ? low : low + " to " + high;
}

double read_off(const std::vector<CurveKnot>& curve, double x) {
  constexpr double kSame = 1e-9;  // a sum of step costs against the run's total
  const CurveKnot* before = nullptr;
  double exact = std::numeric_limits<double>::quiet_NaN();
  for (const CurveKnot& knot : curve) {
    if (std::abs(knot.x - x) <= kSame * std::abs(x)) {
      exact = knot.y;
    } else if (knot.x > x) {
      if (std::isfinite(exact)) return exact;
      if (before == nullptr || before->x <= 0) return std::numeric_limits<double>::quiet_NaN();
      const double share = std::log(x / before->x) / std::log(knot.x / before->x);
      return before->y + share * (knot.y - before->y);
    }
    before = &knot;
  }
  return exact;
}

void Sheet::add(SheetLine line) { lines_.push_back(std::move(line)); }

void Sheet::finish(const std::string& where) {
  index_.clear(), formulas_.clear(), order_.clear();
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const SheetLine& line = lines_[i];
    if (!is_id(line.id)) {
      throw_bad_input({where, "id", "\"" + line.id.substr(0, 40) + "\"",
                       "letters, digits and _, a letter first", ""});
    }
    if (!index_.emplace(line.id, i).second) {
      throw_bad_input({where, "id " + line.id, "it twice", "each id once", ""});
    }
    if ((line.low && !(*line.low <= line.value)) || (line.high && !(*line.high >= line.value))) {
      throw_bad_input({where, "range of " + line.id,
                       fmt::format("{} outside {} to {}", line.value, line.low.value_or(line.value),
                                   line.high.value_or(line.value)),
                       "low <= value <= high", ""});
    }
    formulas_[line.id] =
        line.formula.empty() ? Formula() : Formula::parse(line.formula, where + ": " + line.id);
  }
  Ordering ordering{where, index_, formulas_, order_};
  for (const auto& line : lines_) ordering.visit(line.id, line.id);
  place_.clear();
  for (std::size_t i = 0; i < order_.size(); ++i) place_[order_[i]] = i;
  values_ = values_with({});
}

const SheetLine* Sheet::find(const std::string& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? nullptr : &lines_[found->second];
}

const SheetLine& Sheet::at(const std::string& id) const {
  const SheetLine* line = find(id);
  CHECK(line != nullptr);
  return *line;
}

const Formula& Sheet::formula(const std::string& id) const {
  CHECK(formulas_.contains(id));
  return formulas_.at(id);
}

std::map<std::string, double> Sheet::evaluate(const std::vector<std::string>& ids,
                                              const Inputs& inputs) const {
  std::map<std::string, double> values;
  for (const auto& id : ids) {
    const auto given = inputs.find(id);
    const Formula& formula = formulas_.at(id);
    const SheetLine& line = lines_[index_.at(id)];
    double& value = values[id];
    value = given != inputs.end() ? given->second
            : formula.empty()
                ? line.value
                : formula.evaluate([&](const std::string& name) { return values.at(name); });
    if (!line.curve.empty()) value = read_off(line.curve, value);
  }
  return values;
}

double Sheet::value(const std::string& id) const {
  CHECK(values_.contains(id));
  return values_.at(id);
}

double Sheet::value_with(const std::string& id, const Inputs& inputs) const {
  return evaluate(parts_of(id), inputs).at(id);
}

std::vector<Swing> Sheet::swings(const std::string& id) const {
  std::vector<Swing> swings;
  const std::vector<std::string> parts = parts_of(id);
  for (const auto& part : parts) {
    const SheetLine& line = at(part);
    if (!line.formula.empty() || (!line.low && !line.high)) continue;
    const Swing swing{part, evaluate(parts, {{part, line.low.value_or(line.value)}}).at(id),
                      evaluate(parts, {{part, line.high.value_or(line.value)}}).at(id)};
    if (swing.low != swing.high) swings.push_back(swing);
  }
  std::stable_sort(swings.begin(), swings.end(), [](const Swing& a, const Swing& b) {
    return std::abs(a.high - a.low) > std::abs(b.high - b.low);
  });
  return swings;
}

std::optional<SheetRange> Sheet::range(const std::string& id) const {
  if (!std::isfinite(value(id))) return std::nullopt;
  Inputs lowest, highest;
  const std::vector<Swing> moving = swings(id);
  if (moving.empty()) return SheetRange{value(id), value(id)};
  for (const Swing& swing : moving) {
    const SheetLine& line = at(swing.id);
    const double low = line.low.value_or(line.value), high = line.high.value_or(line.value);
    lowest[swing.id] = swing.low < swing.high ? low : high;
    highest[swing.id] = swing.low < swing.high ? high : low;
  }
  return SheetRange{value_with(id, lowest), value_with(id, highest)};
}

std::vector<std::string> Sheet::parts_of(const std::string& id) const {
  std::set<std::size_t> needed;
  std::vector<std::string> open = {id};
  while (!open.empty()) {
    const std::string part = std::move(open.back());
    open.pop_back();
    if (!needed.insert(place_.at(part)).second) continue;
    for (const auto& name : formulas_.at(part).names()) open.push_back(name);
  }
  std::vector<std::string> parts;
  for (const std::size_t place : needed) parts.push_back(order_[place]);
  return parts;
}

Json Sheet::to_json() const {
  Json json = Json::array();
  const auto number = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  for (const auto& id : order_) {
    const SheetLine& line = at(id);
    Json entry = {
        {"id", id}, {"label", line.label}, {"unit", line.unit}, {"value", number(value(id))}};
    if (!line.formula.empty()) {
      entry["formula"] = line.formula;
      entry["program"] = formulas_.at(id).program();
    }
    for (const CurveKnot& knot : line.curve) entry["curve"].push_back({knot.x, knot.y});
    if (line.low) entry["low"] = *line.low;
    if (line.high) entry["high"] = *line.high;
    if (line.slider) entry["slider"] = true;
    for (const auto& [key, text] : {std::pair{"source", &line.source},
                                    {"date", &line.date},
                                    {"confidence", &line.confidence},
                                    {"note", &line.note}}) {
      if (!text->empty()) entry[key] = *text;
    }
    json.push_back(entry);
  }
  return json;
}

}  // namespace farthing
