// model_config_test.cpp - shapes, the softmax scale, and config.json in its several spellings.
#include "config/model_config.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace farthing {
namespace {

Json v3_json() { return read_json(FARTHING_SOURCE_DIR "/models/deepseek-v3/config.json"); }
ModelConfig v3_config() { return model_config_from_json(v3_json(), "config.json"); }

// The message that reading `json` ends in.
std::string complaint(const Json& json) {
  try {
    model_config_from_json(json, "config.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "accepted";
}

TEST(ModelConfig, ReadsDeepseekV3) {
  const ModelConfig config = v3_config();
  EXPECT_EQ(config.vocab_size, 129280);
  EXPECT_EQ(config.hidden_size, 7168);
  EXPECT_EQ(config.q_lora_rank, 1536);
  EXPECT_EQ(config.n_routed_experts, 256);
  EXPECT_EQ(config.topk_group, 4);
  EXPECT_EQ(config.routed_scaling_factor, 2.5);
  EXPECT_EQ(config.num_nextn_predict_layers, 1);
  EXPECT_TRUE(config.rope_interleave);
  EXPECT_EQ(config.max_position_embeddings, 163840);
  ASSERT_TRUE(config.rope_scaling);
  EXPECT_EQ(config.rope_scaling->factor, 40);
  EXPECT_EQ(config.rope_scaling->mscale, 1);
  EXPECT_EQ(config.rope_scaling->mscale_all_dim, 1);
}

TEST(ModelConfig, AttentionScaleOfV3WithAndWithoutYarn) {
  ModelConfig config = v3_config();
  EXPECT_NEAR(attention_scale(config), 0.1352337788608801, 1e-16);
  config.rope_scaling->mscale_all_dim = 0;
  EXPECT_NEAR(attention_scale(config), 0.07216878364870322, 1e-16);
  config.rope_scaling.reset();
  EXPECT_NEAR(attention_scale(config), 0.07216878364870322, 1e-16);
}

TEST(ModelConfig, MoeLayersOfV3) {
  ModelConfig config = v3_config();
  EXPECT_FALSE(config.is_moe_layer(0));
  EXPECT_FALSE(config.is_moe_layer(2));
  EXPECT_TRUE(config.is_moe_layer(3));
  EXPECT_TRUE(config.is_moe_layer(60));
  EXPECT_TRUE(config.is_moe_layer(61));
  EXPECT_EQ(config.n_moe_blocks(), 59);
  config.moe_layer_freq = 2;  // layers 4, 6 .. 60, and the MTP block whatever its index
  EXPECT_FALSE(config.is_moe_layer(3));
  EXPECT_TRUE(config.is_moe_layer(4));
  EXPECT_TRUE(config.is_moe_layer(61));
  EXPECT_EQ(config.n_moe_blocks(), 30);
  config.n_routed_experts = 0;
  EXPECT_EQ(config.n_moe_blocks(), 0);
}

TEST(ModelConfig, TransformersFiveSpellingIsTheSameModel) {
  Json json = v3_json();
  Json rope = json["rope_scaling"];
  rope.erase("type");
  rope["rope_type"] = "yarn";
  rope["rope_theta"] = 10000.0;
  json.erase("rope_scaling");
  json.erase("rope_theta");
  json["rope_parameters"] = rope;
  json["num_local_experts"] = json["n_routed_experts"];
  json.erase("n_routed_experts");
  json.erase("torch_dtype");
  json["dtype"] = "bfloat16";
  EXPECT_EQ(model_config_from_json(json, "config.json"), v3_config());
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 50000.0}};
  const ModelConfig plain = model_config_from_json(json, "config.json");
  EXPECT_FALSE(plain.rope_scaling);
  EXPECT_EQ(plain.rope_theta, 50000);
}

TEST(ModelConfig, NullAndZeroQueryRankBothMeanOneProjection) {
  for (const Json& rank : {Json(nullptr), Json(0)}) {
    Json json = v3_json();
    json["q_lora_rank"] = rank;
    EXPECT_FALSE(model_config_from_json(json, "config.json").q_lora_rank);
  }
}

TEST(ModelConfig, AbsentMscaleLeavesTheCosSinMultiplierAtTheDefault) {
  Json json = v3_json();
  json["rope_scaling"].erase("mscale");
  EXPECT_EQ(model_config_from_json(json, "config.json").rope_scaling->mscale, 0);
}

TEST(ModelConfig, TokenIdsMayBeNullOrAList) {
  Json json = v3_json();
  json["bos_token_id"] = nullptr;
  json["eos_token_id"] = {7, 8};
  const ModelConfig config = model_config_from_json(json, "config.json");
  EXPECT_EQ(config.bos_token_id, -1);
  EXPECT_EQ(config.eos_token_id, 7);
  EXPECT_TRUE(to_json(config)["bos_token_id"].is_null());
}

TEST(ModelConfig, RoundTripsThroughJson) {
  ModelConfig config = v3_config();
  config.mtp_input = MtpInput::kPostNorm;
  config.rope_scaling->attention_factor = 1.25;
  config.tie_word_embeddings = true;
  config.rms_norm_eps = 1e-5;
  EXPECT_EQ(model_config_from_json(to_json(config), "x"), config);
  config.q_lora_rank.reset();
  config.rope_scaling.reset();
  EXPECT_EQ(model_config_from_json(to_json(config), "x"), config);
}

TEST(ModelConfig, WritesWhatHuggingFaceWants) {
  const Json json = to_json(v3_config());
  EXPECT_EQ(json["model_type"], "deepseek_v3");
  EXPECT_EQ(json["architectures"][0], "DeepseekV3ForCausalLM");
  EXPECT_EQ(json["num_key_value_heads"], 128);
  EXPECT_EQ(json["rope_scaling"]["type"], "yarn");
  EXPECT_FALSE(json.contains("mtp_input"));
  EXPECT_FALSE(json.contains("group_mask_zero"));
}

TEST(ModelConfig, DenseModelTellsHuggingFaceThatEveryLayerIsDense) {
  ModelConfig config = v3_config();
  config.n_routed_experts = 0;
  EXPECT_EQ(to_json(config)["first_k_dense_replace"], 61);
}

TEST(ModelConfig, RefusesWhatFarthingDoesNotCompute) {
  const auto with = [](const char* key, Json value) {
    Json json = v3_json();
    json[key] = std::move(value);
    return complaint(json);
  };
  EXPECT_EQ(with("hidden_act", "gelu"),
            "config.json: \"hidden_act\": found \"gelu\", wanted \"silu\", the only form that "
            "farthing computes");
  EXPECT_NE(with("attention_bias", true), "accepted");
  EXPECT_NE(with("scoring_func", "softmax"), "accepted");
  EXPECT_NE(with("topk_method", "greedy"), "accepted");
  EXPECT_NE(with("model_type", "deepseek_v32"), "accepted");
  EXPECT_NE(with("num_key_value_heads", 8), "accepted");
  EXPECT_NE(with("rope_scaling", {{"type", "linear"}, {"factor", 2}}), "accepted");
  EXPECT_NE(with("hidden_size", "7168"), "accepted");
  EXPECT_NE(with("hidden_size", 7168.5), "accepted");
  EXPECT_NE(with("hidden_size", 1e300), "accepted");
  EXPECT_NE(with("norm_topk_prob", 1), "accepted");
  EXPECT_EQ(with("attention_dropout", 0), "accepted");
  EXPECT_EQ(with("some_new_key", 0), "accepted");
}

TEST(ModelConfig, MissingFieldIsNamed) {
  Json json = v3_json();
  json.erase("kv_lora_rank");
  EXPECT_EQ(complaint(json), "config.json: \"kv_lora_rank\" is missing");
}

TEST(ModelConfig, ValidateFindsEachFault) {
  const auto first_fault = [](const std::function<void(ModelConfig&)>& change) {
    ModelConfig config = v3_config();
    change(config);
    const auto faults = validate(config);
    EXPECT_EQ(faults.size(), 1u);
    return faults.empty() ? "" : faults[0].substr(0, faults[0].find(':'));
  };
  EXPECT_TRUE(validate(v3_config()).empty());
  EXPECT_EQ(first_fault([](auto& c) { c.n_group = 3, c.topk_group = 2; }), "n_group");
  EXPECT_EQ(first_fault([](auto& c) { c.topk_group = 9; }), "topk_group");
  EXPECT_EQ(first_fault([](auto& c) { c.n_routed_experts = 8, c.num_experts_per_tok = 4; }),
            "n_group");
  EXPECT_EQ(first_fault([](auto& c) { c.qk_rope_head_dim = 63; }), "qk_rope_head_dim");
  EXPECT_EQ(first_fault([](auto& c) { c.first_k_dense_replace = 62; }), "first_k_dense_replace");
  EXPECT_EQ(first_fault([](auto& c) { c.num_experts_per_tok = 257, c.n_group = 1; }),
            "num_experts_per_tok");
  EXPECT_EQ(first_fault([](auto& c) { c.intermediate_size = 0; }), "intermediate_size");
  EXPECT_EQ(first_fault([](auto& c) { c.rope_scaling->factor = 0.5; }), "rope_scaling.factor");
  EXPECT_EQ(first_fault([](auto& c) { c.eos_token_id = 129280; }), "eos_token_id");
  EXPECT_EQ(first_fault([](auto& c) { c.rms_norm_eps = 0; }), "rms_norm_eps");
  EXPECT_GT(validate(ModelConfig{}).size(), 5u);
}

}  // namespace
}  // namespace farthing
