// loader.cpp - windows of a shard in a keyed order, each with its documents' beginnings.
#include "data/loader.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/shards.h"

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

}  // namespace

struct SampleSource::State {
  ShardReader shard;
  int sequence_length;
  std::uint64_t seed;
  std::int64_t n_windows;
  std::int64_t n_text_bytes;
};

SampleSource::SampleSource(const std::string& shard_prefix, int sequence_length,
                           std::uint64_t seed) {
  CHECK(sequence_length >= 1);
  ShardReader shard(shard_prefix);
  const std::int64_t n_windows = (shard.n_tokens() - 1) / sequence_length;
  if (n_windows < 1) {
    throw_bad_input({shard_prefix + ".bin", "too few tokens for one sequence",
                     std::to_string(shard.n_tokens()),
                     "at least " + std::to_string(std::int64_t{sequence_length} + 1),
                     "shorten data.sequence_length or add text"});
  }
  state_ = std::make_unique<State>(State{std::move(shard), sequence_length, seed, n_windows,
                                         read_text_bytes(shard_prefix)});
}

SampleSource::~SampleSource() = default;
SampleSource::SampleSource(SampleSource&&) noexcept = default;

Sample SampleSource::sample(std::int64_t global_sample) const {
  CHECK(global_sample >= 0);
  const auto n_windows = static_cast<std::uint64_t>(state_->n_windows);
  const std::uint64_t epoch = static_cast<std::uint64_t>(global_sample) / n_windows;
  const std::uint64_t index = static_cast<std::uint64_t>(global_sample) % n_windows;
  const std::uint64_t key = Rng(state_->seed, RngStream::kDataOrder).bits(epoch);
  const auto window = static_cast<std::int64_t>(permute(index, n_windows, key));

  const ShardReader& shard = state_->shard;
  const int length = state_->sequence_length;
  const std::int64_t first = window * length;
  Sample sample;
  sample.tokens.resize(static_cast<std::size_t>(length) + 1);
  shard.read(first, sample.tokens);
  sample.document_start.reserve(static_cast<std::size_t>(length));
  std::int64_t document = shard.document_of(first);
  for (int token = 0; token < length;) {
    const std::int64_t end = shard.document_begin(document + 1) - first;
    // Documents may be empty: they end before they hold a token.
    const auto count = static_cast<std::size_t>(
        std::clamp<std::int64_t>(end - token, 0, std::int64_t{length} - token));
    sample.document_start.insert(sample.document_start.end(), count, token);
    token += static_cast<int>(count);
    ++document;
  }
  return sample;
}

std::int64_t SampleSource::samples_per_epoch() const { return state_->n_windows; }
std::int64_t SampleSource::n_tokens() const { return state_->shard.n_tokens(); }
std::int64_t SampleSource::n_text_bytes() const { return state_->n_text_bytes; }

}  // namespace farthing
