// accounting.h - parameters, FLOPs and cache of any model of the book, in closed form.
//
//   forward FLOPs per token = 2 * (matrix parameters the token passes) + attention core
//   core, forward           = 2 * heads * (qk_dim + v_dim) * keys      keys = sequence / 2, causal
//   training                = 3 * forward; recomputation never counts
//
// Sparse attention (DSA): keys are at most index_topk, and the indexer adds
// 2 * index_n_heads * index_head_dim * sequence / 2 per layer.  For DeepSeek-type models the
// parts equal config/accounting.h, which the trainer's kernels count against.
//
// Source   Narayanan et al. 2021 (arXiv:2104.04473); DeepSeek-V3.2 (arXiv:2512.02556), section 2.
// Exact    parameter counts are integers; they equal config/accounting for MLA models.
#pragma once
#include <cstdint>

#include "config/accounting.h"
#include "plan/model_book.h"

namespace farthing {

// Norms included; the indexer counts as attention; biases of projections do not.
ByPart<std::int64_t> count_parameters(const ModelShape& shape);
ByPart<std::int64_t> count_active_parameters(const ModelShape& shape);

// Matrices of one attention, of one dense MLP, of one routed expert, of the shared ones.
std::int64_t attention_matrices(const ModelShape& shape);
std::int64_t indexer_matrices(const ModelShape& shape);
std::int64_t mlp_matrices(const ModelShape& shape, int width);

// Mean number of keys that a query of a causal sequence sees in one layer, windows and selection
// included (mean over layers where they differ).
double keys_per_query(const ModelShape& shape, double sequence_length);
// Forward attention core of one layer for one token.
double attention_core_flops(const ModelShape& shape, double sequence_length);
double indexer_core_flops(const ModelShape& shape, double sequence_length);

// Forward FLOPs of one token by part; forward alone, so that phases may differ.
ByPart<double> forward_flops_per_token(const ModelShape& shape, double sequence_length);
// Forward and backward.
ByPart<double> model_flops_per_token(const ModelShape& shape, double sequence_length);

// Bytes that one token leaves in the key-value cache, all layers.
double kv_cache_bytes_per_token(const ModelShape& shape, double bytes_per_value);

}  // namespace farthing
