// tokenizer_merges.cpp - a pair table, a scan for short pieces, a heap for long ones, a cache.
#include "data/tokenizer_merges.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

#include "data/piece_key.h"
#include "data/tokenizer_bytes.h"

namespace farthing {
namespace {

constexpr std::size_t kScanLimit = 48;  // bytes; longer pieces take the heap
constexpr std::int32_t kNoRank = INT32_MAX;
constexpr std::size_t kMostKept = std::size_t{1} << 16;  // ids of a piece

struct Rule {
  std::int32_t rank = kNoRank;
  std::int32_t merged = -1;
};

// (left, right) -> Rule, open addressing.
class PairTable {
 public:
  void build(const std::vector<Merge>& merges) {
    std::size_t n_slots = 16;
    while (n_slots < 2 * merges.size()) n_slots *= 2;
    slots_.assign(n_slots, {});
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      Slot& slot = slots_[find(key_of(merges[rank].left, merges[rank].right))];
      slot.key = key_of(merges[rank].left, merges[rank].right);
      slot.rule = {static_cast<std::int32_t>(rank), merges[rank].merged};  // the last one counts
    }
  }
  Rule rule(std::int32_t left, std::int32_t right) const {
    return slots_[find(key_of(left, right))].rule;
  }

 private:
  struct Slot {
    std::uint64_t key = ~std::uint64_t{0};
    Rule rule;
  };
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t find(std::uint64_t key) const {
    std::uint64_t mixed = key * 0x9E3779B97F4A7C15u;
    std::size_t at = (mixed ^ mixed >> 32) & (slots_.size() - 1);
    while (slots_[at].key != key && slots_[at].key != ~std::uint64_t{0}) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }
  std::vector<Slot> slots_;
};

struct MergeCandidate {
  std::int32_t rank;
  std::int32_t position;
  bool operator>(const MergeCandidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

// Merges a long piece.  Waiting are only the pairs that come before both their neighbours: the one
// to merge next is always among them, and two that touch never are.
class LongPiece {
 public:
  // `n_bytes` of each id.  Pushes all bytes of the piece.
  LongPiece(std::string_view piece, const PairTable& pairs,
            const std::array<std::int32_t, 256>& byte_ids, const std::vector<std::int32_t>& n_bytes)
      : pairs_(pairs), n_bytes_(n_bytes), size_(static_cast<std::int32_t>(piece.size())) {
    symbols_.reserve(piece.size());
    for (const char byte : piece) symbols_.push_back(byte_ids[static_cast<unsigned char>(byte)]);
    waiting_.reserve(piece.size() / 2);
  }

  void merge_all() {
    for (std::int32_t i = 0, before = kNoRank, rank = rank_at(0); i + 1 < size_; ++i) {
      const std::int32_t after = rank_at(i + 1);
      if (rank < before && rank <= after && rank != kNoRank) push({rank, i});
      before = rank;
      rank = after;
    }
    while (!waiting_.empty()) {
      const MergeCandidate best = pop();
      if (symbol(best.position) >= 0 && rank_at(best.position) == best.rank) merge(best.position);
    }
  }

  void append_to(std::vector<std::int32_t>& ids) const {
    std::size_t n = ids.size();
    for (std::int32_t i = 0; i < size_; i = next(i)) ++n;
    ids.reserve(n);
    for (std::int32_t i = 0; i < size_; i = next(i)) ids.push_back(symbol(i));
  }

 private:
  std::int32_t symbol(std::int32_t i) const { return symbols_[static_cast<std::size_t>(i)]; }
  std::int32_t next(std::int32_t i) const {
    return i + n_bytes_[static_cast<std::size_t>(symbol(i))];
  }
  std::int32_t previous(std::int32_t i) const {
    const std::int32_t last = symbol(i - 1);
    return last < 0 ? i + last : i - 1;
  }
  // Of the symbol at i with the one behind it; i may be the end.
  Rule rule_at(std::int32_t i) const {
    const std::int32_t right = i < size_ ? next(i) : size_;
    return right < size_ ? pairs_.rule(symbol(i), symbol(right)) : Rule{};
  }
  std::int32_t rank_at(std::int32_t i) const { return rule_at(i).rank; }

  void push(MergeCandidate candidate) {
    waiting_.push_back(candidate);
    std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>());
  }
  MergeCandidate pop() {
    std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>());
    const MergeCandidate best = waiting_.back();
    waiting_.pop_back();
    return best;
  }

  // Pushes the pair at i if it comes before both its neighbours.
  void consider(std::int32_t i) {
    const std::int32_t rank = rank_at(i);
    if (rank == kNoRank || rank_at(next(i)) < rank) return;
    if (i == 0 || rank < rank_at(previous(i))) push({rank, i});
  }

  // The symbol at i and the one behind it become one; looks at the pairs whose neighbours changed,
  // at those two beyond only if what went stood in their way.
  void merge(std::int32_t i) {
    const std::int32_t right = next(i), end = next(right);
    const std::int32_t rank_left = i > 0 ? rank_at(previous(i)) : kNoRank;
    const std::int32_t rank_right = rank_at(right);
    const std::int32_t merged = rule_at(i).merged;
    symbols_[static_cast<std::size_t>(right)] = -1;
    symbols_[static_cast<std::size_t>(end - 1)] = i - end;
    symbols_[static_cast<std::size_t>(i)] = merged;
    consider(i);
    if (end < size_ && rank_right <= rank_at(end)) consider(end);
    if (i == 0) return;
    const std::int32_t left = previous(i);
    consider(left);
    if (left > 0 && rank_left < rank_at(previous(left))) consider(previous(left));
  }

