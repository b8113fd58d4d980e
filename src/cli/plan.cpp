// farthing plan - the layout, time, memory and energy of a training run, without starting it.
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/budget.h"
#include "cli/commands.h"
#include "cli/plan_here.h"
#include "cli/plan_options.h"
#include "cli/support.h"
#include "plan/accounting.h"
#include "plan/plan.h"
#include "simulate/own_runs.h"
#include "simulate/plan_page.h"
#include "simulate/sizing.h"

namespace farthing {
namespace {

struct PlanCommand {
  PlanOptions plan;
  BudgetOptions budget;
};

// The money first, the model from it, or a given one.
void plan_for_money(const PlanOptions& o, const BudgetOptions& budget) {
  BudgetPlace place;
  place.cluster = load_cluster(o.cluster.empty() ? "h100-512" : o.cluster, o.overrides);
  if (!o.device.empty()) place.cluster = with_device(place.cluster, load_device(o.device));
  if (o.devices > 0) place.cluster = with_devices(place.cluster, o.devices);
  if (!o.model.empty()) place.model = load_model_shape(o.model);
  if (!o.precision.empty()) {
    place.precision = flag_value([&] { return parse_format(o.precision, "--precision"); });
  }
  if (!o.deadline.empty()) {
    place.deadline_seconds = positive_value(o.deadline, Dimension::kSeconds, "--deadline");
  }
  place.json = o.json;
  budget_command(budget, place);
}

void plan_command(const PlanOptions& options, const BudgetOptions& budget) {
  if (!budget.budget.empty()) return plan_for_money(options, budget);
  if (options.model.empty()) {
    throw Error{ErrorCode::kUsage, "plan: wanted a model, or --budget (see farthing plan --help)"};
  }
  if (options.cluster == "here" || !options.calibration.empty()) {
    PlanOptions here = options;
    here.html = budget.html;
    return plan_here(here);
  }
  std::optional<OwnRuns> runs;
  std::optional<FittedLaw> law;
  if (!options.from_runs.empty()) {
    runs = read_own_runs(options.from_runs);
    law = fit_law(runs->runs);
  }
  const Plan plan = make_plan(make_plan_request(options));
  if (!budget.html.empty()) {
    const PlanPageWords words{command_as_given() + " --html FILE"};
    write_page(budget.html,
               plan.fits ? plan_page(simulate_plan(plan, {}), words) : shortfall_page(plan, words));
  }
  const bool sized = options.bom || options.csv;
  if (sized && plan.fits && !options.json)
    return print_sizing(simulate_plan(plan, {}), options.csv);
  const auto active = static_cast<double>(count_active_parameters(plan.request.model).total());
  const auto own_loss = [&] { return expected_loss(*law, active, plan.request.tokens); };
  if (options.json) {
    Json json = to_json(plan);
    if (law) {
      const ExpectedLoss loss = own_loss();
      json["from_runs"] = to_json(*law, *runs);
      json["from_runs"]["beyond_the_runs"] =
          extrapolation_words(*runs, active, plan.request.tokens);
      json["from_runs"]["expected_loss"] = {
          {"p10", loss.low}, {"p50", loss.loss}, {"p90", loss.high}};
    }
    if (sized && plan.fits) json["bom"] = to_json(size_cluster(simulate_plan(plan, {})));
    json["usd"] = plan.fits ? plan_usd(plan, budget) : Json(nullptr);
    print_json(json);
  } else {
    std::cout << to_text(plan) << (plan.fits ? "\n" + plan_usd_words(plan, budget) : "");
    if (law) {
      std::cout << "\n"
                << to_text(*law, *runs) << to_text(expected_loss_table({own_loss()}))
                << extrapolation_words(*runs, active, plan.request.tokens);
    }
    if (options.sensitivity) std::cout << "\n" << to_text(sensitivity_table(plan));
    if (!budget.html.empty()) std::cout << "\n" << budget.html << "\n";
  }
  if (!plan.fits) throw Error(ErrorCode::kOutOfResource, "");
}

void add_plan_command(Command& app) {
  auto options = std::make_shared<PlanCommand>();
  Command* plan = app.add_subcommand("plan", "predict layout, time, memory and energy of a run");
  add_plan_options(*plan, options->plan);
  plan->add_option("--calibration", options->plan.calibration,
                   "with --cluster here: a file of farthing report --calibration");
  plan->add_option("--from-runs", options->plan.from_runs,
                   "fit a scaling law to the runs of this folder: expected loss with a band");
  plan->add_flag("--sensitivity", options->plan.sensitivity,
                 "what every constant of the time model moves, with its source");
  add_budget_options(*plan, options->budget);
  add_json_flag(*plan, options->plan.json);
  set_example(*plan, "farthing plan deepseek-v3 --cluster h800-2048 --tokens 14.8T");
  plan->callback([options] { plan_command(options->plan, options->budget); });
}

const CommandRegistration kPlan{add_plan_command, 72};

}  // namespace
}  // namespace farthing
