// ledger.h - what a run used: every second of every attempt in exactly one category, and the rest.
//
//   sum of seconds == sum of the attempts' wall times        (conserved at any kill, tested)
#pragma once
#include <cstdint>
#include <optional>

#include "config/recipe.h"
#include "ledger/cost.h"
#include "ledger/history.h"
#include "ledger/run_folder.h"

namespace farthing {

struct Ledger {
  SecondsByCategory seconds;
  SecondsByCategory core_seconds;  // by the threads of each attempt
  double wall_seconds = 0;         // of all attempts; the pauses between them cost nothing
  int n_attempts = 0;
  std::int64_t steps = 0;  // of the model as it now is; what was recomputed counts once
  std::int64_t tokens = 0;
  double model_flops = 0;
  std::optional<double> joules;  // absent where no event has any
  bool joules_estimated = false;
};

Ledger make_ledger(const RunHistory& history);

// All core-seconds and joules of the ledger through a book.
Cost cost_of(const Ledger& ledger, const PriceBook& book);

// What a project's ledger keeps of a run: state ("started", or why it ended), purpose, project,
// parent, phase, and the totals so far.
Json project_line(const RunRecipe& run, const std::string& state, const Ledger& ledger,
                  const Cost& cost);

}  // namespace farthing
