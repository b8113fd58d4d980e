// model_config.cpp - which blocks are MoE, the softmax scale, and what makes a shape sound.
#include "config/model_config.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "base/check.h"

namespace farthing {
namespace {

constexpr int kMaxDimension = 1 << 24;
constexpr int kMaxLayers = 4096;

// Collects "field: what: found, wanted".
class Faults {
 public:
  void add(const char* field, const std::string& what) { all_.push_back(field + (": " + what)); }

  void in_range(const char* field, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value >= low && value <= high) return;
    add(field, fmt::format("found {}, wanted {} to {}", value, low, high));
  }
  void dimension(const char* field, int value) { in_range(field, value, 1, kMaxDimension); }
  void positive(const char* field, double value) {
    if (std::isfinite(value) && value > 0) return;
    add(field, fmt::format("found {}, wanted a positive number", value));
  }
  void product(const char* field, std::int64_t a, std::int64_t b) {
    if (a * b <= std::numeric_limits<int>::max()) return;
    add(field, fmt::format("found {} x {} = {} rows, wanted at most 2^31 - 1", a, b, a * b));
  }

  std::vector<std::string> take() { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

void check_experts(const ModelConfig& config, Faults& faults) {
  faults.in_range("n_shared_experts", config.n_shared_experts, 0, 1024);
  faults.in_range("n_routed_experts", config.n_routed_experts, 0, 1 << 16);
  if (config.n_routed_experts <= 0) return;
  faults.dimension("moe_intermediate_size", config.moe_intermediate_size);
  faults.in_range("num_experts_per_tok", config.num_experts_per_tok, 1, config.n_routed_experts);
  faults.in_range("moe_layer_freq", config.moe_layer_freq, 1, kMaxLayers);
  faults.in_range("n_group", config.n_group, 1, config.n_routed_experts);
  faults.positive("routed_scaling_factor", config.routed_scaling_factor);
  faults.product("n_shared_experts", config.n_shared_experts, config.moe_intermediate_size);
  if (config.n_group <= 1) return;
  faults.in_range("topk_group", config.topk_group, 1, config.n_group);
  if (config.n_routed_experts % config.n_group != 0) {
    faults.add("n_group", fmt::format("found {}, wanted a divisor of n_routed_experts = {}",
                                      config.n_group, config.n_routed_experts));
    return;
  }
  const std::int64_t per_group = config.n_routed_experts / config.n_group;
  if (per_group < 2) {
    faults.add("n_group", fmt::format("found {} expert in a group, wanted at least 2 (the group's "
                                      "score is the sum of its two largest)",
                                      per_group));
  }
  if (config.topk_group * per_group < config.num_experts_per_tok) {
    faults.add("topk_group", fmt::format("found {} groups of {} experts, wanted room for "
                                         "num_experts_per_tok = {}",
                                         config.topk_group, per_group, config.num_experts_per_tok));
  }
}

void check_attention(const ModelConfig& config, Faults& faults) {
  faults.in_range("num_attention_heads", config.num_attention_heads, 1, 1 << 16);
  if (config.q_lora_rank) faults.dimension("q_lora_rank", *config.q_lora_rank);
  faults.dimension("kv_lora_rank", config.kv_lora_rank);
  faults.in_range("qk_nope_head_dim", config.qk_nope_head_dim, 1, 1 << 16);
  faults.in_range("qk_rope_head_dim", config.qk_rope_head_dim, 2, 1 << 16);
  faults.in_range("v_head_dim", config.v_head_dim, 1, 1 << 16);
  if (config.qk_rope_head_dim % 2 != 0) {
    faults.add("qk_rope_head_dim", fmt::format("found {}, wanted an even number (RoPE turns pairs)",
                                               config.qk_rope_head_dim));
  }
  faults.product("num_attention_heads", config.num_attention_heads, config.qk_head_dim());
  faults.product("num_attention_heads", config.num_attention_heads,
                 static_cast<std::int64_t>(config.qk_nope_head_dim) + config.v_head_dim);
}

void check_rope(const ModelConfig& config, Faults& faults) {
  faults.positive("rope_theta", config.rope_theta);
  if (config.rope_theta == 1) faults.add("rope_theta", "found 1, wanted another base");
  faults.in_range("max_position_embeddings", config.max_position_embeddings, 1, 1 << 30);
  if (!config.rope_scaling) return;
  const RopeScaling& scaling = *config.rope_scaling;
  if (!std::isfinite(scaling.factor) || scaling.factor < 1) {
    faults.add("rope_scaling.factor",
               fmt::format("found {}, wanted a number of at least 1", scaling.factor));
  }
  faults.in_range("rope_scaling.original_max_position_embeddings",
                  scaling.original_max_position_embeddings, 1, 1 << 30);
  faults.positive("rope_scaling.beta_fast", scaling.beta_fast);
  faults.positive("rope_scaling.beta_slow", scaling.beta_slow);
  if (scaling.beta_fast < scaling.beta_slow) {
    faults.add("rope_scaling.beta_fast", fmt::format("found {}, wanted at least beta_slow = {}",
                                                     scaling.beta_fast, scaling.beta_slow));
  }
  if (!std::isfinite(scaling.mscale) || scaling.mscale < 0) {
    faults.add("rope_scaling.mscale", fmt::format("found {}, wanted 0 or more", scaling.mscale));
  }
  if (!std::isfinite(scaling.mscale_all_dim) || scaling.mscale_all_dim < 0) {
    faults.add("rope_scaling.mscale_all_dim",
               fmt::format("found {}, wanted 0 or more", scaling.mscale_all_dim));
  }
  if (scaling.attention_factor) {
    faults.positive("rope_scaling.attention_factor", *scaling.attention_factor);
  }
}

}  // namespace

bool ModelConfig::is_moe_layer(int layer) const {
  DCHECK(layer >= 0 && layer < n_blocks());
  if (n_routed_experts == 0) return false;
  if (layer >= num_hidden_layers) return true;
  return layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
}

int ModelConfig::n_moe_blocks() const {
  int count = 0;
  for (int layer = 0; layer < n_blocks(); ++layer) count += is_moe_layer(layer) ? 1 : 0;
  return count;
}

double attention_scale(const ModelConfig& config) {
  const double scale = 1 / std::sqrt(static_cast<double>(config.qk_head_dim()));
  if (!config.rope_scaling || config.rope_scaling->mscale_all_dim == 0) return scale;
  const RopeScaling& scaling = *config.rope_scaling;
  if (scaling.factor <= 1) return scale;
  const double mscale = 0.1 * scaling.mscale_all_dim * std::log(scaling.factor) + 1;
  return scale * mscale * mscale;
}

std::vector<std::string> validate(const ModelConfig& config) {
  Faults faults;
  faults.dimension("vocab_size", config.vocab_size);
  faults.dimension("hidden_size", config.hidden_size);
  faults.in_range("num_hidden_layers", config.num_hidden_layers, 1, kMaxLayers);
  faults.in_range("first_k_dense_replace", config.first_k_dense_replace, 0,
                  config.num_hidden_layers);
  faults.in_range("num_nextn_predict_layers", config.num_nextn_predict_layers, 0, 64);
  const bool has_dense_layer =
      config.n_routed_experts <= 0 || config.first_k_dense_replace > 0 || config.moe_layer_freq > 1;
  if (has_dense_layer) faults.dimension("intermediate_size", config.intermediate_size);
  check_attention(config, faults);
  check_experts(config, faults);
  check_rope(config, faults);
  faults.positive("rms_norm_eps", config.rms_norm_eps);
  faults.positive("initializer_range", config.initializer_range);
  faults.in_range("bos_token_id", config.bos_token_id, -1, config.vocab_size - 1);
  faults.in_range("eos_token_id", config.eos_token_id, -1, config.vocab_size - 1);
  return faults.take();
}

}  // namespace farthing
