// tokenizer_merges.h - the byte-pair merges of one piece of text.
//
//   symbols := its bytes;  while a known pair stands anywhere: merge the one of lowest rank, the
//   leftmost among equals.
//
// Source   Sennrich et al. 2016 (arXiv:1508.07909), as Hugging Face tokenizers carries it out.
// Cost     O(n^2) for pieces up to 48 bytes (a scan beats a heap there), O(n log n) above; short
//          pieces are remembered in a table of fixed size.
// Threads  append_ids() may be called from several at once.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "data/tokenizer_spec.h"

namespace farthing {

class Merges {
 public:
  explicit Merges(const TokenizerSpec& spec);
  ~Merges();
  Merges(Merges&&) noexcept;
  Merges& operator=(Merges&&) noexcept;
  // Appends the ids of a piece, given as raw bytes.
  void append_ids(std::string_view piece, std::vector<std::int32_t>& ids) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
