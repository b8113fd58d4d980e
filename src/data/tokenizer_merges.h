// tokenizer_merges.h - the byte-pair merges of one piece of text.
//
//   symbols := its bytes;  while a known pair stands anywhere: merge the one of lowest rank, the
//   leftmost among equals.
//
// Source   Sennrich et al. 2016 (arXiv:1508.07909), as Hugging Face tokenizers carries it out.
// Cost     a remembered piece of up to 15 bytes: one cache line.  Else O(n^2) up to 48 bytes (a
//          scan beats a heap there), O(n log n) above.
// Memory   4 MB per cache; one cache per thread that encodes at the same time.  At most 8 bytes for
//          each byte of a piece, and its ids twice.
// Threads  append_ids() may be called from several at once, each with its own cache.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "data/piece_key.h"
#include "data/tokenizer_spec.h"

namespace farthing {

// Short pieces and their ids, a line of memory each; whatever falls on a slot replaces what was
// there, so that its size is fixed and its content never decides an id.
class PieceCache {
 public:
  static constexpr std::size_t kIds = 11;  // most ids remembered

  struct alignas(64) Slot {
    PieceKey key;
    std::int32_t n_ids = 0;
    std::array<std::int32_t, kIds> ids;
  };

  PieceCache();
  ~PieceCache();
  PieceCache(PieceCache&&) noexcept;
  PieceCache& operator=(PieceCache&&) noexcept;
  Slot& slot(const PieceKey& key) { return slots_[mix(key) >> kShift]; }
  std::vector<std::int32_t>& made() { return made_; }  // ids of a piece that was not there

 private:
  static constexpr int kShift = 64 - 16;
  std::vector<Slot> slots_;
  std::vector<std::int32_t> made_;
};

class Merges {
 public:
  explicit Merges(const TokenizerSpec& spec);
  ~Merges();
  Merges(Merges&&) noexcept;
  Merges& operator=(Merges&&) noexcept;
  // Appends the ids of pieces, given as raw bytes.
  void append_ids(const std::vector<std::string_view>& pieces, PieceCache& cache,
                  std::vector<std::int32_t>& ids) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
