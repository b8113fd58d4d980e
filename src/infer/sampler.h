// sampler.h - the next token from logits: greedy, or drawn after temperature, top-k and top-p.
//
//   p = softmax(logits / temperature) over the top_k largest, cut to the shortest prefix of them,
//   in descending order, that holds top_p of their mass, renormalised; temperature 0: the largest
//   logit
//
// Source   Holtzman et al. 2020 (arXiv:1904.09751) for top-p; transformers for the order of cuts.
//
// Errors   Error{kBadInput} for settings out of range, and for logits that are not numbers.
//
// Exact    Ties go to the lower id.  The draw depends on seed, sequence and position alone.
#pragma once
#include <cstdint>
#include <span>

namespace farthing {

struct SamplingSettings {
  double temperature = 1;  // 0: greedy
  int top_k = 0;           // 0: all
  double top_p = 1;
  std::uint64_t seed = 1;
};

void check_sampling(const SamplingSettings& settings);

// `sequence` and `position` name the draw: the same names give the same token.
std::int32_t sample_token(std::span<const float> logits, const SamplingSettings& settings,
                          std::uint64_t sequence, std::uint64_t position);

}  // namespace farthing
