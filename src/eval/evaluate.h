// evaluate.h - bits per byte of a model on the validation split of a data folder, source by source.
//
//   bits per byte = -sum log p(token | its window so far) / ln 2 / bytes of text
//
// The one definition for `farthing eval` and for a run's own evaluations.  Every source's held-out
// tokens are read as training reads them: one stream cut into windows without overlap, the last one
// short (or, where training masks documents, each document cut so).  Every token but the first of a
// stream is predicted once, end-of-text tokens too; bytes are those of the text, special tokens not
// counted.  A sample is every k-th window, and the bytes that fall to it in proportion.
//
// Errors   Error{kBadInput}: no validation split, another tokenizer's ids, an empty source.
// Memory   what is in work: the windows of one batch.  The shards stay mapped.
// Exact    The same sums whatever the context's shape, the number of threads, or what is sampled
//          elsewhere: window by window, token by token, in double.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/recipe.h"
#include "data/tokenizer.h"
#include "eval/score.h"
#include "model/model.h"

namespace farthing {

struct SourceScore {
  std::string name;
  std::int64_t n_tokens = 0;  // predicted
  std::int64_t n_bytes = 0;   // 0: not known
  double sum_logprob = 0;     // natural
  double nats_per_token() const;
  double bits_per_byte() const;  // REQUIRES n_bytes > 0
};

struct EvaluateSettings {
  int window = 0;  // tokens a forward sees at once; 0: max_position_embeddings
  bool document_mask = false;
  std::int64_t max_tokens = 0;        // of each source, from its beginning; 0: all
  std::int64_t sample_tokens = 0;     // about so many of all sources, spread evenly; 0: all
  Context<float>* context = nullptr;  // to score in, `window` long; null: one made for the call
  std::function<void(const std::string& source, double done, double total)> progress = {};
  std::function<bool()> cancelled = {};  // asked between batches; true: score() returns nothing
};

// Where a source's held-out tokens lie.
struct ValidationPlace {
  std::string name;
  std::string folder;  // whose card.json knows the bytes of text
  std::string shard_prefix;
};
// val-NAME shards of a folder where its data has several sources, else val.
// Errors: Error{kBadInput}: there are none.
std::vector<ValidationPlace> validation_places(const std::string& data_folder);
// Of a recipe's data: of its folder, or of every source of its mixture that has a validation split,
// under that source's name.  Empty: there is none.
std::vector<ValidationPlace> validation_places(const DataRecipe& data);

// The validation split, opened: it stays what it is though its folder be replaced.
class ValidationSplit {
 public:
  // The bytes of text are those of card.json or, without them and for max_tokens, those that the
  // tokenizer decodes; null: then they are not known.
  ValidationSplit(const std::vector<ValidationPlace>& places, const ModelConfig& config,
                  const EvaluateSettings& settings, const Tokenizer* tokenizer);
  ValidationSplit(const std::string& data_folder, const ModelConfig& config,
                  const EvaluateSettings& settings, const Tokenizer* tokenizer)
      : ValidationSplit(validation_places(data_folder), config, settings, tokenizer) {}
  ~ValidationSplit();
  ValidationSplit(ValidationSplit&&) noexcept;

  // Tokens that a complete evaluation predicts.
  std::int64_t n_tokens() const;
  // One entry per source; of a sample, only those that it meets; empty when cancelled.
  std::vector<SourceScore> score(const Model<float>& model, const EvaluateSettings& settings) const;

 private:
  struct Source;
  std::vector<Source> sources_;
};

// One entry per source.  The tokenizer is the data's.
std::vector<SourceScore> evaluate_data(const Model<float>& model, const Tokenizer& tokenizer,
                                       const std::vector<ValidationPlace>& places,
                                       const EvaluateSettings& settings);

inline std::vector<SourceScore> evaluate_data(const Model<float>& model, const Tokenizer& tokenizer,
                                              const std::string& data_folder,
                                              const EvaluateSettings& settings) {
  return evaluate_data(model, tokenizer, validation_places(data_folder), settings);
}

// All sources as one.
SourceScore total_score(const std::vector<SourceScore>& sources);

}  // namespace farthing
