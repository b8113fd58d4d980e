// model.cpp - the doors of the whole model: each a walk over its parts, forward or back.
#include "model/model.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/part_times.h"
#include "kernels/elementwise.h"
#include "model/context.h"
#include "model/linear.h"
#include "model/rope.h"
#include "model/rows.h"

namespace farthing {
namespace {

void check_token_id(const ModelConfig& config, int id, int lowest, std::size_t token) {
  if (id >= lowest && id < config.vocab_size) return;
  throw_bad_input({.where = fmt::format("token {} of the batch", token),
                   .what = "token id",
                   .found = std::to_string(id),
                   .wanted = fmt::format("{} to {}", lowest, config.vocab_size - 1),
                   .hint = "were the data prepared with another tokenizer?"});
}

void check_batch(const ModelConfig& config, const ContextShape& shape, const Batch& batch) {
  CHECK(batch.n_sequences == shape.n_sequences);
  CHECK(batch.sequence_length == shape.sequence_length);
  const auto n_tokens = static_cast<std::size_t>(batch.n_tokens());
  CHECK(batch.ids.size() == n_tokens);
  CHECK(batch.targets.size() == n_tokens);
  CHECK(batch.positions.size() == n_tokens);
  CHECK(batch.loss_weight.size() == n_tokens);
  CHECK(batch.document_start.empty() || batch.document_start.size() == n_tokens);
  for (std::size_t token = 0; token < n_tokens; ++token) {
    check_token_id(config, batch.ids[token], 0, token);
    check_token_id(config, batch.targets[token], -1, token);
    CHECK(batch.positions[token] >= 0);
    CHECK(batch.positions[token] < config.max_position_embeddings);
  }
}

template <class T>
Tokens<T> tokens_of(const Model<T>& model, const Batch& batch) {
  const int n_positions = model.config.max_position_embeddings;
  const int n_pairs = model.config.qk_rope_head_dim / 2;
  return {.n_sequences = batch.n_sequences,
          .sequence_length = batch.sequence_length,
          .positions = batch.positions,
          .document_start = batch.document_start,
          .cosine = {model.rope_cosine.data(), n_positions, n_pairs},
          .sine = {model.rope_sine.data(), n_positions, n_pairs}};
}

template <class T>
Block<T> block_of(const Model<T>& model, int block) {
  return {model.config, model.ids.blocks[static_cast<std::size_t>(block)], model.weights};
}

// Depth k >= 1; its saved state and gradients stand at k - 1.
template <class T>
Mtp<T> mtp_of(const Model<T>& model, int depth) {
  return {model.config, model.ids.mtp[static_cast<std::size_t>(depth - 1)], model.ids.embedding,
          model.weights};
}

// The gain of the norm before the head: the model's own, or an MTP module's shared_head.norm.
template <class T>
int head_norm_of(const Model<T>& model, int depth) {
  return depth == 0 ? model.ids.final_norm
                    : model.ids.mtp[static_cast<std::size_t>(depth - 1)].head_norm;
}

// The block whose output a depth predicts from.
int last_block(const ModelConfig& config, int depth) {
  return config.num_hidden_layers - 1 + depth;
}

bool takes_post_norm(const ModelConfig& config, int depth) {
  return depth == 1 && config.mtp_input == MtpInput::kPostNorm;
}

// What MTP depth k reads of depth k - 1.
template <class T>
Matrix<T> mtp_hidden(const Context<T>& context, int depth) {
  const Prediction<T>& previous = context.predictions[static_cast<std::size_t>(depth - 1)];
  return takes_post_norm(context.config, depth) ? previous.normed : previous.hidden;
}

template <class T>
void normalise_for_head(const Model<T>& model, const Prediction<T>& prediction, int depth) {
  const TimedPart part("norms and residual");
  rmsnorm_forward<T>(prediction.normed, prediction.inv_rms, prediction.hidden,
                     model.weights.values(head_norm_of(model, depth)), model.config.rms_norm_eps);
}

// Depth k predicts t_{i+k+1}: the main target of position i + k, where that is the same document.
template <class T>
void set_targets(const Context<T>& context, const Batch& batch, int depth) {
  const auto k = static_cast<std::size_t>(depth);
  const Prediction<T>& prediction = context.predictions[k];
  for (std::size_t token = 0; token < prediction.targets.size(); ++token) {
    const bool in_document = depth == 0 || context.mtp_saved[k - 1].ids[token] >= 0;
    const int target = in_document ? batch.targets[token + k] : -1;
    prediction.targets[token] = target;
    prediction.weight[token] = target >= 0 ? static_cast<T>(batch.loss_weight[token + k]) : T{0};
  }
}

// d total / d logprob is -grad_scale.
template <class T>
void set_grad_scale(const Prediction<T>& prediction, double factor,
                    std::span<const T> extra_dlogprob) {
  for (std::size_t token = 0; token < prediction.grad_scale.size(); ++token) {
    const T own = static_cast<T>(factor) * prediction.weight[token];
    prediction.grad_scale[token] = extra_dlogprob.empty() ? own : own - extra_dlogprob[token];
  }
}

// Log-probabilities and, with gradients, the way back through the head.  Returns the weighted sum
// of -log p, in token order.
template <class T>
double head_loss(const Model<T>& model, const Context<T>& context, int depth,
                 const ParameterStore<T>* gradients) {
  const Prediction<T>& prediction = context.predictions[static_cast<std::size_t>(depth)];
  typename Head<T>::Gradients way_back;
  if (gradients) {
    const bool own = context.tied_head_gradient.data != nullptr;
    way_back = {prediction.dnormed,
                own ? context.tied_head_gradient : gradients->matrix(model.ids.head),
                prediction.grad_scale};
  }
  const Head<T> head{model.weights, model.ids.head};
  head.forward_backward(prediction.logprob, prediction.normed, prediction.targets, way_back,
                        context.head_scratch);
  double sum = 0;
  for (std::size_t token = 0; token < prediction.logprob.size(); ++token) {
    sum -= static_cast<double>(prediction.weight[token] * prediction.logprob[token]);
  }
  return sum;
}

// Empty where the head has weights of its own.
template <class T>
void clear(const Matrix<T>& matrix) {
  std::fill_n(matrix.data, matrix.size(), T{0});
}

struct Doors {
  bool input = false;
  bool weight = false;
};

// One micro-batch's way back; `doors` says which parts of it to walk.
template <class T>
struct BackwardWalk {
  const Model<T>& model;
  Context<T>& context;
  const Batch& batch;
  const ParameterStore<T>& into;
  Doors doors;

