// optimizer_test.cpp - the loop over the table against AdamW written out in double.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "train/testing.h"

namespace farthing {
namespace {

struct Fixture {
  explicit Fixture(bool bf16 = false)
      : master(arena, table), gradients(arena, table), state(arena, table, bf16) {
    const Rng rng(3, RngStream::kTest);
    for (int id = 0; id < table.size(); ++id) {
      for (std::int64_t i = 0; i < table[id].size(); ++i) {
        const auto at = static_cast<std::uint64_t>(table[id].offset + i);
        const auto index = static_cast<std::size_t>(i);
        master.values(id)[index] = static_cast<float>(rng.normal(2 * at));
        gradients.values(id)[index] = static_cast<float>(0.01 * rng.normal(2 * at + 1));
      }
    }
  }
  double norm_in_double() const {
    double squares = 0;
    for (int id = 0; id < table.size(); ++id) {
      if (!table[id].trainable) continue;
      for (const float g : gradients.values(id)) squares += static_cast<double>(g) * g;
    }
    return std::sqrt(squares);
  }

  ModelConfig config = tiny_recipe().model;
  ParameterTable table{config};
  Arena arena{8 << 20};
  ParameterStore<float> master, gradients;
  OptimizerState state;
};

TEST(Optimizer, NormCountsEveryTrainableElementOnce) {
  Fixture f;
  EXPECT_NEAR(gradient_norm(f.gradients, f.state) / f.norm_in_double(), 1, 1e-6);
  std::int64_t elements = 0, trainable = 0;
  for (const auto& piece : f.state.pieces) elements += piece.count;
  for (const auto& parameter : f.table.entries()) {
    if (parameter.trainable) trainable += parameter.size();
  }
  EXPECT_EQ(elements, trainable);
  EXPECT_EQ(trainable, f.table.n_parameters());
}

TEST(Optimizer, StepsLikeAdamwInDouble) {
  Fixture f;
  const OptimizerStep step{.learning_rate = 1e-2, .weight_decay = 0.1, .clip_norm = 0.5};
  std::vector<double> weight(f.master.all.begin(), f.master.all.end());
  std::vector<double> m(weight.size()), v(weight.size());
  for (int t = 1; t <= 3; ++t) {
    const double norm = f.norm_in_double();
    ASSERT_GT(norm, 0.5);  // or clipping is not tested
    for (int id = 0; id < f.table.size(); ++id) {
      const Parameter& p = f.table[id];
      if (!p.trainable) continue;
      for (std::int64_t i = p.offset; i < p.offset + p.size(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        const double g = f.gradients.all[at] * 0.5 / norm;
        m[at] = 0.9 * m[at] + 0.1 * g;
        v[at] = 0.95 * v[at] + 0.05 * g * g;
        const double direction =
            m[at] / (1 - std::pow(0.9, t)) / (std::sqrt(v[at] / (1 - std::pow(0.95, t))) + 1e-8);
        weight[at] -= 1e-2 * (direction + (p.decays ? 0.1 : 0.0) * weight[at]);
      }
    }
    EXPECT_NEAR(clip_and_update(f.master, f.gradients, f.state, step), norm, 1e-6 * norm);
    for (float& g : f.gradients.all) g = -0.7f * g + 0.001f;
  }
  for (int id = 0; id < f.table.size(); ++id) {
    const Parameter& p = f.table[id];
    for (std::int64_t i = p.offset; i < p.offset + p.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      ASSERT_NEAR(f.master.all[at], weight[at], 2e-6 * std::max(1.0, std::abs(weight[at])))
          << p.name;
    }
  }
}

TEST(Optimizer, DecaysMatricesButNotNormsNorBiases) {
  Fixture f;
  std::ranges::fill(f.gradients.all, 0.0f);
  const std::vector<float> before(f.master.all.begin(), f.master.all.end());
  clip_and_update(f.master, f.gradients, f.state, {.learning_rate = 0.1, .weight_decay = 0.5});
  for (int id = 0; id < f.table.size(); ++id) {
    const Parameter& p = f.table[id];
    const bool keeps = p.role == Role::kNorm || p.role == Role::kBias;
    const float was = before[static_cast<std::size_t>(p.offset)];
    EXPECT_FLOAT_EQ(f.master.values(id)[0], keeps ? was : 0.95f * was) << p.name;
  }
}

TEST(Optimizer, ANormThatIsNotFiniteChangesNothing) {
  Fixture f;
  f.gradients.values(0)[5] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before(f.master.all.begin(), f.master.all.end());
  EXPECT_TRUE(std::isnan(clip_and_update(f.master, f.gradients, f.state, {.learning_rate = 0.1})));
  EXPECT_EQ(std::memcmp(before.data(), f.master.all.data(), f.master.all.size_bytes()), 0);
  EXPECT_EQ(f.state.n_updates, 0);
}

TEST(Optimizer, BitsDoNotDependOnThreads) {
  std::vector<std::vector<float>> results;
  std::vector<double> norms;
  const int usual = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Fixture f;
    norms.push_back(gradient_norm(f.gradients, f.state));
    for (int t = 0; t < 3; ++t) {
      clip_and_update(f.master, f.gradients, f.state, {.learning_rate = 1e-2, .clip_norm = 0.1});
    }
    results.emplace_back(f.master.all.begin(), f.master.all.end());
  }
  set_num_threads(usual);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
  EXPECT_EQ(norms[0], norms[1]);
  EXPECT_EQ(norms[0], norms[2]);
}

TEST(Optimizer, Bf16MomentsFollowFullOnesAndRefuseALongMemory) {
  Fixture full, half(true);
  for (int t = 0; t < 5; ++t) {
    clip_and_update(full.master, full.gradients, full.state, {.learning_rate = 1e-2});
    clip_and_update(half.master, half.gradients, half.state, {.learning_rate = 1e-2});
  }
  for (std::size_t i = 0; i < full.master.all.size(); ++i) {
    ASSERT_NEAR(full.master.all[i], half.master.all[i], 5e-2 * 1.5e-2);  // 5 steps, 1.5 % of each
  }
  TrainRecipe train;
  train.bf16_moments = true;
  EXPECT_NO_THROW(check_moments(train, "recipe"));
  train.beta2 = 0.99;
  EXPECT_THROW(check_moments(train, "recipe"), Error);
}

}  // namespace
}  // namespace farthing
