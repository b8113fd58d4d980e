// sampler.cpp - cut, then one uniform number through the cumulative distribution.
#include "infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"

namespace farthing {
namespace {

struct Candidate {
  std::int32_t id;
  float logit;
  double mass = 0;  // unnormalised probability
};

bool stands_before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

std::vector<Candidate> list_candidates(std::span<const float> logits) {
  std::vector<Candidate> candidates(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (std::isnan(logits[id]) || logits[id] == std::numeric_limits<float>::infinity()) {
      throw_bad_input({"the model", "a logit", "not a finite number", "a number",
                       "its weights hold NaN or infinity"});
    }
    candidates[id] = {static_cast<std::int32_t>(id), logits[id]};
  }
  return candidates;
}

// The first `count` in descending order, the rest dropped.
void keep_largest(std::vector<Candidate>& candidates, std::size_t count) {
  count = std::min(count, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                    candidates.end(), stands_before);
  candidates.resize(count);
}

// Sets every mass; returns their sum.
double weigh(std::vector<Candidate>& candidates, double temperature) {
  const float largest = std::ranges::max_element(candidates, {}, &Candidate::logit)->logit;
  double total = 0;
  for (Candidate& candidate : candidates) {
    candidate.mass = std::exp((static_cast<double>(candidate.logit) - largest) / temperature);
    total += candidate.mass;
  }
  return total;
}

// Drops what follows the shortest prefix with top_p of the mass; returns the mass that is left.
double keep_nucleus(std::vector<Candidate>& candidates, double top_p, double total) {
  double kept = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    kept += candidates[i].mass;
    if (kept < top_p * total) continue;
    candidates.resize(i + 1);
    break;
  }
  return kept;
}

}  // namespace

void check_sampling(const SamplingSettings& settings) {
  const auto refuse = [](const char* what, double found, const char* wanted) {
    throw_bad_input({"sampling", what, std::to_string(found), wanted, ""});
  };
  if (!(settings.temperature >= 0) || std::isinf(settings.temperature)) {
    refuse("temperature", settings.temperature, "a finite number from 0");
  }
  if (!(settings.top_p > 0 && settings.top_p <= 1)) {
    refuse("top_p", settings.top_p, "above 0, at most 1");
  }
  if (settings.top_k < 0) refuse("top_k", settings.top_k, "0 (all) or more");
}

std::int32_t sample_token(std::span<const float> logits, const SamplingSettings& settings,
                          std::uint64_t sequence, std::uint64_t position) {
  CHECK(!logits.empty());
  check_sampling(settings);
  std::vector<Candidate> candidates = list_candidates(logits);
  if (settings.temperature == 0) return std::ranges::min(candidates, stands_before).id;
  if (settings.top_k > 0 || settings.top_p < 1) {
    const bool some = settings.top_k > 0;
    keep_largest(candidates, some ? static_cast<std::size_t>(settings.top_k) : candidates.size());
  }
  double total = weigh(candidates, settings.temperature);
  if (settings.top_p < 1) total = keep_nucleus(candidates, settings.top_p, total);
  const Rng rng(settings.seed, RngStream::kSampling, sequence);
  double rest = rng.uniform(position) * total;
  for (const Candidate& candidate : candidates) {
    if (rest < candidate.mass) return candidate.id;
    rest -= candidate.mass;
  }
  // Rounding ate the last sliver: the last token that has any mass.
  return std::ranges::find_if(candidates.rbegin(), candidates.rend(),
                              [](const Candidate& c) { return c.mass > 0; })
      ->id;
}

}  // namespace farthing
