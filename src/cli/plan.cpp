// farthing plan - the layout, time, memory and energy of a training run, without starting it.
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "cli/budget.h"
#include "cli/commands.h"
#include "cli/plan_options.h"
#include "cli/support.h"
#include "plan/plan.h"

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
  if (!o.precision.empty()) place.precision = parse_format(o.precision, "--precision");
  if (!o.deadline.empty()) {
    place.deadline_seconds = parse_as(o.deadline, Dimension::kSeconds, "--deadline");
  }
  place.json = o.json;
  budget_command(budget, place);
}

void plan_command(const PlanOptions& options, const BudgetOptions& budget) {
  if (!budget.budget.empty()) return plan_for_money(options, budget);
  if (options.model.empty()) {
    throw Error{ErrorCode::kUsage, "plan: wanted a model, or --budget (see farthing plan --help)"};
  }
  const Plan plan = make_plan(make_plan_request(options));
  if (options.json) {
    Json json = to_json(plan);
    json["usd"] = plan.fits ? plan_usd(plan, budget) : Json(nullptr);
    print_json(json);
  } else {
    std::cout << to_text(plan) << (plan.fits ? "\n" + plan_usd_words(plan, budget) : "");
  }
  if (!plan.fits) throw Error(ErrorCode::kOutOfResource, "");
}

void add_plan_command(Command& app) {
  auto options = std::make_shared<PlanCommand>();
  Command* plan = app.add_subcommand("plan", "predict layout, time, memory and energy of a run");
  add_plan_options(*plan, options->plan);
  add_budget_options(*plan, options->budget);
  add_json_flag(*plan, options->plan.json);
  set_example(*plan, "farthing plan deepseek-v3 --cluster h800-2048 --tokens 14.8T");
  plan->callback([options] { plan_command(options->plan, options->budget); });
}

const CommandRegistration kPlan{add_plan_command, 72};

}  // namespace
}  // namespace farthing
