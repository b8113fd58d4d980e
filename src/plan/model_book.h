// model_book.h - the shape of any decoder of the book, or of any config.json, in one struct.
//
//   ModelShape shape = load_model_shape("deepseek-v3");   models/NAME.toml,
//   models/NAME/config.json,
//                                                         or a path to a .toml, .json or folder
//
// Dense or mixture of experts; multi-head, grouped, multi-query or latent attention; multi-token
// prediction; sparse attention behind a lightning indexer.  Names are config.json's.
//
// Errors   Error{kBadInput} with every fault of the file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "config/model_config.h"

namespace farthing {

struct ModelShape {
  std::string name;
  std::string source;
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;  // = num_attention_heads: multi-head; 1: multi-query
  int head_dim = 0;
  // Latent attention where kv_lora_rank > 0.
  int q_lora_rank = 0;  // 0: one query matrix
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  int sliding_window = 0;        // 0: none
  int sliding_window_every = 1;  // 2: every second layer is windowed
  // Lightning indexer and selection of index_topk keys (DeepSeek-V3.2), where index_topk > 0.
  int index_n_heads = 0, index_head_dim = 0, index_topk = 0;
  int intermediate_size = 0;  // dense MLP
  bool gated_mlp = true;      // three matrices (SwiGLU); false: two
  // Mixture of experts where n_routed_experts > 0.
  int n_routed_experts = 0, num_experts_per_tok = 0, moe_intermediate_size = 0;
  int shared_intermediate_size = 0;  // all shared experts together
  int first_k_dense_replace = 0;     // dense layers before the first of experts
  int moe_layer_freq = 1;
  int n_group = 1, topk_group = 1;  // node-limited routing
  int num_nextn_predict_layers = 0;
  bool tie_word_embeddings = false;
  int max_position_embeddings = 4096;
  bool learned_positions = false;

  bool is_moe() const { return n_routed_experts > 0; }
  bool is_mla() const { return kv_lora_rank > 0; }
  bool is_sparse() const { return index_topk > 0; }
  bool is_moe_layer(int layer) const {
    return is_moe() && layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
  }
  int n_moe_layers() const;  // of the trunk
  // Width of a query's head, of a value's head.
  int qk_dim() const { return is_mla() ? qk_nope_head_dim + qk_rope_head_dim : head_dim; }
  int v_dim() const { return is_mla() ? v_head_dim : head_dim; }
};

ModelShape load_model_shape(const std::string& name);
ModelShape parse_model_shape(const std::string& toml, const std::string& where);
// Any config.json of a decoder: deepseek, llama, mistral, mixtral, qwen, gpt2, gpt_neox, opt,
// bloom.
ModelShape model_shape_from_json(const Json& json, const std::string& where);
ModelShape model_shape(const ModelConfig& config, const std::string& name);

// How the model was trained, where its table says it: [training] tokens = "14.8T",
// sequence_length, global_batch (sequences), precision, software (year), framework.
struct TrainingDefaults {
  double tokens = 0;
  int sequence_length = 4096;
  std::int64_t global_batch = 0;
  std::string precision;
  double software = 2026.0;            // year of the training software
  std::string framework = "megatron";  // megatron, fsdp, deepseek
};
TrainingDefaults training_defaults(const std::string& name);

// "field: found, wanted"; empty when sound.
std::vector<std::string> validate(const ModelShape& shape);
// Names under models/, sorted.
std::vector<std::string> list_model_shapes();
// 671.03B parameters, 37.55B active, ...
std::string describe(const ModelShape& shape);

}  // namespace farthing
