// scenario.cpp - a scenario read from TOML, checked and evaluated.
#include "economics/scenario.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "config/settings.h"
#include "config/share.h"
#include "economics/claims.h"

namespace farthing {
namespace {

constexpr double kMostQuantity = 1e30;
constexpr std::size_t kMostMonths = 600;

// ISO codes that a unit may begin with, and the signs that stand for one.
constexpr const char* kForeign[] = {"EUR", "GBP",          "CNY",      "RMB",     "JPY", "INR",
                                    "CHF", "KRW",          "CAD",      "AUD",     "TWD", "HKD",
                                    "SGD", "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5"};

std::string element(const std::string& array, std::size_t i, const char* key) {
  return array + "." + std::to_string(i) + "." + key;
}

class ScenarioReader {
 public:
  ScenarioReader(const std::string& toml, const std::string& where, const PriceList& prices)
      : settings_(toml, where), where_(where), prices_(prices) {}

  Scenario read(const std::vector<ScenarioChange>& changes,
                const std::vector<std::string>& absent) {
    scenario_.name = std::filesystem::path(where_).stem().string();
    text("scenario.title", scenario_.title, true);
    text("scenario.about", scenario_.about, true);
    text("scenario.device", scenario_.device, false);
    text("scenario.as_of", scenario_.as_of, false);
    names("scenario.answers", scenario_.answers);
    read_givens();
    read_formulas();
    read_requirements();
    read_charts();
    read_sentences();
    read_checks();
    read_months();
    settings_.finish();
    leave_out({absent.begin(), absent.end()});
    apply(changes);
    for (SheetLine& line : lines_) scenario_.sheet.add(std::move(line));
    scenario_.sheet.finish(where_);
    check_names();
    for (PublishedFigure& figure : scenario_.checks) {
      if (figure.label.empty()) figure.label = scenario_.sheet.at(figure.of).label;
    }
    refuse_broken(scenario_.sheet, changes, original_);
    for (const Requirement& wanted : scenario_.requirements) hold(wanted, changes);
    scenario_.is_changed = !changes.empty() || !absent.empty();
    return std::move(scenario_);
  }

 private:
  void text(const std::string& path, std::string& field, bool required) {
    if (required && !settings_.has(path)) settings_.add_fault(path, "nothing", "text");
    settings_.read(path, field, {});
  }
  void names(const std::string& path, std::vector<std::string>& list) {
    const std::size_t n = settings_.count(path);
    for (std::size_t i = 0; i < n; ++i) {
      list.emplace_back();
      settings_.read(path + "." + std::to_string(i), list.back(), {});
    }
    if (n == 0) settings_.add_fault(path, "nothing", "an array of names");
  }

  void read_line(const std::string& array, std::size_t i, SheetLine& line) {
    text(element(array, i, "id"), line.id, true);
    text(element(array, i, "label"), line.label, true);
    text(element(array, i, "unit"), line.unit, false);
    text(element(array, i, "note"), line.note, false);
    check_currency(element(array, i, "unit"), line.unit);
  }

  void read_givens() {
    const std::size_t n = settings_.count("given");
    for (std::size_t i = 0; i < n; ++i) {
      SheetLine line;
      read_line("given", i, line);
      line.confidence = "assumed";
      line.slider = true;
      const bool priced = read_price(i, line);
      read_value(i, line, priced);
      text(element("given", i, "source"), line.source, !priced);
      text(element("given", i, "date"), line.date, !priced && line.unit.starts_with("USD"));
      if (!line.date.empty() && !is_date(line.date)) {
        settings_.add_fault(element("given", i, "date"), line.date, "YYYY, YYYY-MM or YYYY-MM-DD");
      }
      settings_.read(element("given", i, "confidence"), line.confidence,
                     {.words = "published rounded derived secondary assumed"});
      settings_.read(element("given", i, "slider"), line.slider, {});
      lines_.push_back(std::move(line));
    }
  }

