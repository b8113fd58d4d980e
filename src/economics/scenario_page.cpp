// scenario_page.cpp - a scenario as a page: tiles, what to say, tornado, curves, months, checks.
#include <set>

#include "economics/scenario.h"

namespace farthing {
namespace {

PageTable plain_cells(const std::string& heading, const Table& table, const std::string& note) {
  PageTable page{.heading = heading, .headings = table.headings, .rows = {}, .note = note};
  for (const auto& row : table.rows) {
    page.rows.emplace_back();
    for (const auto& cell : row) page.rows.back().push_back({.text = cell});
  }
  return page;
}

}  // namespace

MoneyPage scenario_page(const Scenario& scenario, const std::string& today) {
  MoneyPage page;
  page.title = spoken_title(scenario);
  page.answer = scenario.about;
  page.tiles = scenario.answers;
  page.sheet = scenario.sheet;
  page.made_on = today;
  page.command = "farthing cost scenario " + scenario.name;
  const auto likely = likely_ranges(scenario);
  PageTable answers{.heading = "Answers",
                    .headings = {"", "value (if all goes well, if all goes wrong)", "P10 to P90"},
                    .rows = {}};
  for (const auto& id : scenario.answers) {
    const SheetLine& line = scenario.sheet.at(id);
    const auto found = likely.find(id);
    const bool spread = found != likely.end() && found->second.low < found->second.high;
    answers.rows.push_back({{.text = line.label},
                            figure_cell(id, true),
                            {.text = spread ? format_figure(found->second, line.unit) : ""}});
  }
  answers.is_prose = true;
  answers.note =
      "P10 to P90: 1,000 draws with the ranges of the sources; the sliders do not move it. " +
      lucky_words(scenario, likely);
  page.add(std::move(answers));
  if (const auto lines = spoken(scenario); !lines.empty()) {
    page.add(PageText{"With the values of the sources", lines});
  }
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
  const std::string fixed = "With the values of the sources; the sliders do not move this table.";
  if (const Table months = months_table(scenario); !months.rows.empty()) {
    page.add(plain_cells("Month by month", months, fixed));
  }
  if (const Table checks = checks_table(scenario); !checks.rows.empty()) {
    page.add(plain_cells("Against what was published", checks, fixed));
  }
  std::set<std::string> seen;
  for (const SheetLine& line : scenario.sheet.lines()) {
    if (line.source.empty() || !seen.insert(line.source).second) continue;
    page.sources.push_back(line.label + ": " + line.source +
                           (line.date.empty() ? "" : ", " + line.date) +
                           (line.confidence.empty() ? "" : ", " + line.confidence));
  }
  for (const auto& line : stale_prices(scenario, today)) page.sources.push_back("Old: " + line);
  return page;
}

}  // namespace farthing
