// report.cpp - farthing report RUN: what a run cost, as text, JSON or one HTML page.
#include <fmt/core.h>

#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "config/recipe.h"
#include "economics/device_book.h"
#include "economics/price_list.h"
#include "plan/machine_model.h"
#include "report/page.h"

namespace farthing {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct ReportOptions {
  std::string run;
  std::string format;  // as --format has it; empty: not given
  bool json = false, html = false;
  std::string output;
  std::string against = "steps";
  std::string prices, plan, calibration;
  std::vector<std::string> overrides;
};

// One format from three flags.  Two that differ are an error, not a choice.
std::string format_of(const ReportOptions& options) {
  std::vector<std::pair<std::string, std::string>> given;  // flag, format
  if (!options.format.empty()) given.push_back({"--format " + options.format, options.format});
  if (options.json) given.push_back({"--json", "json"});
  if (options.html) given.push_back({"--html", "html"});
  if (given.empty()) return "text";
  for (const auto& [flag, format] : given) {
    if (format == given.front().second) continue;
    throw_wrong_use(
        {"report", given.front().first + " and " + flag, "two formats", "one of them", ""});
  }
  return given.front().second;
}

// A receipt alone has no steps to draw and no run to set a plan beside.
void check_reprice(const ReportOptions& options, const std::string& format) {
  for (const auto& [flag, is_given] :
       {std::pair<const char*, bool>{"an HTML page", format == "html"},
        {"--against", options.against != "steps"},
        {"--plan", !options.plan.empty()},
        {"--calibration", !options.calibration.empty()}}) {
    if (!is_given) continue;
    throw_wrong_use({"report", std::string(flag) + " with " + options.run,
                     "a receipt, which is priced again as text or JSON", "a run folder", ""});
  }
}

// A recipe needs a model, and these settings have none.
std::vector<std::string> with_preset(std::vector<std::string> overrides) {
  overrides.push_back("model.preset=tiny");
  return overrides;
}

// The run's own words and price, changed by --set; a run without a recipe (imported) has defaults.
Recipe recipe_of(const RunPaths& paths, const std::vector<std::string>& overrides) {
  if (file_exists(paths.recipe)) {
    return parse_recipe(read_file(paths.recipe), paths.recipe, overrides);
  }
  return parse_recipe("", paths.folder, with_preset(overrides));
}

void write_report(const std::string& output, const std::string& text) {
  if (output.empty() || output == "-") {
    std::cout << text;
  } else {
    write_file_atomically(output, text);
    std::cout << output << "\n";
  }
}

// A receipt keeps the prices that it was made with; beside them, what it would cost at others.
void reprice_command(const ReportOptions& options, const std::string& format) {
  check_reprice(options, format);
  const Json receipt = read_json(options.run);
  const auto number = [&](const char* pointer) {
    const auto at = Json::json_pointer(pointer);
    return receipt.contains(at) && receipt[at].is_number() ? receipt[at].get<double>() : kUnknown;
  };
  const auto text = [&](const char* pointer) {
    const auto at = Json::json_pointer(pointer);
    return receipt.contains(at) && receipt[at].is_string() ? receipt[at].get<std::string>() : "";
  };
  const double hours = number("/compute/device_hours"), old_usd = number("/usd/total");
  if (!(hours >= 0) || !std::isfinite(hours)) {
    throw_bad_input({options.run, "compute.device_hours", "none", "a receipt with device-hours",
                     "farthing cost validate says what a receipt needs"});
  }
  std::string device = text("/compute/device");
  if (device.empty()) device = "core";
  RunPrices wanted{.prices = options.prices.empty() ? "default" : options.prices};
  if (device != "core") wanted.device = device;
  if (!options.overrides.empty()) {
    const Recipe recipe = parse_recipe("", options.run, with_preset(options.overrides));
    wanted.rent = recipe.cost.price;
  }
  wanted.site.cluster = "of the receipt";
  wanted.site.region = text("/energy/region");
  if (wanted.site.region == "not stated") wanted.site.region.clear();
  if (std::isfinite(number("/energy/pue"))) {
    wanted.site.pue = number("/energy/pue");
    wanted.site.pue_source = "as the receipt states it";
  }
  const PriceBook book = load_run_book(wanted);
  const Usage usage{.seconds = hours * 3600, .cores = 1, .joules = kept_joules(receipt)};
  const Cost cost = cost_of(usage, book);
  const bool was_measured = text("/energy/basis") == "measured";
  const std::string energy = !std::isfinite(cost.joules) ? "not stated"
                             : cost.joules_estimated     ? "estimated anew from this book's watts"
                             : was_measured              ? "as it was measured"
                                                         : "as the receipt states it";
  const double old_price = number("/compute/usd_per_device_hour");
  if (format == "json") {
    return write_report(
        options.output,
        Json{
            {"receipt", options.run},
            {"device", device},
            {"device_hours", hours},
            {"made_with", {{"usd", or_null(old_usd)}, {"usd_per_device_hour", or_null(old_price)}}},
            {"again",
             {{"usd", cost.usd},
              {"usd_per_device_hour", book.rent.value},
              {"owned_usd", cost.owned_usd},
              {"electricity_usd", cost.electricity_usd},
              {"kwh", or_null(cost.joules / 3.6e6)},
              {"energy", energy},
              {"book", book.name},
              {"price", describe(book)}}}}
                .dump(2) +
            "\n");
  }
  const auto money = [](double usd) { return std::isfinite(usd) ? format_usd(usd) : "not stated"; };
  write_report(
      options.output,
      fmt::format("{}: {} {}-hours\nas it was made: {} at {} for one\npriced again:   {}, {}\n"
                  "owned:          {}, of it electricity {}\nenergy:         {}, {}\n",
                  options.run, format_count(hours), device, money(old_usd), money(old_price),
                  money(cost.usd), describe(book), money(cost.owned_usd),
                  money(cost.electricity_usd), format_figure(cost.joules / 3.6e6, "kWh"), energy));
}

// step_seconds, memory_bytes.total and energy of `farthing plan --json`.
PlanAndActual read_plan(const std::string& path) {
  PlanAndActual planned;
  try {
    const Json json = read_json(path);
    planned.planned_step_seconds = json.at("step_seconds").get<double>();
    const Json memory = json.value("memory_bytes", Json(nullptr));
    if (memory.is_object()) planned.planned_memory_bytes = memory.value("total", 0.0);
    const double steps = json.value("steps", 0.0);
    // A site's energy has its PUE in it, a receipt's has not.
    const double site = json.value("energy_joules", 0.0) / std::max(1.0, json.value("pue", 1.0));
    const double joules = json.value("joules", site);
    if (steps > 0) planned.planned_joules = joules / steps;
  } catch (const Json::exception& fault) {
    throw_bad_input({path, "no plan", fault.what(), "the JSON of farthing plan --json", ""});
  }
  if (!(planned.planned_step_seconds > 0)) {
    throw_bad_input(
        {path, "step_seconds", fmt::format("{:g}", planned.planned_step_seconds), "above 0", ""});
  }
  return planned;
}

void write_calibration(const Receipt& receipt, const std::string& path) {
  const PlanAndActual& both = receipt.beside_plan;
  if (!both.is_known()) {
    throw_bad_input({receipt.name, "no plan to calibrate", "no prediction in its run_start", "",
                     "farthing doctor --steps before the run, or --plan FILE"});
  }
  const auto ratio = [](double measured, double planned) {
    return measured > 0 && planned > 0 ? measured / planned : 1;
  };
  write_file_atomically(
      path, to_toml(MachineCalibration{receipt.name, "",
                                       ratio(both.step_seconds, both.planned_step_seconds),
                                       ratio(both.memory_bytes, both.planned_memory_bytes),
                                       ratio(both.joules, both.planned_joules)}));
}

void report_command(const ReportOptions& options) {
  const std::string format = format_of(options);
  if (options.run.ends_with(".json")) return reprice_command(options, format);
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
  const RunStart& start = input.history.run_start;
  RunPrices prices{.prices = options.prices, .device = start.device, .site = start.site};
  if (options.prices.empty()) prices.prices = recipe.cost.book, prices.rent = recipe.cost.price;
  input.book = load_run_book(prices);
  input.against = options.against;
  if (!options.plan.empty()) input.planned = read_plan(options.plan);
  if (!options.calibration.empty()) {
    write_calibration(make_receipt(input), options.calibration);
  }
  if (input.book.rent.date.size() >= 4) {
    PriceEntry entry;
    entry.item = start.device.empty() ? "core" : start.device;
    entry.kind = "rent";
    entry.unit = "USD/h";
    entry.date = input.book.rent.date;
    if (const auto old = staleness(entry, today())) log_line("warning: " + *old);
  }
  std::string text;
  if (format == "html") {
    text = to_html(input);
  } else if (format == "json") {
    text = to_json(make_receipt(input)).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } else {
    text = to_text(make_receipt(input));
  }
  const std::string output =
      options.output.empty() && format == "html" ? paths.receipt_html : options.output;
  write_report(output, text);
}

void add_report_command(Command& app) {
  auto options = std::make_shared<ReportOptions>();
  Command* report = app.add_subcommand("report", "the receipt of a run: text, JSON, an HTML page");
  report->add_option("run", options->run, "run folder; or a receipt.json, to price it again")
      ->required();
  report->add_option("--format", options->format, "text, json or html (RUN/receipt.html)")
      ->one_of({"text", "json", "html"});
  report->add_flag("--json", options->json, "the same as --format json");
  report->add_flag("--html", options->html, "the same as --format html");
  refuse_empty(report->add_option("-o,--output", options->output, "file to write; - for stdout"));
  report->add_option("--against", options->against, "first axis of the charts")
      ->one_of({"steps", "tokens", "seconds", "usd"});
  report->add_option("--prices", options->prices, "price book: a file, or a name under prices/");
  report->add_option("--set", options->overrides, "cost.price=0.02, or another key of the recipe");
  refuse_empty(report->add_option("--plan", options->plan,
                                  "JSON of farthing plan: set beside what was measured"));
  refuse_empty(report->add_option("--calibration", options->calibration,
                                  "write measured over planned, for plan --calibration"));
  set_example(*report, "farthing report runs/quickstart --html --against usd");
  report->callback([options] { report_command(*options); });
}

const CommandRegistration kReport{add_report_command, 70};

}  // namespace
}  // namespace farthing
