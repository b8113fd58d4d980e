// parameters.cpp - lay the table out in DeepSeek-V3's order, and fill it for the first step.
#include "model/parameters.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/rng.h"

namespace farthing {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: a cache line of floats

Parameter matrix_entry(std::string name, int n_rows, int n_cols, int layer, int expert = -1,
                       Role role = Role::kMatrix) {
  return {.name = std::move(name) + ".weight",
          .n_rows = n_rows,
          .n_cols = n_cols,
          .role = role,
          .layer = layer,
          .expert = expert,
          .decays = true};
}

Parameter norm_entry(std::string name, int size, int layer) {
  return {.name = std::move(name) + ".weight",
          .n_rows = 1,
          .n_cols = size,
          .is_vector = true,
          .role = Role::kNorm,
          .layer = layer};
}

Parameter bias_entry(std::string name, int size, int layer) {
  return {.name = std::move(name),
          .n_rows = 1,
          .n_cols = size,
          .is_vector = true,
          .role = Role::kBias,
          .layer = layer,
          .trainable = false};
}

}  // namespace

ParameterTable::ParameterTable(const ModelConfig& config) {
  add(matrix_entry("model.embed_tokens", config.vocab_size, config.hidden_size, -1, -1,
                   Role::kEmbedding));
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) add_block(config, layer);
  add(norm_entry("model.norm", config.hidden_size, -1));
  if (!config.tie_word_embeddings) {
    add(matrix_entry("lm_head", config.vocab_size, config.hidden_size, -1, -1, Role::kHead));
  }
  for (int layer = config.num_hidden_layers; layer < config.n_blocks(); ++layer) {
    add_mtp(config, layer);
    add_block(config, layer);
  }
}

int ParameterTable::find(std::string_view name) const {
  const auto found = id_by_name_.find(std::string(name));
  return found == id_by_name_.end() ? -1 : found->second;
}

std::int64_t ParameterTable::n_parameters() const {
  std::int64_t total = 0;
  for (const Parameter& parameter : entries_) {
    if (parameter.role != Role::kBias) total += parameter.size();
  }
  return total;
}

void ParameterTable::add(Parameter parameter) {
  const bool continues_gate = parameter.name.ends_with(".up_proj.weight");
  parameter.offset =
      continues_gate ? entries_.back().offset + entries_.back().size() : store_elements_;
  const std::int64_t end = parameter.offset + parameter.size();
  store_elements_ = (end + kAlignment - 1) / kAlignment * kAlignment;
  id_by_name_.emplace(parameter.name, size());
  entries_.push_back(std::move(parameter));
}

void ParameterTable::add_attention(const ModelConfig& config, const std::string& prefix,
                                   int layer) {
  const int q_size = config.num_attention_heads * config.qk_head_dim();
  const int kv_size = config.num_attention_heads * (config.qk_nope_head_dim + config.v_head_dim);
  const int v_size = config.num_attention_heads * config.v_head_dim;
  const int latent_size = config.kv_lora_rank + config.qk_rope_head_dim;
  if (config.q_lora_rank) {
    add(matrix_entry(prefix + "q_a_proj", *config.q_lora_rank, config.hidden_size, layer));
    add(norm_entry(prefix + "q_a_layernorm", *config.q_lora_rank, layer));
    add(matrix_entry(prefix + "q_b_proj", q_size, *config.q_lora_rank, layer));
  } else {
    add(matrix_entry(prefix + "q_proj", q_size, config.hidden_size, layer));
  }
  add(matrix_entry(prefix + "kv_a_proj_with_mqa", latent_size, config.hidden_size, layer));
  add(norm_entry(prefix + "kv_a_layernorm", config.kv_lora_rank, layer));
  add(matrix_entry(prefix + "kv_b_proj", kv_size, config.kv_lora_rank, layer));
  add(matrix_entry(prefix + "o_proj", config.hidden_size, v_size, layer));
}

void ParameterTable::add_mlp(const ModelConfig& config, const std::string& prefix, int width,
                             int layer, int expert) {
  add(matrix_entry(prefix + "gate_proj", width, config.hidden_size, layer, expert));
  add(matrix_entry(prefix + "up_proj", width, config.hidden_size, layer, expert));
  add(matrix_entry(prefix + "down_proj", config.hidden_size, width, layer, expert));
}

void ParameterTable::add_moe(const ModelConfig& config, const std::string& prefix, int layer) {
  add(matrix_entry(prefix + "gate", config.n_routed_experts, config.hidden_size, layer, -1,
                   Role::kRouter));
  add(bias_entry(prefix + "gate.e_score_correction_bias", config.n_routed_experts, layer));
  for (int expert = 0; expert < config.n_routed_experts; ++expert) {
    add_mlp(config, fmt::format("{}experts.{}.", prefix, expert), config.moe_intermediate_size,
            layer, expert);
  }
  if (config.n_shared_experts > 0) {
    add_mlp(config, prefix + "shared_experts.", config.shared_intermediate_size(), layer, -1);
  }
}

void ParameterTable::add_block(const ModelConfig& config, int layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  add(norm_entry(prefix + "input_layernorm", config.hidden_size, layer));
  add_attention(config, prefix + "self_attn.", layer);
  add(norm_entry(prefix + "post_attention_layernorm", config.hidden_size, layer));
  if (config.is_moe_layer(layer)) {
    add_moe(config, prefix + "mlp.", layer);
  } else {
    add_mlp(config, prefix + "mlp.", config.intermediate_size, layer, -1);
  }
}

void ParameterTable::add_mtp(const ModelConfig& config, int layer) {
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  add(norm_entry(prefix + "enorm", config.hidden_size, layer));
  add(norm_entry(prefix + "hnorm", config.hidden_size, layer));
  add(matrix_entry(prefix + "eh_proj", config.hidden_size, 2 * config.hidden_size, layer));
  add(norm_entry(prefix + "shared_head.norm", config.hidden_size, layer));
}

void initialize(const ParameterStore<float>& weights, const ModelConfig& config,
                std::uint64_t seed) {
  const ParameterTable& table = *weights.table;
  for (int id = 0; id < table.size(); ++id) {
    const std::span<float> values = weights.values(id);
    if (table[id].role == Role::kNorm || table[id].role == Role::kBias) {
      std::ranges::fill(values, table[id].role == Role::kNorm ? 1.0f : 0.0f);
      continue;
    }
    const Rng rng(seed, RngStream::kInit, hash64(table[id].name));
    const Matrix<float> matrix = weights.matrix(id);
    parallel_for(matrix.n_rows, [&](int row) {
      const std::int64_t first = static_cast<std::int64_t>(row) * matrix.n_cols;
      for (int col = 0; col < matrix.n_cols; ++col) {
        const double normal = rng.normal(static_cast<std::uint64_t>(first + col));
        matrix(row, col) = static_cast<float>(config.initializer_range * normal);
      }
    });
  }
}

}  // namespace farthing
