// sizing.h - what a run needs built: nodes, network, storage, power, spares; each with its formula.
//
// Fat trees of k-port switches, full bisection: two layers hold k^2/2 endpoints with k^2/2 links
// between 3k/2 switches; three hold k^3/4 with k^3/2 links between 5k^2/4.
//
// Source   Al-Fares et al. 2008; arXiv:2505.09343, table 3 (reproduced in the test).
#pragma once
#include <string>
#include <vector>

#include "simulate/simulate_plan.h"

namespace farthing {

struct FatTree {
  int layers = 2;
  double switches = 0;
  double links = 0;  // between switches; endpoints have one each besides
};
// The smallest that holds so many endpoints, leaves filled.  Errors: Error{kBadInput} beyond k^3/4.
FatTree fat_tree(double endpoints, int ports);

struct SizeLine {
  std::string what;
  double quantity = 0;
  std::string unit, formula, source;
};

// Fewest spare nodes whose P90 of the wall time is within the deadline, or without one within 0.5 %
// of what unlimited spares give; -1 where no number meets the deadline.  Cost: some hundred
// simulated runs for each try.
int fewest_spares(const Simulation& simulation);
std::vector<SizeLine> size_cluster(const Simulation& simulation);
Table sizing_table(const std::vector<SizeLine>& lines);
Json to_json(const std::vector<SizeLine>& lines);
std::string to_csv(const std::vector<SizeLine>& lines);

}  // namespace farthing