  // "item/kind/region" of the price list.
  bool read_price(std::size_t i, SheetLine& line) {
    const std::string path = element("given", i, "price");
    if (!settings_.has(path)) return false;
    std::string words;
    settings_.read(path, words, {});
    const PriceEntry& entry = prices_.at(parse_price_query(words));
    if (entry.unit != line.unit) {
      settings_.add_fault(path, words + " in " + entry.unit, "a price in " + line.unit);
    }
    line.value = entry.value;
    if (entry.low < entry.value) line.low = entry.low;
    if (entry.high > entry.value) line.high = entry.high;
    line.source = entry.source, line.date = entry.date, line.confidence = entry.confidence;
    scenario_.priced.push_back(line.id);
    return true;
  }

  void read_value(std::size_t i, SheetLine& line, bool priced) {
    bool negative = false, above = false;
    settings_.read(element("given", i, "may_be_negative"), negative, {});
    settings_.read(element("given", i, "above_100"), above, {});
    double most = kMostQuantity;
    settings_.read(element("given", i, "at_most"), most, {.low = 0, .high = kMostQuantity});
    double least = negative ? -kMostQuantity : line.id.starts_with("pue") ? 1 : 0;
    settings_.read(element("given", i, "at_least"), least,
                   {.low = -kMostQuantity, .high = kMostQuantity});
    bool whole = false;
    settings_.read(element("given", i, "whole"), whole, {});
    if (line.unit == "%" && !above) most = std::min(most, 100.0);
    const SettingRule rule{.low = least, .high = most};
    bool positive = false;
    settings_.read(element("given", i, "positive"), positive, {});
    rules_[line.id] = {rule.low, rule.high, whole, positive};
    line.whole = whole, line.least = rule.low, line.most = rule.high;
    const std::string path = element("given", i, "value");
    bool unknown = false;  // not_stated = true: nobody published it
    settings_.read(element("given", i, "not_stated"), unknown, {});
    if (!settings_.has(path) && !unknown && !priced) {
      settings_.add_fault(path, "nothing", "a number, a price, or not_stated = true");
    }
    if (settings_.has(path)) settings_.read(path, line.value, rule);
    settings_.read(element("given", i, "low"), line.low, rule);
    settings_.read(element("given", i, "high"), line.high, rule);
  }

  void read_formulas() {
    const std::size_t n = settings_.count("formula");
    for (std::size_t i = 0; i < n; ++i) {
      SheetLine line;
      read_line("formula", i, line);
      text(element("formula", i, "is"), line.formula, true);
      text(element("formula", i, "source"), line.source, false);
      if (line.formula.empty()) line.formula = "0";
      lines_.push_back(std::move(line));
    }
  }

  void read_requirements() {
    const std::size_t n = settings_.count("require");
    for (std::size_t i = 0; i < n; ++i) {
      Requirement& wanted = scenario_.requirements.emplace_back();
      text(element("require", i, "id"), wanted.id, true);
      text(element("require", i, "at_most"), wanted.at_most, true);
    }
  }

  void read_charts() {
    const std::size_t n = settings_.count("chart");
    for (std::size_t i = 0; i < n; ++i) {
      ScenarioChart chart;
      text(element("chart", i, "id"), chart.id, true);
      text(element("chart", i, "title"), chart.title, true);
      text(element("chart", i, "unit"), chart.unit, false);
      text(element("chart", i, "x"), chart.x, true);
      settings_.read(element("chart", i, "from"), chart.from, {});
      settings_.read(element("chart", i, "to"), chart.to, {});
      if (!(chart.to > chart.from)) {
        settings_.add_fault(element("chart", i, "to"), fmt::format("{}", chart.to),
                            "above from, " + fmt::format("{}", chart.from));
      }
      names(element("chart", i, "lines"), chart.lines);
      scenario_.charts.push_back(std::move(chart));
    }
  }

  Formula formula(const std::string& path) {
    std::string words;
    settings_.read(path, words, {});
    return words.empty() ? Formula() : Formula::parse(words, settings_.where(path));
  }

  void read_sentences() {
    const std::size_t n = settings_.count("say");
    for (std::size_t i = 0; i < n; ++i) {
      Sentence sentence;
      sentence.when = formula(element("say", i, "when"));
      text(element("say", i, "text"), sentence.text, true);
      scenario_.sentences.push_back(std::move(sentence));
    }
  }

