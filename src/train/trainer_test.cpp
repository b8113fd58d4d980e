// trainer_test.cpp - a step's bits under threads and delayed W; accumulation; guard; memory.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/parallel.h"
#include "train/checkpoint.h"
#include "train/testing.h"

namespace farthing {
namespace {

// Sequences that count upwards from a place that the sample decides: easily learnt.
BatchFiller counting_batches(int vocab_size) {
  const BatchFiller random = random_batches(vocab_size, 1);
  return [=](Batch& batch, std::int64_t first_sample) {
    random(batch, first_sample);
    for (int token = 0; token < batch.n_tokens(); ++token) {
      const int sequence = token / batch.sequence_length;
      const auto at = static_cast<std::int64_t>(token % batch.sequence_length);
      const std::int64_t value = (first_sample + sequence) * 5 + at;
      batch.ids[static_cast<std::size_t>(token)] = static_cast<std::int32_t>(value % vocab_size);
      batch.targets[static_cast<std::size_t>(token)] =
          static_cast<std::int32_t>((value + 1) % vocab_size);
    }
  };
}

struct TrainedRun {
  std::vector<double> losses, norms;
  std::string hash;
};

TrainedRun run(const Recipe& recipe, int micro_batch, int n_steps, bool delay_weight = false) {
  Trainer trainer(recipe, micro_batch, delay_weight);
  initialize(trainer.master(), recipe.model, 1);
  const BatchFiller fill = counting_batches(recipe.model.vocab_size);
  TrainedRun outcome;
  for (int step = 0; step < n_steps; ++step) {
    const StepResult result = trainer.train_step(
        {.fill = &fill, .first_sample = 4 * step, .n_sequences = 4, .learning_rate = 3e-3});
    outcome.losses.push_back(result.losses.total);
    outcome.norms.push_back(result.gradient_norm);
  }
  outcome.hash = weights_hash(trainer.master());
  return outcome;
}

TEST(Trainer, Learns) {
  const TrainedRun outcome = run(tiny_recipe(), 2, 120);
  EXPECT_NEAR(outcome.losses.front(), 1.3 * std::log(48.0), 0.35);
  EXPECT_LT(outcome.losses.back(), 0.5 * outcome.losses.front());
}

TEST(Trainer, BitsDoNotDependOnThreads) {
  const int usual = num_threads();
  std::vector<TrainedRun> outcomes;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    outcomes.push_back(run(tiny_recipe(), 2, 5));
  }
  set_num_threads(usual);
  for (const TrainedRun& outcome : outcomes) {
    EXPECT_EQ(outcome.hash, outcomes[0].hash);
    EXPECT_EQ(outcome.losses, outcomes[0].losses);
    EXPECT_EQ(outcome.norms, outcomes[0].norms);
  }
}

constexpr const char* kLowPrecisions[] = {"bf16", "fp8", "fp16"};

TEST(Trainer, BitsDoNotDependOnThreadsInAnyPrecision) {
  const int usual = num_threads();
  for (const char* precision : kLowPrecisions) {
    Recipe recipe = tiny_recipe();
    recipe.data.sequence_length = 64;  // products large enough to be cut among threads
    recipe.train.batch_tokens = 64 * 4;
    recipe.precision.matmul = precision;
    set_num_threads(1);
    const TrainedRun expected = run(recipe, 2, 2);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      const TrainedRun outcome = run(recipe, 2, 2);
      EXPECT_EQ(outcome.hash, expected.hash) << precision;
      EXPECT_EQ(outcome.losses, expected.losses) << precision;
    }
  }
  set_num_threads(usual);
}

TEST(Trainer, BitsDoNotDependOnPackedCopies) {
  for (const char* precision : {"fp32", "bf16", "fp8"}) {
    Recipe recipe = tiny_recipe();
    recipe.precision.matmul = precision;
    const TrainedRun both = run(recipe, 2, 2);
    for (const char* packed : {"none", "one"}) {
      recipe.precision.packed = packed;
      EXPECT_EQ(run(recipe, 2, 2).hash, both.hash) << precision << " " << packed;
    }
  }
}

