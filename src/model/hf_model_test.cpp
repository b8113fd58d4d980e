// hf_model_test.cpp - directories out and in: names, copies, formats, shards, and what is refused.
#include "model/hf_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "kernels/number_formats.h"
#include "model/model.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 40;
  config.hidden_size = 24;
  config.intermediate_size = 20;
  config.moe_intermediate_size = 12;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.n_shared_experts = 1;
  config.n_routed_experts = 4;
  config.num_experts_per_tok = 2;
  config.first_k_dense_replace = 1;
  config.q_lora_rank = 10;
  config.kv_lora_rank = 14;
  config.qk_nope_head_dim = 6;
  config.qk_rope_head_dim = 4;
  config.v_head_dim = 5;
  config.routed_scaling_factor = 2.5;
  config.num_nextn_predict_layers = 1;
  return config;
}

// A model with weights nobody would guess, biases and norms included.
struct SmallModel {
  explicit SmallModel(const ModelConfig& model_config)
      : config(model_config),
        table(config),
        arena(table.store_elements() * 4),
        weights(arena, table) {
    initialize(weights, config, 7);
    for (int id = 0; id < table.size(); ++id) {
      if (table[id].role != Role::kNorm && table[id].role != Role::kBias) continue;
      float value = 0.1f;
      for (float& element : weights.values(id)) element += value *= -1.03f;
    }
  }
  ModelConfig config;
  ParameterTable table;
  Arena arena;
  ParameterStore<float> weights;
};

class HfModel : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = testing::TempDir() + "farthing_hf_" + info->name() + std::to_string(getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
    folder_ = root_ + "/model";
  }
  void TearDown() override { fs::remove_all(root_); }

  void save(const SmallModel& model, const HfExport& options = {}) {
    save_hf_model(folder_, model.config, model.weights, options);
  }
  // Rewrites the weights: `change` may rename, reshape, add or (returning false) drop a tensor.
  void rewrite(const std::function<bool(TensorToWrite&)>& change,
               std::vector<TensorToWrite> added = {}) {
    {
      const SafetensorsReader reader(folder_);
      for (const auto& [name, tensor] : reader.tensors()) {
        TensorToWrite copy = {
            .name = name, .dtype = tensor.dtype, .shape = tensor.shape, .bytes = tensor.bytes};
        if (change(copy)) added.push_back(copy);
      }
      write_safetensors(folder_ + "/new.safetensors", added);
    }
    fs::rename(folder_ + "/new.safetensors", folder_ + "/model.safetensors");
  }
  void edit_config(const std::function<void(Json&)>& edit) {
    Json json = read_json(folder_ + "/config.json");
    edit(json);
    write_file_atomically(folder_ + "/config.json", json.dump());
  }
  std::string refusal() {
    try {
      load_hf_model(folder_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      return error.message;
    }
    return "accepted";
  }
  std::string root_, folder_;
};

#define EXPECT_SAYS(message, words) EXPECT_NE((message).find(words), std::string::npos) << (message)

bool keep_all(TensorToWrite&) { return true; }

void expect_same(const LoadedModel& loaded, const SmallModel& model) {
  ASSERT_EQ(loaded.table->size(), model.table.size());
  for (int id = 0; id < model.table.size(); ++id) {
    const auto a = loaded.weights.values(id);
    const auto b = model.weights.values(id);
    ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << model.table[id].name;
  }
}

TEST_F(HfModel, RoundTripIsExactInF32) {
  for (const bool tied : {false, true}) {
    ModelConfig config = small_config();
    config.tie_word_embeddings = tied;
    if (tied) config.q_lora_rank.reset();
    const SmallModel model(config);
    save(model, {.model_card = "# a card\n"});
    const LoadedModel loaded = load_hf_model(folder_);
    EXPECT_EQ(loaded.config, config);
    EXPECT_TRUE(loaded.notes.empty());
    expect_same(loaded, model);
    EXPECT_EQ(read_file(folder_ + "/README.md"), "# a card\n");
  }
}

