// routing_trace.cpp - expert_load of a run's step events as one number.
#include "plan/routing_trace.h"

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "ledger/history.h"
#include "ledger/run_folder.h"

namespace farthing {

double load_spread(const std::vector<double>& rows) {
  const auto n = static_cast<double>(rows.size());
  const double sum = std::accumulate(rows.begin(), rows.end(), 0.0);
  if (rows.size() < 2 || !(sum > 0)) return 0;
  double squares = 0;
  for (const double each : rows) squares += std::pow(each * n / sum - 1, 2);
  return std::sqrt(squares / n);
}

RoutingTrace read_routing_trace(const std::string& run_folder) {
  const RunHistory history = read_history(RunPaths(run_folder).events);
  std::vector<double> spreads;  // of each step
  for (const StepRecord& step : history.steps) {
    if (step.expert_load.empty()) continue;
    double sum = 0;
    for (const auto& layer : step.expert_load) sum += load_spread(layer);
    spreads.push_back(sum / static_cast<double>(step.expert_load.size()));
  }
  if (spreads.empty()) {
    throw_bad_input({run_folder, "no routing trace", "no step with expert_load",
                     "a run of a model with experts", ""});
  }
  const std::size_t first = spreads.size() / 2, n = spreads.size() - first;
  const double sum =
      std::accumulate(spreads.begin() + static_cast<std::ptrdiff_t>(first), spreads.end(), 0.0);
  return {run_folder, sum / static_cast<double>(n), static_cast<int>(n)};
}

}  // namespace farthing
