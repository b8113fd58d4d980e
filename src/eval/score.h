// score.h - the log-probability that a model gives to every token of a text.
//
//   logprob[i]     = log p(id_i | ids before it)              i >= 1   (no BOS is put before)
//   mtp_logprob[i] = the first MTP module's, from the trunk's state at i - 2 and id i - 1       i
//   >= 2 bits per byte  = -sum logprob / ln 2 / bytes of text
//
// A sequence longer than the window is read in windows that begin `stride` tokens apart; a token is
// scored in the first window that predicts it, so that it has at least window - stride tokens
// before it (all of them near the beginning).  stride = window / 2 unless said; stride = window is
// what training sees: every window begins without a past.
//
// Errors   Error{kBadInput}: an id outside the vocabulary, log-probabilities that are not finite.
// Cost     a forward over every token window / stride times; windows go together in batches.
// Exact    A sequence's scores do not depend on what it is scored with.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "base/arena.h"
#include "model/context.h"
#include "model/model.h"

namespace farthing {

struct TokenScores {
  std::vector<double> logprob;      // one per id; NaN for the first, which nothing predicts
  std::vector<double> mtp_logprob;  // one per id; NaN for the first two, and where stride = window
                                    // for the first two of every window; empty: no MTP module
  double sum() const;               // of logprob
};

struct ScoreSettings {
  int window = 0;  // tokens a forward sees at once; 0: max_position_embeddings
  int stride = 0;  // 0: window / 2
  // To score in, of any number of sequences, at least `window` long; null: one made for this call.
  Context<float>* context = nullptr;
  std::function<void(double done, double total)> progress = {};  // tokens
};

// A context and its memory, for many calls of score_sequences.
struct ScoringContext {
  ScoringContext(const ModelConfig& config, ContextShape shape);
  Arena arena;
  Context<float> context;
};
// As many windows of this length as one forward takes here.
int windows_in_a_batch(int length);

std::vector<TokenScores> score_sequences(const Model<float>& model,
                                         const std::vector<std::vector<std::int32_t>>& sequences,
                                         const ScoreSettings& settings = {});

// REQUIRES n_bytes > 0.
double bits_per_byte(double sum_logprob, std::int64_t n_bytes);

}  // namespace farthing
