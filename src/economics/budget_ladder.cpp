// budget_ladder.cpp - the sizes that a budget chooses from.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "economics/budget.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

int rounded(double value, int step) {
  return std::max(1, static_cast<int>(std::lround(value / step))) * step;
}

std::string size_words(const ModelShape& shape) {
  const auto words = [](std::int64_t count) {
    const double value = static_cast<double>(count) / 1e9;
    if (value < 0.95) return fmt::format("{:.0f}m", 1000 * value);
    return fmt::format("{:.{}f}b", value, value < 9.95 ? 1 : 0);
  };
  const std::string all = words(count_parameters(shape).total());
  const std::string active = words(count_active_parameters(shape).total());
  return shape.is_moe() ? "moe-" + all + "-a" + active : "dense-" + all;
}

// Llama 3's proportions: width 128 times depth, heads of 128, at most eight key-value heads, MLP
// of 3.5 widths.
ModelShape dense_shape(int hidden) {
  ModelShape shape;
  shape.source = "proportions of Llama 3 (arXiv:2407.21783)";
  shape.vocab_size = 128256;
  shape.hidden_size = hidden;
  shape.num_hidden_layers = std::max(8, hidden / 128);
  shape.num_attention_heads = hidden / 64 / (hidden >= 2048 ? 2 : 1);
  shape.head_dim = hidden / shape.num_attention_heads;
  shape.num_key_value_heads = std::gcd(8, shape.num_attention_heads);
  shape.intermediate_size = rounded(3.5 * hidden, 256);
  shape.tie_word_embeddings = hidden <= 2048;
  shape.name = size_words(shape);
  return shape;
}

// DeepSeek-V3's proportions: latent attention, one shared expert, experts of 2 / 7 of the width.
ModelShape moe_shape(int hidden) {
  ModelShape shape;
  shape.source = "proportions of DeepSeek-V3 (arXiv:2412.19437)";
  shape.vocab_size = 129280;
  shape.hidden_size = hidden;
  shape.num_hidden_layers = std::max(8, hidden / 128);
  shape.num_attention_heads = std::max(8, hidden / 64);
  shape.num_key_value_heads = shape.num_attention_heads;
  shape.q_lora_rank = rounded(hidden * 3 / 14.0, 64);
  shape.kv_lora_rank = hidden < 2048 ? 256 : 512;
  shape.qk_nope_head_dim = 128, shape.qk_rope_head_dim = 64, shape.v_head_dim = 128;
  shape.head_dim = 128;
  shape.intermediate_size = rounded(2.57 * hidden, 256);
  shape.moe_intermediate_size = rounded(hidden * 2 / 7.0, 64);
  shape.shared_intermediate_size = shape.moe_intermediate_size;
  shape.n_routed_experts = hidden >= 6144 ? 256 : hidden >= 4096 ? 128 : 64;
  shape.num_experts_per_tok = hidden >= 4096 ? 8 : 6;
  shape.first_k_dense_replace = hidden >= 6144 ? 3 : 1;
  shape.name = size_words(shape);
  return shape;
}

}  // namespace

std::vector<ModelShape> budget_ladder() {
  std::vector<ModelShape> ladder;
  for (const int hidden : {512, 768, 1024, 1536, 2048, 2560, 3072, 4096, 5120, 6144, 8192}) {
    ladder.push_back(dense_shape(hidden));
  }
  for (const int hidden : {768, 1024, 1536, 2048, 2560, 3072, 4096, 5120, 7168}) {
    ladder.push_back(moe_shape(hidden));
  }
  return ladder;
}

}  // namespace farthing