// Pitfall: the shared tensors' copies in the MTP layer differ from the originals.
TEST_F(HfModel, MtpLayerCarriesEqualCopiesWhichLoadingIgnores) {
  const SmallModel model(small_config());
  save(model);
  const SafetensorsReader reader(folder_);
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  const auto same = [&](const char* a, const char* b) {
    ASSERT_NE(reader.find(a), nullptr);
    EXPECT_EQ(reader.find(a)->shape, reader.find(b)->shape);
    EXPECT_TRUE(std::ranges::equal(reader.find(a)->bytes, reader.find(b)->bytes));
  };
  same("model.layers.2.embed_tokens.weight", "model.embed_tokens.weight");
  same("model.layers.2.shared_head.head.weight", "lm_head.weight");
  EXPECT_EQ(reader.tensors().size(), static_cast<std::size_t>(model.table.size() + 2));
  const std::vector<float> other(40 * 24, 9.0f);
  rewrite(
      [](TensorToWrite& tensor) {
        return tensor.name.find("embed_tokens") == std::string::npos ||
               tensor.name == "model.embed_tokens.weight";
      },
      {{.name = "model.layers.2.embed_tokens.weight",
        .shape = {40, 24},
        .bytes = std::as_bytes(std::span(other))}});
  expect_same(load_hf_model(folder_), model);
}

TEST_F(HfModel, Bf16RoundsEveryTensorButTheCorrectionBias) {
  const SmallModel model(small_config());
  save(model, {.dtype = Dtype::kBF16});
  EXPECT_EQ(read_json(folder_ + "/config.json")["torch_dtype"], "bfloat16");
  const SafetensorsReader reader(folder_);
  const LoadedModel loaded = load_hf_model(folder_);
  for (int id = 0; id < model.table.size(); ++id) {
    const bool is_bias = model.table[id].role == Role::kBias;
    EXPECT_EQ(reader.find(model.table[id].name)->dtype, is_bias ? Dtype::kF32 : Dtype::kBF16);
    const auto before = model.weights.values(id);
    for (std::size_t i = 0; i < before.size(); ++i) {
      ASSERT_EQ(loaded.weights.values(id)[i], is_bias ? before[i] : from_bf16(to_bf16(before[i])));
    }
  }
}

TEST_F(HfModel, ABiasInBf16IsAccepted) {
  const SmallModel model(small_config());
  save(model);
  const std::vector<std::uint16_t> half(4, to_bf16(0.25f));
  rewrite([&](TensorToWrite& tensor) {
    if (tensor.name.ends_with("e_score_correction_bias")) {
      tensor.dtype = Dtype::kBF16;
      tensor.bytes = std::as_bytes(std::span(half));
    }
    return true;
  });
  const LoadedModel loaded = load_hf_model(folder_);
  const int id = loaded.table->find("model.layers.1.mlp.gate.e_score_correction_bias");
  EXPECT_EQ(loaded.weights.values(id)[3], 0.25f);
}

TEST_F(HfModel, ManyShardsLoadAsOne) {
  const SmallModel model(small_config());
  save(model, {.max_shard_bytes = 4000});
  EXPECT_FALSE(file_exists(folder_ + "/model.safetensors"));
  const Json index = read_json(folder_ + "/model.safetensors.index.json");
  std::int64_t total_bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() != ".safetensors") continue;
    const SafetensorsReader shard(entry.path().string());
    std::int64_t bytes = 0;
    for (const auto& [name, tensor] : shard.tensors()) {
      bytes += static_cast<std::int64_t>(tensor.bytes.size());
      EXPECT_EQ(index["weight_map"][name], entry.path().filename().string());
    }
    EXPECT_TRUE(bytes <= 4000 || shard.tensors().size() == 1);
    total_bytes += bytes;
  }
  EXPECT_EQ(index["metadata"]["total_size"], total_bytes);
  expect_same(load_hf_model(folder_), model);
}

