// probe.h - whole training steps of small models, timed: what the planner knows this machine by.
//
// The models differ in width, depth, vocabulary, experts and sequence, so that the parts of a step
// can be told apart (plan/machine_model.h); none of them is a preset of recipes/.
//
// Cost     about 30 s for a precision on two cores: in each round kProbeSteps steps of each, or as
// many
//          as kProbeSeconds hold, after one that warms.
// Errors   Error{kOutOfResource} when the largest, 400 MB, does not fit.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/recipe.h"

namespace farthing {

inline constexpr int kProbeRounds = 2;
inline constexpr int kProbeSteps = 2;
inline constexpr double kProbeSeconds = 0.3;

// Complete recipes, their micro-batch settled.
std::vector<Recipe> probe_recipes(const std::string& precision);
// The median of the steps of all rounds, far apart in time, as a run's own median is what it is
// compared with; `told` hears after each model.
struct ProbeTime {
  Recipe recipe;
  double seconds = 0;
};
std::vector<ProbeTime> measure_probes(const std::string& precision,
                                      const std::function<void(int done, int of)>& told);

}  // namespace farthing
