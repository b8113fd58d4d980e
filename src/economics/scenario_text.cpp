// scenario_text.cpp - a scenario as tables, text and JSON.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "economics/claims.h"
#include "economics/scenario.h"

namespace farthing {
namespace {

std::string range_words(const Sheet& sheet, const std::string& id) {
  const auto range = sheet.range(id);
  if (!range || range->low == range->high) return "";
  return format_figure(*range, sheet.at(id).unit);
}

Json range_json(const SheetRange& range) {
  return Json::array({or_null(range.low), or_null(range.high)});
}

std::string headed(const std::string& heading, const Table& table) {
  return table.rows.empty() ? "" : heading + "\n" + to_text(table) + "\n";
}

}  // namespace

std::string with_device(std::string text, const Scenario& scenario) {
  const std::string word = "{device}";
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos;) {
    text.replace(at, word.size(), scenario.device);
    at += scenario.device.size();
  }
  return text;
}

// Text with {id} and {id:range} as figures of the sheet.
static std::string filled(const std::string& words, const Scenario& scenario) {
  const std::string template_text = with_device(words, scenario);
  std::string text;
  for (std::size_t at = 0; at < template_text.size();) {
    const std::size_t open = std::min(template_text.find('{', at), template_text.size());
    text += template_text.substr(at, open - at);
    if (open == template_text.size()) break;
    const std::size_t close = std::min(template_text.find('}', open), template_text.size() - 1);
    std::string id = template_text.substr(open + 1, close - open - 1);
    at = close + 1;
    const bool wants_range = id.ends_with(":range");
    if (wants_range) id.resize(id.size() - 6);
    const std::string& unit = scenario.sheet.at(id).unit;
    const auto range = wants_range ? scenario.sheet.range(id) : std::nullopt;
    text += range ? format_figure(*range, unit) : format_figure(scenario.sheet.value(id), unit);
  }
  return text;
}

std::vector<std::string> spoken(const Scenario& scenario) {
  const auto value_of = [&](const std::string& id) { return scenario.sheet.value(id); };
  std::vector<std::string> lines;
  for (const Sentence& sentence : scenario.sentences) {
    if (!sentence.when.empty() && !(sentence.when.evaluate(value_of) > 0)) continue;
    lines.push_back(filled(sentence.text, scenario));
  }
  const std::vector<CashMonth> months = cash_months(scenario);
  for (auto& line : least_words(months)) lines.push_back(std::move(line));
  lines.insert(lines.end(), scenario.remarks.begin(), scenario.remarks.end());
  return lines;
}

std::string spoken_title(const Scenario& scenario) { return filled(scenario.title, scenario); }

std::vector<std::string> stale_prices(const Scenario& scenario, const std::string& today) {
  std::vector<std::string> lines;
  const std::string now = scenario.as_of.empty() ? today : scenario.as_of;
  for (const SheetLine& line : scenario.sheet.lines()) {
    if (!line.formula.empty() || !line.unit.starts_with("USD") || !is_date(line.date)) continue;
    const auto words = date_warning(line.date, now);
    if (words) lines.push_back(line.label + " is a price of " + *words);
  }
  return lines;
}

std::string folded(const std::string& text, std::size_t hanging) {
  const std::size_t margin = std::min(text.find_first_not_of(' '), text.size());
  return wrap_prose(text, margin + hanging, prose_columns());
}

std::string lucky_words(const Scenario& scenario, const std::map<std::string, SheetRange>& likely) {
  std::string names;
  for (const auto& [id, range] : likely) {
    const double value = scenario.sheet.value(id);
    if (value >= range.low && value <= range.high) continue;
    names += (names.empty() ? "" : "; ") + scenario.sheet.at(id).label;
  }
  if (names.empty()) return "";
  return std::string(scenario.is_changed ? "The values given" : "The sources' values") +
         " sit at one end of their ranges, so that what they give is no middle: "
         "nine or more draws in ten lie to one side of it. So it is with: " +
         names + ".";
}

