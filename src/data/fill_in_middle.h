// fill_in_middle.h - a shard's text, some of its documents rewritten to fill in their middle.
//
//   prefix middle suffix <end>   ->   <fim begin> prefix <fim hole> suffix <fim end> middle <end>
//
// A document takes part when a number drawn for it falls below the rate; two more cut it, between
// tokens, anywhere.  Three tokens longer, it takes its place in the text before any packing.
// Documents of fewer than three tokens, and rate 0, leave the text as it is.
//
// Source   Bavarian et al. 2022 (arXiv:2207.14255); DeepSeek-V3 report, section 4.1: prefix,
//          suffix, middle, at document level, for a tenth of the documents.
// Exact    a document's fate is a function of (seed, its number): any order, any resume.
// Memory   five bytes for every 8 documents, and none at rate 0.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/shards.h"

namespace farthing {

class Tokenizer;

struct FillInMiddle {
  double rate = 0;
  std::uint64_t seed = 0;
  std::int32_t begin_id = -1, hole_id = -1, end_id = -1;
  std::int32_t end_of_text_id = -1;  // stays at the document's end
};

// The ids by the names that DeepSeek's and other tokenizers give them.
// Errors: Error{kBadInput}: the tokenizer has none of them.
FillInMiddle fill_in_middle(const Tokenizer& tokenizer, double rate, std::uint64_t seed,
                            const std::string& where);

// Tokens and documents as a loader sees them.
class TokenText {
 public:
  TokenText(ShardReader shard, const FillInMiddle& fim);
  std::int64_t n_tokens() const { return document_begin(n_documents()); }
  std::int64_t n_documents() const { return shard_.n_documents(); }
  std::int64_t n_rewritten() const { return n_rewritten_; }
  void read(std::int64_t first, std::span<std::int32_t> out) const;
  std::int64_t document_begin(std::int64_t document) const;
  std::int64_t document_of(std::int64_t position) const;
  const ShardReader& shard() const { return shard_; }

 private:
  bool is_rewritten(std::int64_t document) const;
  std::int64_t rewritten_before(std::int64_t document) const;
  void read_rewritten(std::int64_t document, std::int64_t from, std::span<std::int32_t> out) const;

  ShardReader shard_;
  FillInMiddle fim_;
  std::vector<std::uint64_t> rewritten_;    // a bit per document
  std::vector<std::uint32_t> before_word_;  // bits set before each word
  std::int64_t n_rewritten_ = 0;
};

}  // namespace farthing
