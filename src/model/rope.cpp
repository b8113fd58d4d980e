// rope.cpp - frequencies in double, tables rounded once.
#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/parallel.h"

namespace farthing {
namespace {

double mscale(double factor, double m) { return factor <= 1 ? 1 : 0.1 * m * std::log(factor) + 1; }

// The (real) index of the pair that turns `rotations` times within the original context.
double pair_of_rotations(const ModelConfig& config, double rotations) {
  const double context = config.rope_scaling->original_max_position_embeddings;
  return config.qk_rope_head_dim * std::log(context / (2 * std::numbers::pi * rotations)) /
         (2 * std::log(config.rope_theta));
}

}  // namespace

std::vector<double> rope_frequencies(const ModelConfig& config) {
  const int rope = config.qk_rope_head_dim;
  std::vector<double> frequency(static_cast<std::size_t>(rope / 2));
  for (int i = 0; i < rope / 2; ++i) {
    frequency[static_cast<std::size_t>(i)] = std::pow(config.rope_theta, -2.0 * i / rope);
  }
  if (!config.rope_scaling) return frequency;

  const RopeScaling& scaling = *config.rope_scaling;
  const double low = std::max(std::floor(pair_of_rotations(config, scaling.beta_fast)), 0.0);
  double high = std::min(std::ceil(pair_of_rotations(config, scaling.beta_slow)), rope - 1.0);
  if (high == low) high += 0.001;
  for (int i = 0; i < rope / 2; ++i) {
    const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
    double& f = frequency[static_cast<std::size_t>(i)];
    f = f * (1 - ramp) + f / scaling.factor * ramp;
  }
  return frequency;
}

double rope_amplitude(const ModelConfig& config) {
  if (!config.rope_scaling) return 1;
  const RopeScaling& scaling = *config.rope_scaling;
  if (scaling.attention_factor) return *scaling.attention_factor;
  if (scaling.mscale == 0 || scaling.mscale_all_dim == 0) return mscale(scaling.factor, 1);
  return mscale(scaling.factor, scaling.mscale) / mscale(scaling.factor, scaling.mscale_all_dim);
}

template <class T>
RopeTable<T> make_rope_table(const ModelConfig& config, int n_positions) {
  const std::vector<double> frequency = rope_frequencies(config);
  const double amplitude = rope_amplitude(config);
  const std::size_t size = frequency.size() * static_cast<std::size_t>(n_positions);
  RopeTable<T> table{std::vector<T>(size), std::vector<T>(size)};
  parallel_for(n_positions, [&](int position) {
    const std::size_t first = static_cast<std::size_t>(position) * frequency.size();
    for (std::size_t i = 0; i < frequency.size(); ++i) {
      const double angle = position * frequency[i];
      table.cosine[first + i] = static_cast<T>(amplitude * std::cos(angle));
      table.sine[first + i] = static_cast<T>(amplitude * std::sin(angle));
    }
  });
  return table;
}

template RopeTable<float> make_rope_table(const ModelConfig&, int);
template RopeTable<double> make_rope_table(const ModelConfig&, int);

}  // namespace farthing
