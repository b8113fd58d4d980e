// fill_in_middle.cpp - which documents, where they are cut, and the ranges they are made of.
#include "data/fill_in_middle.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/rng.h"
#include "data/tokenizer.h"

namespace farthing {
namespace {

constexpr std::int64_t kAddedTokens = 3;
constexpr std::int64_t kLeastTokens = 3;
// What is drawn for a document, by number.
enum Draw : std::uint64_t { kChosen = 0, kFirstCut = 1, kSecondCut = 2 };

Rng rng_of(std::uint64_t seed, std::int64_t document) {
  return {seed, RngStream::kFillInMiddle, static_cast<std::uint64_t>(document)};
}

}  // namespace

FillInMiddle fill_in_middle(const Tokenizer& tokenizer, double rate, std::uint64_t seed,
                            const std::string& where) {
  constexpr std::array<std::array<const char*, 3>, 4> kNames = {{
      {"<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"},
      {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
      {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
      {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
  }};
  for (const auto& names : kNames) {
    std::array<int, 3> ids;
    std::ranges::transform(names, ids.begin(), [&](const char* n) { return tokenizer.id_of(n); });
    if (std::ranges::min(ids) < 0) continue;
    return {rate, seed, ids[0], ids[1], ids[2], tokenizer.end_of_text_id()};
  }
  throw_bad_input({where, "data.fim_rate wants three special tokens", "a tokenizer without them",
                   "<|fim_begin|>, <|fim_hole|> and <|fim_end|>",
                   "train the tokenizer with --special for each of them"});
}

TokenText::TokenText(ShardReader shard, const FillInMiddle& fim)
    : shard_(std::move(shard)), fim_(fim) {
  if (fim.rate <= 0) return;
  const std::int64_t n = shard_.n_documents();
  rewritten_.assign(static_cast<std::size_t>(n / 64 + 1), 0);
  before_word_.assign(rewritten_.size(), 0);
  for (std::int64_t document = 0; document < n; ++document) {
    const auto word = static_cast<std::size_t>(document / 64);
    if (document % 64 == 0) before_word_[word] = static_cast<std::uint32_t>(n_rewritten_);
    const std::int64_t length =
        shard_.document_begin(document + 1) - shard_.document_begin(document);
    if (length < kLeastTokens || rng_of(fim.seed, document).uniform(kChosen) >= fim.rate) continue;
    rewritten_[word] |= std::uint64_t{1} << (document % 64);
    ++n_rewritten_;
  }
  if (n % 64 == 0) before_word_.back() = static_cast<std::uint32_t>(n_rewritten_);
}

bool TokenText::is_rewritten(std::int64_t document) const {
  if (rewritten_.empty()) return false;
  return (rewritten_[static_cast<std::size_t>(document / 64)] >> (document % 64) & 1) != 0;
}

std::int64_t TokenText::rewritten_before(std::int64_t document) const {
  if (rewritten_.empty()) return 0;
  const auto word = static_cast<std::size_t>(document / 64);
  const std::uint64_t below = rewritten_[word] & ((std::uint64_t{1} << (document % 64)) - 1);
  return before_word_[word] + std::popcount(below);
}

std::int64_t TokenText::document_begin(std::int64_t document) const {
  return shard_.document_begin(document) + kAddedTokens * rewritten_before(document);
}

std::int64_t TokenText::document_of(std::int64_t position) const {
  if (rewritten_.empty()) return shard_.document_of(position);
  std::int64_t low = 0, high = n_documents();
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (document_begin(middle) <= position ? low : high) = middle;
  }
  return low;
}

void TokenText::read(std::int64_t first, std::span<std::int32_t> out) const {
  if (rewritten_.empty()) return shard_.read(first, out);
  if (out.empty()) return;
  std::int64_t document = document_of(first);
  while (!out.empty()) {
    const std::int64_t begin = document_begin(document), end = document_begin(document + 1);
    const auto n = static_cast<std::size_t>(
        std::min<std::int64_t>(end - first, static_cast<std::int64_t>(out.size())));
    if (is_rewritten(document)) {
      read_rewritten(document, first - begin, out.first(n));
    } else {
      shard_.read(shard_.document_begin(document) + first - begin, out.first(n));
    }
    out = out.subspan(n);
    first += static_cast<std::int64_t>(n);
    ++document;
  }
}

// Tokens [from, from + out.size()) of the rewritten document: seven ranges, one after another.
void TokenText::read_rewritten(std::int64_t document, std::int64_t from,
                               std::span<std::int32_t> out) const {
  const std::int64_t begin = shard_.document_begin(document);
  const std::int64_t length = shard_.document_begin(document + 1) - begin;
  std::array<std::int32_t, 1> last;
  shard_.read(begin + length - 1, last);
  const std::int64_t n_text = last[0] == fim_.end_of_text_id ? length - 1 : length;
  const Rng rng = rng_of(fim_.seed, document);
  const auto cut = [&](Draw draw) {
    return static_cast<std::int64_t>(rng.below(draw, static_cast<std::uint64_t>(n_text) + 1));
  };
  const std::int64_t a = std::min(cut(kFirstCut), cut(kSecondCut));
  const std::int64_t b = std::max(cut(kFirstCut), cut(kSecondCut));
  struct Range {
    std::int32_t id;  // a single token, or -1: tokens [begin, end) of the document
    std::int64_t begin, end;
  };
  const std::array<Range, 7> ranges = {{{fim_.begin_id, 0, 1},
                                        {-1, 0, a},
                                        {fim_.hole_id, 0, 1},
                                        {-1, b, n_text},
                                        {fim_.end_id, 0, 1},
                                        {-1, a, b},
                                        {-1, n_text, length}}};
  for (const Range& range : ranges) {
    const std::int64_t n = range.end - range.begin;
    if (from >= n) {
      from -= n;
      continue;
    }
    const auto take = static_cast<std::size_t>(
        std::min<std::int64_t>(n - from, static_cast<std::int64_t>(out.size())));
    if (range.id >= 0) {
      if (take > 0) out[0] = range.id;
    } else {
      shard_.read(begin + range.begin + from, out.first(take));
    }
    out = out.subspan(take);
    from = 0;
    if (out.empty()) return;
  }
}

}  // namespace farthing
