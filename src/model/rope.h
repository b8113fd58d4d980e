// rope.h - the angles of rotary position embedding, with YaRN's stretched frequencies.
//
//   f_i = theta^(-2i / rope)                                     i = 0 .. rope/2 - 1
//   YaRN:  f_i (1 - ramp_i) + f_i / factor * ramp_i,  ramp_i = (i - low) / (high - low) in [0, 1]
//          c(rho) = rope ln(L0 / (2 pi rho)) / (2 ln theta)
//          low = max(floor c(beta_fast), 0),  high = min(ceil c(beta_slow), rope - 1)
//   angle(p, i) = p f_i;  cosine and sine are multiplied by rope_amplitude (1 for DeepSeek-V3).
//
// Source   Su et al. 2021 (arXiv:2104.09864); Peng et al. 2023 (arXiv:2309.00071).
// Exact    Everything is computed in double and rounded once to T.
#pragma once
#include <vector>

#include "config/model_config.h"

namespace farthing {

// rope / 2 frequencies, radians a position.
std::vector<double> rope_frequencies(const ModelConfig& config);

// What cosine and sine are multiplied by: rope_scaling.attention_factor, or
// mscale(factor, mscale) / mscale(factor, mscale_all_dim), or mscale(factor, 1) where either is 0.
double rope_amplitude(const ModelConfig& config);

// Row-major [n_positions, rope / 2].
template <class T>
struct RopeTable {
  std::vector<T> cosine, sine;
};
template <class T>
RopeTable<T> make_rope_table(const ModelConfig& config, int n_positions);

}  // namespace farthing
