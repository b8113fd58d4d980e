// accounting.cpp - the closed forms over ModelShape.
#include "plan/accounting.h"

#include <algorithm>

namespace farthing {
namespace {

using Count = std::int64_t;

Count attention_norms(const ModelShape& shape) {
  if (!shape.is_mla()) return 0;
  return shape.kv_lora_rank + shape.q_lora_rank;
}

void add_block(ByPart<Count>& sum, const ModelShape& shape, bool is_moe, Count experts) {
  sum.attention += attention_matrices(shape) + indexer_matrices(shape) + attention_norms(shape);
  sum.norms += 2 * shape.hidden_size;
  if (!is_moe) {
    sum.dense_mlp += mlp_matrices(shape, shape.intermediate_size);
    return;
  }
  sum.routed_experts += experts * mlp_matrices(shape, shape.moe_intermediate_size);
  sum.shared_experts += mlp_matrices(shape, shape.shared_intermediate_size);
  sum.router += static_cast<Count>(shape.n_routed_experts) * shape.hidden_size;
}

ByPart<Count> count(const ModelShape& shape, Count experts) {
  ByPart<Count> sum;
  const Count hidden = shape.hidden_size, vocabulary = shape.vocab_size * hidden;
  for (int layer = 0; layer < shape.num_hidden_layers; ++layer) {
    add_block(sum, shape, shape.is_moe_layer(layer), experts);
  }
  sum.embedding = vocabulary;
  if (shape.learned_positions) sum.embedding += shape.max_position_embeddings * hidden;
  sum.head = shape.tie_word_embeddings ? 0 : vocabulary;
  sum.norms += hidden;
  ByPart<Count> module;
  add_block(module, shape, shape.is_moe(), experts);
  sum.mtp = shape.num_nextn_predict_layers * (module.total() + 2 * hidden * hidden + 3 * hidden);
  return sum;
}

// Keys of a causal query that sees at most `limit`: the ramp, then flat.
double limited_keys(double sequence, double limit) {
  if (limit <= 0 || limit >= sequence) return sequence / 2;
  return limit * (sequence - limit / 2) / sequence;
}

}  // namespace

Count attention_matrices(const ModelShape& shape) {
  const Count hidden = shape.hidden_size, heads = shape.num_attention_heads;
  if (!shape.is_mla()) {
    const Count kv = 2 * static_cast<Count>(shape.num_key_value_heads) * shape.head_dim;
    return hidden * (heads * shape.head_dim + kv) + heads * shape.head_dim * hidden;
  }
  const Count query = heads * shape.qk_dim();
  const Count matrices = hidden * (shape.kv_lora_rank + shape.qk_rope_head_dim) +
                         shape.kv_lora_rank * heads * (shape.qk_nope_head_dim + shape.v_head_dim) +
                         heads * shape.v_head_dim * hidden;
  if (shape.q_lora_rank == 0) return matrices + hidden * query;
  return matrices + hidden * shape.q_lora_rank + shape.q_lora_rank * query;
}

// Queries from the query latent, one key per token, one weight per head.
Count indexer_matrices(const ModelShape& shape) {
  if (!shape.is_sparse()) return 0;
  const Count from = shape.q_lora_rank > 0 ? shape.q_lora_rank : shape.hidden_size;
  return from * shape.index_n_heads * shape.index_head_dim +
         static_cast<Count>(shape.hidden_size) * (shape.index_head_dim + shape.index_n_heads);
}

Count mlp_matrices(const ModelShape& shape, int width) {
  return static_cast<Count>(shape.gated_mlp ? 3 : 2) * shape.hidden_size * width;
}

ByPart<Count> count_parameters(const ModelShape& shape) {
  return count(shape, shape.n_routed_experts);
}

ByPart<Count> count_active_parameters(const ModelShape& shape) {
  return count(shape, shape.num_experts_per_tok);
}

double keys_per_query(const ModelShape& shape, double sequence_length) {
  if (shape.is_sparse()) return limited_keys(sequence_length, shape.index_topk);
  const double full = sequence_length / 2;
  if (shape.sliding_window <= 0) return full;
  const double windowed = limited_keys(sequence_length, shape.sliding_window);
  const double share = 1.0 / std::max(shape.sliding_window_every, 1);
  return share * windowed + (1 - share) * full;
}

double attention_core_flops(const ModelShape& shape, double sequence_length) {
  return 2.0 * shape.num_attention_heads * (shape.qk_dim() + shape.v_dim()) *
         keys_per_query(shape, sequence_length);
}

double indexer_core_flops(const ModelShape& shape, double sequence_length) {
  if (!shape.is_sparse()) return 0;
  return 2.0 * shape.index_n_heads * shape.index_head_dim * sequence_length / 2;
}

ByPart<double> forward_flops_per_token(const ModelShape& shape, double sequence_length) {
  const double layers = shape.num_hidden_layers, moe = shape.n_moe_layers();
  const double head = static_cast<double>(shape.vocab_size) * shape.hidden_size;
  const auto two = [](Count matrices) { return 2.0 * static_cast<double>(matrices); };
  const double attention = two(attention_matrices(shape) + indexer_matrices(shape));
  const double core =
      attention_core_flops(shape, sequence_length) + indexer_core_flops(shape, sequence_length);
  const double dense = two(mlp_matrices(shape, shape.intermediate_size));
  const double routed =
      two(shape.num_experts_per_tok * mlp_matrices(shape, shape.moe_intermediate_size));
  const double shared = two(mlp_matrices(shape, shape.shared_intermediate_size));
  const double router = two(static_cast<Count>(shape.n_routed_experts) * shape.hidden_size);
  ByPart<double> flops;
  flops.attention = layers * attention;
  flops.attention_core = layers * core;
  flops.dense_mlp = (layers - moe) * dense;
  flops.routed_experts = moe * routed;
  flops.shared_experts = moe * shared;
  flops.router = moe * router;
  flops.head = 2 * head;
  const double block = attention + core + (shape.is_moe() ? routed + shared + router : dense);
  flops.mtp = shape.num_nextn_predict_layers *
              (block + 2 * head + 4.0 * shape.hidden_size * shape.hidden_size);
  return flops;
}

ByPart<double> model_flops_per_token(const ModelShape& shape, double sequence_length) {
  ByPart<double> flops = forward_flops_per_token(shape, sequence_length);
  for (double* part :
       {&flops.attention, &flops.attention_core, &flops.dense_mlp, &flops.routed_experts,
        &flops.shared_experts, &flops.router, &flops.head, &flops.mtp}) {
    *part *= 3;
  }
  return flops;
}

double kv_cache_bytes_per_token(const ModelShape& shape, double bytes_per_value) {
  const double layers = shape.num_hidden_layers;
  const double values = shape.is_mla() ? shape.kv_lora_rank + shape.qk_rope_head_dim
                                       : 2.0 * shape.num_key_value_heads * shape.head_dim;
  return layers * (values + (shape.is_sparse() ? shape.index_head_dim : 0)) * bytes_per_value;
}

}  // namespace farthing
