// self_check_rows.h - rows of the self check that have a file of their own.
#pragma once
#include "train/self_check.h"

namespace farthing {

// Weights and moments of a random state through a checkpoint in the system's temporary folder.
CheckRow check_checkpoint(const ModelConfig& config, const Recipe& recipe);

// Products of every format on every instruction set against double; a step of every format with
// 1, 2 and 3 threads.
std::vector<CheckRow> check_products(const ModelConfig& config, const Recipe& recipe);

}  // namespace farthing
