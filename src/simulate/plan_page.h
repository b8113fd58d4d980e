// plan_page.h - a plan and its simulation as one self-contained HTML page.
//
//   write_file_atomically("plan.html", plan_page(simulate_plan(plan, {}), {.command = "..."}));
//
// Memory of every stage, a step's timeline, the weeks with their failures, a tornado, what-ifs, and
// every figure with its formula, inputs and their sources.  No script, no file, font or address
// outside it; light, dark, narrow and printed.  A plan that does not fit has memory and shortfall.
//
// Cost     under a megabyte: a timeline of more than kMostDrawnOps operations is cut, and says so.
#pragma once
#include <string>

#include "plan/machine_model.h"
#include "simulate/simulate_plan.h"

namespace farthing {

inline constexpr std::size_t kMostDrawnOps = 12'000;

struct PlanPageWords {
  std::string command;  // that makes it again
};
std::string plan_page(const Simulation& simulation, const PlanPageWords& words);
std::string shortfall_page(const Plan& plan, const PlanPageWords& words);
std::string machine_page(const MachinePlan& plan, const PlanPageWords& words);

// The drawings, each an <svg> with a viewBox.
std::string memory_drawing(const Plan& plan);
std::string timeline_drawing(const Simulation& simulation);
std::string weeks_drawing(const Simulation& simulation);
std::string tornado_drawing(const RangeResult& range);
std::string changes_drawing(const Plan& plan);
// Every constant of the time model: value, uncertainty, what 1 % of it moves, meaning, source.
Table sensitivity_table(const Plan& plan);

}  // namespace farthing
