// routing_trace.h - how unevenly the experts of a run were loaded, measured.
//
//   spread   standard deviation over mean of the rows of a layer's experts, mean over layers and
//            steps: what the constant expert_imbalance assumes where nothing was measured
//
// Steps are the second half of those whose events carry expert_load, since routers settle.
// Errors   Error{kBadInput} for no run, or one without such events.
#pragma once
#include <string>
#include <vector>

namespace farthing {

struct RoutingTrace {
  std::string run;
  double spread = 0;
  int n_steps = 0;
};
RoutingTrace read_routing_trace(const std::string& run_folder);
// Of one layer's rows by expert; 0 for fewer than two experts or no rows.
double load_spread(const std::vector<double>& rows);

}  // namespace farthing
