// loader.cpp - windows of a shard in a keyed order, each with its documents' beginnings.
#include "data/loader.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/shards.h"
#include "data/tokenizer.h"

namespace farthing {
namespace {

// splits.<file name of the prefix>.bytes of card.json beside the shard; 0 when there is none.
std::int64_t read_text_bytes(const std::string& shard_prefix) {
  const std::filesystem::path prefix(shard_prefix);
  const std::string card_path = (prefix.parent_path() / "card.json").string();
  if (!file_exists(card_path)) return 0;
  const Json card = read_json(card_path);
  const auto bytes = Json::json_pointer("/splits/" + prefix.filename().string() + "/bytes");
  if (!card.contains(bytes)) return 0;
  const Json& value = card.at(bytes);
  if (!value.is_number_unsigned()) {
    throw_bad_input({card_path, bytes.to_string(), value.dump(), "a number of bytes", ""});
  }
  return value.get<std::int64_t>();
}

std::vector<std::int64_t> document_ends(const TokenText& text) {
  std::vector<std::int64_t> ends;
  ends.reserve(static_cast<std::size_t>(text.n_documents()));
  for (std::int64_t document = 0; document < text.n_documents(); ++document) {
    ends.push_back(text.document_begin(document + 1));
  }
  return ends;
}

}  // namespace

struct SampleSource::State {
  TokenText text;
  int sequence_length;
  std::uint64_t seed;
  std::int64_t n_windows;
  std::int64_t n_text_bytes;
  std::optional<BestFitPacking> packing;  // absent: cut

