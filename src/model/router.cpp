// router.cpp - see router.h.
#include "model/router.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/parallel.h"
#include "kernels/elementwise.h"
#include "model/linear.h"
#include "model/top_k.h"

namespace farthing {
namespace {

constexpr int kMaxGroups = 64;
constexpr double kWeightSumEpsilon = 1e-20;

// Sum of the two largest; groups have at least two experts.
template <class T>
T group_score(std::span<const T> score) {
  std::array<std::int32_t, 2> best{};
  top_k_of(score, std::span<std::int32_t>(best));
  return score[static_cast<std::size_t>(best[0])] + score[static_cast<std::size_t>(best[1])];
}

template <class T>
void mask_groups(const ModelConfig& config, std::span<T> score) {
  const auto n_groups = static_cast<std::size_t>(config.n_group);
  const std::size_t group_size = score.size() / n_groups;
  std::array<T, kMaxGroups> total;
  std::array<std::int32_t, kMaxGroups> kept;
  for (std::size_t group = 0; group < n_groups; ++group) {
    total[group] = group_score<T>(score.subspan(group * group_size, group_size));
  }
  const std::span<std::int32_t> chosen(kept.data(), static_cast<std::size_t>(config.topk_group));
  top_k_of<T>(std::span<const T>(total.data(), n_groups), chosen);
  const T masked = config.group_mask_zero ? T{0} : -std::numeric_limits<T>::infinity();
  for (std::size_t group = 0; group < n_groups; ++group) {
    if (std::ranges::find(chosen, static_cast<int>(group)) != chosen.end()) continue;
    std::ranges::fill(score.subspan(group * group_size, group_size), masked);
  }
}

}  // namespace

template <class T>
void choose_experts(const ModelConfig& config, std::span<T> score, std::span<std::int32_t> expert) {
  if (config.n_group > 1) mask_groups(config, score);
  top_k_of<T>(score, expert);
  std::ranges::sort(expert);
}

template <class T>
void Router<T>::route_token(const Routing<T>& routing, std::span<T> score, int token) const {
  const std::span<const T> bias = weights.values(ids.bias);
  const std::span<const T> affinity = routing.affinity[token];
  const std::span<std::int32_t> expert = routing.expert[token];
  // Biased only for the choice.
  for (std::size_t e = 0; e < affinity.size(); ++e) score[e] = affinity[e] + bias[e];
  choose_experts(config, score, expert);
  T total = static_cast<T>(kWeightSumEpsilon);
  for (const int e : expert) total += affinity[static_cast<std::size_t>(e)];
  const T divisor = config.norm_topk_prob ? total : T{1};
  for (std::size_t slot = 0; slot < expert.size(); ++slot) {
    routing.weight[token][slot] = affinity[static_cast<std::size_t>(expert[slot])] / divisor *
                                  static_cast<T>(config.routed_scaling_factor);
  }
}

template <class T>
void Router<T>::forward(const Routing<T>& routing, Matrix<const T> x,
                        const Scratch& scratch) const {
  CHECK(config.n_group <= kMaxGroups);
  linear_forward<T>(routing.affinity, x, weights, ids.weight);
  sigmoid_rows<T>(routing.affinity);
  parallel_for(x.n_rows, [&](int token) { route_token(routing, scratch.score[token], token); });
  order_by_expert(routing);
}

template <class T>
void Router<T>::backward_logits(Matrix<T> dlogits, Matrix<const T> dweight,
                                const Routing<T>& routing) const {
  const T scaling = static_cast<T>(config.routed_scaling_factor);
  parallel_for(dlogits.n_rows, [&](int token) {
    const std::span<const std::int32_t> expert = routing.expert[token];
    T total = static_cast<T>(kWeightSumEpsilon);
    T shared = 0;  // sum_k G_k w_k, from the derivative of 1 / total
    for (std::size_t slot = 0; slot < expert.size(); ++slot) {
      total += routing.affinity(token, expert[slot]);
      shared += dweight[token][slot] * routing.weight[token][slot];
    }
    std::ranges::fill(dlogits[token], T{0});
    for (std::size_t slot = 0; slot < expert.size(); ++slot) {
      const T affinity = routing.affinity(token, expert[slot]);
      const T daffinity = config.norm_topk_prob ? (scaling * dweight[token][slot] - shared) / total
                                                : scaling * dweight[token][slot];
      dlogits(token, expert[slot]) = daffinity * affinity * (1 - affinity);
    }
  });
}

template <class T>
void Router<T>::backward_input(Matrix<T> dx, Matrix<const T> dlogits) const {
  linear_backward_input<T>(dx, dlogits, weights, ids.weight, /*accumulate=*/true);
}

template <class T>
void Router<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dlogits,
                                Matrix<const T> x) const {
  linear_backward_weight<T>(into, dlogits, x, weights, ids.weight);
}

template void choose_experts(const ModelConfig&, std::span<float>, std::span<std::int32_t>);
template void choose_experts(const ModelConfig&, std::span<double>, std::span<std::int32_t>);
template struct Router<float>;
template struct Router<double>;

}  // namespace farthing
