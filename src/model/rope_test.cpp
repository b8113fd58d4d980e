// rope_test.cpp - YaRN against the numbers of DeepSeek-V3, and angles that stay exact far out.
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace farthing {
namespace {

ModelConfig deepseek_v3_rope() {
  ModelConfig config;
  config.qk_nope_head_dim = 128;
  config.qk_rope_head_dim = 64;
  config.rope_scaling.emplace();
  config.rope_scaling->factor = 40;
  config.rope_scaling->mscale = 1;
  config.rope_scaling->mscale_all_dim = 1;
  return config;
}

// Pitfall: the ramp in the wrong direction, or `high` clamped against rope / 2 - 1.
TEST(Rope, YarnFrequenciesAreThoseOfDeepseekV3) {
  const std::vector<double> f = rope_frequencies(deepseek_v3_rope());
  ASSERT_EQ(f.size(), 32u);
  EXPECT_DOUBLE_EQ(f[0], 1);
  EXPECT_NEAR(f[10], 0.0562341, 5e-8);
  EXPECT_NEAR(f[11], 0.0390069, 5e-8);
  EXPECT_NEAR(f[16], 0.0055, 5e-9);
  EXPECT_NEAR(f[22], 1.778279e-4, 5e-11);
  EXPECT_NEAR(f[23], 3.333804e-5, 5e-12);
  EXPECT_NEAR(f[31], 3.333804e-6, 5e-13);
}

// The clamp shows only where c(beta_slow) lies between rope / 2 - 1 and rope - 1.
TEST(Rope, YarnRampEndsBeyondTheLastPairForLongContexts) {
  ModelConfig config = deepseek_v3_rope();
  config.rope_scaling->original_max_position_embeddings = 1 << 20;
  // c(1) = 41.8 -> high = 42, low = floor(29.7) = 29: ramp(31) = 2 / 13.
  const double base = std::pow(10000.0, -62.0 / 64);
  EXPECT_NEAR(rope_frequencies(config)[31], base * (11 + 2 / 40.0) / 13, 1e-15);
}

TEST(Rope, WithoutScalingFrequenciesAreGeometric) {
  ModelConfig config = deepseek_v3_rope();
  config.rope_scaling.reset();
  const std::vector<double> f = rope_frequencies(config);
  EXPECT_DOUBLE_EQ(f[16], 0.01);
  EXPECT_DOUBLE_EQ(rope_amplitude(config), 1);
}

// Pitfall: the softmax scale without mscale squared.
TEST(Rope, SoftmaxScaleIsThatOfDeepseekV3) {
  ModelConfig config = deepseek_v3_rope();
  EXPECT_NEAR(attention_scale(config), 0.1352337788608801, 1e-16);
  config.rope_scaling.reset();
  EXPECT_NEAR(attention_scale(config), 0.07216878364870322, 1e-16);
}

// Pitfall: mscale applied to cosine and sine as well as to the softmax.
TEST(Rope, AmplitudeIsOneWhenBothMscalesAgree) {
  ModelConfig config = deepseek_v3_rope();
  EXPECT_EQ(rope_amplitude(config), 1);
  config.rope_scaling->mscale = 0.707;
  config.rope_scaling->mscale_all_dim = 0.707;
  EXPECT_EQ(rope_amplitude(config), 1);
  config.rope_scaling->mscale_all_dim = 0;
  EXPECT_NEAR(rope_amplitude(config), 1.3688879454, 1e-10);
  config.rope_scaling->attention_factor = 0.5;
  EXPECT_EQ(rope_amplitude(config), 0.5);
}

// Pitfall: angles in low precision: at position 100,000 float angles are off by 4e-3.
TEST(Rope, TablesAreExactAtLargePositions) {
  const ModelConfig config = deepseek_v3_rope();
  const int position = 100000;
  const RopeTable<float> table = make_rope_table<float>(config, position + 1);
  const std::vector<double> f = rope_frequencies(config);
  for (std::size_t i = 0; i < f.size(); ++i) {
    const std::size_t at = position * f.size() + i;
    EXPECT_NEAR(static_cast<double>(table.cosine[at]), std::cos(position * f[i]), 6e-8);
    EXPECT_NEAR(static_cast<double>(table.sine[at]), std::sin(position * f[i]), 6e-8);
  }
}

}  // namespace
}  // namespace farthing
