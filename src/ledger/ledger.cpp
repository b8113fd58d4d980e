// ledger.cpp - a history added up.
#include "ledger/ledger.h"

#include <nlohmann/json.hpp>

namespace farthing {

Ledger make_ledger(const RunHistory& history) {
  Ledger ledger;
  for (const AttemptRecord& attempt : history.attempts) {
    ledger.seconds += attempt.seconds;
    ledger.wall_seconds += attempt.wall_seconds;
    for (std::size_t i = 0; i < attempt.seconds.values.size(); ++i) {
      ledger.core_seconds.values[i] += attempt.cores * attempt.seconds.values[i];
    }
  }
  ledger.n_attempts = static_cast<int>(history.attempts.size());
  for (const StepRecord& step : history.steps) {
    if (!step.recomputed) ledger.model_flops += step.model_flops;
  }
  if (const StepRecord* last = history.last_step()) {
    ledger.steps = last->step;
    ledger.tokens = last->tokens;
  }
  if (history.joules > 0) {
    ledger.joules = history.joules;
    ledger.joules_estimated = history.joules_estimated;
  }
  return ledger;
}

Cost cost_of(const Ledger& ledger, const PriceBook& book) {
  Cost cost =
      cost_of({.seconds = ledger.core_seconds.total(), .cores = 1, .joules = ledger.joules}, book);
  cost.joules_estimated |= ledger.joules_estimated;
  return cost;
}

Json project_line(const RunRecipe& run, const std::string& state, const Ledger& ledger,
                  const Cost& cost) {
  return {{"state", state},
          {"project", run.project},
          {"purpose", run.purpose},
          {"parent", run.parent},
          {"phase", run.phase},
          {"attempts", ledger.n_attempts},
          {"steps", ledger.steps},
          {"tokens", ledger.tokens},
          {"model_flops", ledger.model_flops},
          {"wall_seconds", ledger.wall_seconds},
          {"core_seconds", ledger.core_seconds.total()},
          {"joules", cost.joules},
          {"joules_estimated", cost.joules_estimated},
          {"usd", cost.usd},
          {"electricity_usd", cost.electricity_usd}};
}

}  // namespace farthing
