// bpe_merger.cpp - one flat array of words, one flat table of pairs, lists in blocks.
#include "data/bpe_merger.h"

#include <algorithm>
#include <queue>
#include <vector>

#include "base/check.h"
#include "base/error.h"

namespace farthing {
namespace {

// A word in the array: length, low and high half of its count, then room for its symbols.
constexpr std::size_t kWordHeader = 3;
constexpr std::size_t kBlockEntries = std::size_t{1} << 18;
constexpr std::size_t kPrefetch = 12;  // words ahead
constexpr std::uint32_t kNone = UINT32_MAX;

// Lists that never grow, in blocks that never move.
class ListStore {
 public:
  // Where `n` entries may be written.
  std::uint64_t allocate(std::size_t n, std::uint32_t*& entries) {
    if (blocks_.empty() || used_ + n > sizes_.back()) {
      sizes_.push_back(std::max(n, kBlockEntries));
      blocks_.push_back(std::make_unique_for_overwrite<std::uint32_t[]>(sizes_.back()));
      used_ = 0;
    }
    entries = blocks_.back().get() + used_;
    const std::uint64_t place = static_cast<std::uint64_t>(blocks_.size() - 1) << 32 | used_;
    used_ += n;
    return place;
  }
  const std::uint32_t* at(std::uint64_t place) const {
    return blocks_[place >> 32].get() + (place & 0xFFFFFFFF);
  }

 private:
  std::vector<std::unique_ptr<std::uint32_t[]>> blocks_;
  std::vector<std::size_t> sizes_;
  std::size_t used_ = 0;
};

struct PairState {
  SymbolPair pair = ~SymbolPair{0};
  std::int64_t count = 0;
  std::uint64_t place = 0;  // of its words; the word itself where there is one
  std::uint32_t n_words = 0;
  std::uint32_t older = kNone;  // lists from before, where a pair came a second time
};

struct OlderList {
  std::uint64_t place;
  std::uint32_t n_words;
  std::uint32_t older;
};

// Open addressing over the pairs.
class PairMap {
 public:
  PairState& operator[](SymbolPair pair) {
    std::size_t at = find(pair);
    if (slots_[at].pair == pair) return slots_[at];
    if (10 * (n_pairs_ + 1) > 7 * slots_.size()) {
      grow();
      at = find(pair);
    }
    ++n_pairs_;
    slots_[at].pair = pair;
    return slots_[at];
  }
  // REQUIRES it is there.
  PairState& at(SymbolPair pair) { return slots_[find(pair)]; }

 private:
  std::size_t find(SymbolPair pair) const {
    std::uint64_t mixed = pair * 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ mixed >> 32) * 0xBF58476D1CE4E5B9u;
    std::size_t at = mixed >> shift_;
    while (slots_[at].pair != pair && slots_[at].pair != ~SymbolPair{0}) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }
  void grow() {
    std::vector<PairState> old(2 * slots_.size());
    old.swap(slots_);
    --shift_;
    for (const PairState& state : old) {
      if (state.pair != ~SymbolPair{0}) slots_[find(state.pair)] = state;
    }
  }
  std::vector<PairState> slots_ = std::vector<PairState>(1 << 12);
  int shift_ = 64 - 12;
  std::size_t n_pairs_ = 0;
};

// What one merge does to the pairs on one side of it, by the neighbour.
class Changes {
 public:
  struct Change {
    std::int32_t neighbour;
    std::int64_t lost = 0, gained = 0;
    std::vector<std::uint32_t> words;  // of the new pair
  };
  void resize(std::int32_t n_symbols) { index_of_.assign(static_cast<std::size_t>(n_symbols), -1); }
  Change& operator[](std::int32_t neighbour) {
    std::int32_t& index = index_of_[static_cast<std::size_t>(neighbour)];
    if (index < 0) {
      index = static_cast<std::int32_t>(n_++);
      if (n_ > changes_.size()) changes_.emplace_back();
      changes_[n_ - 1].neighbour = neighbour;
    }
    return changes_[static_cast<std::size_t>(index)];
  }
  // In the order of their first occurrence.
  std::span<Change> all() { return {changes_.data(), n_}; }
  void clear() {
    for (Change& change : all()) {
      index_of_[static_cast<std::size_t>(change.neighbour)] = -1;
      change.lost = change.gained = 0;
      change.words.clear();
    }
    n_ = 0;
  }

