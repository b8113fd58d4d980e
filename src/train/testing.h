// testing.h - the tiny recipe that tests of this module train.
#pragma once
#include "config/recipe.h"

namespace farthing {

// Every feature switched on, a few thousand parameters: a step takes about a millisecond.
inline Recipe tiny_recipe() {
  Recipe recipe;
  ModelConfig& model = recipe.model;
  model.vocab_size = 48;
  model.hidden_size = 32;
  model.intermediate_size = 48;
  model.moe_intermediate_size = 16;
  model.num_hidden_layers = 2;
  model.num_attention_heads = 2;
  model.n_shared_experts = 1;
  model.n_routed_experts = 8;
  model.num_experts_per_tok = 2;
  model.first_k_dense_replace = 1;
  model.n_group = 2;
  model.topk_group = 1;
  model.routed_scaling_factor = 2.5;
  model.q_lora_rank = 16;
  model.kv_lora_rank = 16;
  model.qk_nope_head_dim = 8;
  model.qk_rope_head_dim = 4;
  model.v_head_dim = 8;
  model.num_nextn_predict_layers = 1;
  model.initializer_range = 0.05;
  recipe.data.sequence_length = 16;
  recipe.train.batch_tokens = 16 * 4;
  recipe.train.micro_batch = 2;
  recipe.train.learning_rate = 3e-3;
  recipe.train.lr_shape = LrShape::kConstant;
  recipe.train.until = "40steps";
  recipe.run.name = "tiny-test";
  return recipe;
}

}  // namespace farthing
