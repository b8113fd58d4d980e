// compare_page.cpp - the comparison as a page: curves, frontier, tables, sliders for the prices.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "economics/compare_sheet.h"

namespace farthing {
namespace {

constexpr std::size_t kMostLines = 4;  // colours of the style sheet
constexpr std::size_t kMostTiles = 6;

std::string line(const char* what, std::size_t i) { return CompareSheet::id(what, i); }
std::string braced(const char* what, std::size_t i) { return "{" + line(what, i) + "}"; }

PageTable plain(const std::string& heading, const Table& table) {
  PageTable page{.heading = heading, .headings = table.headings, .rows = {}};
  page.is_prose = true;
  page.stacks = table.headings.size() > 2;
  for (const auto& row : table.rows) {
    page.rows.emplace_back();
    for (const auto& cell : row) page.rows.back().push_back({.text = cell});
  }
  return page;
}

// Those with a curve to draw, at most kMostLines, the best first.
std::vector<std::size_t> drawn(const std::vector<Contender>& contenders) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (!contenders[i].curve.empty()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return contenders[a].end.bits_per_byte < contenders[b].end.bits_per_byte;
  });
  if (order.size() > kMostLines) order.resize(kMostLines);
  return order;
}

PageChart curves(const std::vector<Contender>& contenders, const CompareSheet& sheet,
                 Against against) {
  const bool money = against == Against::kUsd;
  PageChart chart{.kind = "lines",
                  .heading = std::string("Held-out bits per byte, against ") +
                             (money ? "US dollars" : "tokens")};
  chart.x = money ? "money" : "tokens";
  chart.unit = money ? "USD" : "";
  for (const std::size_t i : drawn(contenders)) {
    PageChartItem item{.id = money ? sheet.rate(i) : "", .label = contenders[i].name};
    item.points = money ? sheet.places(i) : knots(contenders[i], against);
    if (!item.points.empty()) chart.items.push_back(std::move(item));
  }
  return chart;
}

PageTable spent_cells(const std::vector<Contender>& contenders) {
  PageTable spent{
      .heading = "What each spent and reached",
      .headings = {"", "kind", "money", "bits per byte", "per million tokens", "tokens"},
      .rows = {}};
  spent.stacks = true;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    spent.rows.push_back({{.text = contenders[i].name},
                          {.text = contenders[i].kind},
                          figure_cell(line("usd", i)),
                          figure_cell(line("bits", i)),
                          figure_cell(line("per_mtoken", i)),
                          {.text = format_figure(contenders[i].end.tokens, "")}});
  }
  return spent;
}

PageTable equal_cells(const std::vector<Contender>& contenders, const CompareSheet& sheet) {
  PageTable table{.heading = "At equal cost", .headings = {"", "bits per byte", ""}, .rows = {}};
  table.is_prose = true;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    PageCell note{.text = "", .sentences = {{"not measured there", line("missing", i)}}};
    if (!sheet.places(i).empty()) {
      note.sentences.push_back({"best ", line("is_best", i)});
      note.sentences.push_back({"(before its end: rate not decayed)", line("early", i)});
    }
    table.rows.push_back({{.text = contenders[i].name}, figure_cell(line("bits_at", i)), note});
  }
  return table;
}

// Who wins at equal cost, and by what; or why nobody does, and what can be said all the same.
std::vector<PageSentence> verdict(const std::vector<Contender>& contenders,
                                  const EqualComparison& equal, const CompareSheet& sheet) {
  if (is_one_run(contenders) && equal.margin != 0) return {{kOneRun}};
  std::vector<PageSentence> says;
  const std::string at = "At {equal_at} each: ";
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (sheet.places(i).empty()) continue;
    says.push_back(
        {at + contenders[i].name + " is best, by {margin} bits per byte.", line("is_best", i)});
  }
  says.push_back(
      {"That is {times_spread} standard deviations of {n_repeats} repeats.", "is_clear"});
  says.push_back(
      {"That is {times_spread} standard deviations of {n_repeats} repeats: not "
       "distinguishable.",
       "is_unclear"});
  says.push_back(
      {"The run-to-run spread is not measured: repeat a run with another seed.", "no_spread"});
  says.push_back({at + "the best are equal, no winner.", "is_tie"});
  says.push_back({at + kNoneThere, "none_there"});
  says.push_back({at + kTooFew, "too_few"});
  says.push_back({kSettleWords, "too_few_on"});
  if (sheet.candidates().size() < 2) return says;
  for (const std::size_t i : sheet.candidates()) {
    says.push_back({alone_words(contenders[i].name), line("only", i)});
  }
  return says;
}

