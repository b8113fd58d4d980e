// tokenizer_spec.h - what a tokenizer.json says, as a plain value; read and written.
//
// Errors   Error{kBadInput} names the file and the key: merges of tokens that do not exist, ids
// used
//          twice, far-off ids, missing byte symbols, and every feature that farthing does not
//          compute.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/pre_tokenizer.h"

namespace farthing {

struct AddedToken {
  std::int32_t id = -1;
  std::string content;
  bool single_word = false;  // only between non-word characters
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for after those that are not
  bool special = false;      // not text: skip_special leaves it out
};

struct Merge {
  std::int32_t left = 0, right = 0, merged = 0;
};

struct TokenizerSpec {
  std::vector<AddedToken> added_tokens;
  PreTokenizerRules pre_tokenizer;
  std::vector<std::string> vocabulary;  // the model's, by id, in byte symbols; "": no such id
  std::vector<Merge> merges;            // by rank
  bool ignore_merges = false;           // a piece that is a token is taken whole
  std::string post_processor = "null";  // its JSON, kept for writing: farthing adds no tokens
};

TokenizerSpec read_tokenizer_json(std::string_view text, const std::string& where);
std::string write_tokenizer_json(const TokenizerSpec& spec);

}  // namespace farthing
