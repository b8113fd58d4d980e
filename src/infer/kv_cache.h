// kv_cache.h - keys and values of the tokens that a sequence already has, and attention over them.
//
//   plain form, per token and layer: kv = [k_nope | v] of every head, and k_pe, rotated, shared by
//   all o_h = softmax(scale q_h [k_nope_h | k_pe]^T) v_h      over positions 0 .. the token's own
//
// Plain: the up-projected vectors are kept, not the latent that DeepSeek-V2 caches; a token costs
// heads (nope + v) + rope values a layer instead of kv_lora_rank + rope, and no product to read
// back.
//
// Source   DeepSeek-V2 (arXiv:2405.04434), section 2.1.2; Milakov & Gimelshein 2018 for the
// softmax. Shapes   q [n_tokens, heads * (nope + rope)]   kv [n_tokens, heads * (nope + v)]
//          k_pe [n_tokens, rope]   o [n_tokens, heads * v]
// Exact    A token's result depends neither on threads nor on what else is in the batch.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/arena.h"
#include "base/matrix.h"
#include "config/model_config.h"

namespace farthing {

// Where a new token stands: in which sequence, at which position.
struct CacheSlot {
  int sequence = 0;
  int position = 0;
};

class KvCache {
 public:
  // Lays out, or measures, room for `capacity` tokens of each sequence.
  KvCache(Arena& arena, const ModelConfig& config, int n_sequences, int capacity);

  int capacity() const { return capacity_; }
  // Keeps one row of kv and k_pe per slot.
  void store(int layer, std::span<const CacheSlot> slots, Matrix<const float> kv,
             Matrix<const float> k_pe) const;
  // Writes o: each slot's token against positions 0 .. position of its sequence, all of them
  // stored.
  void attend(int layer, std::span<const CacheSlot> slots, Matrix<float> o,
              Matrix<const float> q) const;

 private:
  struct Layer {
    Matrix<float> kv;    // [n_sequences * capacity, heads * (nope + v)]
    Matrix<float> k_pe;  // [n_sequences * capacity, rope]
  };
  void attend_head(const Layer& layer, CacheSlot slot, int head, std::span<float> o,
                   std::span<const float> q) const;
  int row_of(CacheSlot slot) const { return slot.sequence * capacity_ + slot.position; }

  std::vector<Layer> layers_;
  int capacity_;
  int n_heads_, nope_, rope_, v_;
  float scale_;
};

}  // namespace farthing