PageTable frontier_cells(const std::vector<Contender>& contenders, const CompareSheet& sheet) {
  PageTable table{.heading = "The frontier",
                  .headings = {"", "money", "bits per byte", "for 0.01 bit, from the one above"},
                  .rows = {},
                  .note = "Nobody else has fewer dollars and fewer bits per byte."};
  for (const std::size_t i : sheet.candidates()) {
    const PageCell step{.text = "",
                        .sentences = {{braced("centibit", i), line("follows_one", i)},
                                      {"nobody else is on it", line("alone", i)}}};
    table.rows.push_back({{.text = contenders[i].name},
                          figure_cell(line("usd", i)),
                          figure_cell(line("bits", i)),
                          step});
    table.whens.push_back(line("on", i));
  }
  return table;
}

// The columns of trend_table() that are money become cells that follow the prices.
PageTable trend_cells(const std::vector<Contender>& contenders, const Trend& over_time) {
  PageTable table = plain("Over time", trend_table(contenders, over_time));
  for (std::size_t row = 0; row < over_time.order.size(); ++row) {
    const auto i = static_cast<std::size_t>(over_time.order[row]);
    table.rows[row][2] = figure_cell(line("usd", i));
    table.rows[row][3] = figure_cell(line("spent", i));
    const Reached reached = usd_to_reach(contenders[i], over_time.target);
    if (!std::isfinite(reached.usd)) continue;
    table.rows[row][6] = {
        .text = "", .sentences = {{(reached.at_most ? "at most " : "") + braced("reached", i)}}};
  }
  return table;
}

// What no price changes, and what is as the records have it.
void add_the_rest(const std::vector<Contender>& contenders, const EqualComparison& equal,
                  const CompareSheet& sheet, MoneyPage& page) {
  if (contenders.size() == 2 && !contenders[0].recipe.empty() && !contenders[1].recipe.empty()) {
    const Table table{.headings = {"recipe", contenders[0].name, contenders[1].name},
                      .rows = recipe_difference(contenders[0], contenders[1])};
    if (!table.rows.empty()) page.add(plain("The difference of the recipes", table));
    if (table.rows.empty()) page.add(PageText{"The recipes", {"They are the same."}});
  }
  EqualComparison settled = equal;
  if (sheet.follows()) settled.before_the_end.assign(contenders.size(), false);
  PageText notes{"Before you believe it", cautions(contenders, settled)};
  if (sheet.follows()) notes.sentences.push_back({kEarlyWords, "any_early"});
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const Contender& contender = contenders[i];
    if (!sheet.has_hours(i) && std::isfinite(contender.end.usd)) {
      notes.paragraphs.push_back(contender.name +
                                 " states dollars without the hours behind them: no slider moves "
                                 "them.");
    }
    page.sources.push_back(contender.name + ": " + contender.kind + ", " + contender.price +
                           (contender.price_date.empty() ? "" : ", " + contender.price_date));
  }
  const auto n_placed = std::ranges::count_if(contenders, [](const Contender& contender) {
    return std::isfinite(contender.end.usd) && std::isfinite(contender.end.bits_per_byte);
  });
  if (n_placed > static_cast<std::ptrdiff_t>(kMostOnFrontier)) {
    notes.paragraphs.push_back(
        fmt::format("Of {} records the frontier follows the {} that stand on it at the prices as "
                    "made: no slider brings another one there.",
                    n_placed, sheet.candidates().size()));
  }
  if (!notes.paragraphs.empty() || sheet.follows()) page.add(std::move(notes));
}

}  // namespace

MoneyPage compare_page(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  MoneyPage page;
  const bool runs = std::all_of(contenders.begin(), contenders.end(),
                                [](const Contender& c) { return c.kind == "run"; });
  page.title = fmt::format("{} {} compared", contenders.size(), runs ? "runs" : "records");
  for (std::size_t i = 0; i < std::min(contenders.size(), kMostTiles); ++i) {
    page.tiles.push_back(line("usd", i));
  }
  CompareSheet sheet(contenders, equal);
  page.says = sheet.follows() ? verdict(contenders, equal, sheet)
                              : std::vector<PageSentence>{{winner_words(contenders, equal)}};
  page.add(spent_cells(contenders));
  for (const Against against : {Against::kUsd, Against::kTokens}) {
    PageChart chart = curves(contenders, sheet, against);
    if (!chart.items.empty()) page.add(std::move(chart));
  }
  if (sheet.follows()) {
    page.add(equal_cells(contenders, sheet));
  } else if (std::isfinite(equal.at)) {
    Table table = equal_table(contenders, equal);
    table.headings[0] = "";
    page.add(plain(fmt::format("At equal {}", to_string(equal.against)), table));
  }
  if (!sheet.candidates().empty()) page.add(frontier_cells(contenders, sheet));
  if (sheet.over_time().order.size() > 1) page.add(trend_cells(contenders, sheet.over_time()));
  add_the_rest(contenders, equal, sheet, page);
  page.sheet = sheet.take();
  return page;
}

}  // namespace farthing
