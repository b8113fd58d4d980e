// bpe_trainer.cpp - pieces counted in parallel become words, words become merges.
#include "data/bpe_trainer.h"

#include <array>
#include <chrono>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "data/bpe_merger.h"
#include "data/piece_counts.h"
#include "data/pre_tokenizer.h"
#include "data/tokenizer_bytes.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{32} << 20;  // of documents, counted at once

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Batches do not depend on the number of threads.
void count_documents(const DocumentSource& source, PieceCounts& counts, TrainingReport& report) {
  std::vector<std::string> documents;
  std::size_t n_bytes = 0;
  std::string document;
  for (bool more = true; more;) {
    more = source(document);
    if (more) {
      n_bytes += document.size();
      ++report.documents;
      documents.push_back(std::move(document));
      document.clear();
    }
    if (n_bytes < kBatchBytes && more) continue;
    counts.add_batch(documents);
    documents.clear();
    report.bytes += static_cast<std::int64_t>(n_bytes);
    n_bytes = 0;
  }
}

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

// Counts the text and gives its words to the merger.
void add_words(const DocumentSource& source, const TokenizerTraining& training,
               const TokenizerSpec& spec, const std::array<std::int32_t, 256>& byte_ids,
               BpeMerger& merger, TrainingReport& report) {
  const Splitter splitter(spec.pre_tokenizer, "tokenizer training");
  PieceCounts counts(splitter, training.counting_bytes);
  count_documents(source, counts, report);
  const PieceCounts::Size size = counts.size();
  if (size.pieces == 0) throw_bad_input({"tokenizer training", "no text", "", "some", ""});
  report.distinct_pieces += size.pieces;
  report.forgotten_pieces += counts.n_forgotten();
  report.largest_error += counts.largest_error();
  merger.reserve(size.pieces, size.bytes);
  std::vector<std::int32_t> symbols;
  counts.drain([&](std::string_view piece, std::int64_t count) {
    symbols.clear();
    for (const char byte : piece) symbols.push_back(byte_ids[static_cast<unsigned char>(byte)]);
    merger.add_word(symbols, count);
  });
}

void learn_merges(BpeMerger& merger, int vocab_size, TokenizerSpec& spec) {
  std::unordered_map<std::string, std::int32_t> ids;
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
    ids.emplace(spec.vocabulary[id], static_cast<std::int32_t>(id));
  }
  while (static_cast<int>(spec.vocabulary.size()) < vocab_size) {
    const BpeMerger::Best best = merger.best();
    if (best.count < 2) break;
    const auto left = static_cast<std::int32_t>(best.pair >> 32);
    const auto right = static_cast<std::int32_t>(best.pair & 0xFFFFFFFF);
    const std::string token = spec.vocabulary[static_cast<std::size_t>(left)] +
                              spec.vocabulary[static_cast<std::size_t>(right)];
    // Two pairs can spell the same token: it keeps its first id.
    const auto [known, is_new] = ids.emplace(token, static_cast<std::int32_t>(ids.size()));
    if (is_new) spec.vocabulary.push_back(token);
    spec.merges.push_back({left, right, known->second});
    merger.merge(best.pair, known->second);
  }
}

}  // namespace

TokenizerSpec train_bpe(const DocumentSource& source, const TokenizerTraining& training,
                        TrainingReport* report) {
  check(training);
  TrainingReport ignored;
  TrainingReport& said = report != nullptr ? *report : ignored;
  TokenizerSpec spec;
  spec.pre_tokenizer =
      training.pre_tokenizer == PreTokenizer::kGpt2 ? gpt2_rules() : deepseek_v3_rules();
  spec.post_processor = R"({"type": "ByteLevel", "add_prefix_space": true, )"
                        R"("trim_offsets": false, "use_regex": true})";
  const std::array<std::int32_t, 256> byte_ids = begin_vocabulary(spec, training);
  BpeMerger merger(training.vocab_size);
  const auto begin = std::chrono::steady_clock::now();
  add_words(source, training, spec, byte_ids, merger, said);
  said.counting_seconds += seconds_since(begin);
  const auto counted = std::chrono::steady_clock::now();
  learn_merges(merger, training.vocab_size, spec);
  said.merging_seconds += seconds_since(counted);
  return spec;
}

}  // namespace farthing
