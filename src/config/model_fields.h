// model_fields.h - every field of ModelConfig by its name, once, for JSON, TOML and back.
//
//   visit_model_fields(config, [](const char* name, auto& field) { ... });
//
// rope_scaling and mtp_input have forms of their own in each format and are not visited.
#pragma once

namespace farthing {

// `Config` is ModelConfig or const ModelConfig.
template <class Config, class Visitor>
void visit_model_fields(Config& config, Visitor&& visit) {
  visit("vocab_size", config.vocab_size);
  visit("hidden_size", config.hidden_size);
  visit("intermediate_size", config.intermediate_size);
  visit("moe_intermediate_size", config.moe_intermediate_size);
  visit("num_hidden_layers", config.num_hidden_layers);
  visit("num_attention_heads", config.num_attention_heads);
  visit("n_shared_experts", config.n_shared_experts);
  visit("n_routed_experts", config.n_routed_experts);
  visit("num_experts_per_tok", config.num_experts_per_tok);
  visit("first_k_dense_replace", config.first_k_dense_replace);
  visit("moe_layer_freq", config.moe_layer_freq);
  visit("n_group", config.n_group);
  visit("topk_group", config.topk_group);
  visit("norm_topk_prob", config.norm_topk_prob);
  visit("routed_scaling_factor", config.routed_scaling_factor);
  visit("q_lora_rank", config.q_lora_rank);
  visit("kv_lora_rank", config.kv_lora_rank);
  visit("qk_nope_head_dim", config.qk_nope_head_dim);
  visit("qk_rope_head_dim", config.qk_rope_head_dim);
  visit("v_head_dim", config.v_head_dim);
  visit("rms_norm_eps", config.rms_norm_eps);
  visit("max_position_embeddings", config.max_position_embeddings);
  visit("rope_theta", config.rope_theta);
  visit("rope_interleave", config.rope_interleave);
  visit("initializer_range", config.initializer_range);
  visit("tie_word_embeddings", config.tie_word_embeddings);
  visit("bos_token_id", config.bos_token_id);
  visit("eos_token_id", config.eos_token_id);
  visit("num_nextn_predict_layers", config.num_nextn_predict_layers);
  visit("group_mask_zero", config.group_mask_zero);
}

// `Scaling` is RopeScaling or const RopeScaling.
template <class Scaling, class Visitor>
void visit_rope_scaling_fields(Scaling& scaling, Visitor&& visit) {
  visit("factor", scaling.factor);
  visit("original_max_position_embeddings", scaling.original_max_position_embeddings);
  visit("beta_fast", scaling.beta_fast);
  visit("beta_slow", scaling.beta_slow);
  visit("mscale", scaling.mscale);
  visit("mscale_all_dim", scaling.mscale_all_dim);
  visit("attention_factor", scaling.attention_factor);
}

}  // namespace farthing
