// kv_cache.cpp - one pass over the keys with a running maximum, one task per token and head.
#include "infer/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "model/rows.h"

namespace farthing {

KvCache::KvCache(Arena& arena, const ModelConfig& config, int n_sequences, int capacity)
    : capacity_(capacity),
      n_heads_(config.num_attention_heads),
      nope_(config.qk_nope_head_dim),
      rope_(config.qk_rope_head_dim),
      v_(config.v_head_dim),
      scale_(static_cast<float>(attention_scale(config))) {
  const std::int64_t n_rows = static_cast<std::int64_t>(n_sequences) * capacity;
  CHECK(n_rows <= std::numeric_limits<int>::max());
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers_.push_back(
        {arena.matrix<float>(n_rows, n_heads_ * (nope_ + v_)), arena.matrix<float>(n_rows, rope_)});
  }
}

void KvCache::store(int layer, std::span<const CacheSlot> slots, Matrix<const float> kv,
                    Matrix<const float> k_pe) const {
  CHECK(static_cast<int>(slots.size()) == kv.n_rows && kv.n_rows == k_pe.n_rows);
  const Layer& to = layers_[static_cast<std::size_t>(layer)];
  for (int token = 0; token < kv.n_rows; ++token) {
    const CacheSlot slot = slots[static_cast<std::size_t>(token)];
    CHECK(slot.position >= 0 && slot.position < capacity_);
    std::ranges::copy(kv[token], to.kv[row_of(slot)].begin());
    std::ranges::copy(k_pe[token], to.k_pe[row_of(slot)].begin());
  }
}

void KvCache::attend(int layer, std::span<const CacheSlot> slots, Matrix<float> o,
                     Matrix<const float> q) const {
  const int n_tokens = static_cast<int>(slots.size());
  CHECK(n_tokens == o.n_rows && n_tokens == q.n_rows);
  CHECK(o.n_cols == n_heads_ * v_ && q.n_cols == n_heads_ * (nope_ + rope_));
  const Layer& from = layers_[static_cast<std::size_t>(layer)];
  parallel_for(n_tokens * n_heads_, [&](int task) {
    const int token = task / n_heads_;
    const int head = task % n_heads_;
    attend_head(from, slots[static_cast<std::size_t>(token)], head, o.cols(head * v_, v_)[token],
                q.cols(head * (nope_ + rope_), nope_ + rope_)[token]);
  });
}

void KvCache::attend_head(const Layer& layer, CacheSlot slot, int head, std::span<float> o,
                          std::span<const float> q) const {
  const auto q_nope = q.first(static_cast<std::size_t>(nope_));
  const auto q_pe = q.last(static_cast<std::size_t>(rope_));
  const std::int64_t first_col = static_cast<std::int64_t>(head) * (nope_ + v_);
  std::ranges::fill(o, 0.0f);
  float largest = -std::numeric_limits<float>::infinity();
  float total = 0;
  for (int position = 0; position <= slot.position; ++position) {
    const int row = row_of({slot.sequence, position});
    const float* kv = layer.kv.row(row) + first_col;
    const std::span<const float> k_nope(kv, q_nope.size());
    const float score = scale_ * (dot<float>(q_nope, k_nope) + dot<float>(q_pe, layer.k_pe[row]));
    if (score > largest) {  // what was summed so far shrinks by exp(old maximum - new maximum)
      const float shrink = std::exp(largest - score);
      total *= shrink;
      for (float& value : o) value *= shrink;
      largest = score;
    }
    const float weight = std::exp(score - largest);
    total += weight;
    for (std::size_t i = 0; i < o.size(); ++i) o[i] += weight * kv[q_nope.size() + i];
  }
  for (float& value : o) value /= total;
}

}  // namespace farthing
