// checkpoint_test.cpp - round trip to the bit, damage of every kind named, pruning, full disks.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

ModelConfig small_model() {
  ModelConfig config;
  config.vocab_size = 32;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.moe_intermediate_size = 8;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.n_shared_experts = 1;
  config.n_routed_experts = 4;
  config.num_experts_per_tok = 2;
  config.first_k_dense_replace = 1;
  config.kv_lora_rank = 8;
  config.qk_nope_head_dim = 8;
  config.qk_rope_head_dim = 4;
  config.v_head_dim = 8;
  config.num_nextn_predict_layers = 1;
  config.initializer_range = 0.1;
  return config;
}

// A folder of its own per test, and a model with moments in it.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest()
      : folder_(fs::temp_directory_path() /
                ("farthing-checkpoint-" + std::to_string(getpid()) + "-" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    initialize(master_, model_, 7);
    fill(state_);
  }
  ~CheckpointTest() override { fs::remove_all(folder_); }

  void fill(OptimizerState& state) {
    const auto value = [](std::size_t i) { return 1e-3f * static_cast<float>(i % 977) - 0.3f; };
    for (std::size_t i = 0; i < state.m.all.size(); ++i) state.m.all[i] = value(i);
    for (std::size_t i = 0; i < state.v.all.size(); ++i) state.v.all[i] = value(3 * i);
    for (std::size_t i = 0; i < state.m_bf16.all.size(); ++i) {
      state.m_bf16.all[i] = static_cast<std::uint16_t>(i);
      state.v_bf16.all[i] = static_cast<std::uint16_t>(7 * i);
    }
  }

  CheckpointMeta meta_at(std::int64_t step) {
    CheckpointMeta meta;
    meta.step = step;
    meta.tokens = step * 100;
    meta.next_sample = step * 3;
    meta.attempt = 2;
    meta.isa = "avx2";
    meta.recipe_hash = "abc";
    meta.decisions = {{0, 0, 0, -1, 100, "1h", "unknown"},
                      {3, 300, 1.0 / 3, 1000, 7, "1h", "0.1 s a \"step\""}};
    meta.loss_statistics = {step, 2.0 / 3, 0.1};
    meta.last_loss = 3.3;
    meta.model = model_;
    return meta;
  }

  std::string save(std::int64_t step) {
    return save_checkpoint(folder_, meta_at(step), master_, state_).path;
  }

  void flip_bit(const std::string& file, std::int64_t position) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(position);
    const char byte = static_cast<char>(stream.get() ^ 4);
    stream.seekp(position);
    stream.put(byte);
  }

  std::string folder_;
  ModelConfig model_ = small_model();
  ParameterTable table_{model_};
  Arena arena_{1 << 20};
  ParameterStore<float> master_{arena_, table_};
  OptimizerState state_{arena_, table_, false};
};