  void read_checks() {
    const std::size_t n = settings_.count("check");
    for (std::size_t i = 0; i < n; ++i) {
      PublishedFigure figure;
      text(element("check", i, "of"), figure.of, true);
      text(element("check", i, "to"), figure.to, false);
      text(element("check", i, "label"), figure.label, false);
      std::string claim;  // a row of claims/article_costs.csv
      text(element("check", i, "claim"), claim, false);
      text(element("check", i, "source"), figure.source, claim.empty());
      settings_.read(element("check", i, "stated"), figure.stated.low, {});
      figure.stated.high = figure.stated.low;
      settings_.read(element("check", i, "stated_to"), figure.stated.high, {});
      if (!claim.empty()) take_claim(element("check", i, "claim"), claim, figure);
      scenario_.checks.push_back(std::move(figure));
    }
  }

  void take_claim(const std::string& path, const std::string& id, PublishedFigure& figure) {
    if (claims_.empty()) claims_ = article_claims();
    const auto claim = std::find_if(claims_.begin(), claims_.end(),
                                    [&](const Claim& each) { return each.id == id; });
    if (claim == claims_.end() || !claim->stated) {
      return settings_.add_fault(path, id,
                                 "a row of claims/article_costs.csv with a stated figure");
    }
    figure.stated = *claim->stated_usd();
    if (figure.source.empty()) figure.source = claim->source();
  }

  void read_months() {
    settings_.read("months.n", scenario_.n_months, {.low = 0, .high = kMostMonths});
    scenario_.opening = formula("months.opening");
    const std::size_t n = settings_.count("flow");
    for (std::size_t i = 0; i < n; ++i) {
      CashFlow flow;
      text(element("flow", i, "label"), flow.label, true);
      std::string direction = "out";
      settings_.read(element("flow", i, "direction"), direction, {.words = "in out"});
      flow.is_income = direction == "in";
      flow.amount = formula(element("flow", i, "amount"));
      flow.last = scenario_.n_months;
      settings_.read(element("flow", i, "first"), flow.first, {.low = 1, .high = kMostMonths});
      settings_.read(element("flow", i, "last"), flow.last, {.low = 1, .high = kMostMonths});
      scenario_.flows.push_back(std::move(flow));
    }
  }

  // A foreign unit needs a given whose unit is its rate: "CNY/USD" or "USD/CNY".
  void check_currency(const std::string& path, const std::string& unit) {
    for (const char* code : kForeign) {
      const std::string money = code;
      if (!unit.starts_with(money) || unit == money + "/USD") continue;
      foreign_.push_back({path, money});
    }
    if (unit.ends_with("/USD")) rates_.insert(unit.substr(0, unit.size() - 4));
    if (unit.starts_with("USD/")) rates_.insert(unit.substr(4));
  }

  void check_rates() const {
    for (const auto& [path, money] : foreign_) {
      if (rates_.contains(money)) continue;
      throw_bad_input({where_, "mixed currencies", fmt::format("an amount in {} ({})", money, path),
                       "all in USD, or a given with the unit " + money + "/USD to convert by", ""});
    }
  }

  // Givens, and whatever cannot be computed or said without them.
  void leave_out(std::set<std::string> gone) {
    if (gone.empty()) return;
    const auto is_gone = [&](const std::string& id) { return gone.contains(id); };
    const auto needs_one = [&](const Formula& formula) {
      const auto& names = formula.names();
      return std::any_of(names.begin(), names.end(), is_gone);
    };
    for (std::size_t before = 0; before != gone.size();) {
      before = gone.size();
      for (const SheetLine& line : lines_) {
        if (!line.formula.empty() && needs_one(Formula::parse(line.formula, where_))) {
          gone.insert(line.id);
        }
      }
    }
    std::erase_if(lines_, [&](const SheetLine& line) { return is_gone(line.id); });
    std::erase_if(scenario_.answers, is_gone);
    for (ScenarioChart& chart : scenario_.charts) std::erase_if(chart.lines, is_gone);
    std::erase_if(scenario_.charts, [&](const ScenarioChart& chart) {
      return is_gone(chart.x) || chart.lines.empty();
    });
    std::erase_if(scenario_.requirements, [&](const Requirement& wanted) {
      return is_gone(wanted.id) || is_gone(wanted.at_most);
    });
    std::erase_if(scenario_.sentences, [&](const Sentence& sentence) {
      return needs_one(sentence.when) ||
             std::any_of(gone.begin(), gone.end(), [&](const std::string& id) {
               return sentence.text.find("{" + id + "}") != std::string::npos ||
                      sentence.text.find("{" + id + ":") != std::string::npos;
             });
    });
    std::erase_if(scenario_.checks, [&](const PublishedFigure& figure) {
      return is_gone(figure.of) || is_gone(figure.to);
    });
  }