  void read_cut(std::int64_t window, Sample& out) const;
  void read_packed(std::int64_t window, Sample& out) const;
};

SampleSource::SampleSource(const std::string& shard_prefix, int sequence_length, std::uint64_t seed,
                           const SampleOptions& options) {
  CHECK(sequence_length >= 1);
  TokenText text(ShardReader(shard_prefix, options.access), options.fim);
  std::optional<BestFitPacking> packing;
  if (options.best_fit) packing.emplace(document_ends(text), sequence_length);
  const std::int64_t n_windows =
      packing ? packing->n_windows() : (text.n_tokens() - 1) / sequence_length;
  if (n_windows < 1) {
    throw_bad_input({shard_prefix + ".bin", "too few tokens for one sequence",
                     std::to_string(text.n_tokens()),
                     "at least " + std::to_string(std::int64_t{sequence_length} + 1),
                     "shorten data.sequence_length or add text"});
  }
  state_ = std::make_unique<State>(State{std::move(text), sequence_length, seed, n_windows,
                                         read_text_bytes(shard_prefix), std::move(packing)});
}

SampleSource::~SampleSource() = default;
SampleSource::SampleSource(SampleSource&&) noexcept = default;

void SampleSource::State::read_cut(std::int64_t window, Sample& out) const {
  const std::int64_t first = window * sequence_length;
  text.read(first, out.tokens);
  out.n_valid = sequence_length + 1;
  std::int64_t document = text.document_of(first);
  for (int token = 0; token < sequence_length;) {
    const std::int64_t end = text.document_begin(document + 1) - first;
    // Documents may be empty: they end before they hold a token.
    const auto count = static_cast<std::size_t>(
        std::clamp<std::int64_t>(end - token, 0, std::int64_t{sequence_length} - token));
    out.document_start.insert(out.document_start.end(), count, token);
    token += static_cast<int>(count);
    ++document;
  }
}

void SampleSource::State::read_packed(std::int64_t window, Sample& out) const {
  const auto length = static_cast<std::size_t>(sequence_length);
  std::size_t at = 0;
  for (const PackedPiece& piece : packing->window(window)) {
    const auto n = static_cast<std::size_t>(piece.length);
    text.read(piece.begin, std::span(out.tokens).subspan(at, n));
    out.document_start.resize(std::min(at + n, length), static_cast<std::int32_t>(at));
    at += n;
  }
  out.n_valid = static_cast<int>(at);
  out.document_start.resize(length, static_cast<std::int32_t>(at));
  std::fill(out.tokens.begin() + static_cast<std::ptrdiff_t>(at), out.tokens.end(),
            out.tokens[at - 1]);
}

void SampleSource::read(std::int64_t global_sample, Sample& out) const {
  CHECK(global_sample >= 0);
  const auto n_windows = static_cast<std::uint64_t>(state_->n_windows);
  const std::uint64_t epoch = static_cast<std::uint64_t>(global_sample) / n_windows;
  const std::uint64_t index = static_cast<std::uint64_t>(global_sample) % n_windows;
  const std::uint64_t key = Rng(state_->seed, RngStream::kDataOrder).bits(epoch);
  const auto window = static_cast<std::int64_t>(permute(index, n_windows, key));
  out.tokens.resize(static_cast<std::size_t>(state_->sequence_length) + 1);
  out.document_start.clear();
  state_->packing ? state_->read_packed(window, out) : state_->read_cut(window, out);
}

std::int64_t SampleSource::samples_per_epoch() const { return state_->n_windows; }
std::int64_t SampleSource::n_tokens() const { return state_->text.n_tokens(); }
std::int64_t SampleSource::n_text_bytes() const { return state_->n_text_bytes; }
std::int64_t SampleSource::n_rewritten() const { return state_->text.n_rewritten(); }

PackingStatistics SampleSource::packing() const {
  if (state_->packing) return state_->packing->statistics();
  return cut_statistics(document_ends(state_->text), state_->sequence_length);
}

namespace {

std::string tokenizer_beside(const std::string& data) {
  if (file_exists(data + "/tokenizer.json")) return data + "/tokenizer.json";
  return (std::filesystem::path(train_prefix(data)).parent_path() / "tokenizer.json").string();
}

// The same text, or no tokenizer to compare.
void check_same_tokenizer(const DataRecipe& data) {
  std::string first, first_path;
  for (const MixSource& source : data.sources) {
    const std::string path = tokenizer_beside(source.data);
    if (!file_exists(path)) continue;
    const std::string fingerprint = Tokenizer::load(path).fingerprint();
    if (first.empty()) {
      first = fingerprint;
      first_path = path;
    }
    if (fingerprint == first) continue;
    throw_bad_input({path, "another tokenizer than " + first_path, fingerprint, first,
                     "prepare the sources with one --tokenizer"});
  }
}

}  // namespace

MixedSource::MixedSource(const DataRecipe& data) : mixture_(data) {
  check_same_tokenizer(data);
  const SampleOptions options = sample_options(data);
  for (const MixSource& source : data.sources) {
    sources_.emplace_back(train_prefix(source.data), data.sequence_length,
                          hash64(source.name, data.seed), options);
  }
}

void MixedSource::read(std::int64_t global_sample, Sample& out) const {
  const Mixture::Place place = mixture_.place(global_sample);
  sources_[static_cast<std::size_t>(place.source)].read(place.sample, out);
}

std::string train_prefix(const std::string& data) {
  if (file_exists(data + ".idx") && !file_exists(data + "/train.idx")) return data;
  return data + "/train";
}

std::string tokenizer_path(const DataRecipe& data) {
  if (!data.tokenizer.empty()) return data.tokenizer;
  if (data.sources.empty()) return data.train + "/tokenizer.json";
  return tokenizer_beside(data.sources.front().data);
}

SampleOptions sample_options(const DataRecipe& data) {
  SampleOptions options = {.best_fit = data.packing == "best_fit", .fim = {}, .access = {}};
  if (data.fim_rate > 0) {
    const std::string path = tokenizer_path(data);
    options.fim = fill_in_middle(Tokenizer::load(path), data.fim_rate, data.seed, path);
  }
  return options;
}

}  // namespace farthing