template <class T>
bool same_bits(std::span<T> a, std::span<T> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST_F(CheckpointTest, ReturnsEveryBitAndEveryNumber) {
  state_.n_updates = 12;
  const std::string path = save(12);
  EXPECT_EQ(fs::path(path).filename(), "step-000000012");
  Arena arena(1 << 20);
  const ParameterStore<float> master(arena, table_);
  OptimizerState state(arena, table_, false);
  load_checkpoint(path, master, &state);
  EXPECT_EQ(weights_hash(master), weights_hash(master_));
  EXPECT_TRUE(same_bits(master.all, master_.all));
  for (int id = 0; id < table_.size(); ++id) {
    if (!table_[id].trainable) continue;
    EXPECT_TRUE(same_bits(state.m.values(id), state_.m.values(id))) << table_[id].name;
    EXPECT_TRUE(same_bits(state.v.values(id), state_.v.values(id))) << table_[id].name;
  }
  EXPECT_EQ(state.n_updates, 12);
  const CheckpointMeta meta = read_checkpoint_manifest(path);
  EXPECT_EQ(meta.decisions, meta_at(12).decisions);
  EXPECT_EQ(meta.loss_statistics, meta_at(12).loss_statistics);
  EXPECT_EQ(meta.model, model_);
  EXPECT_EQ(meta.tokens, 1200);
  EXPECT_EQ(meta.next_sample, 36);
  EXPECT_EQ(meta.isa, "avx2");
  EXPECT_EQ(meta.last_loss, 3.3);
  EXPECT_EQ(meta.weights_hash, weights_hash(master_));
}

TEST_F(CheckpointTest, KeepsBf16MomentsAsTheyAre) {
  OptimizerState half(arena_, table_, true);
  fill(half);
  const std::string path = save_checkpoint(folder_, meta_at(1), master_, half).path;
  Arena arena(1 << 20);
  const ParameterStore<float> master(arena, table_);
  OptimizerState loaded(arena, table_, true);
  load_checkpoint(path, master, &loaded);
  for (int id = 0; id < table_.size(); ++id) {
    if (!table_[id].trainable) continue;
    EXPECT_TRUE(same_bits(loaded.m_bf16.values(id), half.m_bf16.values(id)));
    EXPECT_TRUE(same_bits(loaded.v_bf16.values(id), half.v_bf16.values(id)));
  }
  OptimizerState full(arena_, table_, false);
  EXPECT_THROW(load_checkpoint(path, master, &full), Error);
}

TEST_F(CheckpointTest, NamesTheFileWithAFlippedBit) {
  for (const char* name :
       {"master.safetensors", "moment1.safetensors", "moment2.safetensors", "manifest.json"}) {
    const std::string path = save(5);
    ASSERT_EQ(checkpoint_fault(path), "");
    const std::string file = path + "/" + name;
    const auto size = static_cast<std::int64_t>(fs::file_size(file));
    for (const std::int64_t position : {std::int64_t{3}, size / 2, size - 9}) {
      flip_bit(file, position);
      EXPECT_NE(checkpoint_fault(path).find(name), std::string::npos) << name << position;
      flip_bit(file, position);
    }
  }
}

TEST_F(CheckpointTest, NamesMissingAndTornFiles) {
  const std::string path = save(5);
  fs::resize_file(path + "/moment1.safetensors", 100);
  EXPECT_NE(checkpoint_fault(path).find("moment1.safetensors"), std::string::npos);
  fs::remove(path + "/moment1.safetensors");
  EXPECT_NE(checkpoint_fault(path).find("moment1.safetensors"), std::string::npos);
  fs::remove(path + "/manifest.json");
  EXPECT_NE(checkpoint_fault(path).find("manifest.json"), std::string::npos);
}

TEST_F(CheckpointTest, UsesTheOneBeforeADamagedOne) {
  save(10);
  save(20);
  const std::string newest = save(30);
  flip_bit(newest + "/moment2.safetensors", 4000);
  std::vector<std::int64_t> damaged;
  const auto chosen = newest_intact_checkpoint(
      folder_, [&](const CheckpointEntry& entry, const std::string& fault) {
        damaged.push_back(entry.step);
        EXPECT_NE(fault.find("moment2"), std::string::npos);
      });
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->step, 20);
  EXPECT_EQ(damaged, std::vector<std::int64_t>{30});
  save(30);  // the run comes by again and replaces it
  EXPECT_EQ(checkpoint_fault(newest), "");
}

TEST_F(CheckpointTest, KeepsTheLastAndEveryMth) {
  for (const std::int64_t step : {5, 10, 15, 20, 25}) save(step);
  fs::create_directories(folder_ + "/.tmp-step-000000030");
  EXPECT_EQ(prune_checkpoints(folder_, 2, 10), (std::vector<std::int64_t>{5, 15}));
  std::vector<std::int64_t> left;
  for (const auto& entry : list_checkpoints(folder_)) left.push_back(entry.step);
  EXPECT_EQ(left, (std::vector<std::int64_t>{10, 20, 25}));
  EXPECT_FALSE(fs::exists(folder_ + "/.tmp-step-000000030"));
}

TEST_F(CheckpointTest, LeftoversOfABrokenSaveAreNotCheckpoints) {
  fs::create_directories(folder_ + "/.tmp-step-000000030");
  fs::create_directories(folder_ + "/step-abc");
  fs::create_directories(folder_ + "/step-");
  EXPECT_TRUE(list_checkpoints(folder_).empty());
  EXPECT_FALSE(newest_intact_checkpoint(folder_, [](const auto&, const auto&) {}));
}

}  // namespace
}  // namespace farthing
