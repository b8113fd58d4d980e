// router_test.cpp - the choice of experts and their weights, a pitfall a test.
#include "model/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

#include "model/rows.h"
#include "model/test_model.h"
#include "model/top_k.h"

namespace farthing::test {
namespace {

std::vector<std::int32_t> choose(const ModelConfig& config, std::vector<double> score) {
  std::vector<std::int32_t> expert(static_cast<std::size_t>(config.num_experts_per_tok));
  choose_experts<double>(config, score, expert);
  return expert;
}

ModelConfig grouped(int n_experts, int n_group, int topk_group, int top_k) {
  ModelConfig config = small_config();
  config.n_routed_experts = n_experts;
  config.n_group = n_group;
  config.topk_group = topk_group;
  config.num_experts_per_tok = top_k;
  return config;
}

// One token through a router whose logits are given: hidden_size = n_experts, W_g = 1.
struct OneToken {
  OneToken(ModelConfig router_config, const std::vector<double>& logits,
           const std::vector<double>& bias)
      : m(with_width(std::move(router_config), static_cast<int>(logits.size()))),
        arena(1 << 20),
        routing(arena, m.config, 1),
        scratch(arena, m.config, 1) {
    const Matrix<double> gate = m.weights.matrix(m.id("model.layers.1.mlp.gate.weight"));
    for (int row = 0; row < gate.n_rows; ++row) {
      for (int col = 0; col < gate.n_cols; ++col) gate(row, col) = row == col ? 1 : 0;
    }
    std::ranges::copy(bias, m.weight("model.layers.1.mlp.gate.e_score_correction_bias").begin());
    const Router<double> router{m.config, m.model.ids.blocks[1].router, m.weights};
    router.forward(routing, {logits.data(), 1, static_cast<int>(logits.size())}, scratch);
  }
  static ModelConfig with_width(ModelConfig config, int width) {
    config.hidden_size = width;
    return config;
  }
  std::vector<std::int32_t> expert() const {
    return {routing.expert[0].begin(), routing.expert[0].end()};
  }
  std::vector<double> weight() const {
    return {routing.weight[0].begin(), routing.weight[0].end()};
  }

  TestModel<double> m;
  Arena arena;
  Routing<double> routing;
  Router<double>::Scratch scratch;
};

TEST(TopK, TiesGoToTheLowestIndex) {
  const std::vector<double> values = {1, 3, 3, 2, 3};
  std::vector<std::int32_t> chosen(4);
  top_k_of<double>(values, chosen);
  EXPECT_EQ(chosen, (std::vector<std::int32_t>{1, 2, 4, 3}));
}

TEST(TopK, IsTheHeadOfAStableSort) {
  for (std::uint64_t trial = 0; trial < 100; ++trial) {
    const Rng rng(trial, RngStream::kTest);
    std::vector<float> values;
    for (std::uint64_t i = 0; i < 1 + trial; ++i) {
      values.push_back(static_cast<float>(rng.below(i, trial + 2)));  // many ties
    }
    std::vector<std::int32_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(),
                             [&](int i) { return values[static_cast<std::size_t>(i)]; });
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}, values.size() / 2, values.size()}) {
      std::vector<std::int32_t> chosen(k);
      top_k_of<float>(values, chosen);
      EXPECT_TRUE(std::ranges::equal(chosen, std::span(order).first(k))) << trial << ' ' << k;
    }
  }
}

TEST(TopK, ValuesThatAreNotNumbersGiveValidIndices) {
  const std::vector<double> values(5, std::nan(""));
  std::vector<std::int32_t> chosen(3);
  top_k_of<double>(values, chosen);
  for (const int index : chosen) EXPECT_TRUE(index >= 0 && index < 5);
}

// Pitfall 1: masked groups filled with 0 win against negative scores.
TEST(Router, ChosenExpertsLieInKeptGroupsEvenWithNegativeScores) {
  const ModelConfig config = grouped(16, 4, 2, 5);
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    const Rng rng(trial, RngStream::kTest);
    std::vector<double> score;
    for (std::uint64_t i = 0; i < 16; ++i) {
      score.push_back(rng.uniform(i) - 2 * rng.uniform(99 + i));
    }
    std::array<bool, 4> used{};
    for (const int expert : choose(config, score)) {
      used[static_cast<std::size_t>(expert / 4)] = true;
    }
    EXPECT_LE(std::count(used.begin(), used.end(), true), 2);
  }
}

TEST(Router, GroupMaskZeroLetsMaskedExpertsWinAsOldPortsDo) {
  ModelConfig config = grouped(8, 2, 1, 2);
  const std::vector<double> score = {-0.1, -0.2, -0.3, -0.4, -1, -1, -1, -1};
  EXPECT_EQ(choose(config, score), (std::vector<std::int32_t>{0, 1}));
  config.group_mask_zero = true;
  EXPECT_EQ(choose(config, score), (std::vector<std::int32_t>{4, 5}));
}

// Pitfall 3: a group's score is the sum of its two best, neither the best nor the mean.
TEST(Router, GroupScoreIsTheSumOfTheTwoLargest) {
  EXPECT_EQ(choose(grouped(4, 2, 1, 2), {.9, .1, .6, .6}), (std::vector<std::int32_t>{2, 3}));
  EXPECT_EQ(choose(grouped(8, 2, 1, 2), {.9, .9, 0, 0, .6, .6, .6, .6}),
            (std::vector<std::int32_t>{0, 1}));
}

TEST(Router, EqualGroupsAndEqualExpertsGoToTheLowestIndex) {
  EXPECT_EQ(choose(grouped(8, 4, 2, 3), std::vector<double>(8, 0.5)),
            (std::vector<std::int32_t>{0, 1, 2}));
}

