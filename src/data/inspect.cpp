// inspect.cpp - one pass over each shard of a folder, set beside its card.
#include "data/inspect.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "data/packing.h"
#include "data/shards.h"
#include "data/tokenizer.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSampleTokens = 120;
constexpr std::int64_t kReadTokens = 1 << 16;  // at once
constexpr std::size_t kMostFrequent = 20;
constexpr std::size_t kMostDuplicated = 5;

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
    throw_bad_input(
        {folder, "no token shards", "", ".idx and .bin files", "farthing data prepare makes them"});
  }
  return names;
}

struct Lengths {
  std::vector<std::int64_t> histogram;  // documents with bit_width(length) == index
  std::vector<std::int64_t> ends;       // of every document, in tokens
  std::int64_t longest_document = 0, longest = 0;
};

Lengths measure_lengths(const ShardReader& shard) {
  Lengths lengths;
  std::int64_t begin = 0;
  lengths.ends.reserve(static_cast<std::size_t>(shard.n_documents()));
  for (std::int64_t document = 0; document < shard.n_documents(); ++document) {
    const std::int64_t end = shard.document_begin(document + 1);
    const std::int64_t length = end - begin;
    lengths.ends.push_back(end);
    begin = end;
    const auto bucket =
        static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(length)));
    if (bucket >= lengths.histogram.size()) lengths.histogram.resize(bucket + 1);
    ++lengths.histogram[bucket];
    if (length > lengths.longest) {
      lengths.longest = length;
      lengths.longest_document = document;
    }
  }
  return lengths;
}

// What one pass over the tokens finds.
struct Contents {
  std::vector<std::int64_t> count_of_id;
  struct Hashed {
    std::uint64_t hash;
    std::int64_t document;
  };
  std::vector<Hashed> hashes;  // sorted; of documents that have tokens
};

Contents read_contents(const ShardReader& shard, const Lengths& lengths, int largest_id) {
  Contents contents;
  contents.count_of_id.resize(static_cast<std::size_t>(largest_id) + 1);
  std::vector<std::int32_t> ids;
  std::int64_t begin = 0;
  for (std::size_t document = 0; document < lengths.ends.size(); ++document) {
    const std::int64_t end = lengths.ends[document];
    std::uint64_t hash = 0;
    for (std::int64_t at = begin; at < end; at += static_cast<std::int64_t>(ids.size())) {
      ids.resize(static_cast<std::size_t>(std::min(end - at, kReadTokens)));
      shard.read(at, ids);
      for (const std::int32_t id : ids) ++contents.count_of_id[static_cast<std::size_t>(id)];
      const auto bytes = std::as_bytes(std::span(ids));
      hash = hash64({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, hash);
    }
    if (end > begin) contents.hashes.push_back({hash, static_cast<std::int64_t>(document)});
    begin = end;
  }
  std::ranges::sort(contents.hashes, [](const auto& a, const auto& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.document < b.document;
  });
  return contents;
}

// Ids by how often they occur, in powers of two; and the most frequent.
Json token_histogram(const Contents& contents) {
  struct Bucket {
    std::int64_t ids = 0, tokens = 0;
  };
  std::vector<Bucket> buckets;
  for (const std::int64_t count : contents.count_of_id) {
    const auto at = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(count)));
    if (at >= buckets.size()) buckets.resize(at + 1);
    ++buckets[at].ids;
    buckets[at].tokens += count;
  }
  Json json = Json::array();
  for (std::size_t at = 0; at < buckets.size(); ++at) {
    if (buckets[at].ids == 0) continue;
    const std::int64_t from = at == 0 ? 0 : std::int64_t{1} << (at - 1);
    const std::int64_t to = at == 0 ? 0 : (std::int64_t{1} << at) - 1;
    json.push_back(
        {{"from", from}, {"to", to}, {"ids", buckets[at].ids}, {"tokens", buckets[at].tokens}});
  }
  return json;
}

Json frequent_json(const Contents& contents, const std::optional<Tokenizer>& tokenizer) {
  std::vector<std::int32_t> order;
  for (std::size_t id = 0; id < contents.count_of_id.size(); ++id) {
    if (contents.count_of_id[id] > 0) order.push_back(static_cast<std::int32_t>(id));
  }
  const auto count = [&](std::int32_t id) {
    return contents.count_of_id[static_cast<std::size_t>(id)];
  };
  const std::size_t n = std::min(order.size(), kMostFrequent);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(),
                    [&](std::int32_t a, std::int32_t b) {
                      return count(a) != count(b) ? count(a) > count(b) : a < b;
                    });
  order.resize(n);
  Json json = Json::array();
  for (const std::int32_t id : order) {
    json.push_back({{"id", id},
                    {"text", tokenizer ? Json(tokenizer->decode({id})) : Json()},
                    {"count", count(id)}});
  }
  return json;
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

