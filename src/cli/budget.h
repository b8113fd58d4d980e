// budget.h - farthing plan --budget: what the plan command hands on.
#pragma once
#include <optional>
#include <string>

#include "base/json.h"
#include "cli/command_line.h"
#include "plan/plan.h"

namespace farthing {

struct BudgetOptions {
  std::string budget;  // "300kUSD"; empty: no such question
  std::string other, prices = "default", html;
  double rent = -1, experiments = 0.5, failed = 0.1, confidence = 0.8;
};
void add_budget_options(Command& plan, BudgetOptions& options);

// What stands beside the budget on the same command line.
struct BudgetPlace {
  Cluster cluster;
  std::optional<ModelShape> model;
  std::optional<NumberFormat> precision;
  double deadline_seconds = 0;
  bool json = false;
};

// Dollars of a plan that fits, at --rent or the list's price: total, its P10 to P90, the price
// with its source.  Null, "not stated", where the list has no price of the device.
Json plan_usd(const Plan& plan, const BudgetOptions& options);
std::string plan_usd_words(const Plan& plan, const BudgetOptions& options);

void budget_command(const BudgetOptions& options, const BudgetPlace& place);

}  // namespace farthing
