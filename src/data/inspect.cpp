// inspect.cpp - one pass over each shard of a folder, set beside its card.
#include "data/inspect.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "data/shards.h"
#include "data/tokenizer.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSampleTokens = 120;

// "train" first, then "val", then the others by name.
std::vector<std::string> split_names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code fault;
  for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end;
       entry.increment(fault)) {
    if (entry->path().extension() == ".idx") names.push_back(entry->path().stem().string());
  }
  if (fault) throw_bad_input({folder, "cannot read: " + fault.message(), "", "", ""});
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    throw_bad_input({folder, "no token shards", "", ".idx and .bin files",
                     "farthing data prepare makes them"});
  }
  return names;
}

struct Lengths {
  std::vector<std::int64_t> histogram;  // documents with bit_width(length) == index
  std::int64_t longest_document = 0, longest = 0;
};

Lengths measure_lengths(const ShardReader& shard) {
  Lengths lengths;
  std::int64_t begin = 0;
  for (std::int64_t document = 0; document < shard.n_documents(); ++document) {
    const std::int64_t end = shard.document_begin(document + 1);
    const std::int64_t length = end - begin;
    begin = end;
    const auto bucket = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(length)));
    if (bucket >= lengths.histogram.size()) lengths.histogram.resize(bucket + 1);
    ++lengths.histogram[bucket];
    if (length > lengths.longest) {
      lengths.longest = length;
      lengths.longest_document = document;
    }
  }
  return lengths;
}

Json histogram_json(const Lengths& lengths) {
  Json buckets = Json::array();
  for (std::size_t bucket = 0; bucket < lengths.histogram.size(); ++bucket) {
    if (lengths.histogram[bucket] == 0) continue;
    const std::int64_t from = bucket == 0 ? 0 : std::int64_t{1} << (bucket - 1);
    const std::int64_t to = bucket == 0 ? 0 : (std::int64_t{1} << bucket) - 1;
    buckets.push_back({{"from", from}, {"to", to}, {"documents", lengths.histogram[bucket]}});
  }
  return buckets;
}

std::string decode_sample(const ShardReader& shard, const Tokenizer& tokenizer,
                          std::int64_t document) {
  const std::int64_t begin = shard.document_begin(document);
  const std::int64_t length = shard.document_begin(document + 1) - begin;
  std::vector<std::int32_t> ids(static_cast<std::size_t>(std::min(length, kSampleTokens)));
  shard.read(begin, ids);
  return tokenizer.decode(ids) + (length > kSampleTokens ? " ..." : "");
}

Json samples_json(const ShardReader& shard, const Tokenizer& tokenizer, const Lengths& lengths,
                  std::uint64_t seed) {
  if (shard.n_documents() == 0) return nullptr;
  const auto random = static_cast<std::int64_t>(
      Rng(seed, RngStream::kSampling).below(0, static_cast<std::uint64_t>(shard.n_documents())));
  return {{"first", decode_sample(shard, tokenizer, 0)},
          {"random", decode_sample(shard, tokenizer, random)},
          {"longest", decode_sample(shard, tokenizer, lengths.longest_document)}};
}

// The card's entry for a split, or null; its counts must be those of the shard.
Json card_entry(const Json& card, const std::string& folder, const std::string& split,
                const ShardReader& shard) {
  const Json::json_pointer place("/splits/" + split);
  if (!card.contains(place)) return nullptr;
  const Json entry = card.at(place);
  const Json found = {entry.value("documents", Json()), entry.value("tokens", Json())};
  const Json wanted = {shard.n_documents(), shard.n_tokens()};
  if (found != wanted || !entry.value("bytes", Json()).is_number()) {
    throw_bad_input({folder + "/card.json", split + ": [documents, tokens]", found.dump(),
                     wanted.dump(), "the card is not of these shards"});
  }
  return entry;
}

Json split_json(const std::string& folder, const std::string& split, const Json& card,
                const std::optional<Tokenizer>& tokenizer, std::uint64_t seed) {
  const std::string prefix = folder + "/" + split;
  const ShardReader shard(prefix);
  const int largest_id = shard.max_id();
  if (tokenizer && largest_id >= tokenizer->vocab_size()) {
    throw_bad_input({prefix + ".bin", "a token id outside the vocabulary",
                     std::to_string(largest_id),
                     "below " + std::to_string(tokenizer->vocab_size()),
                     "these shards were made with another tokenizer"});
  }
  const Json entry = card_entry(card, folder, split, shard);
  const Json bytes = entry.is_null() ? Json() : entry["bytes"];
  const Lengths lengths = measure_lengths(shard);
  const auto n_tokens = static_cast<double>(shard.n_tokens());
  return {{"documents", shard.n_documents()},
          {"tokens", shard.n_tokens()},
          {"bytes", bytes},
          {"bytes_per_token",
           bytes.is_null() || n_tokens == 0 ? Json() : Json(bytes.get<double>() / n_tokens)},
          {"largest_id", largest_id},
          {"longest_document", lengths.longest},
          {"histogram", histogram_json(lengths)},
          {"samples", tokenizer ? samples_json(shard, *tokenizer, lengths, seed) : Json()}};
}

Json sources_json(const Json& card) {
  Json sources = Json::array();
  double total = 0;
  for (const Json& source : card.value("sources", Json::array())) {
    const std::int64_t train = source.at("train").at("tokens"), val = source.at("val").at("tokens");
    total += static_cast<double>(train + val);
    sources.push_back({{"name", source.at("name")},
                       {"licence", source.at("licence")},
                       {"documents", source.at("documents")},
                       {"tokens", train + val}});
  }
  for (Json& source : sources) {
    source["share"] = total == 0 ? 0.0 : source["tokens"].get<double>() / total;
  }
  return sources;
}

}  // namespace

Json inspect_data(const std::string& folder, std::uint64_t seed) {
  const std::vector<std::string> names = split_names(folder);
  const std::string card_path = folder + "/card.json";
  const std::string tokenizer_path = folder + "/tokenizer.json";
  const Json card = file_exists(card_path) ? read_json(card_path) : Json::object();
  std::optional<Tokenizer> tokenizer;
  if (file_exists(tokenizer_path)) tokenizer.emplace(Tokenizer::load(tokenizer_path));

  Json splits = Json::object();
  std::uintmax_t bytes_on_disk = 0;
  for (const std::string& name : names) {
    splits[name] = split_json(folder, name, card, tokenizer, seed);
    bytes_on_disk += fs::file_size(folder + "/" + name + ".bin");
    bytes_on_disk += fs::file_size(folder + "/" + name + ".idx");
  }
  Json sources;
  try {
    sources = sources_json(card);
  } catch (const Json::exception& fault) {
    throw_bad_input({card_path, std::string("sources: ") + fault.what(), "", "", ""});
  }
  const Json of_tokenizer = tokenizer ? Json({{"vocab_size", tokenizer->vocab_size()},
                                              {"fingerprint", tokenizer->fingerprint()}})
                                      : Json();
  return {{"folder", folder},         {"bytes_on_disk", bytes_on_disk},
          {"tokenizer", of_tokenizer}, {"splits", splits},
          {"sources", sources}};
}

}  // namespace farthing