  void apply(const std::vector<ScenarioChange>& changes) {
    check_rates();
    for (const ScenarioChange& change : changes) {
      const auto line = std::find_if(lines_.begin(), lines_.end(),
                                     [&](const SheetLine& each) { return each.id == change.id; });
      if (line == lines_.end() || !line->formula.empty()) refuse(change);
      check_value(change, *line);
      original_.emplace(change.id, line->value);
      line->value = change.value, line->low = change.low, line->high = change.high;
      line->source = change.source, line->date = change.date;
      line->confidence = change.confidence;
      if (!change.label.empty()) line->label = change.label;
    }
  }

  void check_value(const ScenarioChange& change, const SheetLine& line) const {
    const Bounds& bounds = rules_.at(change.id);
    const double value = change.value;
    if (bounds.positive && value == 0) {
      refuse_change(change, {"", line.label, "0", "above 0", ""});
    }
    const bool is_whole = !bounds.whole || value == std::floor(value);
    if (value >= bounds.low && value <= bounds.high && is_whole) return;
    const bool is_share = line.unit == "%" && value > 0 && value < 1;
    refuse_change(
        change,
        {"", line.label, fmt::format("{}{}", value, is_share ? " %" : ""),
         fmt::format("{}{} to {}{}", bounds.whole ? "a whole number, " : "", bounds.low,
                     bounds.high, line.unit.empty() ? "" : " " + line.unit),
         is_share ? fmt::format("{:.6g} % is written {:.6g}", 100 * value, 100 * value) : ""});
  }

  // The change that is to blame is named: the last that either side depends on.
  void hold(const Requirement& wanted, const std::vector<ScenarioChange>& changes) const {
    const Sheet& sheet = scenario_.sheet;
    const SheetLine &line = sheet.at(wanted.id), &most = sheet.at(wanted.at_most);
    const double value = sheet.value(line.id), bound = sheet.value(most.id);
    if (!(value > bound)) return;
    const Complaint complaint{where_, line.label, format_figure(value, line.unit),
                              "at most " + format_figure(bound, most.unit) + ", " + most.label, ""};
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
      for (const auto& end : {line.id, most.id}) {
        const auto parts = sheet.parts_of(end);
        const bool moves = std::find(parts.begin(), parts.end(), change->id) != parts.end();
        if (moves) refuse_change(*change, complaint);
      }
    }
    throw_bad_input(complaint);
  }

  [[noreturn]] void refuse(const ScenarioChange& change) const {
    std::vector<std::string> known;
    for (const auto& each : lines_) {
      if (each.formula.empty()) known.push_back(each.id);
    }
    const std::string near = nearest_spelling(change.id, known);
    refuse_change(change, {"", "not a quantity of " + scenario_.name, change.id,
                           "the id of a given", near.empty() ? "" : "did you mean " + near + "?"});
  }

  void need(const std::string& id, const std::string& user) const {
    if (scenario_.sheet.find(id) != nullptr) return;
    std::vector<std::string> known;
    for (const auto& line : scenario_.sheet.lines()) known.push_back(line.id);
    const std::string near = nearest_spelling(id, known);
    throw_bad_input({where_, user, "the name " + id, "the id of a given or formula",
                     near.empty() ? "" : "did you mean " + near + "?"});
  }

  // Every {id} of a text.
  void need_all(const std::string& words, const std::string& user) const {
    for (std::size_t at = 0; (at = words.find('{', at)) != std::string::npos; ++at) {
      const std::size_t end = words.find_first_of(":}", at);
      const std::string id = words.substr(at + 1, end - at - 1);
      if (id != "device") need(id, user);
    }
  }

