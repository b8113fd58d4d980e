// tokenizer_added.h - finds added tokens in a text, before anything else looks at it.
//
// The leftmost match wins, the longest among those; first the tokens that are not `normalized`,
// then, in what lies between, those that are (farthing's normaliser changes nothing).
//
// Source   Hugging Face tokenizers' AddedVocabulary, single_word, lstrip and rstrip included.
// Cost     O(text) where no byte begins an added token, O(text * longest token) at worst.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "data/tokenizer_spec.h"

namespace farthing {

// Text to be encoded, or an added token's id.
struct Segment {
  std::string_view text;
  std::int32_t id = -1;  // -1: text
};

class AddedTokens {
 public:
  explicit AddedTokens(const std::vector<AddedToken>& tokens);
  ~AddedTokens();
  AddedTokens(AddedTokens&&) noexcept;
  AddedTokens& operator=(AddedTokens&&) noexcept;
  // Segments in order, no text empty.  parse_special false: special tokens are text like any other.
  std::vector<Segment> split(std::string_view text, bool parse_special) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
