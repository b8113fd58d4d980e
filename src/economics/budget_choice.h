// budget_choice.h - a model of a budget's ladder: devices, hours, tokens, chances; and none at all.
#pragma once
#include <optional>
#include <vector>

#include "economics/budget.h"

namespace farthing {

// Of the time: 1 where no spot market is.
double availability_of(const Cluster& cluster);
BudgetPlan with_purse(const BudgetRequest& request);
// BF16, and FP8 in blocks where the device has it; or what was asked for.
std::vector<NumberFormat> precisions_of(const BudgetRequest& request);
// nullopt: no layout fits, or no batch: one that money or deadline leaves too small for the devices
// is no fault of the reader's.
std::optional<Plan> try_plan(const BudgetRequest& request, const ModelShape& shape, double tokens,
                             int devices, NumberFormat precision, bool wants_range = true);
// Of the hours in which devices are held, which are those that are paid.
double useful_share(const Plan& plan);
// Tokens that a paid device-hour trains.
double tokens_per_paid_hour(const Plan& plan);
// nullopt: no run in any precision.
std::optional<BudgetRung> choose_rung(const BudgetPlan& budget, const ModelShape& shape);

// Splits what the plan's medians leave: the reserve of the confidence, and what is not spent.
void add_reserve(BudgetPlan& plan);

// Says which budget or deadline `shape`, the smallest, wants.  REQUIRES: no run as asked.
[[noreturn]] void refuse_budget(const BudgetPlan& plan, const ModelShape& shape);
std::vector<std::string> budget_verdicts(const BudgetPlan& plan);
std::string no_open_words(const BudgetPlan& plan);
// Why no other was tried.
std::string only_precision_words(const BudgetRequest& request);
std::string span_words(double days);                      // "19.5 days", "8.7 years"
std::string precision_words(const BudgetChoice& choice);  // "fp8_block"

}  // namespace farthing
