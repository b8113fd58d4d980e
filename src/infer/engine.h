// engine.h - a model that reads tokens and says what comes next, one token at a time, token ids
// only.
//
// One door: feed() appends tokens to sequences and returns the logits after the last of each.  The
// prompt (prefill) and the continuation (decode) are the same call, with many tokens or with one.
// The parts are those of src/model; only the attention core reads a cache.
//
// Exact    The logits of a sequence depend neither on what else is in the batch nor on threads;
// they
//          equal the training forward's within float rounding.
// Cost     the weights are read once per call, so feed many sequences together.
// Errors   Error{kBadInput}: an id outside the vocabulary; a sequence longer than its capacity.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "infer/kv_cache.h"
#include "model/model.h"

namespace farthing {

// Tokens to append to one sequence.
struct NewTokens {
  int sequence = 0;
  std::span<const std::int32_t> ids;
};

class Engine {
 public:
  // Room for n_sequences of at most `capacity` tokens each.  The model must outlive the engine.
  // REQUIRES capacity <= max_position_embeddings.
  Engine(const Model<float>& model, int n_sequences, int capacity);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Row i: logits after the last token of input[i].  Valid until the next call.
  // REQUIRES every sequence at most once, at least one id each.
  Matrix<const float> feed(std::span<const NewTokens> input);
  int length(int sequence) const { return lengths_[static_cast<std::size_t>(sequence)]; }
  int capacity() const { return cache_->capacity(); }
  // Forgets a sequence.
  void reset(int sequence) { lengths_[static_cast<std::size_t>(sequence)] = 0; }

 private:
  struct Workspace;  // activations of one pass, laid out for its number of tokens
  void check(std::span<const NewTokens> input) const;
  void run_pass(std::span<const std::int32_t> ids, std::span<const CacheSlot> slots);
  void run_block(int layer, std::span<const CacheSlot> slots);
  void normalise_last(int pass_row, std::span<float> normed);

  const Model<float>& model_;
  std::vector<int> lengths_;
  std::unique_ptr<Arena> cache_arena_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Workspace> workspace_;
  std::vector<float> last_normed_, logits_;
};

}  // namespace farthing
