// batches.cpp - samples into the columns of a batch.
#include "train/batches.h"

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"

namespace farthing {
namespace {

void resize(Batch& batch, bool document_mask) {
  CHECK(batch.n_sequences >= 1 && batch.sequence_length >= 1);
  const auto n_tokens = static_cast<std::size_t>(batch.n_tokens());
  batch.ids.resize(n_tokens);
  batch.targets.resize(n_tokens);
  batch.positions.resize(n_tokens);
  batch.document_start.resize(document_mask ? n_tokens : 0);
  batch.loss_weight.assign(n_tokens, 1.0f);
  batch.sample_index.resize(static_cast<std::size_t>(batch.n_sequences));
}

void check_ids(const Sample& sample, int vocab_size, std::int64_t index, const std::string& where) {
  for (const std::int32_t id : sample.tokens) {
    if (id >= 0 && id < vocab_size) continue;
    throw_bad_input({where, "token id outside the vocabulary, in sample " + std::to_string(index),
                     std::to_string(id), "0 to " + std::to_string(vocab_size - 1),
                     "made with another tokenizer, or model.vocab_size is too small"});
  }
}

void put_sample(Batch& batch, int sequence, const Sample& sample, const Recipe& recipe) {
  const int length = batch.sequence_length;
  const bool masks = recipe.data.document_mask;
  const auto base = static_cast<std::size_t>(sequence) * static_cast<std::size_t>(length);
  for (int i = 0; i < length; ++i) {
    const auto position = static_cast<std::size_t>(i);
    const std::size_t token = base + position;
    batch.ids[token] = sample.tokens[position];
    batch.targets[token] = sample.tokens[position + 1];
    batch.positions[token] = i;
    if (i + 1 >= sample.n_valid) batch.targets[token] = -1;  // padding
    if (!masks) continue;
    const std::int32_t start = sample.document_start[position];
    batch.document_start[token] = start;
    batch.positions[token] = i - start;
    // The last token of a window has no neighbour to look at; the document's end marks itself.
    const bool ends_document = i + 1 < length ? sample.document_start[position + 1] != start
                                              : batch.ids[token] == recipe.model.eos_token_id;
    if (ends_document) batch.targets[token] = -1;
  }
}

}  // namespace

BatchFiller shard_batches(const SampleStream& source, const Recipe& recipe,
                          const std::string& where) {
  return
      [&source, recipe, where, sample = Sample()](Batch& batch, std::int64_t first_sample) mutable {
        resize(batch, recipe.data.document_mask);
        for (int sequence = 0; sequence < batch.n_sequences; ++sequence) {
          const std::int64_t index = first_sample + sequence;
          source.read(index, sample);
          check_ids(sample, recipe.model.vocab_size, index, where);
          put_sample(batch, sequence, sample, recipe);
          batch.sample_index[static_cast<std::size_t>(sequence)] = index;
        }
      };
}

BatchFiller random_batches(int vocab_size, std::uint64_t seed) {
  return [vocab_size, rng = Rng(seed, RngStream::kBench)](Batch& batch, std::int64_t first_sample) {
    resize(batch, false);
    const auto length = static_cast<std::uint64_t>(batch.sequence_length);
    const auto id = [&](std::uint64_t index) {
      return static_cast<std::int32_t>(rng.below(index, static_cast<std::uint64_t>(vocab_size)));
    };
    for (int token = 0; token < batch.n_tokens(); ++token) {
      const int sequence = token / batch.sequence_length;
      const int position = token % batch.sequence_length;
      const auto sample = static_cast<std::uint64_t>(first_sample + sequence);
      const std::uint64_t index = sample * (length + 1) + static_cast<std::uint64_t>(position);
      const auto i = static_cast<std::size_t>(token);
      batch.ids[i] = id(index);
      batch.targets[i] = id(index + 1);
      batch.positions[i] = position;
      batch.sample_index[static_cast<std::size_t>(sequence)] = first_sample + sequence;
    }
  };
}

double counted_weight(const Batch& batch) {
  double total = 0;
  for (std::size_t token = 0; token < batch.targets.size(); ++token) {
    if (batch.targets[token] >= 0) total += batch.loss_weight[token];
  }
  return total;
}

}  // namespace farthing
