// accounting.cpp - the closed forms, layer by layer.
#include "config/accounting.h"

namespace farthing {
namespace {

using Count = std::int64_t;

struct AttentionSize {
  Count matrices;
  Count norms;
};

AttentionSize attention_size(const ModelConfig& config) {
  const Count hidden = config.hidden_size, heads = config.num_attention_heads;
  const Count kv_rank = config.kv_lora_rank, query = heads * config.qk_head_dim();
  Count matrices = hidden * (kv_rank + config.qk_rope_head_dim) +
                   kv_rank * heads * (config.qk_nope_head_dim + config.v_head_dim) +
                   heads * config.v_head_dim * hidden;
  if (!config.q_lora_rank) return {matrices + hidden * query, kv_rank};
  const Count q_rank = *config.q_lora_rank;
  return {matrices + hidden * q_rank + q_rank * query, kv_rank + q_rank};
}

Count swiglu(const ModelConfig& config, Count width) { return 3 * config.hidden_size * width; }

// Adds one block; `experts` routed experts are counted of those it has.
void add_block(ByPart<Count>& sum, const ModelConfig& config, bool is_moe, Count experts) {
  const AttentionSize attention = attention_size(config);
  sum.attention += attention.matrices + attention.norms;
  sum.norms += 2 * config.hidden_size;
  if (!is_moe) {
    sum.dense_mlp += swiglu(config, config.intermediate_size);
    return;
  }
  sum.routed_experts += experts * swiglu(config, config.moe_intermediate_size);
  sum.shared_experts += swiglu(config, config.shared_intermediate_size());
  sum.router += static_cast<Count>(config.n_routed_experts) * config.hidden_size;
}

ByPart<Count> count(const ModelConfig& config, Count experts) {
  ByPart<Count> sum;
  const Count hidden = config.hidden_size, vocabulary = config.vocab_size * hidden;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    add_block(sum, config, config.is_moe_layer(layer), experts);
  }
  sum.embedding = vocabulary;
  sum.head = config.tie_word_embeddings ? 0 : vocabulary;
  sum.norms += hidden;
  ByPart<Count> module;
  add_block(module, config, config.n_routed_experts > 0, experts);
  sum.mtp = config.num_nextn_predict_layers * (module.total() + 2 * hidden * hidden + 3 * hidden);
  return sum;
}

}  // namespace

ByPart<Count> count_parameters(const ModelConfig& config) {
  return count(config, config.n_routed_experts);
}

ByPart<Count> count_active_parameters(const ModelConfig& config) {
  return count(config, config.num_experts_per_tok);
}

Count count_correction_biases(const ModelConfig& config) {
  return static_cast<Count>(config.n_moe_blocks()) * config.n_routed_experts;
}

ByPart<double> model_flops_per_token(const ModelConfig& config, int sequence_length) {
  const ByPart<Count> active = count_active_parameters(config);
  const Count latent_norms = attention_size(config).norms;
  const Count hidden = config.hidden_size, layers = config.num_hidden_layers;
  const Count head = config.vocab_size * hidden, modules = config.num_nextn_predict_layers;
  const double core = 3.0 * config.num_attention_heads *
                      (config.qk_head_dim() + config.v_head_dim) * sequence_length;
  const Count module_norms = latent_norms + 5 * hidden;  // 2 of the block, 3 of the module
  const Count mtp_matrices = active.mtp - modules * module_norms + modules * head;
  ByPart<double> flops;
  flops.attention = 6.0 * static_cast<double>(active.attention - layers * latent_norms);
  flops.attention_core = core * static_cast<double>(layers);
  flops.dense_mlp = 6.0 * static_cast<double>(active.dense_mlp);
  flops.routed_experts = 6.0 * static_cast<double>(active.routed_experts);
  flops.shared_experts = 6.0 * static_cast<double>(active.shared_experts);
  flops.router = 6.0 * static_cast<double>(active.router);
  flops.head = 6.0 * static_cast<double>(head);
  flops.mtp = 6.0 * static_cast<double>(mtp_matrices) + core * static_cast<double>(modules);
  return flops;
}

TrainingState count_training_state(const ModelConfig& config, bool bf16_moments) {
  const Count parameters = count_parameters(config).total();
  return {.weights_bytes = 4 * (parameters + count_correction_biases(config)),
          .gradients_bytes = 4 * parameters,
          .moments_bytes = 2 * (bf16_moments ? 2 : 4) * parameters};
}

}  // namespace farthing
