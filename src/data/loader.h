// loader.h - from shards to samples: global sample i is the same sample whatever the layout.
//
// The concatenated tokens are cut into windows of sequence_length + 1 that overlap by one token;
// epoch e visits the windows in a keyed permutation of its own.  Position in the data is one number
// (the next global sample), so resuming is exact.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace farthing {

struct Sample {
  std::vector<std::int32_t> tokens;          // sequence_length + 1
  std::vector<std::int32_t> document_start;  // sequence_length: index where this token's document begins
};

class SampleSource {
 public:
  SampleSource(const std::string& shard_prefix, int sequence_length, std::uint64_t seed);
  ~SampleSource();
  SampleSource(SampleSource&&) noexcept;
  // O(sequence_length).  REQUIRES global_sample >= 0.
  Sample sample(std::int64_t global_sample) const;
  std::int64_t samples_per_epoch() const;
  std::int64_t n_tokens() const;
  // Bytes of text that the tokens stand for, from the data card; 0 if unknown.
  std::int64_t n_text_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