  void check_names() const {
    for (const auto& id : scenario_.answers) need(id, "scenario.answers");
    for (const auto& chart : scenario_.charts) {
      need(chart.x, "chart " + chart.id);
      for (const auto& id : chart.lines) need(id, "chart " + chart.id);
    }
    for (const auto& figure : scenario_.checks) {
      need(figure.of, "check");
      if (!figure.to.empty()) need(figure.to, "check");
    }
    for (const auto& wanted : scenario_.requirements) {
      need(wanted.id, "require"), need(wanted.at_most, "require");
    }
    need_all(scenario_.title, "scenario.title");
    for (const auto& sentence : scenario_.sentences) {
      for (const auto& id : sentence.when.names()) need(id, "say");
      need_all(sentence.text, "say");
    }
    for (const auto& flow : scenario_.flows) {
      for (const auto& id : flow.amount.names()) {
        if (id != "month") need(id, "flow " + flow.label);
      }
    }
    for (const auto& id : scenario_.opening.names()) need(id, "months.opening");
  }

  Settings settings_;
  std::string where_;
  const PriceList& prices_;
  Scenario scenario_;
  std::vector<Claim> claims_;
  std::vector<SheetLine> lines_;
  struct Bounds {
    double low = 0, high = 0;
    bool whole = false, positive = false;
  };
  std::map<std::string, Bounds> rules_;
  std::map<std::string, double> original_;  // of what a change replaced
  std::vector<std::pair<std::string, std::string>> foreign_;
  std::set<std::string> rates_;
};

// The quantile u of a triangular distribution with its mode at the value.
double triangular(const SheetLine& line, double u) {
  const double low = line.low.value_or(line.value), high = line.high.value_or(line.value);
  if (!(high > low)) return line.value;
  const double share = (line.value - low) / (high - low);
  return u < share ? low + std::sqrt(u * (high - low) * (line.value - low))
                   : high - std::sqrt((1 - u) * (high - low) * (high - line.value));
}

// "1 / 0" in a formula, or in one that it uses, says never on purpose.
bool is_meant(const Sheet& sheet, const std::string& id) {
  const auto parts = sheet.parts_of(id);
  return std::isinf(sheet.value(id)) &&
         std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
           return sheet.at(part).formula.find("1 / 0") != std::string::npos;
         });
}

}  // namespace

void refuse_change(const ScenarioChange& change, Complaint complaint) {
  complaint.where = change.whose();
  const bool is_option = complaint.where.starts_with("--");
  throw Error(is_option ? ErrorCode::kUsage : ErrorCode::kBadInput, to_string(complaint));
}

void refuse_broken(const Sheet& sheet, const std::vector<ScenarioChange>& changes,
                   const std::map<std::string, double>& original) {
  for (const SheetLine& line : sheet.lines()) {
    if (line.formula.empty() || std::isfinite(sheet.value(line.id))) continue;
    if (is_meant(sheet, line.id)) continue;
    for (const ScenarioChange& change : changes) {
      if (!std::isfinite(sheet.value_with(line.id, {{change.id, original.at(change.id)}})))
        continue;
      refuse_change(
          change, {"", sheet.at(change.id).label, fmt::format("{}", change.value),
                   change.value == 0 ? "above 0"
                                     : "a value with which \"" + line.label + "\" can be computed",
                   ""});
    }
  }
}

ScenarioChange parse_change(const std::string& text) {
  const std::size_t equals = text.find('=');
  ScenarioChange change;
  change.id = text.substr(0, equals);
  const char* end = text.data() + text.size();
  if (equals != std::string::npos) {
    const auto [stop, fault] = std::from_chars(text.data() + equals + 1, end, change.value);
    if (fault == std::errc{} && stop == end && std::isfinite(change.value)) return change;
  }
  throw_wrong_use({"--set", "not a change", text, "id=number", ""});
}

ScenarioChange parse_change(const std::string& id, const std::string& value,
                            const std::string& option) {
  ScenarioChange change{.id = id};
  const char* end = value.data() + value.size();
  const auto [stop, fault] = std::from_chars(value.data(), end, change.value);
  if (fault != std::errc{} || stop != end || !std::isfinite(change.value)) {
    throw_wrong_use({option, "not a number", value, "a number", ""});
  }
  change.source = change.where = option;
  return change;
}

