// mla.cpp - T tokens at a time; every product is a dense gemm, the core is kernels/attention.
#include "model/mla.h"

#include "base/part_times.h"
#include "kernels/elementwise.h"
#include "model/linear.h"

namespace farthing {

template <class T>
Mla<T>::Saved::Saved(Arena& arena, const ModelConfig& config, int n_tokens, Recompute policy)
    : recompute(policy) {
  const int heads = config.num_attention_heads;
  if (config.q_lora_rank) {
    c_q = arena.matrix<T>(n_tokens, *config.q_lora_rank);
    inv_rms_q = arena.array<T>(n_tokens);
  }
  if (recompute != Recompute::kV3) {
    lay_out_up_projections(arena, config, n_tokens);
  } else if (!config.q_lora_rank) {
    q = arena.matrix<T>(n_tokens, heads * config.qk_head_dim());
  }
  u = arena.matrix<T>(n_tokens, config.kv_lora_rank + config.qk_rope_head_dim);
  inv_rms_kv = arena.array<T>(n_tokens);
  if (recompute == Recompute::kNone) {
    if (config.q_lora_rank) c_q_normed = arena.matrix<T>(n_tokens, *config.q_lora_rank);
    c_kv_normed = arena.matrix<T>(n_tokens, config.kv_lora_rank);
  }
  o = arena.matrix<T>(n_tokens, heads * config.v_head_dim);
  lse = arena.matrix<T>(heads, n_tokens);
}

template <class T>
void Mla<T>::Saved::lay_out_up_projections(Arena& arena, const ModelConfig& config, int n_tokens) {
  const int heads = config.num_attention_heads;
  if (q.n_rows == 0) q = arena.matrix<T>(n_tokens, heads * config.qk_head_dim());
  kv = arena.matrix<T>(n_tokens, heads * (config.qk_nope_head_dim + config.v_head_dim));
}

template <class T>
Mla<T>::Scratch::Scratch(Arena& arena, const ModelConfig& config, int n_tokens) {
  if (config.q_lora_rank) c_q_normed = arena.matrix<T>(n_tokens, *config.q_lora_rank);
  c_kv_normed = arena.matrix<T>(n_tokens, config.kv_lora_rank);
}

template <class T>
Mla<T>::BackwardScratch::BackwardScratch(Arena& arena, const ModelConfig& config, int n_sequences,
                                         int sequence_length) {
  const int heads = config.num_attention_heads;
  d_o = arena.matrix<T>(static_cast<std::int64_t>(n_sequences) * sequence_length,
                        heads * config.v_head_dim);
  attention = AttentionScratch<T>(arena, {.n_sequences = n_sequences,
                                          .sequence_length = sequence_length,
                                          .n_heads = heads,
                                          .nope = config.qk_nope_head_dim,
                                          .rope = config.qk_rope_head_dim,
                                          .v = config.v_head_dim});
}

template <class T>
Mla<T>::Gradients::Gradients(Arena& arena, const ModelConfig& config, int n_tokens) {
  const int heads = config.num_attention_heads;
  dq = arena.matrix<T>(n_tokens, heads * config.qk_head_dim());
  du = arena.matrix<T>(n_tokens, config.kv_lora_rank + config.qk_rope_head_dim);
  dkv = arena.matrix<T>(n_tokens, heads * (config.qk_nope_head_dim + config.v_head_dim));
  if (config.q_lora_rank) {
    dc_q = arena.matrix<T>(n_tokens, *config.q_lora_rank);
    dc_q_normed = arena.matrix<T>(n_tokens, *config.q_lora_rank);
  }
  dc_kv_normed = arena.matrix<T>(n_tokens, config.kv_lora_rank);
}

template <class T>
AttentionShape Mla<T>::shape(const Tokens<T>& tokens) const {
  return {.n_sequences = tokens.n_sequences,
          .sequence_length = tokens.sequence_length,
          .n_heads = config.num_attention_heads,
          .nope = config.qk_nope_head_dim,
          .rope = config.qk_rope_head_dim,
          .v = config.v_head_dim,
          .scale = attention_scale(config),
          .format = weights.matmul ? weights.matmul->attention : MatmulFormat::kFp32};
}

template <class T>
Matrix<T> Mla<T>::k_pe(const Saved& saved) const {
  return saved.u.cols(config.kv_lora_rank, config.qk_rope_head_dim);
}

template <class T>
void Mla<T>::rotate_q(Matrix<T> q, const Tokens<T>& tokens, bool inverse) const {
  rope_rotate<T>(q, tokens.cosine, tokens.sine, tokens.positions,
                 {.first = config.qk_nope_head_dim,
                  .period = config.qk_head_dim(),
                  .interleaved = config.rope_interleave,
                  .inverse = inverse});
}

template <class T>
void Mla<T>::rotate_k(Matrix<T> u, const Tokens<T>& tokens, bool inverse) const {
  rope_rotate<T>(u, tokens.cosine, tokens.sine, tokens.positions,
                 {.first = config.kv_lora_rank,
                  .period = config.kv_lora_rank + config.qk_rope_head_dim,
                  .interleaved = config.rope_interleave,
                  .inverse = inverse});
}

template <class T>
typename Mla<T>::Latents Mla<T>::normalise_latents(const Saved& saved, const Scratch& scratch,
                                                   bool kept) const {
  const bool keeps = saved.recompute == Recompute::kNone;
  const Latents latents{keeps ? saved.c_q_normed : scratch.c_q_normed,
                        keeps ? saved.c_kv_normed : scratch.c_kv_normed};
  if (keeps && kept) return latents;
  if (config.q_lora_rank) {
    rmsnorm_forward<T>(latents.c_q_normed, saved.inv_rms_q, saved.c_q, weights.values(ids.q_a_norm),
                       ModelConfig::kLatentNormEps);
  }
  rmsnorm_forward<T>(latents.c_kv_normed, saved.inv_rms_kv, saved.u.cols(0, config.kv_lora_rank),
                     weights.values(ids.kv_a_norm), ModelConfig::kLatentNormEps);
  return latents;
}

template <class T>
void Mla<T>::project_query(Matrix<const T> input, const Tokens<T>& tokens,
                           const Saved& saved) const {
  linear_forward<T>(saved.q, input, weights, ids.q);
  rotate_q(saved.q, tokens, /*inverse=*/false);
}

template <class T>
void Mla<T>::project(Matrix<const T> a, const Tokens<T>& tokens, const Saved& saved,
                     const Scratch& scratch) const {
  if (config.q_lora_rank) linear_forward<T>(saved.c_q, a, weights, ids.q_a);
  linear_forward<T>(saved.u, a, weights, ids.kv_a);
  const Latents latents = normalise_latents(saved, scratch, /*kept=*/false);
  project_query(config.q_lora_rank ? Matrix<const T>(latents.c_q_normed) : a, tokens, saved);
  linear_forward<T>(saved.kv, latents.c_kv_normed, weights, ids.kv_b);
  rotate_k(saved.u, tokens, /*inverse=*/false);
}

template <class T>
void Mla<T>::add_output(Matrix<T> h, Matrix<const T> o) const {
  linear_forward<T>(h, o, weights, ids.o, /*accumulate=*/true);
}

template <class T>
void Mla<T>::forward(Matrix<T> h, Matrix<const T> a, const Tokens<T>& tokens, const Saved& saved,
                     const Scratch& scratch) const {
  const TimedPart part("attention projections");
  project(a, tokens, saved, scratch);
  {
    const TimedPart core("attention core");
    attention_forward<T>(shape(tokens), saved.o, saved.lse, saved.q, saved.kv, k_pe(saved),
                         tokens.document_start);
  }
  add_output(h, saved.o);
}

template <class T>
void Mla<T>::backward_input(Matrix<T> da, Matrix<const T> dh, const Tokens<T>& tokens,
                            const Saved& saved, const Gradients& gradients,
                            const Scratch& forward_scratch, const BackwardScratch& scratch) const {
  const TimedPart part("attention projections");
  if (saved.recompute == Recompute::kV3) {
    const Latents latents = normalise_latents(saved, forward_scratch, /*kept=*/true);
    if (config.q_lora_rank) project_query(latents.c_q_normed, tokens, saved);
    linear_forward<T>(saved.kv, latents.c_kv_normed, weights, ids.kv_b);
  }
  // 1. Through the output projection and the attention core, back to before the rotation.
  linear_backward_input<T>(scratch.d_o, dh, weights, ids.o);
  const Matrix<T> dk_pe = gradients.du.cols(config.kv_lora_rank, config.qk_rope_head_dim);
  {
    const TimedPart core("attention core");
    attention_backward<T>(shape(tokens), {gradients.dq, gradients.dkv, dk_pe}, scratch.d_o,
                          {saved.q, saved.kv, k_pe(saved), saved.o, saved.lse},
                          tokens.document_start, scratch.attention);
  }
  rotate_q(gradients.dq, tokens, /*inverse=*/true);
  rotate_k(gradients.du, tokens, /*inverse=*/true);

  // 2. Keys and values: [dc_kv | dk_pe] = du.
  linear_backward_input<T>(gradients.dc_kv_normed, gradients.dkv, weights, ids.kv_b);
  rmsnorm_backward_input<T>(gradients.du.cols(0, config.kv_lora_rank), gradients.dc_kv_normed,
                            saved.u.cols(0, config.kv_lora_rank), weights.values(ids.kv_a_norm),
                            saved.inv_rms_kv, /*accumulate=*/false);
  linear_backward_input<T>(da, gradients.du, weights, ids.kv_a);

  // 3. Queries.
  if (!config.q_lora_rank) {
    linear_backward_input<T>(da, gradients.dq, weights, ids.q, /*accumulate=*/true);
    return;
  }
  linear_backward_input<T>(gradients.dc_q_normed, gradients.dq, weights, ids.q);
  rmsnorm_backward_input<T>(gradients.dc_q, gradients.dc_q_normed, saved.c_q,
                            weights.values(ids.q_a_norm), saved.inv_rms_q, /*accumulate=*/false);
  linear_backward_input<T>(da, gradients.dc_q, weights, ids.q_a, /*accumulate=*/true);
}

template <class T>
void Mla<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> a,
                             const Saved& saved, const Gradients& gradients,
                             const Scratch& scratch) const {
  const TimedPart part("attention projections");
  const auto add = [&](int id, Matrix<const T> dy, Matrix<const T> x) {
    linear_backward_weight<T>(into, dy, x, weights, id);
  };
  const Latents latents = normalise_latents(saved, scratch, /*kept=*/true);
  add(ids.o, dh, saved.o);
  add(ids.kv_b, gradients.dkv, latents.c_kv_normed);
  rmsnorm_backward_weight<T>(into.values(ids.kv_a_norm), gradients.dc_kv_normed,
                             saved.u.cols(0, config.kv_lora_rank), saved.inv_rms_kv);
  add(ids.kv_a, gradients.du, a);
  if (!config.q_lora_rank) return add(ids.q, gradients.dq, a);
  add(ids.q, gradients.dq, latents.c_q_normed);
  rmsnorm_backward_weight<T>(into.values(ids.q_a_norm), gradients.dc_q_normed, saved.c_q,
                             saved.inv_rms_q);
  add(ids.q_a, gradients.dc_q, a);
}

template struct Mla<float>;
template struct Mla<double>;

}  // namespace farthing
