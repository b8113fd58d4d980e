// tokenizer_merges.cpp - a pair table, a scan for short pieces, a heap for long ones, a cache.
#include "data/tokenizer_merges.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <queue>
#include <string>
#include <unordered_map>

#include "data/piece_key.h"
#include "data/tokenizer_bytes.h"

namespace farthing {
namespace {

constexpr std::size_t kScanLimit = 48;  // bytes; longer pieces take the heap
constexpr std::int32_t kNoRank = INT32_MAX;

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

// Of as many bytes as `size` says, at the first of them and at the last: that is how its neighbours
// are found, in little memory.
struct Symbol {
  std::int32_t id, size;  // id -1: merged away
};

}  // namespace

struct Merges::State {
  PairTable pairs;
  std::array<std::int32_t, 256> byte_ids{};
  std::deque<std::string> owned;                             // what `whole` looks at
  std::unordered_map<std::string_view, std::int32_t> whole;  // ignore_merges: bytes -> id

  void append(std::string_view piece, std::vector<std::int32_t>& ids) const;
  void merge_by_scan(std::string_view piece, std::vector<std::int32_t>& ids) const;
  void merge_by_heap(std::string_view piece, std::vector<std::int32_t>& ids) const;
};

PieceCache::PieceCache() : slots_(std::size_t{1} << (64 - kShift)) {}
PieceCache::~PieceCache() = default;
PieceCache::PieceCache(PieceCache&&) noexcept = default;
PieceCache& PieceCache::operator=(PieceCache&&) noexcept = default;

Merges::Merges(const TokenizerSpec& spec) : state_(std::make_unique<State>()) {
  state_->pairs.build(spec.merges);
  std::unordered_map<std::string_view, std::int32_t> id_of;
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
    const std::string& token = spec.vocabulary[id];
    if (token.empty()) continue;
    id_of.emplace(token, static_cast<std::int32_t>(id));
    if (!spec.ignore_merges) continue;
    if (auto bytes = bytes_of_symbols(token)) {
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

void Merges::State::merge_by_heap(std::string_view piece, std::vector<std::int32_t>& ids) const {
  const auto n = static_cast<std::int32_t>(piece.size());
  std::vector<Symbol> symbols(piece.size());
  std::vector<MergeCandidate> room;
  room.reserve(piece.size());  // few stale ones outlive what replaced them: it hardly ever grows
  std::priority_queue queue(std::greater<MergeCandidate>(), std::move(room));
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  // The rule of the symbol at i with the one behind it.
  const auto rule_at = [&](std::int32_t i) {
    const std::int32_t next = i + at(i).size;
    return next < n ? pairs.rule(at(i).id, at(next).id) : Rule{};
  };
  const auto consider = [&](std::int32_t i) {
    const Rule rule = rule_at(i);
    if (rule.rank != kNoRank) queue.push({rule.rank, i});
  };
  for (std::int32_t i = 0; i < n; ++i) {
    at(i) = {byte_ids[static_cast<unsigned char>(piece[static_cast<std::size_t>(i)])], 1};
  }
  for (std::int32_t i = 0; i + 1 < n; ++i) consider(i);
  while (!queue.empty()) {
    const auto [rank, i] = queue.top();
    queue.pop();
    if (at(i).id < 0) continue;
    const Rule rule = rule_at(i);
    if (rule.rank != rank) continue;  // stale
    const std::int32_t right = i + at(i).size;
    at(right).id = -1;
    const std::int32_t size = at(i).size + at(right).size;
    at(i) = {rule.merged, size};
    at(i + size - 1).size = size;
    if (i > 0) consider(i - at(i - 1).size);
    consider(i);
  }
  for (std::int32_t i = 0; i < n; i += at(i).size) ids.push_back(at(i).id);
}

void Merges::State::append(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (!whole.empty()) {
    const auto found = whole.find(piece);
    if (found != whole.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  if (piece.size() > kScanLimit) return merge_by_heap(piece, ids);
  merge_by_scan(piece, ids);
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
    if (!is_short || made.size() > PieceCache::kIds) continue;
    slot.key = key;
    slot.n_ids = static_cast<std::int32_t>(made.size());
    std::ranges::copy(made, slot.ids.begin());
  }
  ids.resize(n);
}

}  // namespace farthing
