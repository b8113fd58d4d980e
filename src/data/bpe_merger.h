// bpe_merger.h - words as symbols, their pairs' counts, and the pair to merge next.
//
//   merge(pair, merged): in every word that holds the pair, from the left, the two become one; the
//   counts of the pairs around them are corrected, and the new pairs remember their words.
//
// Words lie end to end in one array, each with its length and count in front, so that a visit
// is one stretch of memory; a pair's words are a list of places in that array, which may hold words
// that have lost the pair since.  The best pair comes from a heap whose entries are corrected when
// they come to its top.
//
// Source   Sennrich et al. 2016 (arXiv:1508.07909), with incremental counts.
// Cost     a merge: O(words that hold the pair); memory about 8 bytes for each byte of the distinct
//          pieces, 32 for each pair that ever was.
// Exact    counts are sums of integers: the order of the words changes nothing.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

namespace farthing {

using SymbolPair = std::uint64_t;  // left << 32 | right: compares as (left, right)

inline SymbolPair pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<SymbolPair>(left) << 32 | static_cast<std::uint32_t>(right);
}

class BpeMerger {
 public:
  // Symbols are below `n_symbols`, merged ones included.
  explicit BpeMerger(std::int32_t n_symbols);
  ~BpeMerger();
  // Room for words with so many symbols in all.
  void reserve(std::int64_t n_words, std::int64_t n_word_symbols);
  // Before the first best().  REQUIRES the words together have fewer than 2^32 - 2^20 symbols.
  void add_word(std::span<const std::int32_t> symbols, std::int64_t count);

  struct Best {
    std::int64_t count = 0;  // 0: there is no pair
    SymbolPair pair = 0;
  };
  // The pair that occurs most, the smaller one among equals.
  Best best();
  void merge(SymbolPair pair, std::int32_t merged);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
