// model.h - the whole model through three doors: forward, backward_input, backward_weight.
//
// A Context is one micro-batch's saved state, owned by the caller; several may live at once.
// Weights are const during a step.  Instantiated for float (training) and double (the reference
// that `farthing check` and the golden tests run).
//
//   Arena measure = Arena::measuring();  Context<float> probe(measure, config, shape, mode);
//   Arena arena(measure.used());         Context<float> context(arena, config, shape, mode);
//   forward(model, context, batch);                            F: the trunk and MTP blocks
//   loss(model, context, batch, scale, &gradients);            head: log-probabilities, losses,
//                                                              d hidden, the head's own gradient
//   backward(model, context, batch, gradients);                B: input and weight part by layer
//   backward_input(...); later backward_weight(...);           b and W (mode.delay_weight)
//
// Losses are natural-log means as the V3 report defines them: `scale` turns this micro-batch's
// sums into the global batch's means, so that gradients simply add over micro-batches.
// The head is the one part whose weight gradient is taken at once: logits are never kept.  Where it
// is the embedding (tie_word_embeddings) the context keeps it until W, which adds it and then the
// embedding's own: one vocab_size x hidden_size buffer more.
//
// Exact    A micro-batch goes forward, loss, then B (or b, and W later).  A gradient's bits depend
//          on the order of micro-batches in loss and in W, not on how those two interleave.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/arena.h"
#include "base/matrix.h"
#include "config/model_config.h"
#include "model/batch.h"
#include "model/ids.h"
#include "model/parameters.h"
#include "model/recompute.h"

namespace farthing {

// How this micro-batch counts in the global batch.
struct LossScale {
  double token = 1;           // 1 / sum of loss_weight over the global batch
  double sequence = 1;        // 1 / number of sequences of the global batch (balance loss)
  double mtp_weight = 0;      // lambda; each of D depths counts lambda / D
  double balance_weight = 0;  // alpha
};

struct Losses {
  double main = 0;          // sum of weighted -log p, times scale.token
  std::vector<double> mtp;  // per depth, the same normalisation
  double balance = 0;       // alpha * ..., averaged over sequences, summed over layers
  double total = 0;         // main + (lambda / D) sum mtp + balance
};

struct ContextShape {
  int n_sequences = 0;
  int sequence_length = 0;
};

struct ContextMode {
  bool save = true;           // keep what backward needs
  bool delay_weight = false;  // keep what a separate backward_weight needs
  Keep keep = {};
};

template <class T>
class Context;  // model/context.h: arenas and saved state of every part

template <class T>
struct Model {
  Model(const ModelConfig& model_config, const ParameterTable& parameter_table,
        const ParameterStore<T>& parameter_store);
  ModelConfig config;
  const ParameterTable* table;
  ParameterStore<T> weights;
  ModelIds ids;                           // parameter ids by block and part
  std::vector<T> rope_cosine, rope_sine;  // [max positions, rope / 2]
};

template <class T>
void forward(const Model<T>& model, Context<T>& context, const Batch& batch);

// gradients null: log-probabilities and losses only.  extra_dlogprob: empty, or [n_tokens] added to
// the derivative of the total with respect to each token's log-probability (RL, distillation).
template <class T>
Losses loss(const Model<T>& model, Context<T>& context, const Batch& batch, const LossScale& scale,
            const ParameterStore<T>* gradients, std::span<const T> extra_dlogprob = {});

template <class T>
void backward(const Model<T>& model, Context<T>& context, const Batch& batch,
              const ParameterStore<T>& gradients);
template <class T>
void backward_input(const Model<T>& model, Context<T>& context, const Batch& batch,
                    const ParameterStore<T>& gradients);
template <class T>
void backward_weight(const Model<T>& model, Context<T>& context, const Batch& batch,
                     const ParameterStore<T>& gradients);

// After forward: writes logits [n, vocab_size] of tokens first .. first + n - 1 (n = out.n_rows).
template <class T>
void compute_logits(const Model<T>& model, Context<T>& context, int first, Matrix<T> out);

}  // namespace farthing