Table answers_table(const Scenario& scenario) {
  const auto likely = likely_ranges(scenario);
  Table table{.headings = {"", "value", "P10 to P90", "lowest to highest"}, .rows = {}};
  for (const auto& id : scenario.answers) {
    const SheetLine& line = scenario.sheet.at(id);
    const auto found = likely.find(id);
    const bool spread = found != likely.end() && found->second.low < found->second.high;
    const double value = scenario.sheet.value(id);
    const char* outside = !spread                      ? ""
                          : value > found->second.high ? ", under the value"
                          : value < found->second.low  ? ", over the value"
                                                       : "";
    table.rows.push_back({line.label, format_figure(value, line.unit),
                          spread ? format_figure(found->second, line.unit) + outside : "",
                          range_words(scenario.sheet, id)});
  }
  return table;
}

Table givens_table(const Scenario& scenario) {
  Table table{.headings = {"given (--set id=value)", "value", "range", "date", "confidence"},
              .rows = {}};
  for (const SheetLine& line : scenario.sheet.lines()) {
    if (!line.formula.empty()) continue;
    const SheetRange range{line.low.value_or(line.value), line.high.value_or(line.value)};
    table.rows.push_back({line.id + ": " + line.label, format_figure(line.value, line.unit),
                          range.low == range.high ? "" : format_figure(range, line.unit), line.date,
                          line.confidence});
  }
  return table;
}

Table swings_table(const Scenario& scenario, const std::string& id) {
  constexpr std::size_t kMost = 8;
  const std::string& unit = scenario.sheet.at(id).unit;
  Table table{.headings = {"moves " + scenario.sheet.at(id).label, "at its low", "at its high"},
              .rows = {}};
  for (const Swing& swing : scenario.sheet.swings(id)) {
    if (table.rows.size() == kMost) break;
    const SheetLine& line = scenario.sheet.at(swing.id);
    table.rows.push_back({line.label + " (" +
                              format_figure(SheetRange{line.low.value_or(line.value),
                                                       line.high.value_or(line.value)},
                                            line.unit) +
                              ")",
                          format_figure(swing.low, unit), format_figure(swing.high, unit)});
  }
  return table;
}

Table months_table(const Scenario& scenario) {
  Table table{.headings = {"month", "in", "out", "net", "in the purse"}, .rows = {}};
  for (const CashMonth& month : cash_months(scenario)) {
    double in = 0, out = 0;
    for (const double flow : month.flows) (flow > 0 ? in : out) += flow;
    table.rows.push_back({std::to_string(month.month), format_dollars(in), format_dollars(out),
                          format_dollars(month.net), format_dollars(month.balance)});
  }
  return table;
}

std::vector<std::string> least_words(const std::vector<CashMonth>& months) {
  if (months.empty()) return {};
  double least = months.front().balance;
  int empty = 0;  // the first month that ends below zero
  for (const CashMonth& month : months) {
    least = std::min(least, month.balance);
    if (empty == 0 && month.balance < 0) empty = month.month;
  }
  std::vector<std::string> lines = {"At the end of a month the purse holds at least " +
                                    format_dollars(least) + "."};
  if (empty > 0) lines.push_back(fmt::format("It is empty first in month {}.", empty));
  return lines;
}

Table checks_table(const Scenario& scenario) {
  Table table{.headings = {"published", "stated", "computed", "the sum"}, .rows = {}};
  for (const CheckResult& result : run_checks(scenario)) {
    const SheetLine& line = scenario.sheet.at(result.figure->of);
    table.rows.push_back({result.figure->label, format_figure(result.figure->stated, line.unit),
                          format_figure(result.computed, line.unit), sum_words(result.off)});
  }
  return table;
}

