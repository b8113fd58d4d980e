// tokens.h - how the tokens of a micro-batch stand to each other: what attention needs of a batch.
#pragma once
#include <cstdint>
#include <span>

#include "base/matrix.h"

namespace farthing {

template <class T>
struct Tokens {
  int n_sequences = 0;
  int sequence_length = 0;
  std::span<const std::int32_t> positions;       // [n_tokens], a row of cosine and sine
  std::span<const std::int32_t> document_start;  // empty, or [n_tokens]
  Matrix<const T> cosine, sine;                  // [n_positions, rope / 2]

  int n_tokens() const { return n_sequences * sequence_length; }
};

}  // namespace farthing
