// self_check.h - `farthing check`: does this machine compute this recipe's model rightly?
//
// Central differences in double on every parameter group of a small model with the recipe's
// features; float against double; every instruction set against the reference; delayed W, threads
// and micro-batches bit for bit; number formats.  Each is one row of a table.
//
// Errors   None: a failed comparison is a row with passed = false.
// Cost     Under a minute on two cores for `tiny`; the recipe's sizes hardly matter, since the
//          model is shrunk (shrink()) with every switch left as it is.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "config/recipe.h"

namespace farthing {

struct CheckRow {
  std::string subject;   // "gradient", "isa avx2", "threads"
  std::string detail;    // "self_attn.kv_a_proj", "1 = 2 = 3"
  double error = 0;      // measured; 0 for bitwise comparisons that hold
  double tolerance = 0;  // 0: must be bitwise equal
  bool passed = false;
};

// The same features and switches, every size at most a few dozen.
ModelConfig shrink(const ModelConfig& config);

// `progress` is told what is about to run.
std::vector<CheckRow> self_check(const Recipe& recipe,
                                 const std::function<void(const std::string&)>& progress);

}  // namespace farthing
