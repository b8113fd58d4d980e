// probe.h - whole training steps of small models, timed: what the planner knows this machine by.
//
// The models differ in width, depth, vocabulary, experts and sequence, so that the parts of a step
// can be told apart (plan/machine_model.h); none of them is a preset of recipes/.
//
// Cost     about 20 s for a precision on two cores: kProbeSteps steps of each after one that warms.
// Errors   Error{kOutOfResource} when the largest, 400 MB, does not fit.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/recipe.h"

namespace farthing {

inline constexpr int kProbeSteps = 3;

// Complete recipes, their micro-batch settled.
std::vector<Recipe> probe_recipes(const std::string& precision);
// The fastest step of several, as a neighbour only slows them; `told` hears after each model.
struct ProbeTime {
  Recipe recipe;
  double seconds = 0;
};
std::vector<ProbeTime> measure_probes(const std::string& precision,
                                      const std::function<void(int done, int of)>& told);

}  // namespace farthing
