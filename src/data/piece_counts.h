// piece_counts.h - how often each piece of gigabytes of text occurs, in bounded memory.
//
// Documents are counted in batches, on all threads, each thread into tables of its own: pieces of
// up to 15 bytes lie in the slots of one table, longer ones in an arena.  When the distinct pieces
// would need more than `memory_bytes`, the rarest are forgotten at the end of a batch: all with at
// most c occurrences so far, c the smallest that halves the memory.  What that can cost is known:
// no piece's count is too low by more than the sum of those c.
//
// A piece longer than kMaxPieceBytes (a run of dashes, a genome on one line) is counted as several:
// a merge visits every word that holds its pair from end to end, and one word of a million symbols
// would cost a million visits for each of thousands of merges.
//
// Source   Manku & Motwani 2002, "Approximate frequency counts over data streams" (lossy counting).
// Exact    the result is the same for any number of threads; without forgetting it is exact.
// Memory   memory_bytes, and as much again for a moment while tables are brought together.
// Errors   what the splitter throws.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/pre_tokenizer.h"

namespace farthing {

inline constexpr std::size_t kMaxPieceBytes = 1024;

class PieceCounts {
 public:
  PieceCounts(const Splitter& splitter, std::int64_t memory_bytes);
  ~PieceCounts();
  // Counts the pieces of the documents, on all threads.  What is forgotten depends on what is in
  // the batches, and on their order.
  void add_batch(const std::vector<std::string>& documents);
  // Calls visit(piece, count) once for every distinct piece, in no particular order, and forgets
  // it.
  void drain(const std::function<void(std::string_view piece, std::int64_t n)>& visit);
  struct Size {
    std::int64_t pieces = 0, bytes = 0;  // distinct ones, and their bytes together
  };
  Size size();                         // brings the tables together
  std::int64_t n_forgotten() const;    // occurrences of pieces that were forgotten
  std::int64_t largest_error() const;  // sum of the c above

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
