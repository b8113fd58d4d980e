// plan_options.h - the flags that say what to plan, shared by plan and simulate.
#pragma once
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "plan/plan.h"
#include "simulate/simulate_plan.h"

namespace farthing {

struct PlanOptions {
  std::string model, cluster, device, tokens, deadline, calibration;
  std::vector<std::string> overrides;
  int devices = 0, sequence_length = 0;
  std::string global_batch;
  int pp = 0, ep = 0, tp = 0, cp = 0, vp = 0, micro_batch = 0, zero = -1;
  std::string schedule, recompute, precision, framework;
  double software = 0;
  bool forced_balance = false;
  bool json = false, sensitivity = false, bom = false, csv = false;
  std::string html, from_runs, routing;
};

// What --bom and --csv print.
void print_sizing(const Simulation& simulation, bool as_csv);
// Model, cluster, tokens, batch, layout and precision; not --json.
void add_plan_options(Command& command, PlanOptions& options);
// Errors: Error{kUsage} for a flag's value; Error{kBadInput} for files and what is in them.
PlanRequest make_plan_request(const PlanOptions& options);

}  // namespace farthing