TEST_F(HfModel, Fp8WeightsAreScaled) {
  const SmallModel model(small_config());
  save(model);
  const std::vector<std::uint8_t> ones(24 * 10, to_e4m3(1.5f));
  const std::vector<float> scale = {0.125f};
  rewrite(
      [&](TensorToWrite& tensor) {
        if (tensor.name == "model.layers.0.self_attn.o_proj.weight") {
          tensor.dtype = Dtype::kF8E4M3;
          tensor.bytes = std::as_bytes(std::span(ones));
        }
        return true;
      },
      {{.name = "model.layers.0.self_attn.o_proj.weight_scale_inv",
        .shape = {1, 1},
        .bytes = std::as_bytes(std::span(scale))}});
  const LoadedModel loaded = load_hf_model(folder_);
  const int id = loaded.table->find("model.layers.0.self_attn.o_proj.weight");
  for (const float value : loaded.weights.values(id)) ASSERT_EQ(value, 1.5f * 0.125f);
}

// transformers saves without the MTP layer and keeps num_nextn_predict_layers.
TEST_F(HfModel, AbsentMtpLayersLowerTheDepthAndAreNoted) {
  const SmallModel model(small_config());
  save(model);
  rewrite([](TensorToWrite& tensor) { return !tensor.name.starts_with("model.layers.2."); });
  const LoadedModel loaded = load_hf_model(folder_);
  EXPECT_EQ(loaded.config.num_nextn_predict_layers, 0);
  ASSERT_EQ(loaded.notes.size(), 1u);
  EXPECT_SAYS(loaded.notes[0], "num_nextn_predict_layers = 1");
}

TEST_F(HfModel, AnIncompleteMtpLayerIsRefused) {
  const SmallModel model(small_config());
  save(model);
  rewrite([](TensorToWrite& tensor) { return tensor.name != "model.layers.2.eh_proj.weight"; });
  EXPECT_SAYS(refusal(), "1 missing: model.layers.2.eh_proj.weight");
}

TEST_F(HfModel, LayersBeyondTheConfigAreLeftOutAndNoted) {
  const SmallModel model(small_config());
  save(model);
  edit_config([](Json& json) { json["num_nextn_predict_layers"] = 0; });
  const LoadedModel loaded = load_hf_model(folder_);
  EXPECT_EQ(loaded.config.num_nextn_predict_layers, 0);
  ASSERT_EQ(loaded.notes.size(), 1u);
  EXPECT_SAYS(loaded.notes[0], "layers that config.json does not have");
}

TEST_F(HfModel, MissingMisshapenAndUnexpectedAreNamedAtOnce) {
  const SmallModel model(small_config());
  save(model);
  rewrite([](TensorToWrite& tensor) {
    if (tensor.name == "model.norm.weight") return false;
    if (tensor.name == "model.layers.0.mlp.up_proj.weight")
      std::swap(tensor.shape[0], tensor.shape[1]);
    if (tensor.name == "lm_head.weight") tensor.name = "head.weight";
    return true;
  });
  const std::string message = refusal();
  EXPECT_SAYS(message, folder_);
  EXPECT_SAYS(message, "2 missing: model.norm.weight, lm_head.weight");
  EXPECT_SAYS(message, "1 unexpected: head.weight");
  EXPECT_SAYS(message, "model.layers.0.mlp.up_proj.weight (found [24, 20], wanted [20, 24])");
}

// Pitfall: experts fused on disk, as no published checkpoint has them, are not half-read.
TEST_F(HfModel, FusedExpertsAreRefusedByName) {
  const SmallModel model(small_config());
  save(model);
  const std::vector<float> fused(4 * 24 * 24);
  rewrite(
      [](TensorToWrite& tensor) {
        return tensor.name.find(".1.mlp.experts.") == std::string::npos;
      },
      {{.name = "model.layers.1.mlp.experts.gate_up_proj",
        .shape = {4, 24, 24},
        .bytes = std::as_bytes(std::span(fused))}});
  const std::string message = refusal();
  EXPECT_SAYS(message, "12 missing");
  EXPECT_SAYS(message, "1 unexpected: model.layers.1.mlp.experts.gate_up_proj");
}

