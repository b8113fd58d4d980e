// lr_schedule.cpp - shapes, ramps and the line of progress.
#include "train/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace farthing {
namespace {

constexpr int kMostDerivedWarmupSteps = 2000;
constexpr double kDerivedWarmupShare = 0.02;

// From 1 to `end` as x goes from 0 to 1.
double cosine_between(double end, double x) {
  return end + (1 - end) * 0.5 * (1 + std::cos(std::numbers::pi * x));
}

double deepseek_v3_factor(double progress) {
  constexpr double kRunTokens = 14.8, kConstant = 10.0, kCosineEnd = 14.3, kPlateauEnd = 14.633;
  const double tokens = progress * kRunTokens;
  if (tokens < kConstant) return 1;
  if (tokens < kCosineEnd) {
    return cosine_between(0.1, (tokens - kConstant) / (kCosineEnd - kConstant));
  }
  return tokens < kPlateauEnd ? 0.1 : 7.3 / 220;
}

}  // namespace

double progress_at(const RunLength& length, std::int64_t tokens) {
  if (length.end_tokens < 0) return 0;
  if (tokens >= length.end_tokens) return 1;
  const double share = static_cast<double>(tokens - length.at_tokens) /
                       static_cast<double>(length.end_tokens - length.at_tokens);
  return std::clamp(length.progress + (1 - length.progress) * share, 0.0, 1.0);
}

double shape_factor(const TrainRecipe& train, double progress) {
  CHECK(progress >= 0 && progress <= 1);
  switch (train.lr_shape) {
    case LrShape::kConstant:
      return 1;
    case LrShape::kCosine:
      return cosine_between(train.min_lr_ratio, progress);
    case LrShape::kWsd: {
      const double begin = 1 - train.decay_fraction;
      if (progress <= begin || train.decay_fraction <= 0) return 1;
      return 1 - (1 - train.min_lr_ratio) * (progress - begin) / train.decay_fraction;
    }
    case LrShape::kDeepseekV3:
      return deepseek_v3_factor(progress);
  }
  CHECK(false, "a shape without a formula");
  return 1;
}

double learning_rate(const TrainRecipe& train, const RunLength& length, std::int64_t step,
                     std::int64_t tokens) {
  const double warm =
      std::min(1.0, static_cast<double>(step + 1) /
                        static_cast<double>(std::max<std::int64_t>(1, length.warmup_steps)));
  return train.learning_rate * warm * shape_factor(train, progress_at(length, tokens));
}

std::int64_t warmup_steps(const TrainRecipe& train, std::int64_t n_steps) {
  if (train.warmup_steps > 0) return train.warmup_steps;
  const auto derived =
      static_cast<std::int64_t>(kDerivedWarmupShare * static_cast<double>(n_steps));
  return std::clamp<std::int64_t>(derived, 1, kMostDerivedWarmupSteps);
}

int batch_sequences(const Recipe& recipe, std::int64_t tokens, int granularity) {
  const TrainRecipe& train = recipe.train;
  const int full = train.batch_tokens / recipe.data.sequence_length;
  CHECK(granularity >= 1 && full >= 1 && full % granularity == 0);
  const bool ramps = train.batch_tokens_start > 0 && train.batch_ramp_tokens > 0;
  if (!ramps || static_cast<double>(tokens) >= train.batch_ramp_tokens) return full;
  const double share = static_cast<double>(tokens) / train.batch_ramp_tokens;
  const double wanted =
      train.batch_tokens_start + (train.batch_tokens - train.batch_tokens_start) * share;
  const int sequences = static_cast<int>(wanted / recipe.data.sequence_length);
  return std::clamp(sequences / granularity * granularity, granularity, full);
}

std::int64_t tokens_after(const Recipe& recipe, std::int64_t n_steps, int granularity) {
  const std::int64_t full = recipe.train.batch_tokens;
  std::int64_t tokens = 0;
  for (std::int64_t step = 0; step < n_steps; ++step) {
    const std::int64_t batch =
        static_cast<std::int64_t>(batch_sequences(recipe, tokens, granularity)) *
        recipe.data.sequence_length;
    if (batch == full) return tokens + (n_steps - step) * full;
    tokens += batch;
  }
  return tokens;
}

}  // namespace farthing
