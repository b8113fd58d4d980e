// mtp.h - the joint of a multi-token-prediction module: the next embedding meets the hidden state.
//
//   m_i = W_eh [ rmsnorm_e(embedding(t_{i+k})) | rmsnorm_h(g_i) ],   g: hidden state of depth k - 1
//
// The module's block then runs on m with position ids i; its output, through shared_head.norm and
// the model's own head, predicts t_{i+k+1}.  Where t_{i+k} lies past the sequence or in another
// document the embedding is a row of zeros and the label is ignored.
//
// Source   DeepSeek-V3 (arXiv:2412.19437), section 2.2; embedding first, as in its weights.
// Shapes   m dm g dg [n_tokens, hidden_size]
#pragma once
#include <cstdint>

#include "base/arena.h"
#include "config/model_config.h"
#include "model/batch.h"
#include "model/ids.h"

namespace farthing {

// Writes t_{i+depth} for every token i, or -1 where that is another document or past the end.
void shift_ids(std::span<std::int32_t> ids, const Batch& batch, int depth);

template <class T>
struct Mtp {
  struct Saved {
    Saved() = default;
    Saved(Arena& arena, int n_tokens);
    std::span<std::int32_t> ids;  // t_{i+k}
    std::span<T> inv_rms_embedding, inv_rms_hidden;
  };
  struct Scratch {
    Scratch() = default;
    Scratch(Arena& arena, const ModelConfig& config, int n_tokens);
    Matrix<T> embedding;  // [n_tokens, hidden_size]
    Matrix<T> joined;     // [n_tokens, 2 hidden_size]
  };
  struct Gradients {
    Gradients() = default;
    Gradients(Arena& arena, const ModelConfig& config, int n_tokens);
    Matrix<T> dembedding, djoined;
  };

  const ModelConfig& config;
  const MtpIds& ids;
  int embedding_id = -1;
  const ParameterStore<T>& weights;

  // Reads saved.ids; writes m.
  void forward(Matrix<T> m, Matrix<const T> g, const Saved& saved, const Scratch& scratch) const;
  // Adds into dg; writes gradients.
  void backward_input(Matrix<T> dg, Matrix<const T> dm, Matrix<const T> g, const Saved& saved,
                      const Gradients& gradients, const Scratch& scratch) const;
  // Adds into `into`, the shared embedding included.
  void backward_weight(const ParameterStore<T>& into, Matrix<const T> dm, Matrix<const T> g,
                       const Saved& saved, const Gradients& gradients,
                       const Scratch& scratch) const;

 private:
  void join(Matrix<const T> g, const Saved& saved, const Scratch& scratch) const;
};

}  // namespace farthing
