// accounting.h - parameters, FLOPs and training memory of a model in closed form.
//
//   model FLOPs per token = 6 * (matrix parameters that the token passes through)
//                         + 3 * causal attention core at half the sequence
//   core, forward         = num_attention_heads * (qk_head_dim + v_head_dim) * sequence_length
//
// Matrices include head, router and MTP (whose modules use the head again), not the input
// embedding. Recomputation, padding, norms, softmax and the optimizer never count.
//
// Source   Narayanan et al. 2021 (arXiv:2104.04473), appendix, for a MoE with causal attention.
// Exact    counts are integers; DeepSeek-V3: 671,026,404,352 parameters without MTP, 37.6B active,
//          250.4 GFLOP a token at 4096.
#pragma once
#include <cstdint>

#include "config/model_config.h"

namespace farthing {

// One number for each part of a model; the MTP modules' own parameters or work are one part.
template <class T>
struct ByPart {
  T embedding{};
  T attention{};       // projections and latent norms
  T attention_core{};  // scores and weighted values; no parameters
  T dense_mlp{};
  T routed_experts{};
  T shared_experts{};
  T router{};
  T norms{};
  T head{};
  T mtp{};

  T main() const {
    return embedding + attention + attention_core + dense_mlp + routed_experts + shared_experts +
           router + norms + head;
  }
  T total() const { return main() + mtp; }
};

// Correction biases are no parameters of a model card; count_correction_biases has them.  A tied
// head counts as embedding.
ByPart<std::int64_t> count_parameters(const ModelConfig& config);
// What one token passes through: num_experts_per_tok of the routed experts, all of the rest.
ByPart<std::int64_t> count_active_parameters(const ModelConfig& config);
// One per routed expert and MoE block, MTP blocks included.
std::int64_t count_correction_biases(const ModelConfig& config);

// Forward and backward, for one token of a sequence of that length.
ByPart<double> model_flops_per_token(const ModelConfig& config, int sequence_length);

// What training holds besides activations, which an Arena measures, and packed copies.
struct TrainingState {
  std::int64_t weights_bytes = 0;  // FP32 master, correction biases included
  std::int64_t gradients_bytes = 0;
  std::int64_t moments_bytes = 0;
  std::int64_t total() const { return weights_bytes + gradients_bytes + moments_bytes; }
};
TrainingState count_training_state(const ModelConfig& config, bool bf16_moments);

}  // namespace farthing
