// golden_test.cpp - the model equals independent implementations: logits, losses, every gradient.
//
// model_*.safetensors hold values of Hugging Face transformers in float64 (make_model_golden.py),
// training_mtp.safetensors those of an independent PyTorch model (make_training_golden.py).
// Weights are exact in float, so the double path must agree to rounding and the float path to
// float's.  Gradients are stored as float32: 2^-25 of an element is all a double can be held to.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "golden_file.h"
#include "model/context.h"
#include "model/model.h"

namespace farthing {
namespace {

template <class T>
struct Tolerance;
template <>
struct Tolerance<float> {
  static constexpr double kLogits = 2e-5, kLoss = 1e-6, kGradient = 1e-4;
};
template <>
struct Tolerance<double> {
  static constexpr double kLogits = 1e-12, kLoss = 1e-12, kGradient = 1e-7;
};

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

template <class T>
void expect_near_in_norm(std::span<const T> found, const std::vector<double>& wanted,
                         double tolerance, const std::string& name) {
  ASSERT_EQ(found.size(), wanted.size()) << name;
  std::vector<double> difference(wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) difference[i] = double(found[i]) - wanted[i];
  EXPECT_LE(norm(difference), tolerance * norm(wanted)) << name << " of norm " << norm(wanted);
}

// One forward and backward over a golden file's batch, with everything it needs kept alive.
template <class T>
struct Pass {
  explicit Pass(const GoldenFile& golden)
      : config(golden.config()),
        table(config),
        arena(bytes_of(table)),
        weights(arena, table),
        gradients(arena, table),
        batch(golden.batch()) {
    golden.read_weights(weights);
    Model<T> model(config, table, weights);
    const ContextShape shape{batch.n_sequences, batch.sequence_length};
    Arena measure = Arena::measuring();
    Context<T> probe(measure, config, shape, ContextMode{});
    Arena activations(measure.used());
    Context<T> context(activations, config, shape, ContextMode{});
    forward(model, context, batch);
    logits.resize(static_cast<std::size_t>(batch.n_tokens()) * config.vocab_size);
    compute_logits(model, context, 0,
                   Matrix<T>(logits.data(), batch.n_tokens(), config.vocab_size));
    const Json recipe = golden.recipe();
    const LossScale scale{.token = 1.0 / batch.n_tokens(),
                          .sequence = 1.0 / batch.n_sequences,
                          .mtp_weight = recipe.value("mtp_loss_weight", 0.0),
                          .balance_weight = recipe.value("sequence_loss_weight", 0.0)};
    losses = loss(model, context, batch, scale, &gradients);
    backward(model, context, batch, gradients);
  }

  static std::int64_t bytes_of(const ParameterTable& table) {
    Arena measure = Arena::measuring();
    ParameterStore<T> first(measure, table), second(measure, table);
    return measure.used();
  }

  ModelConfig config;
  ParameterTable table;
  Arena arena;
  ParameterStore<T> weights, gradients;
  Batch batch;
  std::vector<T> logits;
  Losses losses;
};

template <class T>
void expect_golden(const std::string& name) {
  const GoldenFile golden(name);
  const Pass<T> pass(golden);
  const std::vector<double> logits = golden.values("logits");
  ASSERT_EQ(pass.logits.size(), logits.size());
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    largest = std::max(largest, std::abs(logits[i]));
    error = std::max(error, std::abs(pass.logits[i] - logits[i]));
  }
  EXPECT_LE(error, Tolerance<T>::kLogits * largest) << "logits";
  EXPECT_NEAR(pass.losses.total, golden.values("loss")[0], Tolerance<T>::kLoss);
  int n_gradients = 0;
  for (int id = 0; id < pass.table.size(); ++id) {
    if (!pass.table[id].trainable) continue;
    const std::string& parameter = pass.table[id].name;
    const std::span<const T> found = pass.gradients.values(id);
    expect_near_in_norm(found, golden.values("gradient." + parameter), Tolerance<T>::kGradient,
                        parameter);
    ++n_gradients;
  }
  EXPECT_EQ(n_gradients, golden.count("gradient."));
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, FloatEqualsTheIndependentModel) { expect_golden<float>(GetParam()); }
TEST_P(Golden, DoubleEqualsTheIndependentModelToRounding) { expect_golden<double>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Files, Golden,
                         testing::Values("model_plain", "model_groups", "model_yarn", "model_tied",
                                         "training_mtp"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(Golden, MtpAndBalanceLossesApart) {
  const GoldenFile golden("training_mtp");
  const Pass<double> pass(golden);
  EXPECT_NEAR(pass.losses.main, golden.values("main")[0], 1e-12);
  EXPECT_NEAR(pass.losses.balance, golden.values("balance")[0], 1e-12);
  const std::vector<double> mtp = golden.values("mtp");
  ASSERT_EQ(pass.losses.mtp.size(), mtp.size());
  for (std::size_t depth = 0; depth < mtp.size(); ++depth) {
    EXPECT_NEAR(pass.losses.mtp[depth], mtp[depth], 1e-12) << "depth " << depth + 1;
  }
}

}  // namespace
}  // namespace farthing
