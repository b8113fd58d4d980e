// parameters_test.cpp - the table's names, counts and places, and the first weights.
#include "model/parameters.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/ids.h"
#include "model/test_model.h"

namespace farthing::test {
namespace {

ModelConfig deepseek_v3() {
  ModelConfig config;
  config.vocab_size = 129280;
  config.hidden_size = 7168;
  config.intermediate_size = 18432;
  config.moe_intermediate_size = 2048;
  config.num_hidden_layers = 61;
  config.num_attention_heads = 128;
  config.n_shared_experts = 1;
  config.n_routed_experts = 256;
  config.num_experts_per_tok = 8;
  config.first_k_dense_replace = 3;
  config.n_group = 8;
  config.topk_group = 4;
  config.routed_scaling_factor = 2.5;
  config.q_lora_rank = 1536;
  config.kv_lora_rank = 512;
  config.qk_nope_head_dim = 128;
  config.qk_rope_head_dim = 64;
  config.v_head_dim = 128;
  return config;
}

TEST(Parameters, DeepseekV3HasItsPublishedNumbers) {
  ModelConfig config = deepseek_v3();
  const ParameterTable main(config);
  EXPECT_EQ(main.n_parameters(), 671'026'404'352);
  EXPECT_EQ(main.size(), 45395);
  config.num_nextn_predict_layers = 1;
  const ParameterTable with_mtp(config);
  // The published size of the MTP layer counts its 256 correction biases.
  EXPECT_EQ(with_mtp.n_parameters() - main.n_parameters() + 256, 11'610'068'224);
  // The released MTP layer has two tensors more: its copies of the embedding and the head.
  EXPECT_EQ(with_mtp.size() - main.size(), 788 - 2);
  EXPECT_GE(with_mtp.find("model.layers.61.shared_head.norm.weight"), 0);
  EXPECT_EQ(with_mtp.find("model.layers.61.embed_tokens.weight"), -1);
}

TEST(Parameters, GateAndUpOfEveryMlpAreOneMatrix) {
  const ModelConfig config = small_config();  // 7 x 20 elements: not a multiple of the alignment
  const ParameterTable table(config);
  const ModelIds ids = make_model_ids(config, table);
  const auto expect_joined = [&](const MlpIds& mlp) {
    const Parameter& gate = table[mlp.gate];
    EXPECT_EQ(table[mlp.gate + 1].offset, gate.offset + gate.size()) << gate.name;
    EXPECT_EQ(table[mlp.gate + 1].name.find("up_proj"), gate.name.find("gate_proj"));
    EXPECT_EQ(mlp.down, mlp.gate + 2);
  };
  expect_joined(ids.blocks[0].dense);
  expect_joined(ids.blocks[1].shared);
  for (const MlpIds& expert : ids.blocks[1].experts) expect_joined(expert);
}

TEST(Parameters, EntriesNeitherOverlapNorWander) {
  const ParameterTable table(small_config());
  std::int64_t end = 0;
  for (const Parameter& parameter : table.entries()) {
    EXPECT_GE(parameter.offset, end) << parameter.name;
    EXPECT_LT(parameter.offset, end + 16) << parameter.name;
    if (!parameter.name.ends_with("up_proj.weight")) {
      EXPECT_EQ(parameter.offset % 16, 0) << parameter.name;
    }
    end = parameter.offset + parameter.size();
  }
  EXPECT_GE(table.store_elements(), end);
}

TEST(Parameters, NormsAndBiasesDoNotDecayAndBiasesDoNotTrain) {
  const ParameterTable table(small_config());
  for (const Parameter& parameter : table.entries()) {
    EXPECT_EQ(parameter.decays, !parameter.is_vector) << parameter.name;
    EXPECT_EQ(parameter.trainable, parameter.role != Role::kBias) << parameter.name;
  }
}

TEST(Parameters, TiedEmbeddingsHaveNoHead) {
  ModelConfig config = small_config();
  config.tie_word_embeddings = true;
  const ParameterTable table(config);
  EXPECT_EQ(table.find("lm_head.weight"), -1);
  EXPECT_EQ(make_model_ids(config, table).head, table.find("model.embed_tokens.weight"));
}

TEST(Parameters, InitialWeightsFollowTheRecipeAndTheNameAlone) {
  ModelConfig config = small_config();
  config.hidden_size = 200;
  config.initializer_range = 0.006;
  const TestModel<float> a(config), b(config);
  initialize(a.weights, config, 7);
  initialize(b.weights, config, 7);
  EXPECT_TRUE(std::ranges::equal(a.weights.all, b.weights.all));
  EXPECT_EQ(a.weight("model.norm.weight")[3], 1);
  EXPECT_EQ(a.weight("model.layers.1.mlp.gate.e_score_correction_bias")[3], 0);
  double squares = 0;
  const auto embedding = a.weight("model.embed_tokens.weight");
  for (const float value : embedding) squares += static_cast<double>(value * value);
  const double deviation = std::sqrt(squares / static_cast<double>(embedding.size()));
  // 5,800 draws: the estimate's own deviation is 0.93 %.
  EXPECT_NEAR(deviation, 0.006, 4 * 0.0093 * 0.006);

  // Another model with this tensor: the same values, wherever it stands.
  config.q_lora_rank.reset();
  const TestModel<float> c(config);
  ASSERT_NE(a.id("model.norm.weight"), c.id("model.norm.weight"));
  initialize(c.weights, config, 7);
  const char* name = "model.layers.1.mlp.experts.7.down_proj.weight";
  EXPECT_TRUE(std::ranges::equal(a.weight(name), c.weight(name)));
  initialize(c.weights, config, 8);
  EXPECT_FALSE(std::ranges::equal(a.weight(name), c.weight(name)));
}

}  // namespace
}  // namespace farthing::test