std::string scenario_text(const Scenario& scenario, const std::string& today) {
  std::string text = folded(spoken_title(scenario)) + "\n" + folded("  " + scenario.about) + "\n";
  text += headed("Answers", answers_table(scenario));
  const std::string lucky = lucky_words(scenario, likely_ranges(scenario));
  if (!lucky.empty()) text += folded("  " + lucky);
  for (const auto& line : spoken(scenario)) text += folded("  " + line);
  text += "\n";
  text += headed("Month by month", months_table(scenario));
  text += headed("Against what was published", checks_table(scenario));
  if (scenario.is_changed && !scenario.checks.empty()) text += folded(kNotTheirCase) + "\n";
  if (!scenario.answers.empty()) {
    const std::string& first = scenario.answers.front();
    text += headed("What matters most", swings_table(scenario, first));
  }
  text += headed("Given", givens_table(scenario));
  text += "Computed\n";
  for (const SheetLine& line : scenario.sheet.lines()) {
    if (line.formula.empty()) continue;
    text +=
        folded("  " + line.label + ": " + format_figure(scenario.sheet.value(line.id), line.unit) +
                   "; " + line.id + " = " + line.formula,
               2);
  }
  text += "\nSources\n";
  for (const SheetLine& line : scenario.sheet.lines()) {
    if (line.formula.empty()) text += folded("  " + line.id + ": " + line.source, 2);
  }
  for (const PublishedFigure& figure : scenario.checks) {
    text += folded("  published, " + figure.label + ": " + figure.source, 2);
  }
  const auto stale = stale_prices(scenario, today);
  if (!stale.empty()) text += "\n";
  for (const auto& line : stale) text += folded("Warning: " + line + ".", 2);
  return text;
}

Json scenario_json(const Scenario& scenario, const std::string& today) {
  Json json = {{"name", scenario.name},
               {"title", spoken_title(scenario)},
               {"about", scenario.about},
               {"as_of", scenario.as_of},
               {"currency", "USD"}};
  json["answers"] = Json::object();
  const auto likely = likely_ranges(scenario);
  for (const auto& id : scenario.answers) {
    const auto range = scenario.sheet.range(id);
    json["answers"][id] = {{"value", or_null(scenario.sheet.value(id))},
                           {"unit", scenario.sheet.at(id).unit}};
    const auto found = likely.find(id);
    if (found != likely.end()) {
      json["answers"][id]["p10"] = found->second.low;
      json["answers"][id]["p90"] = found->second.high;
    }
    if (range) json["answers"][id]["range"] = {or_null(range->low), or_null(range->high)};
  }
  json["sentences"] = spoken(scenario);
  json["warnings"] = stale_prices(scenario, today);
  json["sheet"] = scenario.sheet.to_json();
  json["checks"] = Json::array();
  for (const CheckResult& result : run_checks(scenario)) {
    json["checks"].push_back({{"of", result.figure->of},
                              {"label", result.figure->label},
                              {"stated", range_json(result.figure->stated)},
                              {"computed", range_json(result.computed)},
                              {"off", or_null(result.off)},
                              {"verdict", sum_words(result.off)},
                              {"source", result.figure->source}});
  }
  json["charts"] = Json::array();
  for (const ScenarioChart& chart : scenario.charts) {
    Json columns = Json::object();
    for (const auto& [id, values] : draw(scenario, chart)) {
      Json list = Json::array();
      for (const double value : values) list.push_back(or_null(value));
      columns[id] = list;
    }
    json["charts"].push_back({{"id", chart.id},
                              {"title", chart.title},
                              {"unit", chart.unit},
                              {"x", chart.x},
                              {"lines", chart.lines},
                              {"columns", columns}});
  }
  json["months"] = Json::array();
  for (const CashMonth& month : cash_months(scenario)) {
    Json flows = Json::object();
    for (std::size_t i = 0; i < month.flows.size(); ++i) {
      flows[scenario.flows[i].label] = or_null(month.flows[i]);
    }
    json["months"].push_back({{"month", month.month},
                              {"flows", flows},
                              {"net", or_null(month.net)},
                              {"balance", or_null(month.balance)}});
  }
  return json;
}

}  // namespace farthing
