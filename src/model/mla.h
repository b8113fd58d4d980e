// mla.h - multi-head latent attention: queries and keys through narrow latents, one rope key.
//
//   c_q = a W_qa^T,  q = rmsnorm(c_q) W_qb^T    per head [q_nope | q_pe]   (or q = a W_q^T)
//   u   = a W_kva^T = [c_kv | k_pe]             k_pe: one for all heads, not normalised
//   kv  = rmsnorm(c_kv) W_kvb^T                 per head [k_nope | v]
//   q_pe and k_pe are rotated;  o = attention(q, kv, k_pe);  h += o W_o^T
//
// Source   DeepSeek-V2 (arXiv:2405.04434), section 2.1; DeepSeek-V3 (arXiv:2412.19437).
// Shapes   a h [n_tokens, hidden_size]; the rest below.
// Cost     saved: q_lora_rank + kv_lora_rank + rope + heads (qk + nope + 2 v) + 1 values a token.
//          The two latent norms are recomputed by the backward unless kNone; with kV3 q and kv too,
//          which leaves q_lora_rank + kv_lora_rank + rope + heads (v + 1).
// Exact    Bits do not depend on the number of threads.
#pragma once
#include "base/arena.h"
#include "config/model_config.h"
#include "kernels/attention.h"
#include "model/ids.h"
#include "model/recompute.h"
#include "model/tokens.h"

namespace farthing {

template <class T>
struct Mla {
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, const ModelConfig& config, int n_tokens,
          Recompute recompute = Recompute::kElementwise);
    Recompute recompute = Recompute::kElementwise;
    Matrix<T> c_q;           // [n_tokens, q_lora_rank]
    std::span<T> inv_rms_q;  // [n_tokens]
    Matrix<T> q;  // [n_tokens, heads * (nope + rope)], rotated; kV3: laid out by the owner
    Matrix<T> u;  // [n_tokens, kv_lora_rank + rope], its k_pe rotated
    std::span<T> inv_rms_kv;  // [n_tokens]
    Matrix<T> kv;             // [n_tokens, heads * (nope + v)]; as q
    Matrix<T> o;              // [n_tokens, heads * v]
    Matrix<T> lse;            // [heads, n_tokens]
    // Kept with Recompute::kNone alone, otherwise written to Scratch and again.
    Matrix<T> c_q_normed, c_kv_normed;
    // Lays out q and kv where the constructor did not (kV3; q alone where it has no latent).
    void lay_out_up_projections(Arena& arena, const ModelConfig& config, int n_tokens);
  };
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, const ModelConfig& config, int n_tokens);
    Matrix<T> c_q_normed;   // [n_tokens, q_lora_rank]
    Matrix<T> c_kv_normed;  // [n_tokens, kv_lora_rank]
  };
  struct BackwardScratch {
    BackwardScratch() = default;
    BackwardScratch(Arena& arena, const ModelConfig& config, int n_sequences, int sequence_length);
    Matrix<T> d_o;
    AttentionScratch<T> attention;
  };
  // What backward_input leaves for backward_weight.
  struct Gradients {
    Gradients() = default;
    Gradients(Arena& arena, const ModelConfig& config, int n_tokens);
    Matrix<T> dq, du, dkv;
    Matrix<T> dc_q, dc_q_normed, dc_kv_normed;
  };

  const ModelConfig& config;
  const MlaIds& ids;
  const ParameterStore<T>& weights;

  // Adds into h.
  void forward(Matrix<T> h, Matrix<const T> a, const Tokens<T>& tokens, const Saved& saved,
               const Scratch& scratch) const;
  // Its two ends, for a cache in between: project writes all of `saved` but o and lse.
  void project(Matrix<const T> a, const Tokens<T>& tokens, const Saved& saved,
               const Scratch& scratch) const;
  void add_output(Matrix<T> h, Matrix<const T> o) const;

  // Writes da and gradients.
  void backward_input(Matrix<T> da, Matrix<const T> dh, const Tokens<T>& tokens, const Saved& saved,
                      const Gradients& gradients, const Scratch& scratch,
                      const BackwardScratch& backward) const;
  // Adds into `into`.
  void backward_weight(const ParameterStore<T>& into, Matrix<const T> dh, Matrix<const T> a,
                       const Saved& saved, const Gradients& gradients,
                       const Scratch& scratch) const;

  Matrix<T> k_pe(const Saved& saved) const;

 private:
  AttentionShape shape(const Tokens<T>& tokens) const;
  void rotate_q(Matrix<T> q, const Tokens<T>& tokens, bool inverse) const;
  void rotate_k(Matrix<T> u, const Tokens<T>& tokens, bool inverse) const;
  // The two norms' outputs, written now unless `kept` and saved.
  struct Latents {
    Matrix<T> c_q_normed, c_kv_normed;
  };
  Latents normalise_latents(const Saved& saved, const Scratch& scratch, bool kept) const;
  void project_query(Matrix<const T> input, const Tokens<T>& tokens, const Saved& saved) const;
};

}  // namespace farthing