  void run() const;
  void tied_head() const;
  void head_norm(int depth) const;
  void mtp(int depth) const;
  void block(int index) const;
  void embedding() const;
};

template <class T>
void BackwardWalk<T>::run() const {
  const int depth = model.config.num_nextn_predict_layers;
  // 1. MTP modules, deepest first.  Each adds into the gradient of what it read of the one before,
  //    which that one's own head must have written.
  tied_head();
  head_norm(depth);
  for (int k = depth; k >= 1; --k) {
    block(last_block(model.config, k));
    const bool after_norm = takes_post_norm(model.config, k);
    if (!after_norm) head_norm(k - 1);
    mtp(k);
    if (after_norm) head_norm(k - 1);
  }
  // 2. The trunk.
  for (int index = model.config.num_hidden_layers - 1; index >= 0; --index) block(index);
  // 3. The embedding of the main input; those of MTP were added in mtp().
  embedding();
}

// The head's gradient that loss() kept apart, so that the embedding's own follows it at once.
template <class T>
void BackwardWalk<T>::tied_head() const {
  if (!doors.weight || context.tied_head_gradient.data == nullptr) return;
  const TimedPhase phase(Phase::kBackwardWeight);
  const TimedPart part("head and loss");
  add_into<T>(into.matrix(model.ids.head), context.tied_head_gradient);
}

template <class T>
void BackwardWalk<T>::head_norm(int depth) const {
  const TimedPart part("norms and residual");
  const Prediction<T>& prediction = context.predictions[static_cast<std::size_t>(depth)];
  const int id = head_norm_of(model, depth);
  if (doors.input) {
    const TimedPhase phase(Phase::kBackwardInput);
    const auto last = static_cast<std::size_t>(last_block(model.config, depth));
    rmsnorm_backward_input<T>(context.gradients[last].dh_out, prediction.dnormed, prediction.hidden,
                              model.weights.values(id), prediction.inv_rms,
                              /*accumulate=*/false);
  }
  if (doors.weight) {
    const TimedPhase phase(Phase::kBackwardWeight);
    rmsnorm_backward_weight<T>(into.values(id), prediction.dnormed, prediction.hidden,
                               prediction.inv_rms);
  }
}

template <class T>
void BackwardWalk<T>::mtp(int depth) const {
  const auto k = static_cast<std::size_t>(depth);
  const int block = last_block(model.config, depth);
  const Matrix<T> dm = context.gradients[static_cast<std::size_t>(block)].dh_in;
  const Matrix<T> hidden = mtp_hidden(context, depth);
  if (doors.input) {
    const TimedPhase phase(Phase::kBackwardInput);
    const Matrix<T> dhidden = takes_post_norm(model.config, depth)
                                  ? context.predictions[k - 1].dnormed
                                  : context.gradients[static_cast<std::size_t>(block - 1)].dh_out;
    mtp_of(model, depth)
        .backward_input(dhidden, dm, hidden, context.mtp_saved[k - 1], context.mtp_gradients[k - 1],
                        context.mtp_scratch);
  }
  if (doors.weight) {
    const TimedPhase phase(Phase::kBackwardWeight);
    mtp_of(model, depth)
        .backward_weight(into, dm, hidden, context.mtp_saved[k - 1], context.mtp_gradients[k - 1],
                         context.mtp_scratch);
  }
}

template <class T>
void BackwardWalk<T>::block(int index) const {
  const auto b = static_cast<std::size_t>(index);
  const Block<T> part = block_of(model, index);
  if (doors.input) {
    const TimedPhase phase(Phase::kBackwardInput);
    part.backward_input(tokens_of(model, batch), context.saved[b], context.gradients[b],
                        context.block_scratch, context.backward_scratch,
                        context.scale.balance_weight * context.scale.sequence);
  }
  if (doors.weight) {
    const TimedPhase phase(Phase::kBackwardWeight);
    part.backward_weight(into, context.saved[b], context.gradients[b], context.block_scratch);
  }
}

template <class T>
void BackwardWalk<T>::embedding() const {
  if (!doors.weight) return;
  const TimedPhase phase(Phase::kBackwardWeight);
  const TimedPart part("embedding");
  scatter_add_rows<T>(into.matrix(model.ids.embedding), context.gradients.front().dh_in, batch.ids);
}

}  // namespace

template <class T>
Model<T>::Model(const ModelConfig& model_config, const ParameterTable& parameter_table,
                const ParameterStore<T>& parameter_store)
    : config(model_config),
      table(&parameter_table),
      weights(parameter_store),
      ids(make_model_ids(model_config, parameter_table)) {
  RopeTable<T> rope = make_rope_table<T>(config, config.max_position_embeddings);
  rope_cosine = std::move(rope.cosine);
  rope_sine = std::move(rope.sine);
}

template <class T>
void forward(const Model<T>& model, Context<T>& context, const Batch& batch) {
  check_batch(model.config, context.shape, batch);
  const Tokens<T> tokens = tokens_of(model, batch);
  const auto run_block = [&](int index, Matrix<T> h_out) {
    block_of(model, index)
        .forward(h_out, tokens, context.saved[static_cast<std::size_t>(index)],
                 context.block_scratch);
  };
  // 1. Embedding.
  {
    const TimedPart part("embedding");
    gather_rows<T>(context.saved.front().h_in, model.weights.matrix(model.ids.embedding),
                   batch.ids);
  }
  // 2. The trunk.
  const int n_layers = model.config.num_hidden_layers;
  for (int layer = 0; layer < n_layers; ++layer) {
    const bool is_last = layer + 1 == n_layers;
    run_block(layer, is_last ? context.predictions.front().hidden
                             : context.saved[static_cast<std::size_t>(layer) + 1].h_in);
  }
  normalise_for_head(model, context.predictions.front(), 0);
  // 3. MTP modules, each on the hidden state of the one before.
  for (int depth = 1; depth <= model.config.num_nextn_predict_layers; ++depth) {
    const auto k = static_cast<std::size_t>(depth);
    const int block = last_block(model.config, depth);
    shift_ids(context.mtp_saved[k - 1].ids, batch, depth);
    mtp_of(model, depth)
        .forward(context.saved[static_cast<std::size_t>(block)].h_in, mtp_hidden(context, depth),
                 context.mtp_saved[k - 1], context.mtp_scratch);
    run_block(block, context.predictions[k].hidden);
    normalise_for_head(model, context.predictions[k], depth);
  }
}

template <class T>
Losses loss(const Model<T>& model, Context<T>& context, const Batch& batch, const LossScale& scale,
            const ParameterStore<T>* gradients, std::span<const T> extra_dlogprob) {
  CHECK(gradients == nullptr || context.mode.save);
  CHECK(extra_dlogprob.empty() || extra_dlogprob.size() == batch.ids.size());
  const TimedPart part("head and loss");
  context.scale = scale;
  if (gradients) clear(context.tied_head_gradient);
  Losses losses;
  // 1. The head at every depth.
  for (int depth = 0; depth <= model.config.num_nextn_predict_layers; ++depth) {
    const double share = depth == 0 ? 1 : scale.mtp_weight / model.config.num_nextn_predict_layers;
    set_targets(context, batch, depth);
    if (gradients) {
      set_grad_scale(context.predictions[static_cast<std::size_t>(depth)], share * scale.token,
                     depth == 0 ? extra_dlogprob : std::span<const T>{});
    }
    const double mean = head_loss(model, context, depth, gradients) * scale.token;
    losses.total += share * mean;
    if (depth == 0) {
      losses.main = mean;
    } else {
      losses.mtp.push_back(mean);
    }
  }
  // 2. The balance of every MoE block.
  for (int block = 0; scale.balance_weight != 0 && block < model.config.n_blocks(); ++block) {
    if (!context.is_moe(block)) continue;
    losses.balance += scale.balance_weight * scale.sequence *
                      block_of(model, block)
                          .moe()
                          .balance_loss(context.saved[static_cast<std::size_t>(block)].decision);
  }
  losses.total += losses.balance;
  return losses;
}

template <class T>
void backward(const Model<T>& model, Context<T>& context, const Batch& batch,
              const ParameterStore<T>& gradients) {
  BackwardWalk<T>{model, context, batch, gradients, {.input = true, .weight = true}}.run();
}

template <class T>
void backward_input(const Model<T>& model, Context<T>& context, const Batch& batch,
                    const ParameterStore<T>& gradients) {
  CHECK(context.mode.delay_weight);
  BackwardWalk<T>{model, context, batch, gradients, {.input = true}}.run();
}

template <class T>
void backward_weight(const Model<T>& model, Context<T>& context, const Batch& batch,
                     const ParameterStore<T>& gradients) {
  CHECK(context.mode.delay_weight);
  BackwardWalk<T>{model, context, batch, gradients, {.weight = true}}.run();
}

template <class T>
void compute_logits(const Model<T>& model, Context<T>& context, int first, Matrix<T> out) {
  linear_forward<T>(out, context.predictions.front().normed.rows(first, out.n_rows), model.weights,
                    model.ids.head);
}

#define FARTHING_INSTANTIATE(T)                                                                 \
  template struct Model<T>;                                                                     \
  template void forward(const Model<T>&, Context<T>&, const Batch&);                            \
  template Losses loss(const Model<T>&, Context<T>&, const Batch&, const LossScale&,            \
                       const ParameterStore<T>*, std::span<const T>);                           \
  template void backward(const Model<T>&, Context<T>&, const Batch&, const ParameterStore<T>&); \
  template void backward_input(const Model<T>&, Context<T>&, const Batch&,                      \
                               const ParameterStore<T>&);                                       \
  template void backward_weight(const Model<T>&, Context<T>&, const Batch&,                     \
                                const ParameterStore<T>&);                                      \
  template void compute_logits(const Model<T>&, Context<T>&, int, Matrix<T>);
FARTHING_INSTANTIATE(float)
FARTHING_INSTANTIATE(double)
#undef FARTHING_INSTANTIATE

}  // namespace farthing
