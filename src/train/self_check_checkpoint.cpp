// self_check_checkpoint.cpp - a checkpoint written, found intact and read back must be the same
// bits.
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/rng.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/self_check_rows.h"

namespace farthing {
namespace {

// A state whose every element is a different random number, or a state of zeros.
struct State {
  State(const ParameterTable& table, bool bf16_moments)
      : arena(size_in_bytes(table, bf16_moments)),
        master(arena, table),
        optimizer(arena, table, bf16_moments) {}

  static std::int64_t size_in_bytes(const ParameterTable& table, bool bf16_moments) {
    Arena measure = Arena::measuring();
    const ParameterStore<float> master(measure, table);
    const OptimizerState optimizer(measure, table, bf16_moments);
    return measure.used();
  }

  void randomise(const ParameterTable& table) {
    for (int id = 0; id < table.size(); ++id) {
      fill(master, id, 1);
      fill(optimizer.m, id, 2);
      fill(optimizer.v, id, 3);
      fill(optimizer.m_bf16, id, 4);
      fill(optimizer.v_bf16, id, 5);
    }
  }

  Arena arena;
  ParameterStore<float> master;
  OptimizerState optimizer;

 private:
  template <class T>
  static void fill(const ParameterStore<T>& store, int id, std::uint64_t stream) {
    if (store.all.empty()) return;
    const Rng rng(21, RngStream::kTest, stream);
    const auto base = static_cast<std::uint64_t>((*store.table)[id].offset);
    const auto values = store.values(id);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::is_same_v<T, float>) {
        values[i] = static_cast<float>(rng.normal(base + i));
      } else {
        values[i] = static_cast<T>(0x3f80u + rng.below(base + i, 64));
      }
    }
  }
};

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

bool same_trainable_bits(const ParameterTable& table, const State& a, const State& b) {
  const auto same = [&](const auto& x, const auto& y, int id) {
    return x.all.empty()
               ? y.all.empty()
               : same_bits<std::remove_cvref_t<decltype(x.all[0])>>(x.values(id), y.values(id));
  };
  for (int id = 0; id < table.size(); ++id) {
    if (!same(a.master, b.master, id)) return false;
    if (!table[id].trainable) continue;
    if (!same(a.optimizer.m, b.optimizer.m, id) || !same(a.optimizer.v, b.optimizer.v, id) ||
        !same(a.optimizer.m_bf16, b.optimizer.m_bf16, id) ||
        !same(a.optimizer.v_bf16, b.optimizer.v_bf16, id)) {
      return false;
    }
  }
  return true;
}

}  // namespace

CheckRow check_checkpoint(const ModelConfig& config, const Recipe& recipe) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("farthing-check-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const ParameterTable table(config);
  State written(table, recipe.train.bf16_moments), read(table, recipe.train.bf16_moments);
  written.randomise(table);
  CheckpointMeta meta;
  meta.step = 1;
  meta.bf16_moments = recipe.train.bf16_moments;
  meta.model = config;
  const CheckpointEntry entry =
      save_checkpoint(folder.string(), meta, written.master, written.optimizer);
  const std::string fault = checkpoint_fault(entry.path);
  load_checkpoint(entry.path, read.master, &read.optimizer);
  fs::remove_all(folder);
  const bool passed = fault.empty() && same_trainable_bits(table, written, read);
  return {"checkpoint", "written = read back", passed ? 0.0 : 1.0, 0, passed};
}

}  // namespace farthing
