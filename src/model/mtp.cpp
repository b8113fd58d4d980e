// mtp.cpp - see mtp.h.
#include "model/mtp.h"

#include "base/part_times.h"
#include "kernels/elementwise.h"
#include "model/linear.h"
#include "model/rows.h"

namespace farthing {

void shift_ids(std::span<std::int32_t> ids, const Batch& batch, int depth) {
  const int length = batch.sequence_length;
  for (int token = 0; token < batch.n_tokens(); ++token) {
    const auto here = static_cast<std::size_t>(token);
    const auto there = here + static_cast<std::size_t>(depth);
    const bool in_sequence = token % length + depth < length;
    const bool same_document =
        in_sequence && batch.positions[there] == batch.positions[here] + depth;
    ids[here] = same_document ? batch.ids[there] : -1;
  }
}

template <class T>
Mtp<T>::Saved::Saved(Arena& arena, int n_tokens)
    : ids(arena.array<std::int32_t>(n_tokens)),
      inv_rms_embedding(arena.array<T>(n_tokens)),
      inv_rms_hidden(arena.array<T>(n_tokens)) {}

template <class T>
Mtp<T>::Scratch::Scratch(Arena& arena, const ModelConfig& config, int n_tokens)
    : embedding(arena.matrix<T>(n_tokens, config.hidden_size)),
      joined(arena.matrix<T>(n_tokens, 2 * config.hidden_size)) {}

template <class T>
Mtp<T>::Gradients::Gradients(Arena& arena, const ModelConfig& config, int n_tokens)
    : dembedding(arena.matrix<T>(n_tokens, config.hidden_size)),
      djoined(arena.matrix<T>(n_tokens, 2 * config.hidden_size)) {}

template <class T>
void Mtp<T>::join(Matrix<const T> g, const Saved& saved, const Scratch& scratch) const {
  const int width = config.hidden_size;
  gather_rows<T>(scratch.embedding, weights.matrix(embedding_id), saved.ids);
  rmsnorm_forward<T>(scratch.joined.cols(0, width), saved.inv_rms_embedding, scratch.embedding,
                     weights.values(ids.embedding_norm), config.rms_norm_eps);
  rmsnorm_forward<T>(scratch.joined.cols(width, width), saved.inv_rms_hidden, g,
                     weights.values(ids.hidden_norm), config.rms_norm_eps);
}

template <class T>
void Mtp<T>::forward(Matrix<T> m, Matrix<const T> g, const Saved& saved,
                     const Scratch& scratch) const {
  const TimedPart part("MTP projection");
  join(g, saved, scratch);
  linear_forward<T>(m, scratch.joined, weights, ids.projection);
}

template <class T>
void Mtp<T>::backward_input(Matrix<T> dg, Matrix<const T> dm, Matrix<const T> g, const Saved& saved,
                            const Gradients& gradients, const Scratch& scratch) const {
  const TimedPart part("MTP projection");
  const int width = config.hidden_size;
  linear_backward_input<T>(gradients.djoined, dm, weights, ids.projection);
  gather_rows<T>(scratch.embedding, weights.matrix(embedding_id), saved.ids);
  rmsnorm_backward_input<T>(gradients.dembedding, gradients.djoined.cols(0, width),
                            scratch.embedding, weights.values(ids.embedding_norm),
                            saved.inv_rms_embedding, /*accumulate=*/false);
  rmsnorm_backward_input<T>(dg, gradients.djoined.cols(width, width), g,
                            weights.values(ids.hidden_norm), saved.inv_rms_hidden,
                            /*accumulate=*/true);
}

template <class T>
void Mtp<T>::backward_weight(const ParameterStore<T>& into, Matrix<const T> dm, Matrix<const T> g,
                             const Saved& saved, const Gradients& gradients,
                             const Scratch& scratch) const {
  const TimedPart part("MTP projection");
  const int width = config.hidden_size;
  join(g, saved, scratch);
  linear_backward_weight<T>(into, dm, scratch.joined, weights, ids.projection);
  rmsnorm_backward_weight<T>(into.values(ids.embedding_norm), gradients.djoined.cols(0, width),
                             scratch.embedding, saved.inv_rms_embedding);
  rmsnorm_backward_weight<T>(into.values(ids.hidden_norm), gradients.djoined.cols(width, width), g,
                             saved.inv_rms_hidden);
  scatter_add_rows<T>(into.matrix(embedding_id), gradients.dembedding, saved.ids);
}

template struct Mtp<float>;
template struct Mtp<double>;

}  // namespace farthing
