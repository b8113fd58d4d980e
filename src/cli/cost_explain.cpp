// cost_explain.cpp - farthing cost explain: from GPU-hours to every figure published for a model.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/claims.h"
#include "economics/cost_case.h"
#include "economics/page.h"
#include "report/table.h"

namespace farthing {
namespace {

struct ExplainOptions {
  std::string name;
  std::vector<std::string> changes;
  CostOutput output;
};

std::string stated_words(const CaseFigure& figure) {
  return figure.stated.empty() ? "nobody stated it" : figure.stated;
}

constexpr const char* kSources = "With the sources' values: ";

std::string why_of(const CostCase& result, const CaseFigure& figure) {
  return (result.is_readers(figure) ? kSources : "") + figure.why;
}

// The lines behind a figure, each with its value and where that comes from; what an earlier figure
// has worked out is not worked out again.
class Walk {
 public:
  explicit Walk(const CostCase& result) : sheet_(result.sheet) {}

  std::string of(const CaseFigure& figure) {
    std::string text;
    here_.clear();
    std::vector<std::string> ends = {figure.id};
    if (!figure.to.empty()) ends.push_back(figure.to);
    ends.insert(ends.end(), figure.with.begin(), figure.with.end());
    for (const auto& id : ends) add(id, id == figure.id || id == figure.to, text);
    return text;
  }

 private:
  void add(const std::string& id, bool is_end, std::string& text) {
    const SheetLine& line = sheet_.at(id);
    const bool again = !done_.insert(id).second && !line.formula.empty();
    if (!again) {
      for (const auto& name : sheet_.formula(id).names()) add_once(name, text);
    }
    here_.insert(id);
    const std::string figure = fmt::format("  {} {:>16}  ", is_end ? "=" : " ",
                                           format_figure(sheet_.value(id), line.unit));
    const std::string label = line.label + (again ? " (above)" : "");
    text += figure + wrap_prose(std::string(figure.size(), ' ') + label, 22, prose_columns())
                         .substr(figure.size());
    if (again) return;
    std::string from = line.formula.empty() ? line.source : id + " = " + line.formula;
    if (!line.date.empty()) from += " (" + line.date + ")";
    if (!line.note.empty()) from += "; " + line.note;
    constexpr std::size_t kNarrow = 72;
    text += wrap_text(from, prose_columns() < kNarrow ? 8 : 24, 98);
  }
  void add_once(const std::string& id, std::string& text) {
    if (!here_.contains(id)) add(id, false, text);
  }

