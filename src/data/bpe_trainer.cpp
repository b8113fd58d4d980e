// bpe_trainer.cpp - pieces counted in parallel, pairs kept in a heap that is corrected lazily.
#include "data/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <exception>
#include <queue>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "base/parallel.h"
#include "data/pre_tokenizer.h"
#include "data/tokenizer_bytes.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{8} << 20;  // of documents, counted at once

using PieceCounts = std::unordered_map<std::string, std::int64_t>;

void count_document(const Splitter& splitter, const std::string& document, Pieces& pieces,
                    PieceCounts& counts) {
  const bool valid = is_valid_utf8(document);
  const std::string mended = valid ? std::string() : mend_utf8(document, nullptr);
  splitter.split(valid ? document : mended, pieces);
  std::string key;
  for (const std::string_view piece : pieces.pieces) {
    key = piece;
    ++counts[key];
  }
}

// Counts a batch on all threads and adds it to the total.
void count_batch(const Splitter& splitter, const std::vector<std::string>& documents,
                 std::vector<PieceCounts>& counts) {
  const auto n_parts = static_cast<std::size_t>(num_threads());
  counts.resize(n_parts);
  std::vector<std::exception_ptr> failed(n_parts);
  parallel_for(num_threads(), [&](int index) {
    const auto part = static_cast<std::size_t>(index);
    Pieces pieces;
    try {
      for (std::size_t i = part; i < documents.size(); i += n_parts) {
        count_document(splitter, documents[i], pieces, counts[part]);
      }
    } catch (...) {
      failed[part] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failed) {
    if (failure) std::rethrow_exception(failure);
  }
}

// All pieces with their counts, in the order of their bytes.
std::vector<std::pair<std::string, std::int64_t>> count_pieces(const DocumentSource& source,
                                                               PreTokenizer pre_tokenizer) {
  const bool gpt2 = pre_tokenizer == PreTokenizer::kGpt2;
  const Splitter splitter(gpt2 ? gpt2_rules() : deepseek_v3_rules(), "tokenizer training");
  std::vector<PieceCounts> counts;
  std::vector<std::string> documents;
  std::size_t n_bytes = 0;
  std::string document;
  for (bool more = true; more;) {
    more = source(document);
    if (more) {
      n_bytes += document.size();
      documents.push_back(std::move(document));
      document.clear();
    }
    if (n_bytes < kBatchBytes && more) continue;
    count_batch(splitter, documents, counts);
    documents.clear();
    n_bytes = 0;
  }
  PieceCounts total;
  for (PieceCounts& part : counts) {
    for (const auto& [piece, count] : part) total[piece] += count;
    part.clear();
  }
  std::vector<std::pair<std::string, std::int64_t>> sorted(total.begin(), total.end());
  std::ranges::sort(sorted);
  return sorted;
}

using Pair = std::uint64_t;  // left << 32 | right: compares as (left, right)

Pair pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<Pair>(left) << 32 | static_cast<std::uint32_t>(right);
}

struct Word {
  std::vector<std::int32_t> ids;
  std::int64_t count = 0;
};

struct PairState {
  std::int64_t count = 0;
  std::vector<std::int32_t> words;  // that hold it, or held it; may repeat
};

struct Candidate {
  std::int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const {  // the top of the heap is the best
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// The words, their pairs, and the merges made so far.
class Trainer {
 public:
  explicit Trainer(std::vector<Word> words) : words_(std::move(words)) {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::size_t i = 0; i + 1 < words_[w].ids.size(); ++i) {
        add(pair_of(words_[w].ids[i], words_[w].ids[i + 1]), words_[w].count,
            static_cast<std::int32_t>(w));
      }
    }
    for (const auto& [pair, state] : pairs_) heap_.push({state.count, pair});
    changed_.clear();
  }

  // The pair that occurs most; count 0 when none occurs.
  Candidate best() {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      const std::int64_t count = pairs_[top.pair].count;
      if (count == top.count) return top;
      heap_.pop();
      if (count > 0 && count < top.count) heap_.push({count, top.pair});
    }
    return {0, 0};
  }

  void merge(Pair pair, std::int32_t merged) {
    std::vector<std::int32_t> holders = std::move(pairs_[pair].words);
    pairs_[pair].words.clear();
    std::ranges::sort(holders);
    holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
    for (const std::int32_t word : holders) merge_in(word, pair, merged);
    for (const Pair grown : changed_) heap_.push({pairs_[grown].count, grown});
    changed_.clear();
  }

 private:
  void add(Pair pair, std::int64_t count, std::int32_t word) {
    PairState& state = pairs_[pair];
    state.count += count;
    if (count <= 0) return;
    if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
    changed_.insert(pair);
  }

  // Rewrites a word; its old pairs go, its new ones come.
  void merge_in(std::int32_t index, Pair pair, std::int32_t merged) {
    Word& word = words_[static_cast<std::size_t>(index)];
    std::vector<std::int32_t>& ids = word.ids;
    std::size_t out = 0;
    for (std::size_t i = 0; i < ids.size(); ++out) {
      const bool hit = i + 1 < ids.size() && pair_of(ids[i], ids[i + 1]) == pair;
      if (!hit) {
        ids[out] = ids[i++];
        continue;
      }
      add(pair, -word.count, index);
      if (out > 0) {
        add(pair_of(ids[out - 1], ids[i]), -word.count, index);
        add(pair_of(ids[out - 1], merged), word.count, index);
      }
      if (i + 2 < ids.size()) {
        add(pair_of(ids[i + 1], ids[i + 2]), -word.count, index);
        add(pair_of(merged, ids[i + 2]), word.count, index);
      }
      ids[out] = merged;
      i += 2;
    }
    ids.resize(out);
  }

  std::vector<Word> words_;
  std::unordered_map<Pair, PairState> pairs_;
  std::priority_queue<Candidate> heap_;
  std::set<Pair> changed_;  // whose count grew in this merge
};

