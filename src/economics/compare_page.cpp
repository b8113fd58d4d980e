// compare_page.cpp - the comparison as a page: curves, frontier, tables, a slider for the rent.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "economics/compare.h"
#include "report/chart.h"

namespace farthing {
namespace {

constexpr std::size_t kMostLines = 4;  // colours of the style sheet
constexpr std::size_t kMostTiles = 6;

std::string id_of(const char* what, std::size_t i) { return fmt::format("{}_{}", what, i); }

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

// What each spent: core-hours times a common rent where all were rented at the same one.
Sheet spending_sheet(const std::vector<Contender>& contenders) {
  const double rent = contenders.front().rent;
  const std::string& device = contenders.front().device;
  const bool common = std::all_of(contenders.begin(), contenders.end(), [&](const Contender& c) {
    return c.rent == rent && c.device == device && std::isfinite(c.core_hours);
  });
  Sheet sheet;
  if (common) {
    sheet.add({.id = "rent",
               .label = "rent of one " + device + " for an hour",
               .unit = "USD/h",
               .value = rent,
               .source = "the runs' price book",
               .date = contenders.front().price_date,
               .slider = true});
  }
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const Contender& contender = contenders[i];
    SheetLine usd{.id = id_of("usd", i), .label = contender.name, .unit = "USD"};
    if (common) {
      sheet.add({.id = id_of("core_hours", i),
                 .label = contender.name + ", " + device + "-hours",
                 .unit = "h",
                 .value = contender.core_hours,
                 .source = "its events"});
      usd.formula = id_of("core_hours", i) + " * rent";
    } else {
      usd.value = contender.end.usd;
      usd.source = contender.price;
    }
    sheet.add(usd);
    sheet.add({.id = id_of("bits", i),
               .label = contender.name + ", bits per byte",
               .unit = "",
               .value = contender.end.bits_per_byte,
               .source = "its last evaluation"});
    sheet.add({.id = id_of("mtokens", i),
               .label = contender.name + ", million tokens",
               .unit = "",
               .value = contender.end.tokens / 1e6,
               .source = "its events"});
    sheet.add({.id = id_of("per_mtoken", i),
               .label = contender.name + ", per million tokens",
               .unit = "USD",
               .formula = id_of("usd", i) + " / " + id_of("mtokens", i)});
  }
  return sheet;
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

// Names in the drawing itself, so that a saved one has them too.
std::string with_legend(std::string svg, const Chart& chart) {
  std::string words;
  for (std::size_t i = 0; i < chart.lines.size(); ++i) {
    const std::string& name = chart.lines[i].name;
    words += fmt::format("<text class=\"s{}\" x=\"{}\" y=\"-4\">{}</text>", i, 76 + 140 * i,
                         escape_html(name.size() > 26 ? name.substr(0, 24) + ".." : name));
  }
  const std::string box = "viewBox=\"0 0 640 280\"";
  if (const std::size_t at = svg.find(box); at != std::string::npos) {
    svg.replace(at, box.size(), "viewBox=\"0 -20 640 300\"");
  }
  return svg.insert(svg.rfind("</svg>"), words);
}

PageDrawing curves(const std::vector<Contender>& contenders, Against against) {
  RunSeries series;
  Chart chart{.id = to_string(against), .title = "Held-out bits per byte", .unit = "", .lines = {}};
  double most = 0;
  const auto order = drawn(contenders);
  for (const std::size_t i : order) {
    Columns columns;
    for (const CurvePoint& point : contenders[i].curve) {
      columns["x"].push_back(along(point, against));
      columns["bits"].push_back(point.bits_per_byte);
      if (std::isfinite(along(point, against))) most = std::max(most, along(point, against));
    }
    series.data[id_of("run", i)] = columns;
  }
  for (const std::size_t i : order) {
    const bool is_one = contenders[i].curve.size() == 1;  // no line through one evaluation
    chart.lines.push_back({id_of("run", i), "bits", contenders[i].name, is_one ? "dots" : "line"});
  }
  Axis axis{"x", to_string(against), 1};
  if (against == Against::kUsd)
    axis = most < 1 ? Axis{"x", "US cents", 0.01} : Axis{"x", "US dollars", 1};
  if (against == Against::kSeconds && most > 300) axis = {"x", "minutes", 60};
  if (against == Against::kSeconds && most > 3 * 3600) axis = {"x", "hours", 3600};
  const std::string svg = with_legend(to_svg(chart, series, axis), chart);
  const char* note = against == Against::kUsd
                         ? "At the runs' own prices: another rent stretches this axis alone."
                         : "";
  return {fmt::format("Held-out bits per byte, against {}", axis.label), svg, note};
}

std::optional<double> rent_of(const Sheet& sheet) {
  for (const SheetLine& line : sheet.lines()) {
    if (line.id == "rent" && line.value > 0) return line.value;
  }
  return std::nullopt;
}

// Dollars at the runs' own price; where all share a rent, a line of the sheet that follows it.
class MoneyLines {
 public:
  explicit MoneyLines(Sheet& sheet) : sheet_(sheet), rent_(rent_of(sheet)) {}

