// moe.h - the mixture of experts in four calls: route, experts, combine, shared.  Dispatch is by
// index: the experts' products read the rows of their tokens.
//
//   h_t += sum over the experts i of token t of w_i f_i(x_t)  +  f_shared(x_t)
//
// Source   DeepSeek-V3 (arXiv:2412.19437), section 2.1.2.  Dropless; f_shared is not scaled.
// Shapes   x dx h dh [n_tokens, hidden_size]
#pragma once
#include "model/balance.h"
#include "model/experts.h"
#include "model/mlp.h"
#include "model/router.h"

namespace farthing {

template <class T>
struct Moe {
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep = {});
    typename Experts<T>::Saved experts;
    typename Mlp<T>::Saved shared;
  };
  // Per block even where nothing else is saved: loads and traces read it after the step.
  struct Decision {
    Decision() = default;
    Decision(Arena& arena, const ModelConfig& config, int n_sequences, int sequence_length);
    Routing<T> routing;
    typename SequenceBalance<T>::Saved balance;
    int sequence_length = 0;
  };
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep = {});
    typename Router<T>::Scratch router;
    typename Experts<T>::Scratch experts;
    typename Mlp<T>::Scratch shared;
  };
  struct BackwardScratch {
    BackwardScratch() = default;
    BackwardScratch(Arena& arena, const ModelConfig& config, int n_tokens);
    typename Experts<T>::BackwardScratch experts;
  };
  struct Gradients {
    Gradients() = default;
    Gradients(Arena& arena, const ModelConfig& config, int n_tokens);
    typename Experts<T>::Gradients experts;
    typename Mlp<T>::Gradients shared;
    Matrix<T> dlogits;  // [n_tokens, n_routed_experts]
  };

  const ModelConfig& config;
  const BlockIds& ids;
  const ParameterStore<T>& weights;

  // Adds into h; writes decision.routing.
  void forward(Matrix<T> h, Matrix<const T> x, const Saved& saved, const Decision& decision,
               const Scratch& scratch) const;
  // The sequence-wise balance loss of this block: the sum over sequences, without alpha.
  double balance_loss(const Decision& decision) const;
  // Writes dx and gradients.  balance_factor: alpha / number of sequences, 0: no such loss.
  void backward_input(Matrix<T> dx, Matrix<const T> dh, const Saved& saved,
                      const Decision& decision, const Gradients& gradients, const Scratch& scratch,
                      const BackwardScratch& backward, double balance_factor) const;
  // Adds into `into`.
  void backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> x,
                       const Saved& saved, const Decision& decision, const Gradients& gradients,
                       const Scratch& scratch) const;

 private:
  Router<T> router() const { return {config, ids.router, weights}; }
  Experts<T> experts() const { return {ids.experts, weights}; }
  Mlp<T> shared() const { return {ids.shared, weights}; }
  SequenceBalance<T> balance(const Decision& decision) const {
    return {decision.sequence_length, config.num_experts_per_tok};
  }
};

}  // namespace farthing
