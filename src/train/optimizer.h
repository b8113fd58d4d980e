// optimizer.h - AdamW as a loop over the parameter table: norm, clip, update.
//
//   Arena arena(...);
//   OptimizerState state(arena, table, bf16_moments);
//   double norm = clip_and_update(master, gradients, state, {.learning_rate = 3e-4, ...});
//
// Every trainable entry has FP32 master weights and two moments, FP32 or BF16.  A shared tensor is
// one entry, so it is counted once in the norm and updated once.  Entries of role kBias have no
// gradient and are left alone.
//
// Exact    Tensors are cut into fixed pieces; squares are added piece by piece in table order: bits
//          do not depend on threads.
// Source   V3 report, section 4.2: beta 0.9 / 0.95, weight decay 0.1, clip 1.0, BF16 moments.
#pragma once
#include <cstdint>
#include <vector>

#include "base/arena.h"
#include "config/recipe.h"
#include "model/parameters.h"

namespace farthing {

struct OptimizerStep {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // of the entries whose `decays` is set
  double clip_norm = 1.0;     // 0: no clipping
};

// The recipe's constants at this learning rate.
OptimizerStep optimizer_step(const TrainRecipe& train, double learning_rate);

// Moments and their count of updates.  Nothing is allocated after construction.
// Errors   Error{kBadInput} when BF16 moments are asked for with beta2 above 0.98: rounding to
//          nearest then loses the updates of v (check_moments, called by whoever reads a recipe).
struct OptimizerState {
  OptimizerState(Arena& arena, const ParameterTable& table, bool bf16_moments);

  struct Piece {  // elements [first, first + count) of the stores, all of entry `id`
    int id = 0;
    std::int64_t first = 0;
    std::int64_t count = 0;
  };

  bool bf16_moments = false;
  std::int64_t n_updates = 0;
  ParameterStore<float> m, v;                    // FP32, or empty
  ParameterStore<std::uint16_t> m_bf16, v_bf16;  // BF16, or empty
  std::vector<Piece> pieces;
  std::vector<double> piece_squares;
};

void check_moments(const TrainRecipe& train, const std::string& where);

// sqrt of the sum of squares of every trainable gradient; NaN or infinity when one element is.
double gradient_norm(const ParameterStore<float>& gradients, OptimizerState& state);

// Clips by the given norm and updates master weights and moments.  REQUIRES norm is finite.
void update(const ParameterStore<float>& master, const ParameterStore<float>& gradients,
            OptimizerState& state, const OptimizerStep& step, double norm);

// Both; returns the norm before clipping.  A norm that is not finite changes nothing.
double clip_and_update(const ParameterStore<float>& master, const ParameterStore<float>& gradients,
                       OptimizerState& state, const OptimizerStep& step);

// Zeroes what a fresh store's first micro-batch adds to: all but what is_one_product().
void clear_sums(const ParameterStore<float>& gradients);

}  // namespace farthing
