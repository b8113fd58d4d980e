// block.h - one decoder block: h += mla(rmsnorm(h)), then h += ffn(rmsnorm(h)).
//
// Source   DeepSeek-V3 (arXiv:2412.19437), section 2.1.  ffn is a dense SwiGLU or the MoE.
// Shapes   h [n_tokens, hidden_size]
// Cost     saved: 2 hidden_size values a token and what the parts keep; both norms' outputs are
//          recomputed by backward_weight, unless Recompute::kNone keeps them.
#pragma once
#include "model/mla.h"
#include "model/moe.h"

namespace farthing {

// The sizes that every part's memory follows from.
struct BlockShape {
  int n_sequences = 0;
  int sequence_length = 0;
  bool dense = false;  // room for a dense SwiGLU
  bool moe = false;    // room for experts
  Keep keep = {};
  int n_tokens() const { return n_sequences * sequence_length; }
};

template <class T>
struct Block {
  // What one forward leaves for the backward.  Blocks that save nothing share all but `decision`.
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, const ModelConfig& config, const BlockShape& shape);
    Matrix<T> h_in, h_mid;
    Matrix<T> normed_in, normed_mid;  // the norms' outputs, with Recompute::kNone alone
    std::span<T> inv_rms_in, inv_rms_mid;
    typename Mla<T>::Saved mla;
    typename Mlp<T>::Saved dense;
    typename Moe<T>::Saved moe;
    typename Moe<T>::Decision decision;  // laid out by the owner
  };
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, const ModelConfig& config, const BlockShape& shape);
    Matrix<T> normed;
    typename Mla<T>::Scratch mla;
    typename Mlp<T>::Scratch dense;
    typename Moe<T>::Scratch moe;
  };
  struct BackwardScratch {
    BackwardScratch() = default;
    BackwardScratch(Arena& arena, const ModelConfig& config, const BlockShape& shape);
    typename Mla<T>::BackwardScratch mla;
    typename Moe<T>::BackwardScratch moe;
  };
  // What backward_input leaves for backward_weight: shared between blocks unless that is delayed.
  struct Gradients {
    Gradients() = default;
    Gradients(Arena& arena, const ModelConfig& config, const BlockShape& shape);
    Matrix<T> dh_out, dh_in;  // the residual stream's gradient; laid out by the owner
    Matrix<T> dh_mid;
    Matrix<T> da, db;  // of the outputs of the two norms
    typename Mla<T>::Gradients mla;
    typename Mlp<T>::Gradients dense;
    typename Moe<T>::Gradients moe;
  };

  const ModelConfig& config;
  const BlockIds& ids;
  const ParameterStore<T>& weights;

  // Reads saved.h_in; writes h_out, which may be saved.h_in.
  void forward(Matrix<T> h_out, const Tokens<T>& tokens, const Saved& saved,
               const Scratch& scratch) const;
  // Reads gradients.dh_out; writes gradients.dh_in and the rest of gradients.
  void backward_input(const Tokens<T>& tokens, const Saved& saved, const Gradients& gradients,
                      const Scratch& scratch, const BackwardScratch& backward,
                      double balance_factor) const;
  // Adds into `into`.
  void backward_weight(const ParameterStore<T>& into, const Saved& saved,
                       const Gradients& gradients, const Scratch& scratch) const;

  Mla<T> mla() const { return {config, ids.mla, weights}; }
  Mlp<T> dense() const { return {ids.dense, weights}; }
  Moe<T> moe() const { return {config, ids, weights}; }

  // A norm's output for backward_weight: `kept` if it was, or written to scratch.normed again.
  Matrix<T> normed_again(Matrix<T> kept, std::span<T> inv_rms, Matrix<T> h, int gain,
                         const Scratch& scratch) const;
};

}  // namespace farthing
