// packing.h - documents into windows: cut the concatenation, or fit whole documents together.
//
// Cut: windows of sequence_length + 1 tokens over the concatenated text, overlapping by one
//           (the last of a window is its last target and the next one's first input).  No padding;
//           documents are cut wherever a window ends.  DeepSeek-V3's way.
// Best fit: a document is cut only where it is longer than a window, at multiples of
//           sequence_length with the same overlap; the pieces, longest first, each go to the
//           fullest window that still has room.  A little padding, at the end of windows; no target
//           inside a document is lost.
//
// Source   Ding et al. 2024, "Fewer Truncations Improve Language Modeling" (arXiv:2404.10830).
// Cost     best fit: O(pieces * log(sequence_length)) once, 16 bytes a piece.
// Exact    a function of the documents' lengths.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace farthing {

struct PackedPiece {
  std::int64_t begin = 0;  // token of the concatenated text
  std::int32_t length = 0;
  std::int32_t window = 0;  // while packing
};

struct PackingStatistics {
  std::int64_t windows = 0;
  double fill_rate = 0;                  // tokens that are no padding, of all
  std::int64_t documents = 0;            // with a token in them
  std::int64_t truncated_documents = 0;  // cut at least once
  std::int64_t cuts = 0;
};

class BestFitPacking {
 public:
  // ends[i] is where document i ends in the text; documents follow each other from 0.
  // REQUIRES sequence_length >= 1, ends ascending.
  BestFitPacking(std::span<const std::int64_t> ends, int sequence_length);
  std::int64_t n_windows() const { return static_cast<std::int64_t>(first_piece_.size()) - 1; }
  std::span<const PackedPiece> window(std::int64_t index) const;
  const PackingStatistics& statistics() const { return statistics_; }

 private:
  std::vector<PackedPiece> pieces_;  // window after window
  std::vector<std::int64_t> first_piece_;
  PackingStatistics statistics_;
};

// Of cutting the concatenation.
PackingStatistics cut_statistics(std::span<const std::int64_t> ends, int sequence_length);

}  // namespace farthing
