// compare.cpp - farthing compare A B...: runs, receipts and plans at equal cost, and the frontier.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "config/recipe.h"
#include "config/share.h"
#include "economics/compare.h"
#include "economics/device_book.h"
#include "economics/receipt_check.h"
#include "ledger/run_folder.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostContenders = 1000;

struct CompareOptions {
  std::vector<std::string> paths;
  std::string against = "usd";
  std::string at, prices, html;
  bool json = false;
};

Contender contender_from_folder(const std::string& folder, const std::string& prices) {
  const RunPaths paths(folder);
  ReportInput input;
  input.name = paths.name();
  input.history = read_history(paths.events);
  std::string toml, book = "default";
  std::optional<double> rent;
  if (file_exists(paths.recipe)) {
    const Recipe recipe = parse_recipe(read_file(paths.recipe), paths.recipe);
    toml = to_toml(recipe);
    input.run = recipe.run;
    book = recipe.cost.book, rent = recipe.cost.price;
  }
  const RunStart& start = input.history.run_start;
  RunPrices wanted{.prices = book, .device = start.device, .rent = rent, .site = start.site};
  if (!prices.empty()) wanted.prices = prices, wanted.rent.reset();
  input.book = load_run_book(wanted);
  return contender_from_run(input, toml);
}

// Anyone's receipt is held to what `farthing cost validate` says; this program's own says more.
Contender contender_from_file(const std::string& path, const std::string& prices) {
  const Json json = read_json(path);
  if (json.is_object() && json.contains("receipt") && !json.contains("usd")) {
    const Json schema = read_json(find_shared("docs", "receipt.schema", ".json"));
    for (const Finding& finding : check_receipt(json, schema, today())) {
      if (finding.is_warning) continue;
      throw_bad_input({path + ": " + finding.where, finding.what, "", "",
                       "farthing cost validate names all faults"});
    }
  }
  Contender contender = contender_from_json(json, path);
  // A plan of this machine has core-hours and leaves their price to the book.
  const bool is_here = contender.kind == "plan" && json.contains("core_hours");
  if (!prices.empty() || (is_here && !std::isfinite(contender.end.usd))) {
    RunPrices wanted;
    if (!prices.empty()) wanted.prices = prices;
    if (contender.device != "core") wanted.device = contender.device;
    price_again(contender, load_run_book(wanted));
  }
  return contender;
}

// A run folder, a JSON file, or a folder of run folders.
void add_contenders(const std::string& path, const std::string& prices,
                    std::vector<Contender>& contenders) {
  std::error_code fault;
  if (!fs::is_directory(path, fault)) {
    contenders.push_back(contender_from_file(path, prices));
    return;
  }
  if (file_exists(RunPaths(path).events)) {
    contenders.push_back(contender_from_folder(path, prices));
    return;
  }
  std::vector<std::string> runs;
  for (const auto& entry : fs::directory_iterator(path, fault)) {
    if (file_exists(RunPaths(entry.path().string()).events)) runs.push_back(entry.path().string());
  }
  if (runs.empty()) {
    throw_bad_input({path, "nothing to compare", "no events.jsonl in it or in a folder of it",
                     "run folders, receipt.json, or plans as JSON", ""});
  }
  std::sort(runs.begin(), runs.end());
  for (const auto& run : runs) contenders.push_back(contender_from_folder(run, prices));
}

// Two of one name are told apart by a number.
void make_names_unique(std::vector<Contender>& contenders) {
  std::map<std::string, int> seen;
  for (Contender& contender : contenders) {
    const int n = ++seen[contender.name];
    if (n > 1) contender.name += " (" + std::to_string(n) + ")";
  }
}

Against against_of(const std::string& word) {
  for (const Against against :
       {Against::kSteps, Against::kTokens, Against::kSeconds, Against::kUsd}) {
    if (word == to_string(against)) return against;
  }
  return Against::kUsd;
}

// "0.05usd", "2e6tok", "500steps", "1h": a limit, whose kind also says against what.
std::optional<double> place_of(const CompareOptions& options, Against& against) {
  if (options.at.empty()) return std::nullopt;
  const Limits limits = flag_value([&] { return parse_limits(options.at, "--at"); });
  if (limits.steps) return against = Against::kSteps, static_cast<double>(*limits.steps);
  if (limits.tokens) return against = Against::kTokens, static_cast<double>(*limits.tokens);
  if (limits.seconds) return against = Against::kSeconds, *limits.seconds;
  return against = Against::kUsd, *limits.usd;
}

void compare_command(const CompareOptions& options) {
  std::vector<Contender> contenders;
  for (const auto& path : options.paths) add_contenders(path, options.prices, contenders);
  if (contenders.size() > kMostContenders) {
    throw_bad_input({"compare", "too many runs", std::to_string(contenders.size()),
                     "at most " + std::to_string(kMostContenders), ""});
  }
  make_names_unique(contenders);
  Against against = against_of(options.against);
  const auto at = place_of(options, against);
  const EqualComparison equal = at_equal(contenders, against, at);
  if (!options.html.empty()) {
    write_page(options.html, compare_page(contenders, equal), options.json);
  }
  if (options.json) {
    print_json(compare_json(contenders, equal));
  } else if (options.html.empty()) {
    std::cout << compare_text(contenders, equal);
  }
}

void add_compare_command(Command& app) {
  auto options = std::make_shared<CompareOptions>();
  Command* compare = app.add_subcommand(
      "compare", "runs, receipts and plans at equal cost, and what a better model costs");
  compare
      ->add_option("paths", options->paths,
                   "run folders, folders of them, receipt.json, plans as JSON")
      ->required();
  compare->add_option("--against", options->against, "compare at equal steps, tokens, seconds, usd")
      ->one_of({"steps", "tokens", "seconds", "usd"});
  compare->add_option("--at", options->at,
                      "where: 0.05usd, 2e6tok, 500steps, 1h; else the most "
                      "that all have");
  compare->add_option("--prices", options->prices,
                      "prices all of them again: a file, or a name under prices/");
  refuse_empty(
      compare->add_option("--html", options->html, "write one self-contained page to this file"));
  add_json_flag(*compare, options->json);
  set_example(*compare, "farthing compare runs/a runs/b --against tokens");
  compare->callback([options] { compare_command(*options); });
}

const CommandRegistration kCompare{add_compare_command, 75};

}  // namespace
}  // namespace farthing
