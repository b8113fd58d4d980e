// self_check_test.cpp - the self check passes on sound models with every switch.
#include "train/self_check.h"

#include <gtest/gtest.h>

#include <set>

namespace farthing {
namespace {

Recipe recipe_with_everything() {
  Recipe recipe;
  ModelConfig& m = recipe.model;
  m.vocab_size = 8192;
  m.hidden_size = 256;
  m.intermediate_size = 704;
  m.moe_intermediate_size = 128;
  m.num_hidden_layers = 6;
  m.num_attention_heads = 4;
  m.n_shared_experts = 1;
  m.n_routed_experts = 16;
  m.num_experts_per_tok = 4;
  m.first_k_dense_replace = 1;
  m.n_group = 4;
  m.topk_group = 2;
  m.routed_scaling_factor = 2.5;
  m.q_lora_rank = 128;
  m.kv_lora_rank = 64;
  m.qk_nope_head_dim = 32;
  m.qk_rope_head_dim = 16;
  m.v_head_dim = 32;
  m.num_nextn_predict_layers = 1;
  return recipe;
}

void expect_all_pass(const Recipe& recipe) {
  std::set<std::string> subjects;
  for (const CheckRow& row : self_check(recipe, [](const std::string&) {})) {
    EXPECT_TRUE(row.passed) << row.subject << " " << row.detail << ": " << row.error << " > "
                            << row.tolerance;
    subjects.insert(row.subject);
  }
  EXPECT_EQ(subjects, (std::set<std::string>{"checkpoint", "format", "gradient", "isa", "order",
                                             "product", "step", "threads"}));
}

TEST(SelfCheck, PassesOnTheWholeArchitecture) { expect_all_pass(recipe_with_everything()); }

TEST(SelfCheck, PassesWithDocumentMaskYarnAndTiedEmbeddings) {
  Recipe recipe = recipe_with_everything();
  recipe.data.document_mask = true;
  recipe.train.bf16_moments = true;
  recipe.model.rope_scaling.emplace();
  recipe.model.rope_scaling->factor = 40;
  recipe.model.rope_scaling->mscale_all_dim = 1;
  recipe.model.rope_interleave = false;
  recipe.model.tie_word_embeddings = true;
  recipe.model.q_lora_rank.reset();
  recipe.model.num_nextn_predict_layers = 2;
  recipe.model.mtp_input = MtpInput::kPostNorm;
  expect_all_pass(recipe);
}

TEST(SelfCheck, PassesOnADenseDecoder) {
  Recipe recipe = recipe_with_everything();
  recipe.model.n_routed_experts = recipe.model.num_experts_per_tok = 0;
  recipe.model.n_shared_experts = 0;
  recipe.model.n_group = recipe.model.topk_group = 1;
  recipe.model.num_nextn_predict_layers = 0;
  expect_all_pass(recipe);
}

TEST(SelfCheck, ShrunkenModelsAreSoundAndKeepTheirSwitches) {
  const ModelConfig small = shrink(recipe_with_everything().model);
  EXPECT_TRUE(validate(small).empty());
  EXPECT_LE(small.hidden_size, 24);
  EXPECT_EQ(small.n_group, 4);
  EXPECT_TRUE(small.q_lora_rank.has_value());
  EXPECT_TRUE(small.is_moe_layer(2));
  EXPECT_FALSE(small.is_moe_layer(0));
}

}  // namespace
}  // namespace farthing
