// cost_compare.cpp - farthing cost compare: a history of training costs, and why one run cost more.
#include <fmt/core.h>

#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/history.h"
#include "economics/page.h"
#include "report/table.h"

namespace farthing {
namespace {

struct CostCompareOptions {
  std::string from, to;
  CostOutput output;
};

std::string usd_words(const HistoryModel& model) {
  if (!model.usd_low && model.usd_high) return "less than " + format_dollars(*model.usd_high);
  if (!model.usd_low) return "not stated";
  return format_figure(SheetRange{*model.usd_low, model.usd_high.value_or(*model.usd_low)}, "USD");
}

// What was disclosed: dollars, or hours that are priced here; else whose estimate it is.
std::string short_basis(const HistoryModel& model) {
  if (!model.is_disclosed()) return model.basis.substr(0, model.basis.find_first_of(":,"));
  if (!model.usd_low) return "disclosed: less than this";
  if (model.basis.starts_with("disclosed:")) return "disclosed";
  const std::size_t open = model.basis.find(" ("), close = model.basis.find(')');
  if (open == std::string::npos || close == std::string::npos) return model.basis;
  return model.basis.substr(0, open) + model.basis.substr(close + 1);
}

std::string history_text(const History& history) {
  std::string text;
  for (const auto& model : history.models) {
    const std::string line =
        fmt::format("{}  {:24} {:20}  {}", model.year, model.name, usd_words(model), model.id);
    text += line.size() <= prose_columns() ? line + "\n" : wrap_text(line, 0);
    text += wrap_text(model.basis + "; " + model.source, 6);
    if (!model.note.empty()) text += wrap_text(model.note, 6);
  }
  return text + "\n" +
         wrap_text(
             "Two ids take the ratio of their costs apart: farthing cost compare gpt-4 deepseek-v3",
             0);
}

Json history_json(const History& history) {
  Json json = Json::array();
  const auto value = [](const std::optional<double>& number) {
    return number ? Json(*number) : Json(nullptr);
  };
  for (const auto& model : history.models) {
    json.push_back({{"id", model.id},
                    {"name", model.name},
                    {"year", model.year},
                    {"usd_low", value(model.usd_low)},
                    {"usd_high", value(model.usd_high)},
                    {"basis", model.basis},
                    {"disclosed", model.is_disclosed()},
                    {"hours", value(model.hours)},
                    {"tokens", value(model.tokens)},
                    {"active", value(model.active)},
                    {"source", model.source},
                    {"note", model.note}});
  }
  return json;
}

// What others say that it cost, beside the product of its factors.
std::string known_words(const HistoryModel& model) {
  return fmt::format("{}: {} ({}; {}){}", model.name, usd_words(model), model.basis, model.source,
                     model.note.empty() ? "" : "; " + model.note);
}

// How the formula's dollars, as `usd` writes them, come to lie outside what is known.
std::string outside_words(const HistoryModel& model, const std::string& usd,
                          const std::string& price) {
  return fmt::format(
      "{}: {} here is outside {}: it is {}, at the {} taken for one {}; "
      "the ratio inherits that.",
      model.name, usd, usd_words(model),
      model.hours ? "its hours" : "its operations over peak and MFU", price, model.device);
}

// A factor, and what it is from the twelfth column on.
std::string beside(const std::string& factor, const std::string& words) {
  constexpr std::size_t kWords = 12;
  return fmt::format("  {:>8}  ", factor) + wrap_text(words, kWords).substr(kWords);
}

std::string chain_text(const ArticleChain& chain, double ratio) {
  std::string text = "\n" + wrap_text("The article's own chain, " + chain.source, 0);
  for (const auto& factor : chain.factors) {
    text += beside(format_figure(factor.value, "x"), factor.label) + wrap_text(factor.note, 12);
  }
  text += beside(format_figure(chain.product(), "x"),
                 fmt::format("product; the article says {:g}, off by {:.0f} %", chain.stated,
                             100 * std::abs(chain.product() / chain.stated - 1)));
  return text + wrap_text(fmt::format(
                              "Its factors overlap, so their product explains no cost: by the five "
                              "factors above, which do not overlap, the ratio is {:.3g}.",
                              ratio),
                          2);
}

std::string text_of(const HistoryModel& a, const HistoryModel& b, const Comparison& comparison,
                    const ArticleChain* chain) {
  const Sheet& sheet = comparison.sheet;
  std::string text = wrap_text(a.name + " over " + b.name, 0) + "\n";
  for (const auto& id : comparison.factors) {
    const std::string key = id.substr(2);
    const std::string& unit = sheet.at("a_" + key).unit;
    text += beside(format_figure(sheet.value(id), "x"), sheet.at(id).label);
    text += wrap_text(fmt::format("{} against {}", format_figure(sheet.value("a_" + key), unit),
                                  format_figure(sheet.value("b_" + key), unit)),
                      12);
  }
  text += beside(format_figure(sheet.value("ratio"), "x"),
                 fmt::format("cost: {} against {}", format_dollars(sheet.value("a_usd")),
                             format_dollars(sheet.value("b_usd")))) +
          "\n";
  for (const auto* model : {&a, &b}) {
    text += wrap_text(known_words(*model), 2);
    if (const auto words = phase_words(*model); !words.empty()) text += wrap_text(words, 2);
  }
  for (const auto& [side, model] : {std::pair{'a', &a}, std::pair{'b', &b}}) {
    const std::string id = fmt::format("{}_outside", side);
    if (sheet.find(id) == nullptr || !(sheet.value(id) > 0)) continue;
    text +=
        wrap_text(outside_words(*model, format_dollars(sheet.value(fmt::format("{}_usd", side))),
                                format_figure(*model->usd_per_hour, "USD/h")),
                  2);
  }
  return chain == nullptr ? text : text + chain_text(*chain, sheet.value("ratio"));
}

MoneyPage comparison_page(const HistoryModel& a, const HistoryModel& b, Comparison comparison,
                          const ArticleChain* chain) {
  MoneyPage page;
  page.title = "What " + a.name + " cost over " + b.name + ", factor by factor";
  page.answer =
      "The ratio of two runs' costs is a product of five ratios, exactly. Change any input and "
      "the chain follows.";
  PageChart factors;
  factors.kind = "factors", factors.heading = "Five factors that multiply to the ratio";
  PageTable table;
  table.heading = "Side by side";
  table.headings = {"", a.name, b.name, "ratio"};
  for (const auto& id : comparison.factors) {
    factors.items.push_back({id});
    const std::string key = id.substr(2);
    table.rows.push_back({{comparison.sheet.at(id).label},
                          figure_cell("a_" + key),
                          figure_cell("b_" + key),
                          figure_cell(id)});
  }
  table.rows.push_back(
      {{"the run"}, figure_cell("a_usd"), figure_cell("b_usd"), figure_cell("ratio")});
  factors.items.push_back({"ratio", "", true});
  page.sheet = std::move(comparison.sheet);
  for (const std::string id : {"a_usd", "b_usd", "ratio"}) {
    page.tiles.push_back(page.sheet.find(id + "_about") == nullptr ? id : id + "_about");
  }
  page.add(factors), page.add(table);
  PageText known{"What is known of the two", {known_words(a), known_words(b)}};
  for (const auto* model : {&a, &b}) {
    if (const auto words = phase_words(*model); !words.empty()) known.paragraphs.push_back(words);
  }
  for (const auto& [side, model] : {std::pair{'a', &a}, std::pair{'b', &b}}) {
    const std::string id = fmt::format("{}_outside", side);
    if (page.sheet.find(id) == nullptr) continue;
    known.sentences.push_back(
        {outside_words(*model, fmt::format("{{{}_usd}}", side), fmt::format("{{{}_price}}", side)),
         id});
  }
  page.add(known);
  if (chain != nullptr) {
    PageTable own;
    own.heading = "The article's own chain", own.is_prose = true;
    own.headings = {"factor", "claimed", "what about it"};
    for (const auto& factor : chain->factors) {
      own.rows.push_back({{factor.label}, {format_figure(factor.value, "x")}, {factor.note}});
    }
    own.rows.push_back({{"product"},
                        {format_figure(chain->product(), "x")},
                        {fmt::format("the article says {:g}, off by {:.0f} %", chain->stated,
                                     100 * std::abs(chain->product() / chain->stated - 1))}});
    own.note =
        "Its factors overlap, so their product explains no cost; the five factors above do not "
        "overlap.";
    page.add(own);
    page.sources.push_back(chain->source);
  }
  for (const auto* model : {&a, &b}) page.sources.push_back(model->name + ": " + model->source);
  return page;
}

// One end of what is known of a model.
void add_end(Sheet& sheet, const std::string& id, const HistoryModel& model, double usd,
             const char* which) {
  SheetLine line{.id = id, .label = model.name + which, .unit = "USD"};
  line.value = usd, line.source = model.source, line.note = model.basis;
  sheet.add(line);
}

MoneyPage history_page(const History& history) {
  MoneyPage page;
  page.title = "What training language models cost, 2020 to 2025";
  page.answer =
      "Disclosed figures, or whose estimate. The final run alone, at rental prices, unless said.";
  PageTable table;
  table.heading = "Model by model", table.is_prose = true;
  table.headings = {"model", "year", "cost", "source", "basis, and what to know of it"};
  PageChart spans;
  spans.kind = "spans", spans.heading = "From the low to the high of each figure, logarithmic";
  int index = 0;
  for (const auto& model : history.models) {
    table.rows.push_back({{model.name},
                          {std::to_string(model.year)},
                          {usd_words(model)},
                          {model.source},
                          {model.basis + (model.note.empty() ? "" : "; " + model.note)}});
    page.sources.push_back(model.name + ": " + model.source);
    if (!model.usd_low && !model.usd_high) continue;
    const std::string name = "m" + std::to_string(++index);
    const double low = model.usd_low.value_or(*model.usd_high);
    const double high = model.usd_high.value_or(low);
    PageChartItem item{.id = name + "_low", .label = model.name + ", " + short_basis(model)};
    item.words = usd_words(model);
    add_end(page.sheet, item.id, model, low, low < high ? ", the low" : "");
    if (low < high) {
      item.to = name + "_high";
      add_end(page.sheet, item.to, model, high, ", the high");
    }
    spans.items.push_back(item);
  }
  page.sheet.finish("history page");
  page.add(spans), page.add(table);
  return page;
}

Json comparison_json(const Comparison& comparison, const ArticleChain* chain) {
  Json json = {{"ratio", comparison.sheet.value("ratio")},
               {"factors", Json::object()},
               {"sheet", comparison.sheet.to_json()},
               {"article_chain", nullptr}};
  for (const auto& id : comparison.factors) json["factors"][id] = comparison.sheet.value(id);
  if (chain != nullptr) {
    json["article_chain"] = {{"stated", chain->stated},
                             {"product", chain->product()},
                             {"source", chain->source},
                             {"factors", Json::array()}};
    for (const auto& factor : chain->factors) {
      json["article_chain"]["factors"].push_back(
          {{"label", factor.label}, {"value", factor.value}, {"note", factor.note}});
    }
  }
  return json;
}

void cost_compare_command(const CostCompareOptions& options) {
  const History history = load_history();
  const CostOutput& output = options.output;
  if (options.from.empty()) {
    if (!output.html.empty()) write_page(output.html, history_page(history), output.json);
    if (output.json) return print_json(history_json(history));
    if (output.html.empty()) std::cout << history_text(history);
    return;
  }
  if (options.to.empty()) throw Error{ErrorCode::kUsage, "compare: wanted two models, or none"};
  if (options.from == options.to) {
    throw Error{ErrorCode::kUsage, "compare: found " + options.from + " twice, wanted two models"};
  }
  const HistoryModel& a = history.at(options.from);
  const HistoryModel& b = history.at(options.to);
  const Comparison comparison = compare_costs(a, b);
  const ArticleChain* chain = history.chain(options.from, options.to);
  if (!output.html.empty()) {
    write_page(output.html, comparison_page(a, b, comparison, chain), output.json);
  }
  if (output.json) return print_json(comparison_json(comparison, chain));
  if (output.html.empty()) std::cout << text_of(a, b, comparison, chain);
}

void add_cost_compare(Command& app) {
  auto options = std::make_shared<CostCompareOptions>();
  Command* compare = cost_command(app).add_subcommand(
      "compare", "history of training costs; with two models, the factors between them");
  compare->add_option("from", options->from, "a model of claims/history.toml");
  compare->add_option("to", options->to, "another");
  add_cost_output(*compare, options->output, false);
  set_example(*compare, "farthing cost compare gpt-4 deepseek-v3");
  compare->callback([options] { cost_compare_command(*options); });
}

const CommandRegistration kCostCompare{add_cost_compare, kCostOrder};

}  // namespace
}  // namespace farthing
