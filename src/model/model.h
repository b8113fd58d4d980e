// model.h - the whole model through three doors: forward, backward_input, backward_weight.
//
// A Context is one micro-batch's saved state, owned by the caller; several may live at once.
// Weights are const during a step.  Instantiated for float (training) and double (the reference
// that `farthing check` and the golden tests run).
//
//   Arena measure = Arena::measuring();  Context<float> probe(measure, config, shape, mode);
//   ... Arena arena(measure.used());     Context<float> context(arena, config, shape, mode);
//   forward(model, context, batch, scale)  ->  losses in context.losses
//   backward(model, context, gradients)        B: input and weight part, layer by layer
//   backward_input(...) then later backward_weight(...)   b and W   (mode.delay_weight only)
//
// Losses are natural-log means as the V3 report defines them: `scale` turns this micro-batch's
// sums into the global batch's means, so that gradients simply add over micro-batches.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/arena.h"
#include "base/matrix.h"
#include "config/model_config.h"
#include "model/batch.h"
#include "model/parameters.h"

namespace farthing {

// How this micro-batch counts in the global batch.
struct LossScale {
  double token = 1;      // 1 / sum of loss_weight over the global batch
  double sequence = 1;   // 1 / number of sequences of the global batch (balance loss)
  double mtp_weight = 0; // lambda; each of D depths counts lambda / D
  double balance_weight = 0;  // alpha
};

struct Losses {
  double main = 0;     // sum of weighted -log p, times scale.token
  std::vector<double> mtp;  // per depth, the same normalisation
  double balance = 0;  // alpha * ..., averaged over sequences, summed over layers
  double total = 0;    // main + (lambda / D) sum mtp + balance
};

struct ContextShape {
  int n_sequences = 0;
  int sequence_length = 0;
};

struct ContextMode {
  bool save = true;          // keep what backward needs
  bool delay_weight = false; // keep what a separate backward_weight needs
};

template <class T> class Context;  // model/context.h

template <class T>
struct Model {
  Model(const ModelConfig& model_config, const ParameterTable& parameter_table,
        const ParameterStore<T>& parameter_store);
  ~Model();
  ModelConfig config;
  const ParameterTable* table;
  ParameterStore<T> weights;
  struct Handles;                    // parameter ids by block and part
  std::unique_ptr<Handles> handles;
  std::vector<T> rope_cosine, rope_sine;  // [max positions, rope / 2]
};

}  // namespace farthing
