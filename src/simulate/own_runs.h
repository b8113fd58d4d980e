// own_runs.h - the user's run folders as points of a scaling law.
//
// A run counts with its last step's loss (mean of the last kMeanSteps that were not done again),
// its tokens and its active parameters, as run_start states them.  Simulated runs are left out:
// their loss is a law's.  Runs that say too little are left out and named.
//
// Errors   Error{kBadInput} for a folder that is not there or holds no run.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "simulate/scaling_laws.h"

namespace farthing {

inline constexpr int kMeanSteps = 20;

struct OwnRuns {
  std::vector<OwnRun> runs;
  std::vector<std::string> left_out;  // "NAME: why"
};
// `folder` is a run, or holds runs up to three levels below.
OwnRuns read_own_runs(const std::string& folder);

// The law of `runs` at these parameters and tokens, P10 and P90 by its width.
ExpectedLoss expected_loss(const FittedLaw& law, double parameters, double tokens);
// How far the question lies beyond the runs, where more than ten times; the width knows nothing of
// it.
std::string extrapolation_words(const OwnRuns& runs, double parameters, double tokens);
std::string to_text(const FittedLaw& law, const OwnRuns& runs);
Json to_json(const FittedLaw& law, const OwnRuns& runs);

}  // namespace farthing
