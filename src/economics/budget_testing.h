// budget_testing.h - one budget for the tests of budgets.
#pragma once
#include <string>

#include "config/share.h"
#include "economics/budget.h"

namespace farthing::budget_testing {

inline PriceEntry price(double value, double low, double high) {
  PriceEntry entry;
  entry.item = "h100", entry.unit = "USD/h", entry.source = "test", entry.date = "2026-05";
  entry.value = value, entry.low = low, entry.high = high;
  return entry;
}

inline BudgetRequest request() {
  set_share_folder(FARTHING_SOURCE_DIR);
  BudgetRequest request;
  request.usd = 250000;
  request.deadline_seconds = 42 * 86400.0;
  request.cluster = load_cluster("h100-spot");
  request.price = price(2.5, 2, 3);
  request.model = budget_ladder()[15];  // a mixture of a few billion parameters: one rung is quick
  return request;
}

inline const BudgetPlan& usual() {
  static const BudgetPlan plan = plan_budget(request());
  return plan;
}

// The verdict that holds the words; "" where none does.
inline std::string verdict_with(const BudgetPlan& plan, const char* words) {
  for (const std::string& line : plan.verdicts) {
    if (line.find(words) != std::string::npos) return line;
  }
  return "";
}

}  // namespace farthing::budget_testing
