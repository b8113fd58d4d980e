// cost_project.cpp - farthing cost project: all five costs of the reader's own project.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/page.h"
#include "economics/project.h"
#include "ledger/price_book.h"
#include "report/table.h"

namespace farthing {
namespace {

struct ProjectOptions {
  ProjectSearch search;
  CostOutput output;
  bool runs = false;
};

const char* const kRented =
    "Machines are taken as rented: nothing was bought, and electricity is in the rent; machines = "
    "\"owned\" in project.toml says otherwise.";

std::string money(const ProjectCost& cost, const std::string& id) {
  const bool is_total = id == "final_compute" || id == "all_compute";
  const bool partial = cost.partial.contains(id) || (is_total && !cost.facts.faults.empty());
  return (partial ? "at least " : "") + format_figure(cost.sheet.value(id), cost.sheet.at(id).unit);
}

// "$1,234", "at least $1,234", "not stated".
std::string definition_words(const ProjectCost& cost, const DefinitionCost& definition) {
  if (!std::isfinite(cost.sheet.value(definition.id))) return "not stated";
  const bool partial = !definition.missing.empty() || !cost.facts.faults.empty();
  return (partial ? "at least " : "") + money(cost, definition.id);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : "; ") + word;
  return text;
}

std::vector<std::string> devices_of(const ProjectCost& cost) {
  std::set<std::string> devices;
  for (const auto& phase : cost.phases) {
    for (const auto& [device, hours] : phase.all_hours) devices.insert(device);
  }
  return {devices.begin(), devices.end()};
}

bool has_runs(const PhaseCost& phase, bool all) {
  return !(all ? phase.all_hours : phase.final_hours).empty();
}

// In the form of DeepSeek-V3's table 1, for the final run and for all runs.
Table phase_rows(const ProjectCost& cost, bool all) {
  Table table{.headings = {all ? "all runs" : "final run"}, .rows = {}};
  for (const auto& phase : cost.phases) table.headings.push_back(phase.phase);
  table.headings.emplace_back("total");
  for (const auto& device : devices_of(cost)) {
    std::vector<std::string> row = {"in " + device + "-hours"};
    double total = 0;
    for (const auto& phase : cost.phases) {
      const auto& hours = all ? phase.all_hours : phase.final_hours;
      const double value = hours.contains(device) ? hours.at(device) : 0;
      total += value;
      row.push_back(value == 0 ? "none" : format_figure(value, ""));
    }
    row.push_back(total == 0 ? "none" : format_figure(total, ""));
    table.rows.push_back(row);
  }
  std::vector<std::string> row = {"in USD"};
  for (const auto& phase : cost.phases) {
    const std::string& id = all ? phase.all_usd : phase.final_usd;
    row.push_back(has_runs(phase, all) ? money(cost, id) : "none");
  }
  row.push_back(money(cost, all ? "all_compute" : "final_compute"));
  table.rows.push_back(row);
  return table;
}

std::string runs_text(const ProjectCost& cost) {
  Table table{.headings = {"run", "purpose", "phase", "hours", "of", "from"}, .rows = {}};
  for (const auto& run : cost.facts.runs) {
    table.rows.push_back(
        {run.name, run.purpose, run.phase, format_figure(run.hours, ""), run.device, run.origin});
  }
  return to_text(table);
}

const char* const kTaxElsewhere =
    "measured elsewhere: 1.5x OLMo (arXiv:2503.05804), 5.6x Olmo 3 (arXiv:2605.01158)";

std::string tax_words(const ProjectCost& cost) {
  const double tax = cost.sheet.value(cost.tax);
  if (!std::isfinite(tax)) return wrap_text("Iteration tax: not stated, for " + cost.no_tax, 0);
  const bool left_out = !cost.facts.faults.empty();
  return wrap_text(fmt::format("Iteration tax, all runs over the final run: {}{}{} ({})",
                               left_out ? "at least " : "", format_figure(tax, "x"),
                               left_out ? " unless a final run is left out" : "", kTaxElsewhere),
                   0);
}

// "3 runs", or "at least 3 runs; LEFT OUT of all sums: 1 entry that could not be read, ...".
std::string counted_words(const ProjectFacts& facts, const char* where) {
  std::string words = fmt::format("{} run{}", facts.runs.size(), facts.runs.size() == 1 ? "" : "s");
  if (const std::size_t n = facts.faults.size(); n > 0) {
    words = fmt::format("at least {}; LEFT OUT of all sums: {} {} that could not be read, {}",
                        words, n, n == 1 ? "entry" : "entries", where);
  }
  return words;
}

std::string text_of(const ProjectCost& cost, const Definitions& definitions,
                    const ProjectOptions& options) {
  const ProjectFacts& facts = cost.facts;
  std::string text = wrapped(fmt::format("What {} cost: {}",
                                         facts.file.name.empty() ? facts.folder : facts.file.name,
                                         counted_words(facts, "named at the end"))) +
                     "\n";
  if (options.runs) text += runs_text(cost) + "\n";
  text += to_text(phase_rows(cost, false)) + "\n" + to_text(phase_rows(cost, true)) + "\n";
  text += tax_words(cost) + "\n";
  for (const auto& each : cost.definitions) {
    const Definition& definition = definitions.at(each.definition);
    text += fmt::format("{:28}{}\n", definition.label, definition_words(cost, each));
    std::vector<std::string> in, none;
    for (const auto& part : definition.parts) {
      if (cost.is_in_the_rent(part)) {
        none.push_back(definitions.name_of(part));
      } else if (std::isfinite(cost.sheet.value(part))) {
        in.push_back(money(cost, part) + " " + definitions.name_of(part));
      }
    }
    if (!in.empty()) text += wrap_text("in: " + joined(in), 4);
    if (!none.empty()) text += wrap_text("none, taken as rented: " + joined(none), 4);
    if (!each.missing.empty()) text += wrap_text("not stated: " + joined(each.missing), 4);
    text += wrap_text("out: " + joined(definitions.excluded(definition)), 4);
  }
  double tokens = 0;
  for (const auto& card : facts.cards) tokens += card.tokens;
  if (!facts.cards.empty()) {
    text += "\n" + wrapped(fmt::format(
                       "{} data cards, {} tokens; what data cost is what project.toml says",
                       facts.cards.size(), format_count(tokens)));
  }
  if (!facts.has_file) {
    text += "\n" + wrap_text(
                       "No project.toml in this folder: people, data, tools and overhead are not "
                       "stated. docs/formats.md has its form.",
                       0);
  }
  if (cost.machines_are_rented) {
    text += "\n" + wrap_text(kRented, 0);
  }
  for (const auto& remark : facts.remarks) text += wrap_text("note: " + remark, 0);
  for (const auto& fault : facts.faults) text += wrap_text("LEFT OUT: " + fault, 0);
  return text;
}

Json json_of(const ProjectCost& cost, const Definitions& definitions) {
  const auto value = [&](const std::string& id) { return or_null(cost.sheet.value(id)); };
  const auto usd = [&](const PhaseCost& phase, bool all) {
    return has_runs(phase, all) ? value(all ? phase.all_usd : phase.final_usd) : Json(nullptr);
  };
  Json json = {{"project", cost.facts.file.name},
               {"folder", cost.facts.folder},
               {"runs", Json::array()},
               {"phases", Json::array()},
               {"iteration_tax", value(cost.tax)},
               {"definitions", Json::object()},
               {"parts", Json::object()},
               {"remarks", cost.facts.remarks},
               {"faults", cost.facts.faults},
               {"sheet", cost.sheet.to_json()}};
  for (const auto& run : cost.facts.runs) {
    json["runs"].push_back({{"name", run.name},
                            {"project", run.project},
                            {"purpose", run.purpose},
                            {"phase", run.phase},
                            {"origin", run.origin},
                            {"where", run.where},
                            {"device", run.device},
                            {"hours", run.hours},
                            {"tokens", run.tokens},
                            {"model_flops", run.model_flops},
                            {"kwh", run.kwh ? or_null(*run.kwh) : Json(nullptr)},
                            {"kwh_estimated", run.kwh_estimated}});
  }
  for (const auto& phase : cost.phases) {
    json["phases"].push_back({{"phase", phase.phase},
                              {"final_hours", phase.final_hours},
                              {"all_hours", phase.all_hours},
                              {"final_usd", usd(phase, false)},
                              {"all_usd", usd(phase, true)}});
  }
  for (const auto& part : cost.parts) json["parts"][part] = value(part);
  for (const auto& each : cost.definitions) {
    json["definitions"][each.definition] = {
        {"usd", value(each.id)},
        {"complete", each.missing.empty() && cost.facts.faults.empty()},
        {"in", definitions.at(each.definition).parts},
        {"not_stated", each.missing}};
  }
  return json;
}

PageTable phase_table(const ProjectCost& cost, bool all) {
  PageTable table;
  table.heading =
      all ? "All runs, by phase" : "The final run, by phase (the form of DeepSeek-V3's table 1)";
  const Table plain = phase_rows(cost, all);
  table.headings = plain.headings;
  for (std::size_t i = 0; i + 1 < plain.rows.size(); ++i) {
    auto& row = table.rows.emplace_back();
    for (const auto& cell : plain.rows[i]) row.push_back({cell});
  }
  std::vector<PageCell> usd = {{"in USD"}};
  for (const auto& phase : cost.phases) {
    const std::string& id = all ? phase.all_usd : phase.final_usd;
    usd.push_back(has_runs(phase, all) ? figure_cell(id) : PageCell{"none"});
  }
  usd.push_back(figure_cell(all ? "all_compute" : "final_compute"));
  table.rows.push_back(usd);
  return table;
}

MoneyPage page_of(const ProjectCost& cost, const Definitions& definitions) {
  MoneyPage page;
  const std::string name = cost.facts.file.name.empty() ? cost.facts.folder : cost.facts.file.name;
  page.title = "What " + name + " cost";
  page.answer = fmt::format(
      "{}. Each run is counted once. What nobody wrote down is \"not stated\", and "
      "the sums that would need it are \"at least\".",
      counted_words(cost.facts, "named in the notes"));
  page.sheet = cost.sheet;
  PageChart bars;
  bars.kind = "bars", bars.heading = "Five definitions of the cost";
  PageTable table;
  table.heading = "Five definitions side by side";
  table.is_prose = true;
  table.headings = {"", "sum of what is stated", "means", "not stated"};
  for (const auto& each : cost.definitions) {
    const Definition& definition = definitions.at(each.definition);
    page.tiles.push_back(each.id);
    bars.items.push_back({each.id});
    table.rows.push_back({{definition.label},
                          figure_cell(each.id),
                          {definition.meaning},
                          {each.missing.empty() ? "nothing" : joined(each.missing)}});
  }
  page.tiles.push_back(cost.tax);
  page.add(bars);
  page.add(table);
  page.add(phase_table(cost, false));
  page.add(phase_table(cost, true));
  PageChart parts;
  parts.kind = "waterfall", parts.heading = "What the amortised cost is made of";
  for (const auto& part : definitions.at("amortised").parts) parts.items.push_back({part});
  parts.items.push_back({"sum_amortised", "amortised", true});
  page.add(parts);
  PageText notes{"Notes", {std::string("Iteration tax, ") + kTaxElsewhere + "."}};
  if (cost.machines_are_rented) notes.paragraphs.emplace_back(kRented);
  for (const auto& remark : cost.facts.remarks) notes.paragraphs.push_back(remark);
  for (const auto& fault : cost.facts.faults) notes.paragraphs.push_back("Left out: " + fault);
  page.add(notes);
  for (const auto& line : cost.sheet.lines()) {
    if (!line.source.empty() && std::isfinite(cost.sheet.value(line.id)) &&
        std::find(page.sources.begin(), page.sources.end(), line.source) == page.sources.end()) {
      page.sources.push_back(line.source);
    }
  }
  return page;
}

void project_command(const ProjectOptions& options) {
  const Definitions definitions = load_definitions();
  const PriceBook book = load_price_book(options.output.prices);
  ProgressLine line;
  ProjectSearch search = options.search;
  search.prices = options.output.prices;
  search.progress = [&](int n) { line.show(std::to_string(n) + " run folders read"); };
  ProjectFacts facts = collect_project(search);
  line.end();
  if (const std::string future = future_words(facts.file, today()); !future.empty()) {
    facts.remarks.push_back(future);
  }
  const ProjectCost cost = price_project(std::move(facts), book, definitions);
  if (!options.output.html.empty()) {
    write_page(options.output.html, page_of(cost, definitions), options.output.json);
  }
  if (options.output.json) {
    print_json(json_of(cost, definitions));
  } else if (options.output.html.empty()) {
    std::cout << text_of(cost, definitions, options)
              << wrap_text("Prices: " + describe(book) + "; --prices changes them", 0);
  }
  if (!cost.facts.faults.empty()) {
    throw_bad_input({options.search.folder, "left out of the sums", cost.facts.faults.front(), "",
                     fmt::format("{} in all, named above", cost.facts.faults.size())});
  }
}

void add_cost_project(Command& app) {
  auto options = std::make_shared<ProjectOptions>();
  Command* project =
      cost_command(app).add_subcommand("project", "all runs, people and machines of a project");
  project->add_option("folder", options->search.folder, "folder of runs, with project.toml")
      ->required();
  project->add_option("--project", options->search.project, "only runs of this project");
  project->add_flag("--runs", options->runs, "list every run");
  add_cost_output(*project, options->output, true);
  set_example(*project, "farthing cost project runs/ --html project.html");
  project->callback([options] { project_command(*options); });
}

const CommandRegistration kCostProject{add_cost_project, kCostOrder};

}  // namespace
}  // namespace farthing
