// ids.cpp - look every tensor up once, by its Hugging Face name.
#include "model/ids.h"

#include <fmt/core.h>

namespace farthing {
namespace {

struct Finder {
  const ParameterTable& table;
  std::string prefix;
  int operator()(const std::string& name) const {
    const int id = table.find(prefix + name + ".weight");
    CHECK(id >= 0, prefix + name);
    return id;
  }
};

MlaIds find_mla(const ModelConfig& config, const Finder& find) {
  MlaIds ids;
  if (config.q_lora_rank) {
    ids.q_a = find("self_attn.q_a_proj");
    ids.q_a_norm = find("self_attn.q_a_layernorm");
    ids.q = find("self_attn.q_b_proj");
  } else {
    ids.q = find("self_attn.q_proj");
  }
  ids.kv_a = find("self_attn.kv_a_proj_with_mqa");
  ids.kv_a_norm = find("self_attn.kv_a_layernorm");
  ids.kv_b = find("self_attn.kv_b_proj");
  ids.o = find("self_attn.o_proj");
  return ids;
}

MlpIds find_mlp(const Finder& find, const std::string& name) {
  return {.gate = find(name + ".gate_proj"), .down = find(name + ".down_proj")};
}

BlockIds find_block(const ModelConfig& config, const Finder& find, int layer) {
  BlockIds ids;
  ids.is_moe = config.is_moe_layer(layer);
  ids.input_norm = find("input_layernorm");
  ids.post_norm = find("post_attention_layernorm");
  ids.mla = find_mla(config, find);
  if (!ids.is_moe) {
    ids.dense = find_mlp(find, "mlp");
    return ids;
  }
  ids.router.weight = find("mlp.gate");
  ids.router.bias = find.table.find(find.prefix + "mlp.gate.e_score_correction_bias");
  CHECK(ids.router.bias >= 0);
  for (int expert = 0; expert < config.n_routed_experts; ++expert) {
    ids.experts.push_back(find_mlp(find, fmt::format("mlp.experts.{}", expert)));
  }
  if (config.n_shared_experts > 0) ids.shared = find_mlp(find, "mlp.shared_experts");
  return ids;
}

}  // namespace

ModelIds make_model_ids(const ModelConfig& config, const ParameterTable& table) {
  ModelIds ids;
  const Finder find{table, "model."};
  ids.embedding = find("embed_tokens");
  ids.head = config.tie_word_embeddings ? ids.embedding : Finder{table, ""}("lm_head");
  ids.final_norm = find("norm");
  for (int layer = 0; layer < config.n_blocks(); ++layer) {
    const Finder in_layer{table, fmt::format("model.layers.{}.", layer)};
    ids.blocks.push_back(find_block(config, in_layer, layer));
    if (layer < config.num_hidden_layers) continue;
    ids.mtp.push_back({.embedding_norm = in_layer("enorm"),
                       .hidden_norm = in_layer("hnorm"),
                       .projection = in_layer("eh_proj"),
                       .head_norm = in_layer("shared_head.norm")});
  }
  return ids;
}

}  // namespace farthing
