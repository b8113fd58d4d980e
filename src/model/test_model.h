// test_model.h - small random models for the tests of this folder: weights, gradients, batches.
#pragma once
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/rng.h"
#include "model/context.h"
#include "model/model.h"

namespace farthing::test {

// Every feature on, every size different and none a multiple of a vector.
inline ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 29;
  config.hidden_size = 20;
  config.intermediate_size = 27;
  config.moe_intermediate_size = 7;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.n_shared_experts = 1;
  config.n_routed_experts = 8;
  config.num_experts_per_tok = 3;
  config.first_k_dense_replace = 1;
  config.routed_scaling_factor = 2.5;
  config.q_lora_rank = 9;
  config.kv_lora_rank = 11;
  config.qk_nope_head_dim = 6;
  config.qk_rope_head_dim = 4;
  config.v_head_dim = 5;
  config.max_position_embeddings = 64;
  config.num_nextn_predict_layers = 1;
  return config;
}

// Weights large enough that every part is far from linear; biases move the choice of experts.
template <class T>
void randomise(const ParameterStore<T>& weights, std::uint64_t seed) {
  const ParameterTable& table = *weights.table;
  for (int id = 0; id < table.size(); ++id) {
    const Rng rng(seed, RngStream::kTest, hash64(table[id].name));
    std::uint64_t index = 0;
    for (T& value : weights.values(id)) {
      const double normal = rng.normal(index++);
      switch (table[id].role) {
        case Role::kNorm:
          value = static_cast<T>(1 + 0.2 * normal);
          break;
        case Role::kBias:
          value = static_cast<T>(0.2 * normal);
          break;
        default:
          value = static_cast<T>(0.3 * normal);
          break;
      }
    }
  }
}

inline Batch random_batch(const ModelConfig& config, int n_sequences, int length,
                          std::uint64_t seed) {
  const Rng rng(seed, RngStream::kTest, 77);
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(n_sequences));
  std::uint64_t index = 0;
  for (auto& row : rows) {
    for (int i = 0; i <= length; ++i) {
      row.push_back(static_cast<std::int32_t>(
          rng.below(index++, static_cast<std::uint64_t>(config.vocab_size))));
    }
  }
  return make_batch(rows);
}

// Cuts every sequence into documents of the given lengths (the last takes what is left), masked.
inline void cut_documents(Batch& batch, const std::vector<int>& lengths) {
  batch.document_start.assign(batch.ids.size(), 0);
  for (int sequence = 0; sequence < batch.n_sequences; ++sequence) {
    const int first = sequence * batch.sequence_length;
    int start = 0;
    std::size_t document = 0;
    for (int i = 0; i < batch.sequence_length; ++i) {
      if (document < lengths.size() && i == start + lengths[document]) {
        start = i;
        ++document;
        batch.targets[static_cast<std::size_t>(first + i - 1)] = -1;
      }
      batch.document_start[static_cast<std::size_t>(first + i)] = start;
      batch.positions[static_cast<std::size_t>(first + i)] = i - start;
    }
  }
}

template <class Function>
Arena arena_for(const Function& lay_out) {
  Arena measure = Arena::measuring();
  lay_out(measure);
  return Arena(measure.used());
}

template <class T>
struct TestModel {
  explicit TestModel(const ModelConfig& model_config, std::uint64_t seed = 1)
      : config(model_config),
        table(config),
        arena(2 * 64 + 2 * table.store_elements() * static_cast<std::int64_t>(sizeof(T))),
        weights(arena, table),
        gradients(arena, table),
        model(config, table, weights) {
    randomise(weights, seed);
  }
  TestModel(const TestModel&) = delete;
  TestModel& operator=(const TestModel&) = delete;

  std::span<T> weight(const std::string& name) const { return weights.values(id(name)); }
  std::span<T> gradient(const std::string& name) const { return gradients.values(id(name)); }
  int id(const std::string& name) const {
    const int found = table.find(name);
    CHECK(found >= 0, name);
    return found;
  }

  ModelConfig config;
  ParameterTable table;
  Arena arena;
  ParameterStore<T> weights, gradients;
  Model<T> model;
};

// A context with its own memory.
template <class T>
struct TestContext {
  TestContext(const ModelConfig& config, const Batch& batch, ContextMode mode = {})
      : shape{batch.n_sequences, batch.sequence_length},
        arena(arena_for([&](Arena& a) { Context<T>(a, config, shape, mode); })),
        state(arena, config, shape, mode) {}
  ContextShape shape;
  Arena arena;
  Context<T> state;
};

// Means over one micro-batch that is the whole batch.
inline LossScale whole_batch_scale(const Batch& batch) {
  double weight = 0;
  for (const float value : batch.loss_weight) weight += static_cast<double>(value);
  return {.token = 1 / weight,
          .sequence = 1.0 / batch.n_sequences,
          .mtp_weight = 0.3,
          .balance_weight = 0.1};
}

template <class T>
Losses forward_loss(const TestModel<T>& m, const Batch& batch, const LossScale& scale) {
  TestContext<T> context(m.config, batch, {.save = false});
  forward(m.model, context.state, batch);
  return loss<T>(m.model, context.state, batch, scale, nullptr);
}

template <class T>
Losses forward_backward(const TestModel<T>& m, const Batch& batch, const LossScale& scale) {
  TestContext<T> context(m.config, batch);
  forward(m.model, context.state, batch);
  const Losses losses = loss<T>(m.model, context.state, batch, scale, &m.gradients);
  backward(m.model, context.state, batch, m.gradients);
  return losses;
}

// All logits of a forward, [n_tokens, vocab_size].
template <class T>
std::vector<T> logits_of(const TestModel<T>& m, const Batch& batch) {
  TestContext<T> context(m.config, batch, {.save = false});
  forward(m.model, context.state, batch);
  std::vector<T> logits(batch.ids.size() * static_cast<std::size_t>(m.config.vocab_size));
  compute_logits<T>(m.model, context.state, 0,
                    {logits.data(), batch.n_tokens(), m.config.vocab_size});
  return logits;
}

}  // namespace farthing::test
