// loader.h - from shards to samples: global sample i is the same sample whatever the layout.
//
// A source is cut into windows of sequence_length + 1 tokens (packing.h); epoch e visits the
// windows in a keyed permutation of its own.  A mixture (mixture.h) says which sample of which
// source a global sample is.  Position in the data is one number (the next global sample), so
// resuming is exact.
//
// Threads  read() may be called from several at once.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/recipe.h"
#include "data/fill_in_middle.h"
#include "data/mixture.h"
#include "data/packing.h"

namespace farthing {

struct Sample {
  std::vector<std::int32_t> tokens;          // sequence_length + 1
  std::vector<std::int32_t> document_start;  // sequence_length: index where its document begins
  int n_valid = 0;  // of tokens; what follows is padding, a document of its own, without targets
};

class SampleStream {
 public:
  virtual ~SampleStream() = default;
  // Replaces `out`, which keeps its memory.  O(sequence_length).  REQUIRES global_sample >= 0.
  virtual void read(std::int64_t global_sample, Sample& out) const = 0;
  Sample sample(std::int64_t global_sample) const {
    Sample out;
    read(global_sample, out);
    return out;
  }
};

struct SampleOptions {
  bool best_fit = false;
  FillInMiddle fim;
  ShardAccess access;
};

class SampleSource : public SampleStream {
 public:
  SampleSource(const std::string& shard_prefix, int sequence_length, std::uint64_t seed,
               const SampleOptions& options = {});
  ~SampleSource() override;
  SampleSource(SampleSource&&) noexcept;
  void read(std::int64_t global_sample, Sample& out) const override;
  std::int64_t samples_per_epoch() const;
  std::int64_t n_tokens() const;
  // Bytes of text that the tokens stand for, from the data card; 0 if unknown.
  std::int64_t n_text_bytes() const;
  PackingStatistics packing() const;
  std::int64_t n_rewritten() const;  // documents whose middle is filled in

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Several sources as one.
class MixedSource : public SampleStream {
 public:
  // The order within a source is keyed by the recipe's seed and the source's name.
  // Errors: as SampleSource; Error{kBadInput} for sources tokenized with different tokenizers.
  explicit MixedSource(const DataRecipe& data);
  void read(std::int64_t global_sample, Sample& out) const override;
  const Mixture& mixture() const { return mixture_; }
  const std::vector<SampleSource>& sources() const { return sources_; }

 private:
  Mixture mixture_;
  std::vector<SampleSource> sources_;
};

// "data/train" for a folder with train.idx, else the name itself, as a shard's prefix.
std::string train_prefix(const std::string& data);
// The tokenizer.json of a recipe's data: the one it names, or the one beside its first source.
std::string tokenizer_path(const DataRecipe& data);
SampleOptions sample_options(const DataRecipe& data);

}  // namespace farthing
