// lr_schedule.h - learning rate, batch size and run length as pure functions of step and tokens.
//
//   rate = peak * min(1, (step + 1) / warmup_steps) * shape(progress)
//
// Progress goes from 0 to 1 over the run.  It is linear in tokens from the latest RunLength, a
// decision that is recorded before it is used: a new estimate of how far a time or money limit
// reaches bends the line where it stands, so that the rate stays continuous and its decay ends with
// the run.
//
// Source   wsd: Hu et al. 2024 (arXiv:2404.06395), linear decay; deepseek_v3: V3 report, 4.2:
//          constant to 10T of 14.8T tokens, cosine to a tenth over 4.3T, constant for 333B, then
//          7.3 / 220 of the peak for the last 167B; here by share of the run's tokens.
#pragma once
#include <cstdint>
#include <string>

#include "config/recipe.h"

namespace farthing {

// One decision about how long the run is; from `at_tokens` on progress rises linearly to 1.
struct RunLength {
  std::int64_t at_step = 0;      // the first step it holds for
  std::int64_t at_tokens = 0;    // tokens seen before that step
  double progress = 0;           // there
  std::int64_t end_tokens = -1;  // the run ends once so many are seen; -1: not known yet
  std::int64_t warmup_steps = 1;
  std::string until;  // the limits it serves
  std::string reason;

  bool operator==(const RunLength&) const = default;
};

// 0 while the end is unknown.
double progress_at(const RunLength& length, std::int64_t tokens);

// The shape's factor in [0, 1], warm-up left out.  REQUIRES 0 <= progress <= 1.
double shape_factor(const TrainRecipe& train, double progress);

// Of the step that begins after `tokens` tokens (steps counted from 0).
double learning_rate(const TrainRecipe& train, const RunLength& length, std::int64_t step,
                     std::int64_t tokens);

// 2 % of the run's steps, at least 1 and at most 2000, unless the recipe says.
std::int64_t warmup_steps(const TrainRecipe& train, std::int64_t n_steps);

// Sequences of the step that begins after `tokens` tokens: the ramp is linear in tokens and a
// multiple of `granularity` sequences.  REQUIRES batch_tokens is a multiple of sequence_length.
int batch_sequences(const Recipe& recipe, std::int64_t tokens, int granularity);

// Tokens that n_steps steps see from the beginning of the run.  Cost O(n_steps) under a ramp.
std::int64_t tokens_after(const Recipe& recipe, std::int64_t n_steps, int granularity);

}  // namespace farthing