  const PairTable& pairs_;
  const std::vector<std::int32_t>& n_bytes_;
  const std::int32_t size_;
  // At the first byte of a symbol its id; at the last, where that is another, minus its size, which
  // finds it from behind; below 0 in between.
  std::vector<std::int32_t> symbols_;
  std::vector<MergeCandidate> waiting_;  // a heap
};

}  // namespace

struct Merges::State {
  PairTable pairs;
  std::array<std::int32_t, 256> byte_ids{};
  std::vector<std::int32_t> n_bytes;                         // by id
  std::deque<std::string> owned;                             // what `whole` looks at
  std::unordered_map<std::string_view, std::int32_t> whole;  // ignore_merges: bytes -> id

  void append(std::string_view piece, std::vector<std::int32_t>& ids) const;
  void merge_by_scan(std::string_view piece, std::vector<std::int32_t>& ids) const;
};

PieceCache::PieceCache() : slots_(std::size_t{1} << (64 - kShift)) {}
PieceCache::~PieceCache() = default;
PieceCache::PieceCache(PieceCache&&) noexcept = default;
PieceCache& PieceCache::operator=(PieceCache&&) noexcept = default;

Merges::Merges(const TokenizerSpec& spec) : state_(std::make_unique<State>()) {
  state_->pairs.build(spec.merges);
  state_->n_bytes.resize(spec.vocabulary.size());
  std::unordered_map<std::string_view, std::int32_t> id_of;
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
    const std::string& token = spec.vocabulary[id];
    if (token.empty()) continue;
    id_of.emplace(token, static_cast<std::int32_t>(id));
    auto bytes = bytes_of_symbols(token);
    if (bytes) state_->n_bytes[id] = static_cast<std::int32_t>(bytes->size());
    if (spec.ignore_merges && bytes) {
      state_->owned.push_back(std::move(*bytes));
      state_->whole.emplace(state_->owned.back(), static_cast<std::int32_t>(id));
    }
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    state_->byte_ids[byte] = id_of.at(byte_symbols()[byte]);
  }
}

Merges::~Merges() = default;
Merges::Merges(Merges&&) noexcept = default;
Merges& Merges::operator=(Merges&&) noexcept = default;

void Merges::State::merge_by_scan(std::string_view piece, std::vector<std::int32_t>& ids) const {
  std::array<std::int32_t, kScanLimit> symbol;
  std::array<Rule, kScanLimit> rule;  // of symbols i and i + 1
  std::size_t n = piece.size();
  for (std::size_t i = 0; i < n; ++i) symbol[i] = byte_ids[static_cast<unsigned char>(piece[i])];
  for (std::size_t i = 0; i + 1 < n; ++i) rule[i] = pairs.rule(symbol[i], symbol[i + 1]);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i) {
      if (rule[i].rank < rule[best].rank) best = i;
    }
    if (rule[best].rank == kNoRank) break;
    symbol[best] = rule[best].merged;
    for (std::size_t i = best + 1; i + 1 < n; ++i) symbol[i] = symbol[i + 1];
    for (std::size_t i = best + 1; i + 2 < n; ++i) rule[i] = rule[i + 1];
    --n;
    if (best > 0) rule[best - 1] = pairs.rule(symbol[best - 1], symbol[best]);
    if (best + 1 < n) rule[best] = pairs.rule(symbol[best], symbol[best + 1]);
  }
  ids.insert(ids.end(), symbol.begin(), symbol.begin() + static_cast<std::ptrdiff_t>(n));
}

void Merges::State::append(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (!whole.empty()) {
    const auto found = whole.find(piece);
    if (found != whole.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  if (piece.size() <= kScanLimit) return merge_by_scan(piece, ids);
  LongPiece long_piece(piece, pairs, byte_ids, n_bytes);
  long_piece.merge_all();
  long_piece.append_to(ids);
}

void Merges::append_ids(const std::vector<std::string_view>& pieces, PieceCache& cache,
                        std::vector<std::int32_t>& ids) const {
  // Written behind the end of what counts, eleven at a time, and cut at the end.
  std::size_t n = ids.size();
  const auto make_room = [&](std::size_t more) {
    if (ids.size() < n + more) ids.resize(std::max(n + more, ids.size() + ids.size() / 2));
  };
  std::vector<std::int32_t>& made = cache.made();
  for (const std::string_view piece : pieces) {
    const bool is_short = piece.size() <= kMaxKeyBytes;
    const PieceKey key = is_short ? key_of(piece) : PieceKey{};
    PieceCache::Slot& slot = cache.slot(key);
    if (is_short && slot.key == key) {
      make_room(PieceCache::kIds);
      std::memcpy(ids.data() + n, slot.ids.data(), sizeof slot.ids);
      n += static_cast<std::size_t>(slot.n_ids);
      continue;
    }
    made.clear();
    state_->append(piece, made);
    make_room(made.size());
    std::copy(made.begin(), made.end(), ids.begin() + static_cast<std::ptrdiff_t>(n));
    n += made.size();
    if (made.capacity() > kMostKept) made = std::vector<std::int32_t>();
    if (!is_short || made.size() > PieceCache::kIds) continue;
    slot.key = key;
    slot.n_ids = static_cast<std::int32_t>(made.size());
    std::ranges::copy(made, slot.ids.begin());
  }
  ids.resize(n);
}

}  // namespace farthing
