// accounting_test.cpp - DeepSeek-V3's published counts, and a small model counted by hand.
#include "config/accounting.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace farthing {
namespace {

ModelConfig v3() {
  const std::string path = FARTHING_SOURCE_DIR "/models/deepseek-v3/config.json";
  return model_config_from_json(read_json(path), path);
}

// Every size is a different prime power or so, that no two terms are confused.
ModelConfig hand_made() {
  ModelConfig config;
  config.vocab_size = 11;
  config.hidden_size = 6;
  config.num_hidden_layers = 3;
  config.first_k_dense_replace = 1;
  config.intermediate_size = 5;
  config.moe_intermediate_size = 7;
  config.num_attention_heads = 2;
  config.kv_lora_rank = 3;
  config.qk_nope_head_dim = 4;
  config.qk_rope_head_dim = 2;
  config.v_head_dim = 5;
  config.n_routed_experts = 8;
  config.n_shared_experts = 2;
  config.num_experts_per_tok = 3;
  return config;
}

TEST(Accounting, ParametersOfDeepseekV3) {
  const ModelConfig config = v3();
  const auto parameters = count_parameters(config);
  EXPECT_EQ(parameters.main(), 671'026'404'352);
  EXPECT_EQ(parameters.main() + 58 * 256, 671'026'419'200);
  EXPECT_EQ(parameters.attention, 61 * 187'107'328LL);
  EXPECT_EQ(parameters.dense_mlp, 3 * 396'361'728LL);
  EXPECT_EQ(parameters.routed_experts, 58 * 256 * 44'040'192LL);
  EXPECT_EQ(parameters.shared_experts, 58 * 44'040'192LL);
  EXPECT_EQ(parameters.router, 58 * 256 * 7168LL);
  EXPECT_EQ(parameters.norms, (2 * 61 + 1) * 7168LL);
  EXPECT_EQ(parameters.mtp + 256, 11'610'068'224);  // the published count has its biases
  EXPECT_EQ(count_correction_biases(config), 59 * 256);
}

TEST(Accounting, ActiveParametersOfDeepseekV3) {
  const auto active = count_active_parameters(v3());
  EXPECT_EQ(active.main(), 671'026'404'352 - 58 * 248 * 44'040'192LL);
  EXPECT_NEAR(static_cast<double>(active.main()), 37.55e9, 0.01e9);
}

TEST(Accounting, FlopsOfDeepseekV3) {
  ModelConfig config = v3();
  const auto flops = model_flops_per_token(config, 4096);
  EXPECT_NEAR(flops.main() / 250.4e9, 1, 0.003);
  EXPECT_EQ(flops.attention_core, 3.0 * 61 * 128 * 320 * 4096);
  EXPECT_EQ(flops.embedding, 0);
  EXPECT_EQ(flops.norms, 0);
  config.num_nextn_predict_layers = 0;
  EXPECT_EQ(model_flops_per_token(config, 4096).total(), flops.main());
}

TEST(Accounting, SmallModelByHand) {
  const ModelConfig config = hand_made();
  // kv_a 6*(3+2), kv_b 3*2*(4+5), o 2*5*6, q 6*2*6; norm 3.
  const std::int64_t attention = 30 + 54 + 60 + 72;
  const auto parameters = count_parameters(config);
  EXPECT_EQ(parameters.attention, 3 * (attention + 3));
  EXPECT_EQ(parameters.dense_mlp, 3 * 6 * 5);
  EXPECT_EQ(parameters.routed_experts, 2 * 8 * 3 * 6 * 7);
  EXPECT_EQ(parameters.shared_experts, 2 * 3 * 6 * 14);
  EXPECT_EQ(parameters.router, 2 * 8 * 6);
  EXPECT_EQ(parameters.norms, 7 * 6);
  EXPECT_EQ(parameters.embedding, 66);
  EXPECT_EQ(parameters.head, 66);
  EXPECT_EQ(parameters.mtp, 0);
  const auto flops = model_flops_per_token(config, 10);
  EXPECT_EQ(flops.attention, 6.0 * 3 * attention);
  EXPECT_EQ(flops.attention_core, 3.0 * 3 * 2 * (6 + 5) * 10);
  EXPECT_EQ(flops.routed_experts, 6.0 * 2 * 3 * 3 * 6 * 7);
  EXPECT_EQ(flops.head, 6.0 * 66);
}

TEST(Accounting, MtpModuleIsABlockItsJoinAndTheHeadAgain) {
  ModelConfig config = hand_made();
  config.num_nextn_predict_layers = 2;
  config.q_lora_rank = 4;
  const auto parameters = count_parameters(config);
  const std::int64_t attention = 30 + 54 + 60 + 6 * 4 + 4 * 12;
  const std::int64_t block = attention + 8 * 126 + 252 + 48;
  EXPECT_EQ(parameters.mtp, 2 * (block + 3 + 4 + 12 + 72 + 18));
  const auto flops = model_flops_per_token(config, 10);
  const std::int64_t active = attention + 3 * 126 + 252 + 48 + 72 + 66;
  EXPECT_EQ(flops.mtp, 2 * (6.0 * static_cast<double>(active) + 3.0 * 2 * 11 * 10));
}

TEST(Accounting, TiedHeadIsNoSecondMatrixButStillWork) {
  ModelConfig config = hand_made();
  config.tie_word_embeddings = true;
  EXPECT_EQ(count_parameters(config).head, 0);
  EXPECT_EQ(model_flops_per_token(config, 10).head, 6.0 * 66);
}

TEST(Accounting, DenseModelHasNoExperts) {
  ModelConfig config = hand_made();
  config.n_routed_experts = 0;
  config.num_nextn_predict_layers = 1;
  const auto parameters = count_parameters(config);
  EXPECT_EQ(parameters.dense_mlp, 3 * 90);
  EXPECT_EQ(parameters.routed_experts + parameters.shared_experts + parameters.router, 0);
  EXPECT_EQ(parameters.mtp, 216 + 3 + 12 + 90 + 72 + 18);
}

TEST(Accounting, TrainingStateByPart) {
  const ModelConfig config = hand_made();
  const std::int64_t parameters = count_parameters(config).total();
  const TrainingState exact = count_training_state(config, false);
  EXPECT_EQ(exact.weights_bytes, 4 * (parameters + 16));
  EXPECT_EQ(exact.gradients_bytes, 4 * parameters);
  EXPECT_EQ(exact.moments_bytes, 8 * parameters);
  EXPECT_EQ(count_training_state(config, true).moments_bytes, 4 * parameters);
}

}  // namespace
}  // namespace farthing
