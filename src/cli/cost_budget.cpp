// cost_budget.cpp - farthing plan --budget: from money to a model.
#include <fmt/core.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/units.h"
#include "cli/budget.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "economics/budget.h"
#include "economics/serving_answer.h"
#include "report/table.h"

namespace farthing {
namespace {

// Beside --budget the search decides it, or has no use for it.
constexpr const char* kSearchedOrUnused =
    "--pp --ep --tp --cp --vp --micro-batch --zero --schedule --recompute --tokens --seq "
    "--global-batch --bom --csv --software --framework --forced-balance --routing --sensitivity "
    "--from-runs --calibration";

PriceEntry given_rent(const std::string& device, double rent) {
  PriceEntry entry;
  entry.item = device, entry.unit = "USD/h", entry.source = "your own (--rent)";
  entry.value = entry.low = entry.high = rent;
  entry.where = "--rent";
  return entry;
}

const char* kind_of(const Cluster& cluster) {
  return cluster.spot.preemptions.is_known() ? "spot" : "on-demand";
}

// The price of a plan's device-hour; nullopt where nothing states it.
std::optional<PriceEntry> price_of(const Cluster& cluster, const BudgetOptions& options) {
  if (options.rent >= 0) return given_rent(cluster.device.name, options.rent);
  const PriceList prices = load_price_list(options.prices);
  const PriceEntry* entry = find_device_price(prices, cluster.device.name, kind_of(cluster));
  return entry == nullptr ? std::nullopt : std::optional<PriceEntry>(*entry);
}

// Of a listed price; one given by hand has no date.
std::vector<std::string> price_warnings(const PriceEntry& price) {
  const auto old = is_date(price.date) ? staleness(price, today()) : std::nullopt;
  return old ? std::vector<std::string>{*old} : std::vector<std::string>{};
}

Quantiles usd_of(const Plan& plan, double rate) {
  Quantiles usd = plan.range.gpu_hours;
  for (double* each : {&usd.p10, &usd.p50, &usd.p90}) *each *= rate;
  return as_printed(usd);
}

}  // namespace

Json plan_usd(const Plan& plan, const BudgetOptions& options) {
  const Cluster& cluster = plan.request.cluster;
  const auto price = price_of(cluster, options);
  if (!price) return nullptr;
  const double rate = price->value;
  const Quantiles usd = usd_of(plan, rate);
  return {{"total", rate * plan.gpu_hours},
          {"range", {{"p10", usd.p10}, {"p50", usd.p50}, {"p90", usd.p90}}},
          {"usd_per_device_hour", price->value},
          {"device", cluster.device.name},
          {"source", price->source},
          {"date", price->date},
          {"warnings", price_warnings(*price)}};
}

std::string plan_usd_words(const Plan& plan, const BudgetOptions& options) {
  const Cluster& cluster = plan.request.cluster;
  const auto price = price_of(cluster, options);
  if (!price) {
    return wrapped(
        fmt::format("Money: not stated, the list has no {} price of {} (--rent USD per hour)",
                    kind_of(cluster), cluster.device.name));
  }
  const Quantiles usd = usd_of(plan, price->value);
  std::string words =
      wrapped(fmt::format("Money: {} ({} to {}) for {} device-hours held, at {}",
                          format_dollars(price->value * plan.gpu_hours), format_dollars(usd.p10),
                          format_dollars(usd.p90), format_count(plan.gpu_hours), describe(*price)));
  for (const auto& line : price_warnings(*price)) words += wrapped("Warning: " + line + ".");
  return words;
}

void add_budget_options(Command& plan, BudgetOptions& o) {
  const Option* budget =
      plan.add_option("--budget", o.budget, "of the project, as 300kUSD: chooses model and tokens");
  plan.add_option("--experiments", o.experiments,
                  "with --budget: share of it for experiments, 0 to 0.99")
      ->needs(budget);
  plan.add_option("--failed", o.failed, "with --budget: failed attempts, of the final run")
      ->needs(budget);
  plan.add_option("--other", o.other,
                  "with --budget: data, storage, people paid from it, as 20kUSD")
      ->needs(budget);
  plan.add_option("--confidence", o.confidence, "with --budget: of staying inside, 0.5 to 0.99")
      ->needs(budget);
  std::istringstream names(kSearchedOrUnused);
  for (std::string name; names >> name;) plan.option(name)->excludes(budget);
  plan.add_option("--rent", o.rent, "USD per device-hour; else from the price list")
      ->range(1e-4, 1e6);
  plan.add_option("--prices", o.prices, "price list: a file, or a name under prices/");
  refuse_empty(plan.add_option("--html", o.html, "write one self-contained page to this file"));
}

void budget_command(const BudgetOptions& options, const BudgetPlace& place) {
  const PriceList prices = load_price_list(options.prices);
  const std::string& device = place.cluster.device.name;
  BudgetRequest request;
  request.usd = positive_value(options.budget, Dimension::kUsd, "--budget");
  if (!options.other.empty()) {
    request.other_stated = true;
    request.other_usd = value_from_zero(options.other, Dimension::kUsd, "--other");
  }
  request.deadline_seconds = place.deadline_seconds;
  request.cluster = place.cluster;
  request.model = place.model;
  request.precision = place.precision;
  request.experiments = options.experiments;
  request.failed = options.failed;
  request.confidence = options.confidence;
  request.on_demand = find_device_price(prices, device, "on-demand");
  request.spot = find_device_price(prices, device, "spot");
  request.own = own_device_hour(device, place.cluster.facility.region, prices, load_price_list());
  request.is_own_price = options.rent >= 0;
  request.price = options.rent >= 0 ? given_rent(device, options.rent)
                                    : device_price(prices, device, kind_of(place.cluster));
  request.today = today();
  ProgressLine progress;
  const BudgetPlan plan = plan_budget(
      request, [&](int done, int total) { progress.show_share(done, total, "models"); });
  progress.end();
  if (!options.html.empty()) write_page(options.html, budget_page(plan), place.json);
  if (place.json) {
    print_json(to_json(plan));
  } else if (options.html.empty()) {
    std::cout << to_text(plan);
  }
}

}  // namespace farthing
