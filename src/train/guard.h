// guard.h - stops a run before a bad update is applied, and remembers what a normal loss is.
//
// The spike test compares a loss with an exponentially weighted mean and deviation of the losses
// before it.  Its state is part of a checkpoint, so a resumed run judges as the first one did.
#pragma once
#include <cstdint>
#include <string>

#include "config/recipe.h"

namespace farthing {

struct LossStatistics {
  std::int64_t n_losses = 0;
  double mean = 0;
  double variance = 0;

  void add(double loss);
  double deviation() const;
  bool operator==(const LossStatistics&) const = default;
};

// Why this step must not be applied, "" when it may.
std::string guard_verdict(const GuardRecipe& guard, const LossStatistics& statistics, double loss,
                          double gradient_norm);

}  // namespace farthing