  PageCell cell(const std::string& label, double usd, const std::string& before = "") {
    if (!std::isfinite(usd)) return {.text = "not stated"};
    if (!rent_) return {.text = before + money_words(usd)};
    return {.text = "", .sentences = {{.text = before + "{" + line(label, usd) + "}"}}};
  }
  // Its id in braces, or the money in words.
  std::string words(const std::string& label, double usd) {
    return rent_ ? "{" + line(label, usd) + "}" : money_words(usd);
  }

 private:
  std::string line(const std::string& label, double usd) {
    const std::string id = id_of("money", ++n_);
    sheet_.add({.id = id,
                .label = label,
                .unit = "USD",
                .formula = fmt::format("{} * rent", usd / *rent_)});
    return id;
  }

  Sheet& sheet_;
  std::optional<double> rent_;
  std::size_t n_ = 0;
};

PageTable frontier_cells(const std::vector<Contender>& contenders, MoneyLines& money) {
  PageTable table{.heading = "The frontier",
                  .headings = {"", "money", "bits per byte", "for 0.01 bit, from the one above"},
                  .rows = {}};
  const Contender* before = nullptr;
  for (const int i : frontier(contenders)) {
    const Contender& contender = contenders[static_cast<std::size_t>(i)];
    table.rows.push_back(
        {{.text = contender.name},
         figure_cell(id_of("usd", static_cast<std::size_t>(i))),
         figure_cell(id_of("bits", static_cast<std::size_t>(i))),
         before == nullptr ? PageCell{.text = "-"}
                           : money.cell("0.01 bit, from " + before->name + " to " + contender.name,
                                        usd_per_centibit(*before, contender))});
    before = &contender;
  }
  return table;
}

// The columns of trend_table() that are money become cells that follow the rent.
PageTable trend_cells(const std::vector<Contender>& contenders, MoneyLines& money) {
  const Trend over_time = trend(contenders);
  const Table words = trend_table(contenders, over_time);
  PageTable table = plain("Over time", words);
  double spent = 0;
  for (std::size_t row = 0; row < over_time.order.size(); ++row) {
    const Contender& contender = contenders[static_cast<std::size_t>(over_time.order[row])];
    if (std::isfinite(contender.end.usd)) spent += contender.end.usd;
    const Reached reached = usd_to_reach(contender, over_time.target);
    table.rows[row][2] = money.cell(contender.name, contender.end.usd);
    table.rows[row][3] = money.cell("spent up to " + contender.name, spent);
    table.rows[row][6] = money.cell(contender.name + ", to the target", reached.usd,
                                    reached.at_most ? "at most " : "");
  }
  return table;
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
                          figure_cell(id_of("usd", i)),
                          figure_cell(id_of("bits", i)),
                          figure_cell(id_of("per_mtoken", i)),
                          {.text = format_figure(contenders[i].end.tokens, "")}});
  }
  return spent;
}

// What is the same at any rent.
void add_the_rest(const std::vector<Contender>& contenders, const EqualComparison& equal,
                  MoneyPage& page) {
  if (contenders.size() == 2 && !contenders[0].recipe.empty() && !contenders[1].recipe.empty()) {
    const Table table{.headings = {"recipe", contenders[0].name, contenders[1].name},
                      .rows = recipe_difference(contenders[0], contenders[1])};
    if (!table.rows.empty()) page.add(plain("The difference of the recipes", table));
    if (table.rows.empty()) page.add(PageText{"The recipes", {"They are the same."}});
  }
  if (const auto notes = cautions(contenders, equal); !notes.empty()) {
    page.add(PageText{"Before you believe it", notes});
  }
  for (const Contender& contender : contenders) {
    page.sources.push_back(contender.name + ": " + contender.kind + ", " + contender.price +
                           (contender.price_date.empty() ? "" : ", " + contender.price_date));
  }
}

}  // namespace

MoneyPage compare_page(const std::vector<Contender>& contenders, const EqualComparison& equal) {
  MoneyPage page;
  const bool runs = std::all_of(contenders.begin(), contenders.end(),
                                [](const Contender& c) { return c.kind == "run"; });
  page.title = fmt::format("{} {} compared", contenders.size(), runs ? "runs" : "records");
  for (std::size_t i = 0; i < std::min(contenders.size(), kMostTiles); ++i) {
    page.tiles.push_back(id_of("usd", i));
  }
  page.sheet = spending_sheet(contenders);
  MoneyLines money(page.sheet);
  page.says.push_back({equal.against == Against::kUsd && std::isfinite(equal.at)
                           ? "At " + money.words("equal cost", equal.at) +
                                 " each: " + winner_verdict(contenders, equal)
                           : winner_words(contenders, equal)});
  page.add(spent_cells(contenders));
  if (!drawn(contenders).empty()) {
    page.add(curves(contenders, Against::kUsd));
    page.add(curves(contenders, Against::kTokens));
  }
  if (std::isfinite(equal.at)) {
    Table table = equal_table(contenders, equal);
    table.headings[0] = "";
    page.add(plain(fmt::format("At equal {}",
                               equal.against == Against::kUsd ? "cost" : to_string(equal.against)),
                   table));
  }
  if (PageTable table = frontier_cells(contenders, money); !table.rows.empty()) {
    page.add(std::move(table));
  }
  if (trend(contenders).order.size() > 1) page.add(trend_cells(contenders, money));
  page.sheet.finish("comparison");
  add_the_rest(contenders, equal, page);
  return page;
}

}  // namespace farthing
