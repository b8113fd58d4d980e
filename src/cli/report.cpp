// report.cpp - farthing report RUN: what a run cost, as text, JSON or one HTML page.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "config/recipe.h"
#include "economics/price_list.h"
#include "economics/serving_answer.h"
#include "report/page.h"

namespace farthing {
namespace {

struct ReportOptions {
  std::string run;
  std::string format = "text";
  std::string output;
  std::string against = "steps";
  std::string prices;
  std::vector<std::string> overrides;
};

// The run's own words and price, changed by --set; a run without a recipe (imported) has defaults.
Recipe recipe_of(const RunPaths& paths, const std::vector<std::string>& overrides) {
  if (file_exists(paths.recipe)) {
    return parse_recipe(read_file(paths.recipe), paths.recipe, overrides);
  }
  std::vector<std::string> all = overrides;
  all.push_back("model.preset=tiny");
  return parse_recipe("", paths.folder, all);
}

// A simulated or imported run counts devices where others count cores; their list price is the
// rent, unless the reader gave one.
void price_devices(ReportInput& input) {
  const std::string& device = input.history.run_start.device;
  if (device.empty()) return;
  const PriceList prices = load_price_list();
  const PriceEntry* entry = find_device_price(prices, device, "on-demand");
  if (entry == nullptr) {
    throw_bad_input({input.name, "a price of \"" + device + "\"", "none in the price list",
                     "--set cost.price=USD, for one device and hour", ""});
  }
  input.book.is_owned = false;
  input.book.rent = {entry->value, entry->unit, entry->date,
                     "one \"core\" is one " + device + ": " + entry->source, entry->confidence};
}

void report_command(const ReportOptions& options) {
  const RunPaths paths(options.run);
  if (!file_exists(paths.events)) {
    throw_bad_input({options.run, "not a run folder", "no events.jsonl",
                     "a folder that farthing "
                     "train has written",
                     ""});
  }
  const Recipe recipe = recipe_of(paths, options.overrides);
  ReportInput input;
  input.name = paths.name();
  input.run = recipe.run;
  input.history = read_history(paths.events);
  if (input.history.attempts.empty()) {
    throw_bad_input({paths.events, "no events", "an empty file, or one torn line",
                     "a run that has "
                     "begun",
                     ""});
  }
  input.book = options.prices.empty() ? load_price_book(recipe.cost.book, recipe.cost.price)
                                      : load_price_book(options.prices);
  if (options.prices.empty() && !recipe.cost.price) price_devices(input);
  input.against = options.against;
  std::string text;
  if (options.format == "html") {
    text = to_html(input);
  } else if (options.format == "json") {
    text = to_json(make_receipt(input)).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } else {
    text = to_text(make_receipt(input));
  }
  const std::string output =
      options.output.empty() && options.format == "html" ? paths.receipt_html : options.output;
  if (output.empty() || output == "-") {
    std::cout << text;
  } else {
    write_file_atomically(output, text);
    std::cout << output << "\n";
  }
}

void add_report_command(Command& app) {
  auto options = std::make_shared<ReportOptions>();
  Command* report = app.add_subcommand("report", "the receipt of a run: text, JSON, an HTML page");
  report->add_option("run", options->run, "run folder")->required();
  report->add_option("--format", options->format, "text, json or html (RUN/receipt.html)")
      ->one_of({"text", "json", "html"});
  report->add_flag_callback(
      "--json", [options] { options->format = "json"; }, "the same as --format json");
  report->add_flag_callback(
      "--html", [options] { options->format = "html"; }, "the same as --format html");
  refuse_empty(report->add_option("-o,--output", options->output, "file to write; - for stdout"));
  report->add_option("--against", options->against, "first axis of the charts")
      ->one_of({"steps", "tokens", "seconds", "usd"});
  report->add_option("--prices", options->prices, "price book: a file, or a name under prices/");
  report->add_option("--set", options->overrides, "cost.price=0.02, or another key of the recipe");
  set_example(*report, "farthing report runs/quickstart --html --against usd");
  report->callback([options] { report_command(*options); });
}

const CommandRegistration kReport{add_report_command, 70};

}  // namespace
}  // namespace farthing
