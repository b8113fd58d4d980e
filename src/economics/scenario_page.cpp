// scenario_page.cpp - a scenario as a page: tiles, what to say, tornado, curves, months, checks.
#include <fmt/core.h>

#include <cctype>
#include <set>

#include "economics/claims.h"
#include "economics/scenario.h"

namespace farthing {
namespace {

// The text of a formula with its `month` replaced.
std::string in_month(const std::string& formula, int month) {
  const auto is_letter = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  std::string text;
  for (std::size_t at = 0; at < formula.size();) {
    std::size_t end = at;
    while (end < formula.size() && is_letter(formula[end])) ++end;
    const std::string word = formula.substr(at, end - at);
    text += word == "month" ? std::to_string(month) : word;
    if (end < formula.size()) text += formula[end++];
    at = end;
  }
  return text;
}

// Lines for every month, so that the table follows the sliders; the same sums as cash_months().
PageTable live_months(const Scenario& scenario, Sheet& sheet) {
  PageTable table{.heading = "Month by month",
                  .headings = {"month", "in", "out", "net", "in the purse"},
                  .rows = {}};
  const auto add = [&](const char* what, int month, const char* words, const std::string& formula) {
    std::string id = fmt::format("month_{}_{}", month, what);
    sheet.add({.id = id,
               .label = fmt::format("month {}, {}", month, words),
               .unit = "USD",
               .formula = formula});
    return id;
  };
  std::string purse = scenario.opening.empty() ? "0" : scenario.opening.text(), least;
  for (int month = 1; month <= scenario.n_months; ++month) {
    std::string in = "0", out = "0";
    for (const CashFlow& flow : scenario.flows) {
      if (month < flow.first || month > flow.last) continue;
      const std::string amount = in_month(flow.amount.text(), month);
      const char* const sign = flow.is_income ? "" : "-";
      in += fmt::format(" + max(0, {}({}))", sign, amount);
      out += fmt::format(" + min(0, {}({}))", sign, amount);
    }
    const std::string in_id = add("in", month, "in", in), out_id = add("out", month, "out", out);
    const std::string net = add("net", month, "net", fmt::format("{} + {}", in_id, out_id));
    purse = add("purse", month, "in the purse", fmt::format("({}) + {}", purse, net));
    least = add("least", month, "least in the purse so far",
                least.empty() ? purse : fmt::format("min({}, {})", least, purse));
    table.rows.push_back({{.text = std::to_string(month)},
                          figure_cell(in_id),
                          figure_cell(out_id),
                          figure_cell(net),
                          figure_cell(purse)});
  }
  return table;
}

PageTable live_checks(const Scenario& scenario, Sheet& sheet) {
  PageTable table{
      .heading = "Against what was published",
      .headings = {"published", "stated", "computed", "the sum", "where"},
      .rows = {},
      .note = std::string("A slider moves the computed side: then it is no longer the sources' "
                          "case. ")
                  .append(kOffByRule),
      .is_prose = true,
      .stacks = true};
  for (std::size_t i = 0; !scenario.is_changed && i < scenario.checks.size(); ++i) {
    const PublishedFigure& check = scenario.checks[i];
    const std::string unit = sheet.at(check.of).unit;
    PageCell computed = figure_cell(check.of);
    computed.to = check.to;
    PageCell verdict =
        sum_cell(sheet, fmt::format("check_{}", i + 1),
                 off_formula(check.stated, check.of, check.to), {"exact", "rounded", "off by {}"});
    table.rows.push_back({{.text = check.label},
                          {.text = format_figure(check.stated, unit)},
                          computed,
                          verdict,
                          {.text = check.source}});
  }
  return table;
}

std::vector<PageSentence> live_sentences(const Scenario& scenario, Sheet& sheet) {
  std::vector<PageSentence> sentences;
  for (std::size_t i = 0; i < scenario.sentences.size(); ++i) {
    PageSentence sentence{.text = with_device(scenario.sentences[i].text, scenario)};
    if (!scenario.sentences[i].when.empty()) {
      sentence.when = fmt::format("sentence_{}", i + 1);
      sheet.add({.id = sentence.when,
                 .label = "whether it is said",
                 .unit = "",
                 .formula = scenario.sentences[i].when.text(),
                 .condition = true});
    }
    sentences.push_back(std::move(sentence));
  }
  for (std::size_t i = 0; i < scenario.requirements.size(); ++i) {  // a slider refuses nothing
    const auto& [id, most] = scenario.requirements[i];
    const std::string broken = fmt::format("requirement_{}", i + 1);
    sheet.add({.id = broken,
               .label = "whether it is said",
               .unit = "",
               .formula = fmt::format("{} - {}", id, most),
               .condition = true});
    sentences.push_back({.text = fmt::format("This cannot be: {} {{{}}}, and {} {{{}}}.",
                                             sheet.at(id).label, id, sheet.at(most).label, most),
                         .when = broken});
  }
  return sentences;
}

}  // namespace

MoneyPage scenario_page(const Scenario& scenario, const std::string& today) {
  MoneyPage page;
  page.title = spoken_title(scenario);
  page.heading = with_device(scenario.title, scenario);
  page.answer = scenario.about;
  page.tiles = scenario.answers;
  page.sheet = scenario.sheet;
  PageText words{.heading = "What follows",
                 .paragraphs = scenario.remarks,
                 .sentences = live_sentences(scenario, page.sheet)};
  PageTable checks = live_checks(scenario, page.sheet);
  PageTable months = live_months(scenario, page.sheet);
  page.sheet.finish(scenario.name);
  if (scenario.n_months > 0) {
    words.sentences.push_back({fmt::format(
        "At the end of a month the purse holds at least {{month_{}_least}}.", scenario.n_months)});
  }
  const auto likely = likely_ranges(scenario);
  if (const std::string lucky = lucky_words(scenario, likely); !lucky.empty()) {
    page.answer += " " + lucky;
  }
  PageTable answers{.heading = "Answers",
                    .headings = {"", "value (lowest to highest)", "P10 to P90"},
                    .rows = {}};
  for (const auto& id : scenario.answers) {
    const SheetLine& line = scenario.sheet.at(id);
    const auto found = likely.find(id);
    const bool spread = found != likely.end() && found->second.low < found->second.high;
    answers.rows.push_back({{.text = line.label},
                            figure_cell(id, true),
                            {.text = spread ? format_figure(found->second, line.unit) : "",
                             .id = id,
                             .is_likely = true}});
  }
  answers.is_prose = true;
  answers.note =
      "Lowest to highest: every range at the end that lowers, or raises, this answer. P10 to P90: "
      "1,000 draws, every quantity with a range triangular between its ends; a slider "
      "moves the middle.";
  page.add(std::move(answers));
  if (!words.sentences.empty() || !words.paragraphs.empty()) page.add(std::move(words));
  for (const ScenarioChart& chart : scenario.charts) {
    PageChart curve{.kind = "curve", .heading = chart.title + ", " + chart.unit};
    if (chart.unit.empty()) curve.heading = chart.title;
    for (const auto& id : chart.lines) curve.items.push_back({.id = id});
    curve.x = chart.x;
    curve.x_low = chart.from, curve.x_high = chart.to;
    page.add(std::move(curve));
  }
  for (const auto& id : scenario.answers) {
    if (scenario.sheet.swings(id).size() < 2) continue;
    page.add(PageChart{.kind = "tornado",
                       .heading = "What moves it most: " + scenario.sheet.at(id).label,
                       .items = {},
                       .target = id});
    break;
  }
  if (!months.rows.empty()) page.add(std::move(months));
  if (!checks.rows.empty()) page.add(std::move(checks));
  if (scenario.is_changed && !scenario.checks.empty()) {
    page.add(PageText{.heading = "Against what was published", .paragraphs = {kNotTheirCase}});
  }
  std::set<std::string> seen;
  for (const SheetLine& line : scenario.sheet.lines()) {
    if (line.source.empty() || !seen.insert(line.source).second) continue;
    page.sources.push_back(line.label + ": " + line.source +
                           (line.date.empty() ? "" : ", " + line.date) +
                           (line.confidence.empty() ? "" : ", " + line.confidence));
  }
  for (const auto& line : stale_prices(scenario, today)) page.sources.push_back("Warning: " + line);
  return page;
}

}  // namespace farthing