// Groups of equal documents, the largest first.
Json duplicates_json(const ShardReader& shard, const Contents& contents,
                     const std::optional<Tokenizer>& tokenizer) {
  struct Group {
    std::int64_t copies, document;
  };
  std::vector<Group> groups;
  std::int64_t n_distinct = 0;
  const auto& hashes = contents.hashes;
  for (std::size_t i = 0; i < hashes.size();) {
    std::size_t end = i + 1;
    while (end < hashes.size() && hashes[end].hash == hashes[i].hash) ++end;
    ++n_distinct;
    if (end - i > 1) groups.push_back({static_cast<std::int64_t>(end - i), hashes[i].document});
    i = end;
  }
  std::ranges::sort(groups, [](const Group& a, const Group& b) {
    return a.copies != b.copies ? a.copies > b.copies : a.document < b.document;
  });
  Json most = Json::array();
  for (std::size_t i = 0; i < std::min(groups.size(), kMostDuplicated); ++i) {
    const std::int64_t document = groups[i].document;
    most.push_back(
        {{"copies", groups[i].copies},
         {"tokens", shard.document_begin(document + 1) - shard.document_begin(document)},
         {"text", tokenizer ? Json(decode_sample(shard, *tokenizer, document)) : Json()}});
  }
  const auto n = static_cast<std::int64_t>(hashes.size());
  return {{"documents", n},
          {"distinct", n_distinct},
          {"copies", n - n_distinct},
          {"most", std::move(most)}};
}

Json statistics_json(const PackingStatistics& statistics) {
  return {{"windows", statistics.windows},
          {"fill_rate", statistics.fill_rate},
          {"truncated_documents", statistics.truncated_documents},
          {"cuts", statistics.cuts}};
}

Json packing_json(const Lengths& lengths, int sequence_length) {
  const BestFitPacking packing(lengths.ends, sequence_length);
  return {{"sequence_length", sequence_length},
          {"cut", statistics_json(cut_statistics(lengths.ends, sequence_length))},
          {"best_fit", statistics_json(packing.statistics())}};
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
  Json entry = card.at(place);
  const Json found = {entry.value("documents", Json()), entry.value("tokens", Json())};
  const Json wanted = {shard.n_documents(), shard.n_tokens()};
  if (found != wanted || !entry.value("bytes", Json()).is_number()) {
    throw_bad_input({folder + "/card.json", split + ": [documents, tokens]", found.dump(),
                     wanted.dump(), "the card is not of these shards"});
  }
  return entry;
}

// A shard that was altered after it was made.
void check_digests(const Json& card, const std::string& prefix, const std::string& split,
                   const ShardReader& shard) {
  const Json digests = card.value("digests", Json::object());
  const auto check = [&](const char* ending, const std::string& path, const std::string& found) {
    const std::string name = split + ending;
    if (!digests.is_object() || !digests.contains(name) || digests[name] == found) return;
    throw_bad_input({path, "altered after it was made", "XXH3-128 " + found,
                     digests[name].dump() + " as card.json says", ""});
  };
  check(".idx", prefix + ".idx", hash128_hex(MappedFile(prefix + ".idx").bytes()));
  check(".bin", shard.bytes().path(), digest_of(shard.bytes()));
}

Json split_json(const std::string& folder, const std::string& split, const Json& card,
                const std::optional<Tokenizer>& tokenizer, const InspectOptions& options) {
  const std::string prefix = folder + "/" + split;
  const ShardReader shard(prefix);
  const int largest_id = shard.max_id();
  if (tokenizer && largest_id >= tokenizer->vocab_size()) {
    throw_bad_input({prefix + ".bin", "a token id outside the vocabulary",
                     std::to_string(largest_id), "below " + std::to_string(tokenizer->vocab_size()),
                     "these shards were made with another tokenizer"});
  }
  const Json entry = card_entry(card, folder, split, shard);
  check_digests(card, prefix, split, shard);
  const Json bytes = entry.is_null() ? Json() : entry["bytes"];
  const Lengths lengths = measure_lengths(shard);
  const Contents contents = read_contents(shard, lengths, largest_id);
  const auto n_used = std::ranges::count_if(contents.count_of_id, [](auto n) { return n > 0; });
  const auto n_tokens = static_cast<double>(shard.n_tokens());
  return {{"documents", shard.n_documents()},
          {"sequences", shard.n_sequences()},
          {"bytes_on_disk",
           shard.bytes().stored_size() + static_cast<std::int64_t>(fs::file_size(prefix + ".idx"))},
          {"ids_used", n_used},
          {"token_histogram", token_histogram(contents)},
          {"frequent", frequent_json(contents, tokenizer)},
          {"duplicates", duplicates_json(shard, contents, tokenizer)},
          {"packing", packing_json(lengths, options.sequence_length)},
          {"tokens", shard.n_tokens()},
          {"bytes", bytes},
          {"bytes_per_token",
           bytes.is_null() || n_tokens == 0 ? Json() : Json(bytes.get<double>() / n_tokens)},
          {"largest_id", largest_id},
          {"longest_document", lengths.longest},
          {"histogram", histogram_json(lengths)},
          {"samples", tokenizer ? samples_json(shard, *tokenizer, lengths, options.seed) : Json()}};
}

