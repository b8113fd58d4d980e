// probe.cpp - the probe models and their steps.
#include "train/probe.h"

#include <algorithm>
#include <chrono>

#include "train/trainer.h"

namespace farthing {
namespace {

struct ProbeShape {
  const char* name;
  int hidden, layers, vocab, experts, top_k, expert_width, sequence, sequences;
};

// Width, then vocabulary, sequence, experts and depth changed one at a time; few tokens a step.
constexpr ProbeShape kProbeShapes[] = {
    {"narrow", 192, 3, 2048, 8, 2, 96, 512, 8},  {"middle", 384, 3, 4096, 16, 4, 192, 512, 8},
    {"wide", 768, 2, 4096, 8, 2, 384, 512, 8},   {"words", 256, 1, 24576, 0, 0, 0, 512, 4},
    {"long", 256, 3, 2048, 8, 2, 128, 2048, 1},  {"experts", 384, 2, 2048, 64, 2, 256, 512, 2},
    {"deep", 192, 10, 2048, 8, 4, 96, 512, 2},   {"dense", 640, 3, 4096, 0, 0, 0, 512, 8},
    {"many", 320, 4, 12288, 32, 6, 160, 512, 8}, {"few", 256, 4, 4096, 8, 2, 128, 256, 2},
};

Recipe recipe_of(const ProbeShape& shape, const std::string& precision) {
  Recipe recipe;
  recipe.run.name = shape.name;
  ModelConfig& model = recipe.model;
  model.vocab_size = shape.vocab;
  model.hidden_size = shape.hidden;
  model.num_hidden_layers = shape.layers;
  model.first_k_dense_replace = 1;
  model.intermediate_size = shape.hidden * 11 / 4;
  model.moe_intermediate_size = shape.expert_width;
  model.num_attention_heads = std::max(2, shape.hidden / 64);
  model.q_lora_rank = shape.hidden / 2;
  model.kv_lora_rank = shape.hidden / 4;
  model.qk_nope_head_dim = 64;
  model.qk_rope_head_dim = 32;
  model.v_head_dim = 64;
  model.n_routed_experts = shape.experts;
  model.n_shared_experts = shape.experts > 0 ? 1 : 0;
  model.num_experts_per_tok = shape.top_k;
  recipe.data.sequence_length = shape.sequence;
  recipe.train.batch_tokens = shape.sequence * shape.sequences;
  recipe.train.micro_batch = shape.sequences;
  recipe.precision.matmul = precision;
  return recipe;
}

// Adds to `seconds` those of steps after one that warms.
void time_steps(const Recipe& recipe, std::vector<double>& seconds) {
  Trainer trainer(recipe, recipe.train.micro_batch);
  initialize(trainer.master(), recipe.model, recipe.train.seed);
  const BatchFiller fill = random_batches(recipe.model.vocab_size, 1);
  double total = 0;
  for (int step = 0; step <= kProbeSteps || total < kProbeSeconds; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    trainer.train_step({.fill = &fill,
                        .first_sample = std::int64_t{step} * recipe.train.micro_batch,
                        .n_sequences = recipe.train.micro_batch,
                        .learning_rate = recipe.train.learning_rate});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    if (step == 0) continue;
    seconds.push_back(took.count());
    total += took.count();
  }
}

}  // namespace

std::vector<Recipe> probe_recipes(const std::string& precision) {
  std::vector<Recipe> recipes;
  for (const ProbeShape& shape : kProbeShapes) recipes.push_back(recipe_of(shape, precision));
  return recipes;
}

std::vector<ProbeTime> measure_probes(const std::string& precision,
                                      const std::function<void(int, int)>& told) {
  const std::vector<Recipe> recipes = probe_recipes(precision);
  std::vector<std::vector<double>> seconds(recipes.size());
  const int n_all = kProbeRounds * static_cast<int>(recipes.size());
  for (int done = 0; done < n_all; ++done) {
    const std::size_t i = static_cast<std::size_t>(done) % recipes.size();
    time_steps(recipes[i], seconds[i]);
    if (told) told(done + 1, n_all);
  }
  std::vector<ProbeTime> times;
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    const auto middle = seconds[i].begin() + std::ssize(seconds[i]) / 2;
    std::ranges::nth_element(seconds[i], middle);
    times.push_back({recipes[i], *middle});
  }
  return times;
}

}  // namespace farthing
