// parameters.h - every parameter of a model in one table; stores are flat blocks over it.
//
// The optimizer, clipping, sharding, checkpointing and hashing are loops over this table.
// Names are DeepSeek-V3's Hugging Face names.  A shared tensor (embedding, head; their MTP use) is
// one entry.  All tensors of one expert (and of a dense or shared MLP) stand together, gate, up,
// down; up follows gate without a gap, so that [gate; up] is one [2 * width, hidden_size] matrix.
// Correction biases are entries of role kBias: saved, never touched by gradient or optimizer.
//
// Cost     O(number of tensors): DeepSeek-V3's 46,000 entries take a few milliseconds, no weights.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/matrix.h"
#include "config/model_config.h"

namespace farthing {

enum class Role { kEmbedding, kHead, kMatrix, kNorm, kRouter, kBias };

struct Parameter {
  std::string name;
  int n_rows = 0;  // a vector is one row
  int n_cols = 0;
  bool is_vector = false;  // stored with one dimension in files
  Role role = Role::kMatrix;
  int layer = -1;           // block index, -1: none
  int expert = -1;          // routed expert, -1: none
  bool decays = false;      // weight decay applies
  bool trainable = true;    // has gradient and moments
  std::int64_t offset = 0;  // elements from the beginning of a store; 16-element aligned, up_proj
                            // excepted where its gate's size is not a multiple of 16
  std::int64_t size() const { return static_cast<std::int64_t>(n_rows) * n_cols; }
};

class ParameterTable {
 public:
  explicit ParameterTable(const ModelConfig& config);
  const std::vector<Parameter>& entries() const { return entries_; }
  const Parameter& operator[](int id) const { return entries_[static_cast<std::size_t>(id)]; }
  int find(std::string_view name) const;  // -1: none
  int size() const { return static_cast<int>(entries_.size()); }
  std::int64_t store_elements() const { return store_elements_; }  // with alignment gaps
  std::int64_t n_parameters() const;  // sum of sizes, kBias left out (as model cards count)

 private:
  void add(Parameter parameter);
  void add_attention(const ModelConfig& config, const std::string& prefix, int layer);
  void add_mlp(const ModelConfig& config, const std::string& prefix, int width, int layer,
               int expert);
  void add_moe(const ModelConfig& config, const std::string& prefix, int layer);
  void add_block(const ModelConfig& config, int layer);
  void add_mtp(const ModelConfig& config, int layer);

  std::vector<Parameter> entries_;
  std::unordered_map<std::string, int> id_by_name_;
  std::int64_t store_elements_ = 0;
};

// Whether a gradient is one product a micro-batch, and not a sum of several parts.
constexpr bool is_one_product(Role role) { return role == Role::kMatrix || role == Role::kRouter; }

struct Matmul;  // model/linear.h

// A flat block with one value per parameter element: master weights, gradients, moments.
template <class T>
struct ParameterStore {
  ParameterStore() = default;
  ParameterStore(Arena& arena, const ParameterTable& parameters)
      : table(&parameters), all(arena.array<T>(parameters.store_elements())) {}
  Matrix<T> matrix(int id) const {
    const Parameter& p = (*table)[id];
    return {all.data() + p.offset, p.n_rows, p.n_cols};
  }
  std::span<T> values(int id) const {
    const Parameter& p = (*table)[id];
    return all.subspan(static_cast<std::size_t>(p.offset), static_cast<std::size_t>(p.size()));
  }
  const ParameterTable* table = nullptr;
  std::span<T> all;
  const Matmul* matmul = nullptr;  // of weights: how products with them are computed; null: FP32
  bool is_fresh = false;  // of gradients: what is_one_product() is written, whatever it holds
};

// Fills weights: Normal(0, initializer_range) for matrices, embedding, head, router; norms 1;
// biases 0.  The value of an element depends on seed, the parameter's name and the element alone.
void initialize(const ParameterStore<float>& weights, const ModelConfig& config,
                std::uint64_t seed);

}  // namespace farthing