TEST_F(HfModel, KeyValueHeadsOtherThanHeadsAreRefused) {
  const SmallModel model(small_config());
  save(model);
  edit_config([](Json& json) { json["num_key_value_heads"] = 1; });
  EXPECT_SAYS(refusal(), "num_key_value_heads");
}

// Pitfall: null and 0 both mean one direct q_proj.
TEST_F(HfModel, QueryRankNullAndZeroAreTheSame) {
  ModelConfig config = small_config();
  config.q_lora_rank.reset();
  const SmallModel model(config);
  save(model);
  EXPECT_TRUE(read_json(folder_ + "/config.json")["q_lora_rank"].is_null());
  edit_config([](Json& json) { json["q_lora_rank"] = 0; });
  const LoadedModel loaded = load_hf_model(folder_);
  EXPECT_FALSE(loaded.config.q_lora_rank.has_value());
  expect_same(loaded, model);
}

TEST_F(HfModel, TiedModelsMayCarryAHeadThatIsNoted) {
  ModelConfig config = small_config();
  config.tie_word_embeddings = true;
  const SmallModel model(config);
  save(model);
  const std::vector<float> head(40 * 24);
  rewrite(keep_all,
          {{.name = "lm_head.weight", .shape = {40, 24}, .bytes = std::as_bytes(std::span(head))}});
  const LoadedModel loaded = load_hf_model(folder_);
  ASSERT_EQ(loaded.notes.size(), 1u);
  EXPECT_SAYS(loaded.notes[0], "lm_head.weight");
  expect_same(loaded, model);
}

TEST_F(HfModel, TokenizerAndItsSpecialTokensGoAlong) {
  const SmallModel model(small_config());
  const std::string tokenizer =
      R"({"added_tokens":[{"id":0,"content":"<b>"},{"id":1,"content":"<e>"}],"model":{}})";
  save(model, {.tokenizer_json = tokenizer});
  EXPECT_EQ(read_file(folder_ + "/tokenizer.json"), tokenizer);
  const Json settings = read_json(folder_ + "/tokenizer_config.json");
  EXPECT_EQ(settings["bos_token"], "<b>");
  EXPECT_EQ(settings["eos_token"], "<e>");
  const Json generation = read_json(folder_ + "/generation_config.json");
  EXPECT_EQ(generation["eos_token_id"], 1);
}

TEST_F(HfModel, AnEarlierExportIsReplacedWhole) {
  const SmallModel model(small_config());
  save(model, {.model_card = "old", .max_shard_bytes = 4000});
  save(model);
  EXPECT_FALSE(file_exists(folder_ + "/README.md"));
  EXPECT_FALSE(file_exists(folder_ + "/model.safetensors.index.json"));
  expect_same(load_hf_model(folder_), model);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1);
}

TEST_F(HfModel, AFolderWithOtherFilesIsLeftAlone) {
  const SmallModel model(small_config());
  fs::create_directories(folder_);
  write_file_atomically(folder_ + "/thesis.txt", "precious");
  EXPECT_THROW(save(model), Error);
  EXPECT_EQ(read_file(folder_ + "/thesis.txt"), "precious");
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1);
}

TEST_F(HfModel, AFailedExportLeavesTheEarlierOne) {
  const SmallModel model(small_config());
  save(model);
  EXPECT_THROW(save(model, {.tokenizer_json = "not json"}), Error);
  expect_same(load_hf_model(folder_), model);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), fs::directory_iterator()), 1);
}

TEST_F(HfModel, MissingPartsOfADirectoryAreNamed) {
  EXPECT_SAYS(refusal(), "config.json");
  const SmallModel model(small_config());
  save(model);
  fs::remove(folder_ + "/model.safetensors");
  EXPECT_SAYS(refusal(), "no weights here");
}

}  // namespace
}  // namespace farthing