// Pitfall 2: weights are of s, never of s + b, and never (s + b) - b.
TEST(Router, ABiasThatDoesNotChangeTheChoiceChangesNoBit) {
  ModelConfig config = grouped(4, 1, 1, 2);
  const std::vector<double> logits = {-18, -19, -30, -31};  // affinities near 1e-8
  const OneToken without(config, logits, {0, 0, 0, 0});
  const OneToken with(config, logits, {12, 12, 0, 0});
  EXPECT_EQ(with.expert(), without.expert());
  EXPECT_EQ(with.weight(), without.weight());
  const OneToken other(config, logits, {0, 0, 12, 12});
  EXPECT_EQ(other.expert(), (std::vector<std::int32_t>{2, 3}));
}

// Pitfall 4: the factor comes after the renormalisation.
TEST(Router, NormalisedWeightsSumToTheScalingFactor) {
  ModelConfig config = grouped(4, 1, 1, 3);
  const std::vector<double> logits = {0.3, -0.2, 1.5, 0.1};
  const OneToken normalised(config, logits, {0, 0, 0, 0});
  const std::vector<double> weight = normalised.weight();
  EXPECT_NEAR(weight[0] + weight[1] + weight[2], 2.5, 1e-15);
  config.norm_topk_prob = false;
  const OneToken plain(config, logits, {0, 0, 0, 0});
  EXPECT_DOUBLE_EQ(plain.weight()[0], 2.5 / (1 + std::exp(-0.3)));
}

// Pitfall 5: the sum of weights in float.
TEST(Router, FloatWeightsSumToTheScalingFactorWithinOneMillionth) {
  ModelConfig config = small_config();
  config.n_routed_experts = 64;
  config.num_experts_per_tok = 8;
  const TestModel<float> m(config);
  const Batch batch = random_batch(config, 2, 16, 1);
  TestContext<float> context(config, batch);
  forward(m.model, context.state, batch);
  for (int token = 0; token < batch.n_tokens(); ++token) {
    double sum = 0;
    for (const float weight : context.state.routing(1).weight[token]) {
      sum += static_cast<double>(weight);
    }
    EXPECT_NEAR(sum, 2.5, 1e-6);
  }
}

TEST(Routing, RowsAreAPermutationOrderedByExpertThenToken) {
  ModelConfig config = grouped(8, 1, 1, 3);
  Arena arena(1 << 20);
  const int n_tokens = 50;
  const Routing<double> routing(arena, config, n_tokens);
  for (int token = 0; token < n_tokens; ++token) {
    for (int slot = 0; slot < 3; ++slot) routing.expert(token, slot) = (token * 5 + 2 * slot) % 7;
  }
  order_by_expert(routing);
  EXPECT_EQ(routing.begin[8], n_tokens * 3);
  EXPECT_EQ(routing.count[7], 0);
  for (int e = 0; e < 8; ++e) {
    EXPECT_EQ(routing.n_rows_of(e), routing.count[static_cast<std::size_t>(e)]);
    int previous = -1;
    for (int row = routing.begin[static_cast<std::size_t>(e)];
         row < routing.begin[static_cast<std::size_t>(e) + 1]; ++row) {
      const int assignment = routing.assignment_of_row[static_cast<std::size_t>(row)];
      EXPECT_EQ(routing.row_of_assignment[static_cast<std::size_t>(assignment)], row);
      EXPECT_EQ(routing.expert.data[assignment], e);
      EXPECT_EQ(routing.token_of_row[static_cast<std::size_t>(row)], assignment / 3);
      EXPECT_GT(assignment, previous);
      previous = assignment;
    }
  }
}

// With d(x)[r] = x[token_of_row[r]]: <d(x), y> = <x, dispatch_backward(y)>, and with weights
// 1 / top_k, combine(d(x)) = x.
TEST(Routing, CombineUndoesDispatch) {
  ModelConfig config = grouped(8, 1, 1, 4);
  Arena arena(1 << 20);
  const int n_tokens = 6, width = 5;
  const Routing<double> routing(arena, config, n_tokens);
  const Matrix<double> x = arena.matrix<double>(n_tokens, width);
  const Matrix<double> back = arena.matrix<double>(n_tokens, width);
  const Matrix<double> rows = arena.matrix<double>(n_tokens * 4, width);
  const Matrix<double> y = arena.matrix<double>(n_tokens * 4, width);
  const Rng rng(1, RngStream::kTest);
  for (int i = 0; i < n_tokens * 4; ++i) {
    routing.expert.data[i] = static_cast<int>(rng.below(static_cast<std::uint64_t>(i), 8));
    routing.weight.data[i] = 0.25;
  }
  for (int i = 0; i < x.size(); ++i) x.data[i] = rng.normal(static_cast<std::uint64_t>(i));
  for (int i = 0; i < y.size(); ++i) y.data[i] = rng.normal(static_cast<std::uint64_t>(1000 + i));
  order_by_expert(routing);
  gather_rows<double>(rows, x, routing.token_of_row);
  combine<double>(back, rows, routing);
  for (int i = 0; i < x.size(); ++i) EXPECT_DOUBLE_EQ(back.data[i], x.data[i]);

  double left = 0, right = 0;
  for (int i = 0; i < y.size(); ++i) left += rows.data[i] * y.data[i];
  dispatch_backward<double>(back, y, routing);
  for (int i = 0; i < x.size(); ++i) right += x.data[i] * back.data[i];
  EXPECT_NEAR(left, right, 1e-13 * std::abs(left) + 1e-14);
}

}  // namespace
}  // namespace farthing::test
