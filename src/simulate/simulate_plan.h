// simulate_plan.h - a plan acted out: one step operation by operation, then the whole run many
// times.
//
//   Simulation s = simulate_plan(make_plan(request), {.seed = 1});
//   s.timeline         the step of the best layout, operation by operation
//   s.outcome          one run of weeks, attempts kept:  to_events(s.job, s.outcome, s.words)
//   s.band             what many such runs do: P2.5, P10, P50, P90, P97.5
//   s.days             with every uncertain input drawn, and a tornado
//
// The step is the plan's own, which acts its pipeline out: one step time and one bubble in both.
//
// Cost     57 days on 2,048 devices, 10,000 draws: about a second.
// Errors   Error{kBadInput} where a schedule cannot have the plan's micro-batches; REQUIRES
// plan.fits.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "plan/plan.h"
#include "plan/run_range.h"
#include "plan/step_timeline.h"
#include "report/table.h"
#include "simulate/run_events.h"
#include "simulate/scaling_laws.h"

namespace farthing {

struct SimulationOptions {
  std::uint64_t seed = 1;
  int n_runs = 1000;               // of the band
  int n_draws = 10'000;            // of the range
  double spares = -1;              // -1: the cluster's
  double checkpoint_seconds = 0;   // 0: the cluster's, else Young and Daly
  double begun_unix = 1767225600;  // 2026-01-01: a simulation has no clock of its own
};

struct Simulation {
  Plan plan;
  SimulationOptions options;
  Schedule schedule;
  StepTimeline timeline;
  SimulatedJob job;
  ReliabilityModel model;
  SimulatedOutcome outcome;
  RunBand band;
  std::vector<UncertainInput> inputs;
  RangeResult days;
  std::vector<ExpectedLoss> losses;
  BatchAdvice batch;
  RunDescription words;
};

Simulation simulate_plan(const Plan& plan, const SimulationOptions& options);

// What the parts of it are filled from.
Schedule schedule_of(const Plan& plan);
LossQuestion loss_question_of(const Plan& plan);

Json to_json(const Simulation& simulation);
std::string to_text(const Simulation& simulation);

// The tables of the text and the page.
Table expected_loss_table(const std::vector<ExpectedLoss>& losses);
Table run_seconds_table(const Simulation& simulation);
Table failures_table(const Simulation& simulation);
Table tornado_table(const Simulation& simulation);
Table inputs_table(const Simulation& simulation);

}  // namespace farthing
