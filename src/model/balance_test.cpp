// balance_test.cpp - the correction bias, MaxVio, and the sequence-wise loss with its gradient.
#include "model/balance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace farthing {
namespace {

TEST(CorrectionBias, MovesByASignTowardsTheIdle) {
  std::vector<float> bias = {0, 0.5f, -0.5f, 0};
  const std::vector<std::int64_t> counts = {10, 0, 4, 2};  // mean 4
  update_correction_bias(bias, counts, 0.001);
  EXPECT_EQ(bias, (std::vector<float>{-0.001f, 0.501f, -0.5f, 0.001f}));
}

// Pitfall 20: sign(0) = 0.
TEST(CorrectionBias, EqualLoadsLeaveItUnchanged) {
  std::vector<float> bias = {0.1f, -0.2f, 0.3f};
  const std::vector<float> before = bias;
  update_correction_bias(bias, std::vector<std::int64_t>{7, 7, 7}, 0.001);
  EXPECT_EQ(bias, before);
}

// A rounded mean would move one of these the wrong way.
TEST(CorrectionBias, ComparesWithTheExactMean) {
  std::vector<float> bias = {0, 0, 0};
  update_correction_bias(bias, std::vector<std::int64_t>{3, 4, 4}, 1);
  EXPECT_EQ(bias, (std::vector<float>{1, -1, -1}));
}

TEST(MaxViolation, IsTheWorstExpertAboveTheMean) {
  EXPECT_DOUBLE_EQ(max_violation(std::vector<std::int64_t>{4, 4, 4, 4}), 0);
  EXPECT_DOUBLE_EQ(max_violation(std::vector<std::int64_t>{10, 0, 4, 2}), 1.5);
  EXPECT_DOUBLE_EQ(max_violation(std::vector<std::int64_t>{0, 0}), 0);
}

struct Affinities {
  Affinities(int n_sequences, int length, int n_experts)
      : arena(1 << 20),
        logits(arena.matrix<double>(n_sequences * length, n_experts)),
        affinity(arena.matrix<double>(n_sequences * length, n_experts)),
        dlogits(arena.matrix<double>(n_sequences * length, n_experts)),
        saved(arena, n_sequences, n_experts) {
    const Rng rng(3, RngStream::kTest);
    for (int i = 0; i < logits.size(); ++i) logits.data[i] = rng.normal(static_cast<unsigned>(i));
    refresh();
  }
  void refresh() const {
    for (int i = 0; i < logits.size(); ++i) affinity.data[i] = 1 / (1 + std::exp(-logits.data[i]));
  }
  Arena arena;
  Matrix<double> logits, affinity, dlogits;
  SequenceBalance<double>::Saved saved;
};

TEST(SequenceBalance, IsOneAtPerfectBalanceAndMoreWhenOneExpertTakesAll) {
  const SequenceBalance<double> part{.sequence_length = 4, .top_k = 1};
  const Affinities a(1, 4, 4);
  for (int token = 0; token < 4; ++token) {
    for (int e = 0; e < 4; ++e) a.affinity(token, e) = e == token ? 0.7 : 0.1;
  }
  EXPECT_NEAR(part.forward(a.saved, a.affinity), 1, 1e-15);
  for (int token = 0; token < 4; ++token) {
    for (int e = 0; e < 4; ++e) a.affinity(token, e) = e == 2 ? 0.7 : 0.1;
  }
  EXPECT_NEAR(part.forward(a.saved, a.affinity), 4 * 0.7, 1e-15);
}

// Pitfall 21: f comes from the raw affinities per sequence, and carries no gradient.
TEST(SequenceBalance, GradientEqualsDifferencesWithFrozenCounts) {
  const SequenceBalance<double> part{.sequence_length = 5, .top_k = 2};
  const Affinities a(2, 5, 6);
  part.forward(a.saved, a.affinity);
  part.backward(a.dlogits, a.saved, a.affinity, 0.5);
  const auto value_with_frozen_f = [&] {
    a.refresh();
    double total = 0;
    for (int token = 0; token < 10; ++token) {
      double sum = 0, weighted = 0;
      for (int e = 0; e < 6; ++e) {
        sum += a.affinity(token, e);
        weighted += a.saved.f(token / 5, e) * a.affinity(token, e);
      }
      total += weighted / sum / 5;
    }
    return 0.5 * total;
  };
  for (int i = 0; i < a.logits.size(); ++i) {
    const double original = a.logits.data[i];
    a.logits.data[i] = original + 1e-5;
    const double above = value_with_frozen_f();
    a.logits.data[i] = original - 1e-5;
    const double below = value_with_frozen_f();
    a.logits.data[i] = original;
    EXPECT_NEAR(a.dlogits.data[i], (above - below) / 2e-5, 1e-9);
  }
}

TEST(SequenceBalance, CountsAreThoseOfEachSequenceAlone) {
  const SequenceBalance<double> part{.sequence_length = 3, .top_k = 2};
  const Affinities a(2, 3, 4);
  part.forward(a.saved, a.affinity);
  for (int sequence = 0; sequence < 2; ++sequence) {
    double sum = 0;
    for (const double f : a.saved.f[sequence]) sum += f;
    EXPECT_NEAR(sum, 4, 1e-14);  // E / (K T) * K T
  }
}

}  // namespace
}  // namespace farthing
