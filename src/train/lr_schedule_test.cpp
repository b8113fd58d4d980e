// lr_schedule_test.cpp - shapes against hand-computed points, ramps, and bending of the run length.
#include "train/lr_schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace farthing {
namespace {

TrainRecipe with_shape(LrShape shape) {
  TrainRecipe train;
  train.lr_shape = shape;
  train.learning_rate = 2.2e-4;
  train.decay_fraction = 0.25;
  train.min_lr_ratio = 0.1;
  return train;
}

RunLength length_of(std::int64_t end_tokens, std::int64_t warmup = 1) {
  return {0, 0, 0.0, end_tokens, warmup, "", "test"};
}

TEST(LrSchedule, WarmsUpLinearlyFromTheFirstStep) {
  const TrainRecipe train = with_shape(LrShape::kConstant);
  EXPECT_DOUBLE_EQ(learning_rate(train, length_of(1000, 10), 0, 0), 2.2e-5);
  EXPECT_DOUBLE_EQ(learning_rate(train, length_of(1000, 10), 4, 0), 1.1e-4);
  EXPECT_DOUBLE_EQ(learning_rate(train, length_of(1000, 10), 9, 0), 2.2e-4);
  EXPECT_DOUBLE_EQ(learning_rate(train, length_of(1000, 10), 500, 999), 2.2e-4);
}

TEST(LrSchedule, CosineEndsAtTheLeastRate) {
  const TrainRecipe train = with_shape(LrShape::kCosine);
  EXPECT_DOUBLE_EQ(shape_factor(train, 0), 1);
  EXPECT_NEAR(shape_factor(train, 0.5), 0.55, 1e-15);
  EXPECT_NEAR(shape_factor(train, 1), 0.1, 1e-15);
}

TEST(LrSchedule, WsdIsFlatThenLinear) {
  const TrainRecipe train = with_shape(LrShape::kWsd);
  EXPECT_EQ(shape_factor(train, 0.75), 1);
  EXPECT_NEAR(shape_factor(train, 0.875), 0.55, 1e-15);
  EXPECT_NEAR(shape_factor(train, 1), 0.1, 1e-15);
}

TEST(LrSchedule, DeepseekV3FollowsTheReport) {
  const TrainRecipe train = with_shape(LrShape::kDeepseekV3);
  const RunLength whole = length_of(14'800'000'000'000, 2000);
  const auto rate = [&](double trillions) {
    return learning_rate(train, whole, 5000, static_cast<std::int64_t>(trillions * 1e12));
  };
  EXPECT_DOUBLE_EQ(rate(9.99), 2.2e-4);
  EXPECT_NEAR(rate(12.15), (2.2e-4 + 2.2e-5) / 2, 1e-12);  // half of the cosine
  EXPECT_NEAR(rate(14.299), 2.2e-5, 1e-9);
  EXPECT_DOUBLE_EQ(rate(14.5), 2.2e-5);
  EXPECT_DOUBLE_EQ(rate(14.632), 2.2e-5);
  EXPECT_NEAR(rate(14.634), 7.3e-6, 1e-18);
  EXPECT_NEAR(learning_rate(train, whole, 999, 0), 1.1e-4, 1e-18);  // half of the warm-up
}

TEST(LrSchedule, DerivedWarmupIsTwoPercentWithBounds) {
  TrainRecipe train;
  EXPECT_EQ(warmup_steps(train, 10), 1);
  EXPECT_EQ(warmup_steps(train, 1000), 20);
  EXPECT_EQ(warmup_steps(train, 10'000'000), 2000);
  train.warmup_steps = 7;
  EXPECT_EQ(warmup_steps(train, 10), 7);
}

TEST(LrSchedule, ANewLengthBendsTheLineWhereItStands) {
  const RunLength first = length_of(1000);
  const double here = progress_at(first, 600);
  EXPECT_DOUBLE_EQ(here, 0.6);
  const RunLength shorter{60, 600, here, 700, 1, "", "slower than thought"};
  EXPECT_DOUBLE_EQ(progress_at(shorter, 600), 0.6);
  EXPECT_DOUBLE_EQ(progress_at(shorter, 650), 0.8);
  EXPECT_DOUBLE_EQ(progress_at(shorter, 700), 1.0);
  EXPECT_DOUBLE_EQ(progress_at(shorter, 900), 1.0);
  EXPECT_DOUBLE_EQ(progress_at(RunLength{}, 900), 0.0);  // not known yet
}

TEST(LrSchedule, BatchRampIsLinearInTokensAndKeepsItsGranularity) {
  Recipe recipe;
  recipe.data.sequence_length = 128;
  recipe.train.batch_tokens = 128 * 16;
  recipe.train.batch_tokens_start = 128 * 4;
  recipe.train.batch_ramp_tokens = 128 * 100;
  EXPECT_EQ(batch_sequences(recipe, 0, 2), 4);
  EXPECT_EQ(batch_sequences(recipe, 128 * 50, 2), 10);
  EXPECT_EQ(batch_sequences(recipe, 128 * 99, 2), 14);
  EXPECT_EQ(batch_sequences(recipe, 128 * 100, 2), 16);
  std::int64_t tokens = 0;
  for (int step = 0; step < 40; ++step) {
    EXPECT_EQ(tokens_after(recipe, step, 2), tokens);
    tokens += 128 * batch_sequences(recipe, tokens, 2);
  }
}

TEST(LrSchedule, WithoutARampEveryStepIsFull) {
  Recipe recipe;
  recipe.data.sequence_length = 512;
  recipe.train.batch_tokens = 4096;
  EXPECT_EQ(batch_sequences(recipe, 0, 4), 8);
  EXPECT_EQ(tokens_after(recipe, 1000, 4), 4096000);
}

}  // namespace
}  // namespace farthing