TEST(Trainer, BitsDoNotDependOnRecomputing) {
  for (const bool with_query_latent : {true, false}) {
    for (const char* precision : {"fp32", "fp8"}) {
      Recipe recipe = tiny_recipe();
      if (!with_query_latent) recipe.model.q_lora_rank.reset();
      recipe.precision.matmul = precision;
      const TrainedRun expected = run(recipe, 2, 2);
      std::int64_t before = std::numeric_limits<std::int64_t>::max();
      for (const char* recompute : {"none", "elementwise", "v3"}) {
        recipe.train.recompute = recompute;
        for (const bool delay_weight : {false, true}) {
          EXPECT_EQ(run(recipe, 2, 2, delay_weight).hash, expected.hash)
              << precision << " " << recompute << " " << delay_weight;
        }
        const std::int64_t bytes = total_bytes(memory_table(recipe, 2));
        EXPECT_LT(bytes, before) << recompute;
        before = bytes;
      }
    }
  }
}

// What waits for the backward in fewer bits changes gradients a little, the forward not at all.
TEST(Trainer, CachedActivationsLearnTheSame) {
  const TrainedRun exact = run(tiny_recipe(), 2, 40);
  for (const char* cached : {"fp16", "fp8"}) {
    Recipe recipe = tiny_recipe();
    recipe.precision.cached = cached;
    const TrainedRun outcome = run(recipe, 2, 40);
    EXPECT_NE(outcome.hash, exact.hash) << cached;
    EXPECT_EQ(outcome.losses.front(), exact.losses.front()) << cached;
    EXPECT_NEAR(outcome.losses.back(), exact.losses.back(), 0.05) << cached;
    const std::string two_steps = run(recipe, 2, 2).hash;
    recipe.train.recompute = "v3";
    for (const bool delay_weight : {false, true}) {
      EXPECT_EQ(run(recipe, 2, 2, delay_weight).hash, two_steps) << cached << " " << delay_weight;
    }
  }
}

// Each precision is another run, and each learns what FP32 does.
TEST(Trainer, LearnsInEveryPrecision) {
  const TrainedRun exact = run(tiny_recipe(), 2, 40);
  for (const char* precision : kLowPrecisions) {
    Recipe recipe = tiny_recipe();
    recipe.precision.matmul = precision;
    const TrainedRun outcome = run(recipe, 2, 40);
    EXPECT_NE(outcome.hash, exact.hash) << precision;
    EXPECT_NEAR(outcome.losses.front(), exact.losses.front(), 0.02) << precision;
    EXPECT_NEAR(outcome.losses.back(), exact.losses.back(), 0.1) << precision;
  }
}

TEST(Trainer, DelayedWeightPartsGiveTheSameBits) {
  const TrainedRun plain = run(tiny_recipe(), 1, 5);
  const TrainedRun delayed = run(tiny_recipe(), 1, 5, true);
  EXPECT_EQ(plain.hash, delayed.hash);
  EXPECT_EQ(plain.losses, delayed.losses);
  EXPECT_EQ(plain.norms, delayed.norms);
}

TEST(Trainer, AccumulationIsTheLossOfTheWholeBatch) {
  const TrainedRun one = run(tiny_recipe(), 1, 1), four = run(tiny_recipe(), 4, 1);
  EXPECT_NEAR(one.losses[0], four.losses[0], 1e-6 * four.losses[0]);
  EXPECT_NEAR(one.norms[0], four.norms[0], 1e-5 * four.norms[0]);
}

// Pitfall: bias updated per micro-batch instead of per step.
TEST(Trainer, BiasesMoveOncePerStepByTheWholeBatch) {
  std::vector<std::vector<float>> biases;
  for (const int micro_batch : {1, 2, 4}) {
    const Recipe recipe = tiny_recipe();
    Trainer trainer(recipe, micro_batch);
    initialize(trainer.master(), recipe.model, 1);
    const BatchFiller fill = counting_batches(recipe.model.vocab_size);
    const StepResult result = trainer.train_step({.fill = &fill, .n_sequences = 4});
    std::vector<float> values;
    for (int id = 0; id < trainer.table().size(); ++id) {
      if (trainer.table()[id].role != Role::kBias) continue;
      for (const float value : trainer.master().values(id)) values.push_back(value);
    }
    ASSERT_EQ(values.size(), 16u);  // one MoE layer and one MTP block
    for (std::size_t expert = 0; expert < 8; ++expert) {
      const std::int64_t count = result.expert_counts[1][expert];  // mean 4 * 16 * 2 / 8 = 16
      const float wanted = count == 16 ? 0.0f : count < 16 ? 0.001f : -0.001f;
      EXPECT_EQ(values[expert], wanted);
    }
    biases.push_back(values);
  }
  EXPECT_EQ(biases[0], biases[1]);
  EXPECT_EQ(biases[0], biases[2]);
}

