// context.cpp - who owns which buffer, decided once; the doors see only views.
#include "model/context.h"

namespace farthing {

template <class T>
Prediction<T>::Prediction(Arena& arena, const ModelConfig& config, int n_tokens,
                          bool with_gradient) {
  hidden = arena.matrix<T>(n_tokens, config.hidden_size);
  inv_rms = arena.array<T>(n_tokens);
  normed = arena.matrix<T>(n_tokens, config.hidden_size);
  targets = arena.array<std::int32_t>(n_tokens);
  weight = arena.array<T>(n_tokens);
  logprob = arena.array<T>(n_tokens);
  if (!with_gradient) return;
  grad_scale = arena.array<T>(n_tokens);
  dnormed = arena.matrix<T>(n_tokens, config.hidden_size);
}

template <class T>
Context<T>::Context(Arena& arena, const ModelConfig& model_config, ContextShape context_shape,
                    ContextMode context_mode)
    : config(model_config), shape(context_shape), mode(context_mode) {
  CHECK(mode.save || !mode.delay_weight);
  accounted_ = arena.used();
  const int depth = config.num_nextn_predict_layers;
  lay_out_saved(arena);
  for (int k = 0; k <= depth; ++k) predictions.emplace_back(arena, config, n_tokens(), mode.save);
  for (int k = 0; k < depth; ++k) mtp_saved.emplace_back(arena, n_tokens());
  account("predictions", arena);
  if (mode.save) lay_out_gradients(arena);

  block_scratch = typename Block<T>::Scratch(arena, config, shape_of_all());
  if (mode.save) {
    backward_scratch = typename Block<T>::BackwardScratch(arena, config, shape_of_all());
  }
  if (depth > 0) mtp_scratch = typename Mtp<T>::Scratch(arena, config, n_tokens());
  account("scratch", arena);
  head_scratch = typename Head<T>::Scratch(arena, config.vocab_size, n_tokens());
  account("logits chunk", arena);
  if (!mode.save || !config.tie_word_embeddings) return;
  tied_head_gradient = arena.matrix<T>(config.vocab_size, config.hidden_size);
  account("gradient of the tied head", arena);
}

template <class T>
BlockShape Context<T>::shape_of(int block) const {
  return {.n_sequences = shape.n_sequences,
          .sequence_length = shape.sequence_length,
          .dense = !config.is_moe_layer(block),
          .moe = config.is_moe_layer(block),
          .keep = mode.save ? mode.keep : Keep{}};
}

template <class T>
BlockShape Context<T>::shape_of_all() const {
  BlockShape all = shape_of(0);
  for (int block = 1; block < config.n_blocks(); ++block) {
    all.dense |= shape_of(block).dense;
    all.moe |= shape_of(block).moe;
  }
  return all;
}

template <class T>
void Context<T>::lay_out_saved(Arena& arena) {
  if (!mode.save) {
    saved.assign(static_cast<std::size_t>(config.n_blocks()),
                 typename Block<T>::Saved(arena, config, shape_of_all()));
  }
  for (int block = 0; mode.save && block < config.n_blocks(); ++block) {
    saved.emplace_back(arena, config, shape_of(block));
  }
  if (mode.save && mode.keep.recompute == Recompute::kV3) share_up_projections(arena);
  account("saved by blocks", arena);
  for (int block = 0; block < config.n_blocks(); ++block) {
    if (!is_moe(block)) continue;
    saved[static_cast<std::size_t>(block)].decision =
        typename Moe<T>::Decision(arena, config, shape.n_sequences, shape.sequence_length);
  }
  account("routing", arena);
}

// Queries, keys and values of whichever block needs them now.
template <class T>
void Context<T>::share_up_projections(Arena& arena) {
  typename Mla<T>::Saved first = saved.front().mla;
  first.lay_out_up_projections(arena, config, n_tokens());
  for (auto& block : saved) {
    if (block.mla.q.n_rows == 0) block.mla.q = first.q;
    block.mla.kv = first.kv;
  }
}

template <class T>
void Context<T>::lay_out_gradients(Arena& arena) {
  if (!mode.delay_weight) {
    gradients.assign(static_cast<std::size_t>(config.n_blocks()),
                     typename Block<T>::Gradients(arena, config, shape_of_all()));
  }
  for (int block = 0; mode.delay_weight && block < config.n_blocks(); ++block) {
    gradients.emplace_back(arena, config, shape_of(block));
  }
  lay_out_stream_gradients(arena);
  for (int k = 0; k < config.num_nextn_predict_layers; ++k) {
    const bool own = k == 0 || mode.delay_weight;
    mtp_gradients.push_back(own ? typename Mtp<T>::Gradients(arena, config, n_tokens())
                                : mtp_gradients.front());
  }
  account("gradients", arena);
}

// The gradient of what enters block b + 1 is that of what leaves block b.  An MTP block's input is
// its own; so is the embedding's output.
template <class T>
void Context<T>::lay_out_stream_gradients(Arena& arena) {
  const auto make = [&] { return arena.matrix<T>(n_tokens(), config.hidden_size); };
  std::vector<Matrix<T>> alternating;
  if (!mode.delay_weight) alternating = {make(), make()};
  const auto leaving = [&](int block) {
    return mode.delay_weight ? make() : alternating[static_cast<std::size_t>(block & 1)];
  };
  Matrix<T> previous = leaving(-1);
  Matrix<T> mtp_input;
  for (int block = 0; block < config.n_blocks(); ++block) {
    auto& g = gradients[static_cast<std::size_t>(block)];
    g.dh_in = previous;
    g.dh_out = previous = leaving(block);
    if (block < config.num_hidden_layers) continue;
    if (block == config.num_hidden_layers || mode.delay_weight) mtp_input = make();
    g.dh_in = mtp_input;
  }
}

template <class T>
void Context<T>::account(const std::string& part, const Arena& arena) {
  memory_.push_back({part, arena.used() - accounted_});
  accounted_ = arena.used();
}

template struct Prediction<float>;
template struct Prediction<double>;
template class Context<float>;
template class Context<double>;

}  // namespace farthing
