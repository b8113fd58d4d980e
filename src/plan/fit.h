// fit.h - the constants that are fitted, fitted to published runs; and without one group at a time.
//
// Minimises a robust mean of |log predicted / measured|, rows of one family sharing one family's
// weight, complete rows counting twice, plus the distance from the starting values in units of
// twice their stated uncertainty: what the runs say nothing about stays where its source put it.
// Coordinate descent.  Constants from papers and data sheets are not touched, runs that are held
// out (DeepSeek-V3 on H800) and runs without a layout are not read.
//
// Cost     some seconds a fit of the whole file; leaving out starts at `start` and takes a round or
//          two for each group.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "plan/published.h"

namespace farthing {

struct FitOptions {
  int n_rounds = 12;
  std::string left_out;                                // a group; empty: none
  std::function<void(int round, double loss)> report;  // after every round
};
Constants fit_constants(const std::vector<PublishedRun>& runs, const Constants& start,
                        const FitOptions& options);
// Whether a fit may move it: its source says so.
bool is_fitted(const ConstantRule& rule);

// A group predicted by constants that never saw it.
struct LeftOut {
  GroupBias error;         // of the group
  std::string moved_most;  // the constant that the fit moved most without it
  double moved_by = 0;     // its new value over the old, less 1
};
std::vector<LeftOut> leave_groups_out(const std::vector<PublishedRun>& runs, const Constants& start,
                                      const std::function<void(int done, int total)>& report);

}  // namespace farthing
