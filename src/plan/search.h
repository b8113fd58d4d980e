// search.h - every layout of a cluster that is worth timing, and why the others are not.
#pragma once
#include <functional>
#include <vector>

#include "plan/plan.h"

namespace farthing {

struct SearchResult {
  std::vector<Candidate> ranked;  // fastest first
  std::vector<Rejection> rejections;
  std::vector<Candidate> too_large;  // smallest excess first, at most a few
  int n_tried = 0;
};

// Powers of two and divisors for every degree; micro-batches 1 to 8; all recompute modes.
// Cost: memory is checked before time; tens of microseconds a layout.
SearchResult search_layouts(const PlanRequest& request, int n_kept);

// Only these layouts, under this request.
std::vector<Candidate> time_layouts(const PlanRequest& request, const std::vector<Layout>& layouts);

}  // namespace farthing
