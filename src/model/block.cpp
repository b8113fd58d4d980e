// block.cpp - the two residual branches, forward and back.
#include "model/block.h"

#include "base/part_times.h"
#include "kernels/elementwise.h"
#include "model/rows.h"

namespace farthing {

template <class T>
Block<T>::Saved::Saved(Arena& arena, const ModelConfig& config, const BlockShape& shape) {
  const int n_tokens = shape.n_tokens();
  h_in = arena.matrix<T>(n_tokens, config.hidden_size);
  h_mid = arena.matrix<T>(n_tokens, config.hidden_size);
  inv_rms_in = arena.array<T>(n_tokens);
  inv_rms_mid = arena.array<T>(n_tokens);
  if (shape.keep.recompute == Recompute::kNone) {
    normed_in = arena.matrix<T>(n_tokens, config.hidden_size);
    normed_mid = arena.matrix<T>(n_tokens, config.hidden_size);
  }
  mla = typename Mla<T>::Saved(arena, config, n_tokens, shape.keep.recompute);
  if (shape.dense) {
    dense = typename Mlp<T>::Saved(arena, config.intermediate_size, n_tokens, shape.keep);
  }
  if (shape.moe) moe = typename Moe<T>::Saved(arena, config, n_tokens, shape.keep);
}

template <class T>
Block<T>::Scratch::Scratch(Arena& arena, const ModelConfig& config, const BlockShape& shape) {
  const int n_tokens = shape.n_tokens();
  normed = arena.matrix<T>(n_tokens, config.hidden_size);
  mla = typename Mla<T>::Scratch(arena, config, n_tokens);
  if (shape.dense) {
    dense = typename Mlp<T>::Scratch(arena, config.intermediate_size, n_tokens, shape.keep);
  }
  if (shape.moe) moe = typename Moe<T>::Scratch(arena, config, n_tokens, shape.keep);
}

template <class T>
Block<T>::BackwardScratch::BackwardScratch(Arena& arena, const ModelConfig& config,
                                           const BlockShape& shape) {
  mla = typename Mla<T>::BackwardScratch(arena, config, shape.n_sequences, shape.sequence_length);
  if (shape.moe) moe = typename Moe<T>::BackwardScratch(arena, config, shape.n_tokens());
}

template <class T>
Block<T>::Gradients::Gradients(Arena& arena, const ModelConfig& config, const BlockShape& shape) {
  const int n_tokens = shape.n_tokens();
  dh_mid = arena.matrix<T>(n_tokens, config.hidden_size);
  da = arena.matrix<T>(n_tokens, config.hidden_size);
  db = arena.matrix<T>(n_tokens, config.hidden_size);
  mla = typename Mla<T>::Gradients(arena, config, n_tokens);
  if (shape.dense) dense = typename Mlp<T>::Gradients(arena, config.intermediate_size, n_tokens);
  if (shape.moe) moe = typename Moe<T>::Gradients(arena, config, n_tokens);
}

template <class T>
void Block<T>::forward(Matrix<T> h_out, const Tokens<T>& tokens, const Saved& saved,
                       const Scratch& scratch) const {
  const TimedPart part("norms and residual");
  const auto or_scratch = [&](Matrix<T> kept) { return kept.n_rows > 0 ? kept : scratch.normed; };
  // 1. Attention.
  const Matrix<T> normed_in = or_scratch(saved.normed_in);
  rmsnorm_forward<T>(normed_in, saved.inv_rms_in, saved.h_in, weights.values(ids.input_norm),
                     config.rms_norm_eps);
  copy_rows<T>(saved.h_mid, saved.h_in);
  mla().forward(saved.h_mid, normed_in, tokens, saved.mla, scratch.mla);
  // 2. Feed-forward.
  const Matrix<T> normed_mid = or_scratch(saved.normed_mid);
  rmsnorm_forward<T>(normed_mid, saved.inv_rms_mid, saved.h_mid, weights.values(ids.post_norm),
                     config.rms_norm_eps);
  copy_rows<T>(h_out, saved.h_mid);
  if (ids.is_moe) {
    moe().forward(h_out, normed_mid, saved.moe, saved.decision, scratch.moe);
  } else {
    const TimedPart dense_part("dense SwiGLU");
    dense().forward(h_out, normed_mid, saved.dense, scratch.dense);
  }
}

template <class T>
void Block<T>::backward_input(const Tokens<T>& tokens, const Saved& saved,
                              const Gradients& gradients, const Scratch& scratch,
                              const BackwardScratch& backward, double balance_factor) const {
  const TimedPart part("norms and residual");
  const Gradients& g = gradients;
  // 1. Feed-forward.
  if (ids.is_moe) {
    moe().backward_input(g.db, g.dh_out, saved.moe, saved.decision, g.moe, scratch.moe,
                         backward.moe, balance_factor);
  } else {
    const TimedPart dense_part("dense SwiGLU");
    dense().backward_input(g.db, g.dh_out, saved.dense, g.dense, scratch.dense,
                           /*accumulate=*/false);
  }
  copy_rows<T>(g.dh_mid, g.dh_out);
  rmsnorm_backward_input<T>(g.dh_mid, g.db, saved.h_mid, weights.values(ids.post_norm),
                            saved.inv_rms_mid, /*accumulate=*/true);
  // 2. Attention.
  mla().backward_input(g.da, g.dh_mid, tokens, saved.mla, g.mla, scratch.mla, backward.mla);
  copy_rows<T>(g.dh_in, g.dh_mid);
  rmsnorm_backward_input<T>(g.dh_in, g.da, saved.h_in, weights.values(ids.input_norm),
                            saved.inv_rms_in, /*accumulate=*/true);
}

template <class T>
void Block<T>::backward_weight(const ParameterStore<T>& into, const Saved& saved,
                               const Gradients& gradients, const Scratch& scratch) const {
  const TimedPart part("norms and residual");
  const Gradients& g = gradients;
  // 1. Feed-forward; its input is recomputed.
  rmsnorm_backward_weight<T>(into.values(ids.post_norm), g.db, saved.h_mid, saved.inv_rms_mid);
  const Matrix<T> normed_mid =
      normed_again(saved.normed_mid, saved.inv_rms_mid, saved.h_mid, ids.post_norm, scratch);
  if (ids.is_moe) {
    moe().backward_weight(into, g.dh_out, normed_mid, saved.moe, saved.decision, g.moe,
                          scratch.moe);
  } else {
    const TimedPart dense_part("dense SwiGLU");
    dense().backward_weight(into, g.dh_out, normed_mid, saved.dense, g.dense, scratch.dense);
  }
  // 2. Attention.
  rmsnorm_backward_weight<T>(into.values(ids.input_norm), g.da, saved.h_in, saved.inv_rms_in);
  const Matrix<T> normed_in =
      normed_again(saved.normed_in, saved.inv_rms_in, saved.h_in, ids.input_norm, scratch);
  mla().backward_weight(into, g.dh_mid, normed_in, saved.mla, g.mla, scratch.mla);
}

template <class T>
Matrix<T> Block<T>::normed_again(Matrix<T> kept, std::span<T> inv_rms, Matrix<T> h, int gain,
                                 const Scratch& scratch) const {
  if (kept.n_rows > 0) return kept;
  rmsnorm_forward<T>(scratch.normed, inv_rms, h, weights.values(gain), config.rms_norm_eps);
  return scratch.normed;
}

template struct Block<float>;
template struct Block<double>;

}  // namespace farthing
