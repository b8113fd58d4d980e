// piece_counts.cpp - open addressing, tables apart while counting, together when they must be.
#include "data/piece_counts.h"

#include <algorithm>
#include <atomic>
#include <exception>

#include "base/hash.h"
#include "base/parallel.h"
#include "data/piece_key.h"
#include "data/utf8.h"

namespace farthing {
namespace {

// What a distinct piece is held to cost: a slot, at the table's fill, and for a long one its bytes.
constexpr std::int64_t kShortBytes = 48;
constexpr std::int64_t kLongBytes = 80;
constexpr std::size_t kFirstSlots = 1 << 12;

struct ShortSlot {
  PieceKey key;
  std::int64_t count = 0;  // 0: empty
};

struct LongEntry {
  std::uint64_t hash;
  std::size_t begin, size;  // in the arena
  std::int64_t count;
};

class CountTable {
 public:
  void add(std::string_view piece, std::int64_t count) {
    if (piece.size() > kMaxKeyBytes) return add_long(piece, hash64(piece), count);
    add_short(key_of(piece), count);
  }
  void add_short(const PieceKey& key, std::int64_t count) {
    std::size_t at = mix(key) >> shift_;
    while (slots_[at].count != 0 && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    ShortSlot& slot = slots_[at];
    if (slot.count == 0) {
      slot.key = key;
      ++n_short_;
      if (2 * n_short_ > slots_.size()) {
        slot.count = count;
        return grow_short();
      }
    }
    slot.count += count;
  }
  void add_long(std::string_view piece, std::uint64_t hash, std::int64_t count) {
    std::size_t at = hash & (long_slots_.size() - 1);
    for (; long_slots_[at] != 0; at = (at + 1) & (long_slots_.size() - 1)) {
      LongEntry& entry = entries_[long_slots_[at] - 1];
      if (entry.hash != hash || text(entry) != piece) continue;
      entry.count += count;
      return;
    }
    entries_.push_back({hash, arena_.size(), piece.size(), count});
    arena_ += piece;
    long_slots_[at] = static_cast<std::uint32_t>(entries_.size());
    if (2 * entries_.size() > long_slots_.size()) grow_long();
  }

  std::int64_t cost() const {
    return static_cast<std::int64_t>(n_short_) * kShortBytes +
           static_cast<std::int64_t>(entries_.size()) * kLongBytes +
           static_cast<std::int64_t>(arena_.size());
  }
  template <class Visit>
  void visit_all(const Visit& visit) const {
    char bytes[16];
    for (const ShortSlot& slot : slots_) {
      if (slot.count != 0) visit(piece_of(slot.key, bytes), slot.count);
    }
    for (const LongEntry& entry : entries_) visit(text(entry), entry.count);
  }
  void absorb(const CountTable& other) {
    for (const ShortSlot& slot : other.slots_) {
      if (slot.count != 0) add_short(slot.key, slot.count);
    }
    for (const LongEntry& entry : other.entries_) {
      add_long(other.text(entry), entry.hash, entry.count);
    }
  }

 private:
  std::string_view text(const LongEntry& entry) const {
    return std::string_view(arena_).substr(entry.begin, entry.size);
  }
  void grow_short() {
    std::vector<ShortSlot> old(2 * slots_.size());
    old.swap(slots_);
    --shift_;
    for (const ShortSlot& slot : old) {
      if (slot.count == 0) continue;
      std::size_t at = mix(slot.key) >> shift_;
      while (slots_[at].count != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }
  void grow_long() {
    long_slots_.assign(2 * long_slots_.size(), 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      std::size_t at = entries_[i].hash & (long_slots_.size() - 1);
      while (long_slots_[at] != 0) at = (at + 1) & (long_slots_.size() - 1);
      long_slots_[at] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::vector<ShortSlot> slots_ = std::vector<ShortSlot>(kFirstSlots);
  int shift_ = 64 - 12;
  std::size_t n_short_ = 0;
  std::vector<LongEntry> entries_;
  std::vector<std::uint32_t> long_slots_ = std::vector<std::uint32_t>(kFirstSlots);
  std::string arena_;
};

}  // namespace

struct PieceCounts::State {
  const Splitter& splitter;
  std::int64_t memory_bytes;
  std::vector<CountTable> tables;  // one per thread; the sum counts
  std::vector<Pieces> pieces;
  std::int64_t n_forgotten = 0, largest_error = 0;

  void count_document(const std::string& document, std::size_t part) {
    const bool valid = is_valid_utf8(document);
    const std::string mended = valid ? std::string() : mend_utf8(document, nullptr);
    splitter.split(valid ? document : mended, pieces[part], [&] {
      for (const std::string_view piece : pieces[part].pieces) add_piece(piece, tables[part]);
    });
  }
  static void add_piece(std::string_view piece, CountTable& table) {
    while (piece.size() > kMaxPieceBytes) {
      std::size_t end = kMaxPieceBytes;
      while (end > kMaxPieceBytes - 4 && (piece[end] & 0xC0) == 0x80) --end;  // whole characters
      table.add(piece.substr(0, end), 1);
      piece.remove_prefix(end);
    }
    table.add(piece, 1);
  }
  std::int64_t cost() const {
    std::int64_t sum = 0;
    for (const CountTable& table : tables) sum += table.cost();
    return sum;
  }
  void bring_together() {
    for (std::size_t part = 1; part < tables.size(); ++part) {
      tables[0].absorb(tables[part]);
      tables[part] = CountTable();
    }
  }
  void forget_rarest();
};

// The smallest threshold whose survivors fit in half of the memory.
void PieceCounts::State::forget_rarest() {
  constexpr std::size_t kCounts = 1 << 16;
  std::vector<std::int64_t> cost_of_count(kCounts);  // what pieces that occur so often cost
  std::int64_t left = 0;
  tables[0].visit_all([&](std::string_view piece, std::int64_t count) {
    const bool is_short = piece.size() <= kMaxKeyBytes;
    const auto size = static_cast<std::int64_t>(piece.size());
    const std::int64_t cost = is_short ? kShortBytes : kLongBytes + size;
    cost_of_count[static_cast<std::size_t>(std::min<std::int64_t>(count, kCounts - 1))] += cost;
    left += cost;
  });
  std::int64_t threshold = 0;
  while (left > memory_bytes / 2 && threshold + 1 < static_cast<std::int64_t>(kCounts)) {
    left -= cost_of_count[static_cast<std::size_t>(++threshold)];
  }
  CountTable kept;
  tables[0].visit_all([&](std::string_view piece, std::int64_t count) {
    if (count > threshold) {
      kept.add(piece, count);
    } else {
      n_forgotten += count;
    }
  });
  tables[0] = std::move(kept);
  largest_error += threshold;
}

PieceCounts::PieceCounts(const Splitter& splitter, std::int64_t memory_bytes)
    : state_(std::make_unique<State>(State{splitter, memory_bytes, {}, {}})) {
  const auto n_threads = static_cast<std::size_t>(num_threads());
  state_->tables.resize(n_threads);
  state_->pieces.resize(n_threads);
}

PieceCounts::~PieceCounts() = default;

void PieceCounts::add_batch(const std::vector<std::string>& documents) {
  State& state = *state_;
  const std::size_t n_parts = state.tables.size();
  std::vector<std::exception_ptr> failed(n_parts);
  std::atomic<std::size_t> next = 0;
  parallel_for(static_cast<std::int64_t>(n_parts), [&](int index) {
    const auto part = static_cast<std::size_t>(index);
    try {
      for (std::size_t i = next++; i < documents.size(); i = next++) {
        state.count_document(documents[i], part);
      }
    } catch (...) {
      failed[part] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failed) {
    if (failure) std::rethrow_exception(failure);
  }
  // The sum over the tables is at least the cost of their union: only when it is too high does the
  // union, which no number of threads changes, have to be known.
  if (state.cost() <= state.memory_bytes) return;
  state.bring_together();
  if (state.cost() > state.memory_bytes) state.forget_rarest();
}

void PieceCounts::drain(const std::function<void(std::string_view, std::int64_t)>& visit) {
  state_->bring_together();
  state_->tables[0].visit_all(visit);
  state_->tables[0] = CountTable();
}

PieceCounts::Size PieceCounts::size() {
  state_->bring_together();
  Size size;
  state_->tables[0].visit_all([&](std::string_view piece, std::int64_t) {
    ++size.pieces;
    size.bytes += static_cast<std::int64_t>(piece.size());
  });
  return size;
}
std::int64_t PieceCounts::n_forgotten() const { return state_->n_forgotten; }
std::int64_t PieceCounts::largest_error() const { return state_->largest_error; }

}  // namespace farthing