// The card's cost of a source; where it has none, of the whole, in proportion to bytes of text.
Json source_cost(const Json& card, const Json& source, double share_of_bytes) {
  if (source.contains("cost")) return source["cost"];
  Json cost = {{"shared_by_bytes", true}};
  const Json& whole = card.contains("cost") ? card["cost"] : card;
  for (const char* key : {"seconds", "core_seconds", "joules", "usd"}) {
    if (whole.contains(key) && whole[key].is_number()) {
      cost[key] = whole[key].get<double>() * share_of_bytes;
    }
  }
  return cost;
}

Json sources_json(const Json& card) {
  Json sources = Json::array();
  double total = 0, total_bytes = 0;
  std::vector<double> bytes;
  for (const Json& source : card.value("sources", Json::array())) {
    const std::int64_t train = source.at("train").at("tokens"), val = source.at("val").at("tokens");
    total += static_cast<double>(train + val);
    bytes.push_back(source.at("train").value("bytes", 0.0) + source.at("val").value("bytes", 0.0));
    total_bytes += bytes.back();
    sources.push_back({{"name", source.at("name")},
                       {"licence", source.at("licence")},
                       {"documents", source.at("documents")},
                       {"dropped", source.value("dropped", Json::object())},
                       {"tokens", train + val}});
  }
  for (std::size_t i = 0; i < sources.size(); ++i) {
    Json& source = sources[i];
    source["share"] = total == 0 ? 0.0 : source["tokens"].get<double>() / total;
    source["cost"] =
        source_cost(card, card["sources"][i], total_bytes > 0 ? bytes[i] / total_bytes : 0.0);
  }
  return sources;
}

// Why documents were left out, the most frequent reason first, with the rule's source.
Json dropped_json(const Json& card) {
  Json dropped = Json::array();
  const Json reasons = card.value("dropped", Json::object());
  const Json rules = card.value(Json::json_pointer("/clean/rules"), Json::array());
  const double all = card.value("documents_in", 0.0);
  for (const auto& [reason, count] : reasons.items()) {
    Json entry = {{"reason", reason},
                  {"documents", count.get<std::int64_t>()},
                  {"share", all > 0 ? Json(count.get<double>() / all) : Json()},
                  {"source", ""}};
    for (const Json& rule : rules) {
      if (rule.at("name") == reason) entry["source"] = rule.value("source", "");
    }
    dropped.push_back(std::move(entry));
  }
  std::sort(dropped.begin(), dropped.end(), [](const Json& a, const Json& b) {
    return a["documents"] != b["documents"] ? a["documents"] > b["documents"]
                                            : a["reason"] < b["reason"];
  });
  return dropped;
}

// What the card says beyond its splits.
void add_card(const Json& card, const std::string& card_path, Json& inspection) {
  try {
    inspection["sources"] = sources_json(card);
    inspection["dropped"] = dropped_json(card);
    inspection["documents_in"] = card.value("documents_in", Json());
    inspection["examples"] = card.value("examples", Json::array());
    inspection["cost"] = card.value("cost", Json());
    if (inspection["cost"].is_null() && card.contains("seconds")) {
      inspection["cost"] = {{"seconds", card["seconds"]}};
    }
  } catch (const Json::exception& fault) {
    throw_bad_input({card_path, std::string("the card: ") + fault.what(), "", "", ""});
  }
}

}  // namespace

Json inspect_data(const std::string& folder, const InspectOptions& options) {
  const std::vector<std::string> names = split_names(folder);
  const std::string card_path = folder + "/card.json";
  const std::string tokenizer_path = folder + "/tokenizer.json";
  const Json card = file_exists(card_path) ? read_json(card_path) : Json::object();
  if (!card.is_object()) {
    throw_bad_input({card_path, "not a data card", card.type_name(), "a JSON object", ""});
  }
  std::optional<Tokenizer> tokenizer;
  if (file_exists(tokenizer_path)) tokenizer.emplace(Tokenizer::load(tokenizer_path));

  Json splits = Json::object();
  std::int64_t bytes_on_disk = 0;
  for (const std::string& name : names) {
    splits[name] = split_json(folder, name, card, tokenizer, options);
    bytes_on_disk += splits[name]["bytes_on_disk"].get<std::int64_t>();
  }
  const Json of_tokenizer = tokenizer ? Json({{"vocab_size", tokenizer->vocab_size()},
                                              {"fingerprint", tokenizer->fingerprint()}})
                                      : Json();
  Json inspection = {{"folder", folder},
                     {"bytes_on_disk", bytes_on_disk},
                     {"tokenizer", of_tokenizer},
                     {"splits", splits}};
  add_card(card, card_path, inspection);
  return inspection;
}

}  // namespace farthing
