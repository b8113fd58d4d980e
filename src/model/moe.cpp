// moe.cpp - see moe.h.
#include "model/moe.h"

#include "base/part_times.h"

namespace farthing {

template <class T>
Moe<T>::Saved::Saved(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep)
    : experts(arena, config, n_tokens, keep),
      shared(arena, config.shared_intermediate_size(), n_tokens, keep) {}

template <class T>
Moe<T>::Decision::Decision(Arena& arena, const ModelConfig& config, int n_sequences, int length)
    : routing(arena, config, n_sequences * length),
      balance(arena, n_sequences, config.n_routed_experts),
      sequence_length(length) {}

template <class T>
Moe<T>::Scratch::Scratch(Arena& arena, const ModelConfig& config, int n_tokens, Keep keep)
    : router(arena, config, n_tokens),
      experts(arena, config, n_tokens, keep),
      shared(arena, config.shared_intermediate_size(), n_tokens, keep) {}

template <class T>
Moe<T>::BackwardScratch::BackwardScratch(Arena& arena, const ModelConfig& config, int n_tokens)
    : experts(arena, config, n_tokens) {}

template <class T>
Moe<T>::Gradients::Gradients(Arena& arena, const ModelConfig& config, int n_tokens)
    : experts(arena, config, n_tokens),
      shared(arena, config.shared_intermediate_size(), n_tokens),
      dlogits(arena.matrix<T>(n_tokens, config.n_routed_experts)) {}

template <class T>
void Moe<T>::forward(Matrix<T> h, Matrix<const T> x, const Saved& saved, const Decision& decision,
                     const Scratch& scratch) const {
  const TimedPart part("router");
  const Routing<T>& routing = decision.routing;
  router().forward(routing, x, scratch.router);  // 1. route
  {
    const TimedPart routed("routed experts");
    experts().forward(x, routing, saved.experts, scratch.experts);  // 2. experts
    const TimedPart brought("combine");
    combine<T>(h, scratch.experts.rows, routing);  // 3. combine
  }
  if (ids.shared.gate < 0) return;
  const TimedPart shared_part("shared experts");
  shared().forward(h, x, saved.shared, scratch.shared);  // 4. shared
}

template <class T>
double Moe<T>::balance_loss(const Decision& decision) const {
  return balance(decision).forward(decision.balance, decision.routing.affinity);
}

template <class T>
void Moe<T>::backward_input(Matrix<T> dx, Matrix<const T> dh, const Saved& saved,
                            const Decision& decision, const Gradients& gradients,
                            const Scratch& scratch, const BackwardScratch& backward,
                            double balance_factor) const {
  const TimedPart part("router");
  const Routing<T>& routing = decision.routing;
  {
    const TimedPart routed("routed experts");
    experts().backward_input(dh, routing, saved.experts, gradients.experts, scratch.experts,
                             backward.experts);
    const TimedPart brought("combine");
    dispatch_backward<T>(dx, scratch.experts.rows, routing);
  }
  if (ids.shared.gate >= 0) {
    const TimedPart shared_part("shared experts");
    shared().backward_input(dx, dh, saved.shared, gradients.shared, scratch.shared,
                            /*accumulate=*/true);
  }
  router().backward_logits(gradients.dlogits, backward.experts.dweight, routing);
  if (balance_factor != 0) {
    balance(decision).backward(gradients.dlogits, decision.balance, routing.affinity,
                               balance_factor);
  }
  router().backward_input(dx, gradients.dlogits);
}

template <class T>
void Moe<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> x,
                             const Saved& saved, const Decision& decision,
                             const Gradients& gradients, const Scratch& scratch) const {
  const TimedPart part("router");
  {
    const TimedPart routed("routed experts");
    experts().backward_weight(into, dh, x, decision.routing, saved.experts, gradients.experts,
                              scratch.experts);
  }
  if (ids.shared.gate >= 0) {
    const TimedPart shared_part("shared experts");
    shared().backward_weight(into, dh, x, saved.shared, gradients.shared, scratch.shared);
  }
  router().backward_weight(into, gradients.dlogits, x);
}

template struct Moe<float>;
template struct Moe<double>;

}  // namespace farthing
