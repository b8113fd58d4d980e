// packing.cpp - best fit, decreasing, over a bitmap of the room that windows have left.
#include "data/packing.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace farthing {
namespace {

// The windows that have so many tokens of room, for every number; the fullest that fits is found
// through two levels of bits.
class Rooms {
 public:
  explicit Rooms(std::int64_t capacity)
      : windows_(static_cast<std::size_t>(capacity) + 1),
        bits_(windows_.size() / 64 + 1),
        words_(bits_.size() / 64 + 1) {}

  void put(std::int64_t room, std::int32_t window) {
    const auto at = static_cast<std::size_t>(room);
    windows_[at].push_back(window);
    bits_[at / 64] |= std::uint64_t{1} << (at % 64);
    words_[at / 4096] |= std::uint64_t{1} << (at / 64 % 64);
  }
  // Takes a window with the least room that is at least `length`; room -1 when there is none.
  struct Found {
    std::int64_t room = -1;
    std::int32_t window = 0;
  };
  Found take(std::int64_t length) {
    const std::int64_t room = least_from(static_cast<std::size_t>(length));
    if (room < 0) return {};
    const auto at = static_cast<std::size_t>(room);
    const std::int32_t window = windows_[at].back();
    windows_[at].pop_back();
    if (windows_[at].empty()) {
      bits_[at / 64] &= ~(std::uint64_t{1} << (at % 64));
      if (bits_[at / 64] == 0) words_[at / 4096] &= ~(std::uint64_t{1} << (at / 64 % 64));
    }
    return {room, window};
  }

 private:
  std::int64_t least_from(std::size_t at) const {
    const std::uint64_t here = bits_[at / 64] >> (at % 64);
    if (here != 0) return static_cast<std::int64_t>(at) + std::countr_zero(here);
    for (std::size_t word = at / 64 + 1; word < bits_.size();) {
      const std::uint64_t summary = words_[word / 64] >> (word % 64);
      if (summary == 0) {
        word = (word / 64 + 1) * 64;
        continue;
      }
      word += static_cast<std::size_t>(std::countr_zero(summary));
      return static_cast<std::int64_t>(word * 64) + std::countr_zero(bits_[word]);
    }
    return -1;
  }
  std::vector<std::vector<std::int32_t>> windows_;
  std::vector<std::uint64_t> bits_, words_;
};

}  // namespace

BestFitPacking::BestFitPacking(std::span<const std::int64_t> ends, int sequence_length) {
  CHECK(sequence_length >= 1);
  const std::int64_t capacity = std::int64_t{sequence_length} + 1;
  // 1. Pieces.  A last piece of one token would only repeat the piece before it.
  std::int64_t begin = 0, n_tokens = 0;
  for (const std::int64_t end : ends) {
    CHECK(end >= begin);
    statistics_.documents += end > begin;
    statistics_.truncated_documents += end - begin > capacity;
    for (std::int64_t at = begin; at < end; at += sequence_length) {
      if (at > begin && at + 1 == end) break;
      statistics_.cuts += at > begin;
      pieces_.push_back({at, static_cast<std::int32_t>(std::min(capacity, end - at)), 0});
      n_tokens += pieces_.back().length;
    }
    begin = end;
  }
  // 2. Longest first; equals in the order of the text.
  std::ranges::stable_sort(
      pieces_, [](const PackedPiece& a, const PackedPiece& b) { return a.length > b.length; });
  // 3. Each to the fullest window that has room.
  Rooms rooms(capacity);
  std::int32_t n_windows = 0;
  for (PackedPiece& piece : pieces_) {
    Rooms::Found found = rooms.take(piece.length);
    if (found.room < 0) found = {capacity, n_windows++};
    piece.window = found.window;
    if (found.room > piece.length) rooms.put(found.room - piece.length, found.window);
  }
  // 4. Window after window.
  std::ranges::stable_sort(pieces_, {}, &PackedPiece::window);
  first_piece_.assign(static_cast<std::size_t>(n_windows) + 1, 0);
  for (const PackedPiece& piece : pieces_) {
    ++first_piece_[static_cast<std::size_t>(piece.window) + 1];
  }
  for (std::size_t i = 1; i < first_piece_.size(); ++i) first_piece_[i] += first_piece_[i - 1];
  statistics_.windows = n_windows;
  statistics_.fill_rate =
      n_windows == 0 ? 0
                     : static_cast<double>(n_tokens) / static_cast<double>(n_windows * capacity);
}

std::span<const PackedPiece> BestFitPacking::window(std::int64_t index) const {
  const std::int64_t first = first_piece_[static_cast<std::size_t>(index)];
  const std::int64_t end = first_piece_[static_cast<std::size_t>(index) + 1];
  return std::span(pieces_).subspan(static_cast<std::size_t>(first),
                                    static_cast<std::size_t>(end - first));
}

PackingStatistics cut_statistics(std::span<const std::int64_t> ends, int sequence_length) {
  PackingStatistics statistics;
  const std::int64_t n_tokens = ends.empty() ? 0 : ends.back();
  statistics.windows = std::max<std::int64_t>(0, (n_tokens - 1) / sequence_length);
  statistics.fill_rate = statistics.windows > 0 ? 1 : 0;
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    if (end == begin) continue;
    ++statistics.documents;
    // A window's first token lies at a multiple of the length: what is cut has one inside.  At its
    // last token nothing is lost: it is the window's target too.
    const std::int64_t last = std::max(begin, end - 2);
    const std::int64_t cuts = last / sequence_length - begin / sequence_length;
    statistics.cuts += cuts;
    statistics.truncated_documents += cuts > 0;
    begin = end;
  }
  return statistics;
}

}  // namespace farthing