TEST(Trainer, GuardStopsBeforeABadUpdate) {
  const Recipe recipe = tiny_recipe();
  Trainer trainer(recipe, 2);
  initialize(trainer.master(), recipe.model, 1);
  trainer.master().values(0)[3] = std::numeric_limits<float>::infinity();
  const BatchFiller fill = counting_batches(recipe.model.vocab_size);
  const std::string before = weights_hash(trainer.master());
  const StepResult result =
      trainer.train_step({.fill = &fill, .n_sequences = 4, .learning_rate = 1});
  EXPECT_NE(result.stopped_because, "");
  EXPECT_EQ(weights_hash(trainer.master()), before);
  EXPECT_EQ(trainer.optimizer().n_updates, 0);
}

TEST(Guard, StopsAtASpikeOnlyOnceItKnowsWhatIsNormal) {
  const GuardRecipe guard{.stop_on_nonfinite = true, .max_loss_spike = 6};
  LossStatistics statistics;
  EXPECT_EQ(guard_verdict(guard, statistics, 1e9, 1), "");
  for (int i = 0; i < 200; ++i) statistics.add(3 + 0.1 * ((i % 7) - 3));
  EXPECT_EQ(guard_verdict(guard, statistics, 3.3, 1), "");
  EXPECT_NE(guard_verdict(guard, statistics, 9.0, 1), "");
  EXPECT_EQ(guard_verdict({.max_loss_spike = 0}, statistics, 9.0, 1), "");
  EXPECT_NE(guard_verdict(guard, statistics, std::nan(""), 1), "");
  EXPECT_NE(guard_verdict(guard, statistics, 3, HUGE_VAL), "");
}

TEST(Trainer, TheMemoryTableIsWhatTheTrainerTakes) {
  const Recipe recipe = tiny_recipe();
  Arena measure = Arena::measuring();
  const ParameterTable table(recipe.model);
  const ParameterStore<float> master(measure, table), gradients(measure, table);
  const OptimizerState state(measure, table, false);
  const PackedWeights packed(measure, table, make_model_ids(recipe.model, table), Matmul{},
                             PackedCopies::kBoth);
  const Context<float> context(measure, recipe.model, {2, 16}, {true, false});
  EXPECT_EQ(total_bytes(memory_table(recipe, 2)), measure.used());
}

TEST(Trainer, DerivesAMicroBatchThatFitsOrSaysWhyNot) {
  Recipe recipe = tiny_recipe();
  recipe.train.micro_batch = 0;
  EXPECT_EQ(choose_micro_batch(recipe, std::int64_t{1} << 40), 4);
  Recipe ramped = recipe;  // regression: one micro-batch of 4 made a ramp from 2 to 4 no ramp
  ramped.train.batch_tokens_start = 2 * recipe.data.sequence_length;
  ramped.train.batch_ramp_tokens = 1000;
  EXPECT_EQ(choose_micro_batch(ramped, std::int64_t{1} << 40), 2);
  const std::int64_t for_two = total_bytes(memory_table(recipe, 2));
  EXPECT_EQ(choose_micro_batch(recipe, for_two * 100 / 89), 2);
  try {
    choose_micro_batch(recipe, 10'000);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource);
    EXPECT_NE(error.message.find("AdamW moments"), std::string::npos);
  }
  recipe.train.micro_batch = 4;
  EXPECT_THROW(choose_micro_batch(recipe, for_two), Error);
}

}  // namespace
}  // namespace farthing
