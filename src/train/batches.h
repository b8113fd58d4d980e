// batches.h - where a step's tokens come from: shards in their keyed order, or random ids.
//
// Global sample i is the same tokens whatever the layout, so a place in the data is one number.
// Under a document mask a target across a boundary counts as none, and positions restart.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "config/recipe.h"
#include "data/loader.h"
#include "model/batch.h"

namespace farthing {

// Fills the batch's n_sequences sequences with samples first_sample, first_sample + 1, ...;
// n_sequences and sequence_length are set by the caller.  Vectors keep their memory between calls.
using BatchFiller = std::function<void(Batch& batch, std::int64_t first_sample)>;

// Errors   an id that the model's vocabulary lacks: Error{kBadInput} naming the sample.
// REQUIRES source outlives the filler.
BatchFiller shard_batches(const SampleStream& source, const Recipe& recipe,
                          const std::string& where);

// Uniform random ids, for measuring.
BatchFiller random_batches(int vocab_size, std::uint64_t seed);

// Sum of the loss weights that count: those of tokens with a target.
double counted_weight(const Batch& batch);

}  // namespace farthing