  const Sheet& sheet_;
  std::set<std::string> done_, here_;  // worked out at all, and in this figure
};

// A stated figure is held against one calculation; only ours has the range of its inputs.
bool has_range(const CaseFigure& figure) { return figure.stated.empty() && figure.to.empty(); }

std::string computed_words(const CostCase& result, const CaseFigure& figure) {
  std::string words = (figure.is_over ? "over " : "") + result.computed(figure.id, figure.to);
  const auto range = has_range(figure) ? result.sheet.range(figure.id) : std::nullopt;
  if (range && range->low < range->high) {
    words += " (" + format_figure(*range, result.sheet.at(figure.id).unit) + ")";
  }
  return words;
}

std::string in_words(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : "; ") + word;
  return text;
}

std::string definitions_text(const CostCase& result, const Definitions& definitions) {
  std::string text = "The five definitions\n";
  for (const auto& each : result.by_definition) {
    const Definition& definition = definitions.at(each.definition);
    const bool quoted = !each.id.empty() && result.is_quoted(each.id);
    const char* over = quoted && result.is_least(each.id) ? "over " : "";
    text += "\n" + wrap_prose(fmt::format("  {}: {}{}{}", definition.label, over,
                                          each.id.empty() ? "not stated"
                                                          : result.computed(each.id, each.to),
                                          quoted ? ", quoted, not computed" : ""),
                              4, prose_columns());
    text += wrap_text(result.words_of(each), 4);
    std::vector<std::string> in;
    for (const auto& part : definition.parts) in.push_back(definitions.name_of(part));
    text += wrap_text("in: " + in_words(in), 4);
    text += wrap_text("out: " + in_words(definitions.excluded(definition)), 4);
  }
  return text;
}

// What --prices moves and what it does not.
std::string prices_words(const std::string& prices) {
  return "Prices of " + prices +
         ": the lines of the price list, what is computed from them and the five definitions. A "
         "published figure keeps the price that it was stated with.";
}

// What "article 000" is, for each that a source names.
std::vector<std::string> articles_of(const CostCase& result) {
  std::vector<std::string> lines;
  for (const char* number : {"000", "001", "002", "003"}) {
    const auto names = [&](const std::string& words) {
      return words.find(std::string("article ") + number) != std::string::npos;
    };
    const auto sources = result.sources();
    if (std::any_of(sources.begin(), sources.end(), names) ||
        std::any_of(result.figures.begin(), result.figures.end(),
                    [&](const CaseFigure& figure) { return names(figure.who); })) {
      lines.push_back(describe_article(number));
    }
  }
  return lines;
}

std::string text_of(const CostCase& result, const Definitions& definitions,
                    const std::string& prices) {
  std::string text = wrapped(result.title) + wrap_text(result.changed_words(), 0) +
                     wrap_text(result.answer, 0) + "\n";
  if (prices != "default") text += wrap_text(prices_words(prices), 0) + "\n";
  Table table{.headings = {"published", "computed", "agreement", "by"}, .rows = {}};
  for (const auto& figure : result.figures) {
    table.rows.push_back({stated_words(figure), computed_words(result, figure),
                          result.agreement(figure), figure.who});
  }
  text += to_text(table);
  Walk walk(result);
  for (const auto& figure : result.figures) {
    text += "\n" + wrapped(stated_words(figure) + ": " + figure.who);
    text += wrap_text(why_of(result, figure), 2) + walk.of(figure);
    text +=
        wrap_text(result.agreement(figure) + "; as " + definitions.at(figure.definition).label, 4);
  }
  text += "\n" + definitions_text(result, definitions);
  for (const auto& [heading, words] : result.notes)
    text += "\n" + heading + "\n" + wrap_text(words, 2);
  const auto articles = articles_of(result);
  if (!articles.empty()) text += "\nThe articles\n";
  for (const auto& line : articles) text += wrap_text(line, 2);
  const auto old = result.stale_prices(today());
  if (!old.empty()) text += "\n";
  for (const auto& line : old) text += wrap_text("Warning: " + line + ".", 0);
  return text;
}

Json range_json(const CostCase& result, const CaseFigure& figure) {
  const auto range = has_range(figure) ? result.sheet.range(figure.id) : std::nullopt;
  return range ? Json::array({range->low, range->high}) : Json(nullptr);
}

Json json_of(const CostCase& result, const Definitions& definitions) {
  const auto value = [&](const std::string& id) -> Json {
    return id.empty() ? Json(nullptr) : or_null(result.sheet.value(id));
  };
  Json json = {{"name", result.name},
               {"title", result.title},
               {"changed", result.changed},
               {"figures", Json::array()},
               {"definitions", Json::array()},
               {"warnings", result.stale_prices(today())},
               {"sheet", result.sheet.to_json()}};
  for (const auto& figure : result.figures) {
    json["figures"].push_back(
        {{"stated", figure.stated.empty() ? Json(nullptr) : Json(figure.stated)},
         {"computed", value(figure.id)},
         {"computed_to", figure.to.empty() ? value(figure.id) : value(figure.to)},
         {"range", range_json(result, figure)},
         {"agreement", result.agreement(figure)},
         {"is_over", figure.is_over},
         {"who", figure.who},
         {"definition", figure.definition},
         {"why", figure.why},
         {"walk", result.sheet.parts_of(figure.id)}});
  }
  for (const auto& each : result.by_definition) {
    const Definition& definition = definitions.at(each.definition);
    json["definitions"].push_back({{"id", definition.id},
                                   {"label", definition.label},
                                   {"in", definition.parts},
                                   {"out", definitions.excluded(definition)},
                                   {"usd", value(each.id)},
                                   {"usd_to", each.to.empty() ? value(each.id) : value(each.to)},
                                   {"words", result.words_of(each)}});
  }
  return json;
}

// Conditions of a figure's texts, into the sheet: the reader moved one of its sliders, or none.
struct Moved {
  std::string yes, no;  // ids; empty where it has no slider
};

Moved add_moved(const CostCase& result, const std::string& name, const std::string& id,
                const std::string& to, Sheet& sheet) {
  std::string distance;
  for (const auto& slider : result.sliders_of(id, to)) {
    distance += fmt::format("{}abs({} - {})", distance.empty() ? "" : " + ", slider,
                            result.sheet.value(slider));
  }
  if (distance.empty()) return {};
  Moved moved{name + "_moved", name + "_as_made"};
  const auto add = [&](const std::string& line, const std::string& formula) {
    sheet.add({.id = line, .label = line, .unit = "", .formula = formula, .condition = true});
  };
  add(moved.yes, distance);
  add(moved.no, "if(" + moved.yes + ", 0, 1)");
  return moved;
}

// `words` as made, and `after` in their place, or `before` ahead of them, once a slider moved.
PageCell words_or(const Moved& moved, const std::string& words, const std::string& after) {
  if (moved.yes.empty() || words == after) return {words};
  PageCell cell;
  cell.sentences = {{words, moved.no}, {after, moved.yes}};
  return cell;
}
PageCell words_after(const Moved& moved, const std::string& before, const std::string& words) {
  if (moved.yes.empty() || words.starts_with(before)) return {words};
  PageCell cell;
  cell.sentences = {{before, moved.yes}, {words}};
  return cell;
}

PageTable figures_table(const CostCase& result, const Definitions& definitions, Sheet& sheet) {
  PageTable table;
  table.heading = "Every figure, and how it follows";
  table.headings = {"published", "computed", "agreement", "by", "counts", "why"};
  table.is_prose = table.stacks = true;
  table.note = std::string(kOffByRule) +
               " A slider moves the computed side: then it is no longer the sources' case.";
  for (std::size_t i = 0; i < result.figures.size(); ++i) {
    const CaseFigure& figure = result.figures[i];
    const Moved moved =
        add_moved(result, fmt::format("figure_{}", i + 1), figure.id, figure.to, sheet);
    std::vector<PageCell> row = {{stated_words(figure)},
                                 figure_cell(figure.id, has_range(figure)),
                                 words_or(moved, result.agreement(figure), kReaders),
                                 {figure.who},
                                 {definitions.at(figure.definition).label},
                                 words_after(moved, kSources, why_of(result, figure))};
    row[1].to = figure.to;
    if (figure.is_over) {
      row[1] = PageCell{};
      row[1].sentences = {{fmt::format("over {{{0}}} ({{{0}:range}})", figure.id), ""}};
    }
    table.rows.push_back(row);
  }
  return table;
}

PageCell definition_cell(const CostCase& result, const Definition& definition) {
  PageCell cell = {"not stated"};
  for (const auto& each : result.by_definition) {
    if (each.definition != definition.id || each.id.empty()) continue;
    cell = figure_cell(each.id);
    cell.to = each.to;
    if (result.is_least(each.id)) {
      cell = PageCell{};
      cell.sentences = {{"over {" + each.id + "}", ""}};
    }
  }
  return cell;
}

PageTable definitions_table(const CostCase& result, const Definitions& definitions) {
  PageTable table;
  table.heading = "Five definitions side by side";
  table.headings.push_back("what is counted");
  for (const auto& definition : definitions.definitions) table.headings.push_back(definition.label);
  for (const auto& part : definitions.parts) {
    std::vector<PageCell> row = {{part.label}};
    for (const auto& definition : definitions.definitions) {
      row.push_back({definition.has(part.id) ? "in" : "\xE2\x80\x93"});
    }
    table.rows.push_back(row);
  }
  table.rows.push_back(std::vector<PageCell>{{"this model"}});
  for (const auto& definition : definitions.definitions) {
    table.rows.back().push_back(definition_cell(result, definition));
  }
  table.is_prose = true;
  return table;
}

PageTable stated_table(const CostCase& result, const Definitions& definitions, Sheet& sheet) {
  PageTable table;
  table.heading = "This model by the five definitions";
  table.headings = {"definition", "figure", "where it comes from", "what it means"};
  table.is_prose = table.stacks = true;
  for (const auto& definition : definitions.definitions) {
    PageCell words = {"not stated"};
    for (const auto& each : result.by_definition) {
      if (each.definition != definition.id) continue;
      words = words_after(add_moved(result, definition.id, each.id, each.to, sheet), kReadersFirst,
                          result.words_of(each));
    }
    table.rows.push_back(
        {{definition.label}, definition_cell(result, definition), words, {definition.meaning}});
  }
  return table;
}

MoneyPage page_of(const CostCase& result, const Definitions& definitions,
                  const std::string& prices) {
  MoneyPage page;
  page.title = result.title;
  page.answer = result.answer;
  if (!result.changed.empty()) page.answer.insert(0, result.changed_words() + " ");
  page.sheet = result.sheet;
  PageChart bars;
  bars.kind = "bars";
  bars.heading = "The same model, every figure";
  bars.note =
      "The upper end where a range was published. Whiskers: what the ranges of the inputs make of "
      "a "
      "figure computed here; a stated figure has none.";
  for (const auto& figure : result.figures) {
    const std::string& id = figure.to.empty() ? figure.id : figure.to;
    if (page.tiles.size() < 4) page.tiles.push_back(id);
    const bool dwarfs = result.sheet.value(id) > 1e8;  // it would flatten all others to nothing
    if (!dwarfs) {
      const bool is_stated = !figure.stated.empty();
      bars.items.push_back(
          {id, (is_stated ? figure.stated + ": " : "") + result.sheet.at(id).label});
      bars.items.back().is_stated = is_stated;
    }
    if (dwarfs)
      bars.note += " Too long for this chart: " + stated_words(figure) + ", " + figure.who + ".";
  }
  page.add(bars);
  page.add(figures_table(result, definitions, page.sheet));
  page.add(stated_table(result, definitions, page.sheet));
  page.sheet.finish(result.name);
  page.add(definitions_table(result, definitions));
  for (const auto& figure : result.figures) {
    if (result.sheet.swings(figure.id).size() < 3) continue;
    PageChart tornado;
    tornado.kind = "tornado";
    tornado.heading = "What moves it: " + result.sheet.at(figure.id).label;
    tornado.target = figure.id;
    page.add(tornado);
  }
  for (const auto& [heading, words] : result.notes) page.add(PageText{heading, {words}});
  page.sources = result.sources();
  for (const auto& line : articles_of(result)) page.sources.push_back(line);
  for (const auto& line : result.stale_prices(today())) page.sources.push_back("Warning: " + line);
  if (prices != "default") page.says.push_back({prices_words(prices)});
  return page;
}

void explain_command(const ExplainOptions& options) {
  const Definitions definitions = load_definitions();
  CaseChanges changes{.prices = options.output.prices};
  for (const auto& text : options.changes) changes.changes.push_back(parse_change(text));
  const CostCase result = load_cost_case(options.name, definitions, changes);
  if (!options.output.html.empty()) {
    write_page(options.output.html, page_of(result, definitions, options.output.prices),
               options.output.json);
  }
  if (options.output.json) return print_json(json_of(result, definitions));
  if (!options.output.html.empty()) return;
  std::cout << text_of(result, definitions, options.output.prices);
}

void add_cost_explain(Command& app) {
  auto options = std::make_shared<ExplainOptions>();
  Command* explain = cost_command(app).add_subcommand(
      "explain", "walk from GPU-hours to every figure published for a model");
  explain->add_option("name", options->name, "a name under claims/, or a file")->required();
  explain->add_option("--set", options->changes, "id=value, of any input of the walk");
  add_cost_output(*explain, options->output, true);
  set_example(*explain, "farthing cost explain deepseek-v3 --html v3.html");
  explain->callback([options] { explain_command(*options); });
}

const CommandRegistration kCostExplain{add_cost_explain, kCostOrder};

}  // namespace
}  // namespace farthing
