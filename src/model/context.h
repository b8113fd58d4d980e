// context.h - one micro-batch's state: everything that one forward leaves for loss and backward.
//
// Laid out over an Arena by the same code that measures it, so a trainer knows the memory before
// the first step.
//
//   save          every block keeps its own Saved; otherwise all blocks share one (inference, eval)
//   keep          in which format, and what of it the backward computes again (recompute.h)
//   delay_weight  every block keeps its own Gradients; otherwise they share one set, and the
//                 residual stream's gradient alternates between two buffers
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/block.h"
#include "model/head.h"
#include "model/model.h"
#include "model/mtp.h"

namespace farthing {

// What the next-token head (depth 0) or an MTP depth predicts from, and with what result.
template <class T>
struct Prediction {
  Prediction(Arena& arena, const ModelConfig& config, int n_tokens, bool with_gradient);
  Matrix<T> hidden;                 // [n_tokens, hidden_size], output of the last block
  std::span<T> inv_rms;             // [n_tokens]
  Matrix<T> normed;                 // [n_tokens, hidden_size], what the head reads
  std::span<std::int32_t> targets;  // [n_tokens], -1: none
  std::span<T> weight;              // [n_tokens], loss weight of the target
  std::span<T> logprob;             // [n_tokens]
  std::span<T> grad_scale;          // [n_tokens]
  Matrix<T> dnormed;                // [n_tokens, hidden_size], with gradient
};

struct MemoryLine {
  std::string part;
  std::int64_t bytes = 0;
};

template <class T>
class Context {
 public:
  Context(Arena& arena, const ModelConfig& config, ContextShape shape, ContextMode mode);

  // After loss(): log p of each target, [n_tokens], 0 where there is none.
  std::span<const T> logprob() const { return predictions.front().logprob; }
  // The same of MTP depth 1 .. num_nextn_predict_layers: of the token depth + 1 ahead.
  std::span<const T> mtp_logprob(int depth) const {
    return predictions[static_cast<std::size_t>(depth)].logprob;
  }
  // After forward(), of MoE blocks (MTP blocks follow the layers).
  bool is_moe(int block) const { return config.is_moe_layer(block); }
  const Routing<T>& routing(int block) const {
    return saved[static_cast<std::size_t>(block)].decision.routing;
  }
  std::span<const std::int64_t> expert_counts(int block) const { return routing(block).count; }
  // Bytes by part; they sum to what the arena was asked for.
  const std::vector<MemoryLine>& memory() const { return memory_; }

  int n_tokens() const { return shape.n_sequences * shape.sequence_length; }

  // State of the parts, for the doors of model.cpp.
  ModelConfig config;
  ContextShape shape;
  ContextMode mode;
  LossScale scale;                                      // of the last loss()
  std::vector<typename Block<T>::Saved> saved;          // by block
  std::vector<typename Block<T>::Gradients> gradients;  // by block
  std::vector<Prediction<T>> predictions;               // by depth, 0: next token
  std::vector<typename Mtp<T>::Saved> mtp_saved;        // depth k at k - 1
  std::vector<typename Mtp<T>::Gradients> mtp_gradients;
  typename Block<T>::Scratch block_scratch;
  typename Block<T>::BackwardScratch backward_scratch;
  typename Mtp<T>::Scratch mtp_scratch;
  typename Head<T>::Scratch head_scratch;
  // [vocab_size, hidden_size]: what loss() leaves for W where the head is the embedding; else
  // empty.
  Matrix<T> tied_head_gradient;

 private:
  BlockShape shape_of(int block) const;
  BlockShape shape_of_all() const;
  void lay_out_saved(Arena& arena);
  void share_up_projections(Arena& arena);
  void lay_out_gradients(Arena& arena);
  void lay_out_stream_gradients(Arena& arena);
  void account(const std::string& part, const Arena& arena);

  std::vector<MemoryLine> memory_;
  std::int64_t accounted_ = 0;
};

}  // namespace farthing
