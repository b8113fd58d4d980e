// curve_test.cpp - twenty training steps follow an independent PyTorch loop.
//
// training_curve.safetensors (make_training_golden.py): AdamW with clipping, warm-up and decay of
// matrices alone, one MTP depth, sequence-wise balance loss, bias update after every step; float64
// there, float here, in two micro-batches.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "golden_file.h"
#include "train/trainer.h"

namespace farthing {
namespace {

constexpr int kSequences = 4;

Recipe recipe_of(const GoldenFile& golden) {
  const Json fields = golden.recipe();
  Recipe recipe;
  recipe.model = golden.config();
  recipe.data.sequence_length = static_cast<int>(golden.shape("rows")[2]) - 1;
  recipe.train.batch_tokens = kSequences * recipe.data.sequence_length;
  recipe.train.beta1 = fields.at("beta1").get<double>();
  recipe.train.beta2 = fields.at("beta2").get<double>();
  recipe.train.epsilon = fields.at("epsilon").get<double>();
  recipe.train.weight_decay = fields.at("weight_decay").get<double>();
  recipe.train.clip_norm = fields.at("clip_norm").get<double>();
  recipe.train.mtp_loss_weight = fields.at("mtp_loss_weight").get<double>();
  recipe.balance.sequence_loss_weight = fields.at("sequence_loss_weight").get<double>();
  recipe.balance.bias_update_speed = fields.at("bias_update_speed").get<double>();
  return recipe;
}

// Sample i is row i of `rows`, step after step.
BatchFiller rows_of(const GoldenFile& golden) {
  const auto ids = std::make_shared<std::vector<double>>(golden.values("rows"));
  return [ids](Batch& batch, std::int64_t first_sample) {
    const auto width = static_cast<std::size_t>(batch.sequence_length) + 1;
    std::vector<std::vector<std::int32_t>> rows;
    for (int i = 0; i < batch.n_sequences; ++i) {
      const auto begin = ids->begin() + static_cast<std::ptrdiff_t>((first_sample + i) * width);
      rows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(width));
    }
    batch = make_batch(rows);
  };
}

void expect_last(const GoldenFile& golden, const Trainer& trainer) {
  int n_compared = 0;
  for (int id = 0; id < trainer.table().size(); ++id) {
    const std::string& name = trainer.table()[id].name;
    if (!name.ends_with("bias") && !name.ends_with("eh_proj.weight")) continue;
    const std::vector<double> wanted = golden.values("last." + name);
    const auto found = trainer.master().values(id);
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      error += (found[i] - wanted[i]) * (found[i] - wanted[i]);
      norm += wanted[i] * wanted[i];
    }
    EXPECT_GT(norm, 0) << name;
    EXPECT_LE(std::sqrt(error), 1e-4 * std::sqrt(norm)) << name;
    ++n_compared;
  }
  EXPECT_EQ(n_compared, golden.count("last."));
}

TEST(Curve, TwentyStepsFollowTheIndependentLoop) {
  const GoldenFile golden("training_curve");
  const Json fields = golden.recipe();
  Trainer trainer(recipe_of(golden), kSequences / 2);
  golden.read_weights(trainer.master());
  const BatchFiller fill = rows_of(golden);
  const auto loss = golden.values("loss"), main = golden.values("main"), mtp = golden.values("mtp"),
             balance = golden.values("balance"), gradient_norm = golden.values("gradient_norm");
  const auto warmup = fields.at("warmup_steps").get<double>();
  for (std::size_t step = 0; step < loss.size(); ++step) {
    const double share = std::min(1.0, (static_cast<double>(step) + 1) / warmup);
    const StepResult result =
        trainer.train_step({.fill = &fill,
                            .first_sample = static_cast<std::int64_t>(step) * kSequences,
                            .n_sequences = kSequences,
                            .learning_rate = fields.at("learning_rate").get<double>() * share});
    EXPECT_NEAR(result.losses.total, loss[step], 1e-4) << "step " << step;
    EXPECT_NEAR(result.losses.main, main[step], 1e-4) << "step " << step;
    EXPECT_NEAR(result.losses.mtp.at(0), mtp[step], 1e-4) << "step " << step;
    EXPECT_NEAR(result.losses.balance, balance[step], 1e-7) << "step " << step;
    EXPECT_NEAR(result.gradient_norm, gradient_norm[step], 1e-4 * gradient_norm[step])
        << "step " << step;
  }
  expect_last(golden, trainer);
}

}  // namespace
}  // namespace farthing
