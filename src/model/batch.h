// batch.h - what a step consumes: ids and everything that says how to read them.
#pragma once
#include <cstdint>
#include <vector>

namespace farthing {

// Shapes   per-token vectors have n_sequences * sequence_length entries, sequence after sequence.
struct Batch {
  int n_sequences = 0;
  int sequence_length = 0;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> targets;         // next token; -1: no target (end, or other document)
  std::vector<std::int32_t> positions;       // index in its sequence; under a mask in its document
  std::vector<std::int32_t> document_start;  // index in its sequence where its document begins;
                                             // empty: one document per sequence (no mask)
  std::vector<float> loss_weight;            // usually 1; 0 leaves a token out of the loss
  std::vector<std::int64_t> sample_index;    // per sequence, the loader's global sample number

  int n_tokens() const { return n_sequences * sequence_length; }
};

// A batch of n equal rows of sequence_length + 1 tokens: inputs are the first sequence_length of
// each, targets the last; positions count up; weights are 1; no document mask.
Batch make_batch(const std::vector<std::vector<std::int32_t>>& rows);

}  // namespace farthing