ScenarioChange change_to(const std::string& id, const PriceEntry& price) {
  ScenarioChange change{.id = id, .value = price.value};
  if (price.low < price.value) change.low = price.low;
  if (price.high > price.value) change.high = price.high;
  change.source = price.source, change.date = price.date, change.confidence = price.confidence;
  change.where = price.where;
  return change;
}

Scenario load_scenario(const std::string& name, const PriceList& prices,
                       const std::vector<ScenarioChange>& changes,
                       const std::vector<std::string>& absent) {
  const std::string path = find_shared("scenarios", name, ".toml");
  return parse_scenario(read_file(path), path, prices, changes, absent);
}

Scenario parse_scenario(const std::string& toml, const std::string& where, const PriceList& prices,
                        const std::vector<ScenarioChange>& changes,
                        const std::vector<std::string>& absent) {
  return ScenarioReader(toml, where, prices).read(changes, absent);
}

std::map<std::string, SheetRange> likely_ranges(const Scenario& scenario) {
  const Rng rng(20261101, RngStream::kSampling);
  std::map<std::string, std::vector<double>> values;
  std::uint64_t index = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::map<std::string, double> inputs;
    for (const SheetLine& line : scenario.sheet.lines()) {
      if (!line.formula.empty() || (!line.low && !line.high)) continue;
      inputs[line.id] = triangular(line, rng.uniform(index++));
    }
    const auto all = scenario.sheet.values_with(inputs);
    for (const auto& id : scenario.answers) {
      if (std::isfinite(all.at(id))) values[id].push_back(all.at(id));
    }
  }
  std::map<std::string, SheetRange> ranges;
  for (auto& [id, drawn] : values) {
    if (drawn.size() < kDraws * 9 / 10) continue;
    std::sort(drawn.begin(), drawn.end());
    ranges[id] = {drawn[drawn.size() / 10], drawn[drawn.size() * 9 / 10]};
  }
  return ranges;
}

std::vector<CashMonth> cash_months(const Scenario& scenario) {
  const auto value_of = [&](const std::string& id) { return scenario.sheet.value(id); };
  double balance = scenario.opening.empty() ? 0 : scenario.opening.evaluate(value_of);
  std::vector<CashMonth> months;
  for (int month = 1; month <= scenario.n_months; ++month) {
    CashMonth now{.month = month, .flows = {}, .net = 0, .balance = 0};
    for (const CashFlow& flow : scenario.flows) {
      const bool runs = month >= flow.first && month <= flow.last;
      const double amount = !runs ? 0 : flow.amount.evaluate([&](const std::string& id) {
        return id == "month" ? static_cast<double>(month) : value_of(id);
      });
      now.flows.push_back(flow.is_income ? amount : -amount);
      now.net += now.flows.back();
    }
    balance += now.net;
    now.balance = balance;
    months.push_back(std::move(now));
  }
  return months;
}

std::vector<CheckResult> run_checks(const Scenario& scenario) {
  std::vector<CheckResult> results;
  if (scenario.is_changed) return results;
  for (const PublishedFigure& figure : scenario.checks) {
    const double from = scenario.sheet.value(figure.of);
    const double to = figure.to.empty() ? from : scenario.sheet.value(figure.to);
    const SheetRange computed{std::min(from, to), std::max(from, to)};
    results.push_back({&figure, computed, off_by(figure.stated, computed)});
  }
  return results;
}

std::map<std::string, std::vector<double>> draw(const Scenario& scenario,
                                                const ScenarioChart& chart, int n_points) {
  std::map<std::string, std::vector<double>> columns;
  for (int i = 0; i < n_points; ++i) {
    const double x = chart.from + (chart.to - chart.from) * i / (n_points - 1);
    columns["x"].push_back(x);
    for (const auto& id : chart.lines) {
      columns[id].push_back(scenario.sheet.value_with(id, {{chart.x, x}}));
    }
  }
  return columns;
}

}  // namespace farthing