void check(const TokenizerTraining& training) {
  const std::size_t least = 256 + training.special_tokens.size();
  if (training.vocab_size < static_cast<int>(least) || training.vocab_size > 1 << 22) {
    throw_bad_input({"tokenizer training", "vocab_size", std::to_string(training.vocab_size),
                     std::to_string(least) + " to 4194304", ""});
  }
  std::set<std::string> seen;
  for (const std::string& token : training.special_tokens) {
    if (token.size() < 3 || !is_valid_utf8(token) || !seen.insert(token).second) {
      throw_bad_input({"tokenizer training", "special token", "\"" + token + "\"",
                       "different names of three bytes or more", ""});
    }
  }
}

// Special tokens and bytes; the id of each byte.
std::array<std::int32_t, 256> begin_vocabulary(TokenizerSpec& spec,
                                               const TokenizerTraining& training) {
  for (const std::string& token : training.special_tokens) {
    const auto id = static_cast<std::int32_t>(spec.vocabulary.size());
    spec.added_tokens.push_back({.id = id, .content = token, .special = true});
    spec.vocabulary.push_back(token);
  }
  std::array<std::int32_t, 256> byte_ids;
  for (const unsigned char byte : bytes_in_vocabulary_order()) {
    byte_ids[byte] = static_cast<std::int32_t>(spec.vocabulary.size());
    spec.vocabulary.push_back(byte_symbols()[byte]);
  }
  return byte_ids;
}

}  // namespace

TokenizerSpec train_bpe(const DocumentSource& source, const TokenizerTraining& training) {
  check(training);
  TokenizerSpec spec;
  spec.pre_tokenizer =
      training.pre_tokenizer == PreTokenizer::kGpt2 ? gpt2_rules() : deepseek_v3_rules();
  spec.post_processor = R"({"type": "ByteLevel", "add_prefix_space": true, )"
                        R"("trim_offsets": false, "use_regex": true})";
  const std::array<std::int32_t, 256> byte_ids = begin_vocabulary(spec, training);
  std::vector<Word> words;
  for (const auto& [piece, count] : count_pieces(source, training.pre_tokenizer)) {
    Word& word = words.emplace_back();
    word.count = count;
    for (const char byte : piece) word.ids.push_back(byte_ids[static_cast<unsigned char>(byte)]);
  }
  if (words.empty()) throw_bad_input({"tokenizer training", "no text", "", "some", ""});

  std::unordered_map<std::string, std::int32_t> ids;
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
    ids.emplace(spec.vocabulary[id], static_cast<std::int32_t>(id));
  }
  Trainer trainer(std::move(words));
  while (static_cast<int>(spec.vocabulary.size()) < training.vocab_size) {
    const Candidate best = trainer.best();
    if (best.count < 2) break;
    const auto left = static_cast<std::int32_t>(best.pair >> 32);
    const auto right = static_cast<std::int32_t>(best.pair & 0xFFFFFFFF);
    const std::string token = spec.vocabulary[static_cast<std::size_t>(left)] +
                              spec.vocabulary[static_cast<std::size_t>(right)];
    // Two pairs can spell the same token: it keeps its first id.
    const auto [known, is_new] = ids.emplace(token, static_cast<std::int32_t>(ids.size()));
    if (is_new) spec.vocabulary.push_back(token);
    spec.merges.push_back({left, right, known->second});
    trainer.merge(best.pair, known->second);
  }
  return spec;
}

}  // namespace farthing
