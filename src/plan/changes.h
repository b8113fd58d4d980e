// changes.h - what would help most, and what would make a run fit.
#pragma once
#include <vector>

#include "plan/plan.h"

namespace farthing {

// The five changes of hardware, precision, model or batch with the largest gain in tokens per
// second, each with its best layout among `layouts` and the neighbours it asks for.
std::vector<Change> best_changes(const PlanRequest& request, const std::vector<Candidate>& layouts);

// How much is missing on which stage, and the cheapest change that makes it fit: recompute, sharded
// weights, a smaller micro-batch, more pipeline or tensor parallelism, more devices.
Shortfall shortfall_of(const PlanRequest& request, const Candidate& nearest);

}  // namespace farthing
