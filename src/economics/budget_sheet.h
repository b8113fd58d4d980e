// budget_sheet.h - a budget's plan as formulas: every model of the ladder with its physical
// quantities, so that another price, budget or deadline moves what each trains and which is chosen.
//
//   hours_k    min(purse * (1 - reserve_k) / (1 + failed) / price, what the deadline leaves)
//   tokens_k   hours_k * rate_k      loss_k = endless_k + B / tokens_k ** beta
//   chosen_k   1 for the fewest active parameters level with the least loss, else 0
//   hours, tokens, loss ...          of the chosen one
//   tokens_k_other                   of the model in the other precision, where it fits
//   inside     1 where a case of draws() stays inside the budget, in_time by the deadline
//
// Given, not followed: devices, layout, precision and speed of each model, which the planner's
// search found for the budget and deadline as asked; the reserve, which the draws gave for its
// confidence.
#pragma once
#include <string>
#include <vector>

#include "economics/budget.h"

namespace farthing {

class BudgetSheet {
 public:
  explicit BudgetSheet(const BudgetPlan& plan);

  const Sheet& sheet() const { return sheet_; }
  PageDraws draws() const;
  // "way_2"
  static std::string numbered(const char* what, std::size_t i);
  // "_3": the lines of the third model of the ladder.
  static std::string of_model(std::size_t k) { return "_" + std::to_string(k + 1); }
  // The same in its other precision.
  static std::string of_other(std::size_t k) { return of_model(k) + "_other"; }
  std::size_t as_asked() const;  // which the search chose
  const char* time_unit() const { return unit_.name; }

 private:
  struct TimeUnit {
    const char* name;
    double of_a_day;
  };
  static TimeUnit time_unit_of(double days);
  SheetLine& input(const std::string& id, const std::string& label, const std::string& unit,
                   double value, const std::string& source, bool slider = true);
  void keep() { sheet_.add(line_); }
  void formula(const std::string& id, const std::string& label, const std::string& unit,
               const std::string& text, bool condition = false);
  void select(const std::string& id, const std::string& label, const std::string& unit);
  void add_request();
  void add_run(const std::string& at, const BudgetChoice& choice, bool is_other);
  void add_precisions();
  std::string hours_formula(const std::string& at) const;
  void add_choice();
  void add_chosen();
  void add_draws();
  void add_purse();
  void add_mixture();
  void add_ways();
  void add_open();

  const BudgetPlan& plan_;
  Sheet sheet_;
  SheetLine line_;
  TimeUnit unit_;
};

}  // namespace farthing
