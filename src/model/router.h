// router.h - each token's experts: chosen by biased affinity, weighted by the unbiased one.
//
//   s = sigmoid(x W_g^T)      r = s + bias, for the choice only
//   groups: gamma_g = sum of the two largest r of group g; the topk_group largest stay, others -inf
//   I = top_k(r), ties to the lowest index
//   w_i = rho s_i / D,  D = sum_I s + 1e-20                    (D = 1 without norm_topk_prob)
//   backward, G_i = d loss / d w_i:  ds_i = (rho G_i - sum_I G_j w_j) / D,  dz = ds s (1 - s)
//
// Source   DeepSeek-V3 (arXiv:2412.19437), equations 12 to 16; the groups are its "nodes".
// Shapes   x dx [n_tokens, hidden_size]   dweight [n_tokens, top_k]
//          dlogits [n_tokens, n_routed_experts]
// Exact    All in T (at least fp32).  The bias and the choice receive no gradient.
#pragma once
#include "base/arena.h"
#include "config/model_config.h"
#include "model/ids.h"
#include "model/routing.h"

namespace farthing {

// The choice alone, from biased scores: writes expert [top_k] ascending.  `score` holds
// n_routed_experts values and is overwritten where groups are masked.
template <class T>
void choose_experts(const ModelConfig& config, std::span<T> score, std::span<std::int32_t> expert);

template <class T>
struct Router {
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, const ModelConfig& config, int n_tokens)
        : score(arena.matrix<T>(n_tokens, config.n_routed_experts)) {}
    Matrix<T> score;
  };

  const ModelConfig& config;
  const RouterIds& ids;
  const ParameterStore<T>& weights;

  // Writes affinity, expert and weight of routing, and orders it by expert.
  void forward(const Routing<T>& routing, Matrix<const T> x, const Scratch& scratch) const;
  // Writes dlogits.
  void backward_logits(Matrix<T> dlogits, Matrix<const T> dweight, const Routing<T>& routing) const;
  // Adds into dx.
  void backward_input(Matrix<T> dx, Matrix<const T> dlogits) const;
  // Adds into `into`.
  void backward_weight(const ParameterStore<T>& into, Matrix<const T> dlogits,
                       Matrix<const T> x) const;

 private:
  void route_token(const Routing<T>& routing, std::span<T> score, int token) const;
};

}  // namespace farthing
