// memory.cpp - what a run will take, what there is, and the micro-batch that fits.
#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "base/check.h"
#include "base/error.h"
#include "base/units.h"
#include "train/precision.h"
#include "train/trainer.h"

namespace farthing {
namespace {

constexpr int kMostMicroBatchTokens = 8192;
constexpr double kShareOfAvailable = 0.9;

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// The number a small file of the kernel begins with; kNoLimit when it is absent or says "max".
std::int64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? value : kNoLimit;
}

std::int64_t mem_available() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::int64_t kibibytes = 0;
  while (file >> key >> kibibytes) {
    std::getline(file, unit);
    if (key == "MemAvailable:") return kibibytes * 1024;
  }
  return kNoLimit;
}

std::int64_t group_available(const std::string& limit, const std::string& current) {
  const std::int64_t most = number_in(limit), used = number_in(current);
  if (most == kNoLimit || used == kNoLimit) return kNoLimit;
  return std::max<std::int64_t>(0, most - used);
}

}  // namespace

Keep keep_of(const Recipe& recipe) {
  Keep keep;
  if (recipe.train.recompute == "none") keep.recompute = Recompute::kNone;
  if (recipe.train.recompute == "v3") keep.recompute = Recompute::kV3;
  if (recipe.precision.cached == "fp16") keep.cached = MatmulFormat::kFp16;
  if (recipe.precision.cached == "fp8") keep.cached = MatmulFormat::kFp8;
  return keep;
}

std::vector<MemoryLine> memory_table(const Recipe& recipe, int micro_batch) {
  const ParameterTable parameters(recipe.model);
  Arena measure = Arena::measuring();
  std::vector<MemoryLine> lines;
  std::int64_t before = 0;
  const auto account = [&](const char* part) {
    lines.push_back({part, measure.used() - before});
    before = measure.used();
  };
  const ParameterStore<float> master(measure, parameters);
  account("weights, FP32");
  const ParameterStore<float> gradients(measure, parameters);
  account("weight gradients, FP32");
  const OptimizerState optimizer(measure, parameters, recipe.train.bf16_moments);
  account(recipe.train.bf16_moments ? "AdamW moments, BF16" : "AdamW moments, FP32");
  const PackedWeights packed(measure, parameters, make_model_ids(recipe.model, parameters),
                             matmul_of(recipe.precision), copies_of(recipe.precision));
  account("packed weights");
  const Context<float> context(measure, recipe.model, {micro_batch, recipe.data.sequence_length},
                               {.save = true, .delay_weight = false, .keep = keep_of(recipe)});
  for (const MemoryLine& line : context.memory()) {
    lines.push_back({"activations: " + line.part, line.bytes});
  }
  return lines;
}

std::int64_t thread_buffer_bytes(const Recipe& recipe, int n_threads) {
  constexpr std::int64_t kPackedBlocks = 2 << 20;          // gemm_fast.cpp
  constexpr std::int64_t kScoreTiles = 2 * 128 * 256 * 4;  // attention_fast.cpp
  // Of every token keys and their gradients; packed: keys and values twice, queries, outputs.
  const std::int64_t values = 5 * recipe.model.qk_head_dim() + 3 * recipe.model.v_head_dim;
  const std::int64_t head = std::int64_t{sizeof(float)} * recipe.data.sequence_length * values;
  return n_threads * (kPackedBlocks + kScoreTiles + head);
}

std::int64_t total_bytes(const std::vector<MemoryLine>& table) {
  std::int64_t total = 0;
  for (const MemoryLine& line : table) total += line.bytes;
  return total;
}

std::int64_t available_memory_bytes() {
  const std::string root = "/sys/fs/cgroup/";
  return std::min({mem_available(), group_available(root + "memory.max", root + "memory.current"),
                   group_available(root + "memory/memory.limit_in_bytes",
                                   root + "memory/memory.usage_in_bytes")});
}

int choose_micro_batch(const Recipe& recipe, std::int64_t available_bytes) {
  const int n_sequences = recipe.train.batch_tokens / recipe.data.sequence_length;
  CHECK(n_sequences >= 1);
  const auto budget =
      static_cast<std::int64_t>(kShareOfAvailable * static_cast<double>(available_bytes));
  const auto fits = [&](int micro_batch) {
    return total_bytes(memory_table(recipe, micro_batch)) <= budget;
  };
  const int fixed = recipe.train.micro_batch;
  // A ramp begins with fewer sequences, which a step of whole micro-batches must be able to take.
  const int first_sequences = recipe.train.batch_tokens_start / recipe.data.sequence_length;
  if (fixed > 0 && fits(fixed)) return fixed;
  for (int count = n_sequences; fixed == 0 && count >= 1; --count) {
    const bool is_large = std::int64_t{count} * recipe.data.sequence_length > kMostMicroBatchTokens;
    if (n_sequences % count != 0 || first_sequences % count != 0) continue;
    if (is_large && count > 1) continue;
    if (fits(count)) return count;
  }
  std::string message = fmt::format(
      "this run does not fit: it needs {}, {} are available:",
      format_bytes(static_cast<double>(total_bytes(memory_table(recipe, std::max(fixed, 1))))),
      format_bytes(static_cast<double>(available_bytes)));
  for (const MemoryLine& line : memory_table(recipe, std::max(fixed, 1))) {
    message +=
        fmt::format("\n  {:<36} {:>12}", line.part, format_bytes(static_cast<double>(line.bytes)));
  }
  message += fmt::format(
      "\n  with a micro-batch of {} sequence(s); a smaller train.micro_batch, "
      "data.sequence_length or model, or train.bf16_moments = true, needs less",
      std::max(fixed, 1));
  throw Error{ErrorCode::kOutOfResource, message};
}

}  // namespace farthing