 private:
  std::vector<std::int32_t> index_of_;
  std::vector<Change> changes_;  // more than n_: they keep their memory
  std::size_t n_ = 0;
};

struct Candidate {
  std::int64_t count;
  SymbolPair pair;
  bool operator<(const Candidate& other) const {  // the top of the heap is the best
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

}  // namespace

struct BpeMerger::State {
  std::vector<std::int32_t> words;
  PairMap pairs;
  ListStore lists;
  std::vector<OlderList> older;
  std::priority_queue<Candidate> heap;
  Changes left, right;
  bool begun = false;

  std::int64_t count_of(const std::int32_t* word) const {
    return static_cast<std::int64_t>(static_cast<std::uint32_t>(word[1])) |
           static_cast<std::int64_t>(word[2]) << 32;
  }
  void begin();
  void merge_in(std::uint32_t place, std::int32_t first, std::int32_t second, std::int32_t merged);
  void merge_in_list(const std::uint32_t* list, std::uint32_t n, SymbolPair pair,
                     std::int32_t merged);
  void settle(SymbolPair lost, SymbolPair gained, Changes::Change& change);
  void add_list(PairState& state, const std::vector<std::uint32_t>& list);
};

BpeMerger::BpeMerger(std::int32_t n_symbols) : state_(std::make_unique<State>()) {
  state_->left.resize(n_symbols);
  state_->right.resize(n_symbols);
}

BpeMerger::~BpeMerger() = default;

void BpeMerger::reserve(std::int64_t n_words, std::int64_t n_word_symbols) {
  state_->words.reserve(static_cast<std::size_t>(n_words) * kWordHeader +
                        static_cast<std::size_t>(n_word_symbols));
}

void BpeMerger::add_word(std::span<const std::int32_t> symbols, std::int64_t count) {
  CHECK(!state_->begun);
  if (symbols.size() < 2) return;
  std::vector<std::int32_t>& words = state_->words;
  words.push_back(static_cast<std::int32_t>(symbols.size()));
  words.push_back(static_cast<std::int32_t>(count & 0xFFFFFFFF));
  words.push_back(static_cast<std::int32_t>(count >> 32));
  words.insert(words.end(), symbols.begin(), symbols.end());
}

// Counts the first pairs, then gives each a list of just the right size.
void BpeMerger::State::begin() {
  begun = true;
  if (words.size() > kNone) {
    throw Error(ErrorCode::kOutOfResource,
                "tokenizer training: more than 4 billion symbols in "
                "distinct words; give it less text or less memory");
  }
  const auto each_pair = [&](const auto& visit) {
    for (std::size_t w = 0; w < words.size();) {
      const auto n = static_cast<std::size_t>(words[w]);
      const std::int32_t* symbols = words.data() + w + kWordHeader;
      for (std::size_t i = 0; i + 1 < n; ++i) {
        visit(static_cast<std::uint32_t>(w), pairs[pair_of(symbols[i], symbols[i + 1])]);
      }
      w += kWordHeader + n;
    }
  };
  std::vector<SymbolPair> known;
  each_pair([&](std::uint32_t place, PairState& state) {
    if (state.n_words == 0) known.push_back(state.pair);
    state.count += count_of(words.data() + place);
    ++state.n_words;  // a word that holds it twice has two entries
  });
  for (const SymbolPair pair : known) {
    PairState& state = pairs.at(pair);
    std::uint32_t* entries;
    if (state.n_words > 1) state.place = lists.allocate(state.n_words, entries);
    if (state.count > 1) heap.push({state.count, pair});
    state.older = 0;  // how many are written
  }
  each_pair([&](std::uint32_t place, PairState& state) {
    if (state.n_words == 1) {
      state.place = place;
    } else {
      const_cast<std::uint32_t*>(lists.at(state.place))[state.older++] = place;
    }
  });
  for (const SymbolPair pair : known) pairs.at(pair).older = kNone;
}

BpeMerger::Best BpeMerger::best() {
  State& state = *state_;
  if (!state.begun) state.begin();
  while (!state.heap.empty()) {
    const Candidate top = state.heap.top();
    const std::int64_t count = state.pairs.at(top.pair).count;
    if (count == top.count) return {count, top.pair};
    state.heap.pop();
    if (count > 1 && count < top.count) state.heap.push({count, top.pair});
  }
  return {};
}

// Rewrites one word; what its pairs lose and gain goes to `left` and `right`.
void BpeMerger::State::merge_in(std::uint32_t place, std::int32_t first, std::int32_t second,
                                std::int32_t merged) {
  std::int32_t* word = words.data() + place;
  std::int32_t* symbols = word + kWordHeader;
  const std::int32_t n = word[0];
  std::int32_t i = 0;
  while (i + 1 < n && !(symbols[i] == first && symbols[i + 1] == second)) ++i;
  if (i + 1 >= n) return;
  const std::int64_t count = count_of(word);
  const auto gain = [&](Changes::Change& change) {
    change.gained += count;
    if (change.words.empty() || change.words.back() != place) change.words.push_back(place);
  };
  std::int32_t out = i;
  while (i < n) {
    if (i + 1 >= n || symbols[i] != first || symbols[i + 1] != second) {
      symbols[out++] = symbols[i++];
      continue;
    }
    if (out > 0) {
      // The neighbour is `merged` itself where the merge before this one ended here: then the pair
      // (merged, first), which that one gained on its right, is lost again.
      Changes::Change& change = left[symbols[out - 1]];
      change.lost += count;
      gain(change);
    }
    if (i + 2 < n) {
      Changes::Change& change = right[symbols[i + 2]];
      change.lost += count;
      gain(change);
    }
    symbols[out++] = merged;
    i += 2;
  }
  word[0] = out;
}

void BpeMerger::State::merge_in_list(const std::uint32_t* list, std::uint32_t n, SymbolPair pair,
                                     std::int32_t merged) {
  const auto first = static_cast<std::int32_t>(pair >> 32);
  const auto second = static_cast<std::int32_t>(pair & 0xFFFFFFFF);
  for (std::uint32_t i = 0; i < n; ++i) {
    if (i + kPrefetch < n) __builtin_prefetch(words.data() + list[i + kPrefetch], 1);
    if (i > 0 && list[i] == list[i - 1]) continue;  // a word that holds the pair more than once
    merge_in(list[i], first, second, merged);
  }
}

void BpeMerger::State::add_list(PairState& state, const std::vector<std::uint32_t>& list) {
  if (state.n_words > 0) {
    older.push_back({state.place, state.n_words, state.older});
    state.older = static_cast<std::uint32_t>(older.size() - 1);
  }
  state.n_words = static_cast<std::uint32_t>(list.size());
  if (list.size() == 1) {
    state.place = list[0];
    return;
  }
  std::uint32_t* entries;
  state.place = lists.allocate(list.size(), entries);
  std::ranges::copy(list, entries);
}

void BpeMerger::State::settle(SymbolPair lost, SymbolPair gained, Changes::Change& change) {
  pairs[lost].count -= change.lost;
  PairState& state = pairs[gained];
  state.count += change.gained;
  add_list(state, change.words);
  if (state.count > 1) heap.push({state.count, gained});
}

void BpeMerger::merge(SymbolPair pair, std::int32_t merged) {
  State& state = *state_;
  const auto first = static_cast<std::int32_t>(pair >> 32);
  const auto second = static_cast<std::int32_t>(pair & 0xFFFFFFFF);
  // 1. Rewrite the words.  The pair's lists are done with: it occurs nowhere after this, unless as
  //    part of another merge's result, which brings a list of its own.
  PairState& done = state.pairs.at(pair);
  PairState lists = done;
  done.count = 0;
  done.n_words = 0;
  done.older = kNone;
  for (;;) {
    const auto word = static_cast<std::uint32_t>(lists.place);
    state.merge_in_list(lists.n_words == 1 ? &word : state.lists.at(lists.place), lists.n_words,
                        pair, merged);
    if (lists.older == kNone) break;
    const OlderList& next = state.older[lists.older];
    lists.place = next.place;
    lists.n_words = next.n_words;
    lists.older = next.older;
  }
  // 2. Correct the counts.  (x, first) and (second, y) went, (x, merged) and (merged, y) came.
  for (Changes::Change& change : state.left.all()) {
    state.settle(pair_of(change.neighbour, first), pair_of(change.neighbour, merged), change);
  }
  for (Changes::Change& change : state.right.all()) {
    state.settle(pair_of(second, change.neighbour), pair_of(merged, change.neighbour), change);
  }
  state.left.clear();
  state.right.clear();
  // A run of one symbol holds pairs of itself that overlap; they went with the merges.
  if (first == second) state.pairs.at(pair).count = 0;
}

}  // namespace farthing
