// evaluate.h - bits per byte of a model on the validation split of a data folder, source by source.
//
// Every source's held-out tokens are read as training reads them: one stream cut into windows
// without overlap (or, where training masks documents, each document apart).  Every token but the
// first of a stream is predicted once; bytes are those of the decoded text, special tokens not
// counted.
//
// Errors   Error{kBadInput}: no validation split, another tokenizer's ids, an empty source.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "model/model.h"

namespace farthing {

struct SourceScore {
  std::string name;
  std::int64_t n_tokens = 0;  // predicted
  std::int64_t n_bytes = 0;
  double sum_logprob = 0;  // natural
  double nats_per_token() const;
  double bits_per_byte() const;
};

struct EvaluateSettings {
  int window = 0;  // tokens a forward sees at once; 0: max_position_embeddings
  bool document_mask = false;
  std::int64_t max_tokens = 0;  // of each source, from its beginning; 0: all
  std::function<void(const std::string& source, double done, double total)> progress = {};
};

// One entry per source.  The tokenizer is the data's.
std::vector<SourceScore> evaluate_data(const Model<float>& model, const Tokenizer& tokenizer,
                                       const std::string& data_folder,
                                       const EvaluateSettings& settings);

// All sources as one.
SourceScore total_score(const std::vector<SourceScore>& sources);

}  // namespace farthing
