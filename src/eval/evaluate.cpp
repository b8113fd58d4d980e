// evaluate.cpp - the shards of a validation split, scored window by window.
#include "eval/evaluate.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "data/shards.h"
#include "eval/score.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

struct Source {
  std::string name;
  std::string shard_prefix;
};

// The name of a folder's only source, from its card.
std::string only_source(const std::string& folder) {
  if (!file_exists(folder + "/card.json")) return "val";
  const Json card = read_json(folder + "/card.json");
  const Json::json_pointer name("/sources/0/name");
  return card.contains(name) && card[name].is_string() ? card[name].get<std::string>() : "val";
}

// val-NAME shards where the data has several sources, else val.
std::vector<Source> find_sources(const std::string& folder) {
  if (!fs::is_directory(folder)) (void)read_file(folder + "/val.idx");  // says why
  std::vector<Source> sources;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".idx" || !stem.starts_with("val-")) continue;
    sources.push_back({stem.substr(4), folder + "/" + stem});
  }
  std::ranges::sort(sources, {}, &Source::name);
  if (!sources.empty()) return sources;
  if (!file_exists(folder + "/val.idx")) {
    throw_bad_input({folder, "no validation split", "", "val.idx and val.bin",
                     "made by `farthing data prepare`"});
  }
  return {{only_source(folder), folder + "/val"}};
}

// The tokens to score: the whole stream, or each document.
std::vector<Ids> read_streams(const std::string& shard_prefix, const EvaluateSettings& settings) {
  const ShardReader shard(shard_prefix);
  const std::int64_t n_tokens =
      settings.max_tokens > 0 ? std::min(shard.n_tokens(), settings.max_tokens) : shard.n_tokens();
  const auto read = [&](std::int64_t begin, std::int64_t end) {
    Ids ids(static_cast<std::size_t>(std::max<std::int64_t>(0, end - begin)));
    shard.read(begin, ids);
    return ids;
  };
  if (!settings.document_mask) return {read(0, n_tokens)};
  std::vector<Ids> documents;
  for (std::int64_t document = 0; document < shard.n_documents(); ++document) {
    const std::int64_t begin = shard.document_begin(document);
    if (begin >= n_tokens) break;
    documents.push_back(read(begin, std::min(shard.document_begin(document + 1), n_tokens)));
  }
  return documents;
}

SourceScore score_source(const Model<float>& model, const Tokenizer& tokenizer,
                         const Source& source, const EvaluateSettings& settings) {
  const std::vector<Ids> streams = read_streams(source.shard_prefix, settings);
  const int window = settings.window > 0 ? settings.window : model.config.max_position_embeddings;
  ScoreSettings scoring = {.window = window, .stride = window};
  if (settings.progress) {
    scoring.progress = [&](double done, double total) {
      settings.progress(source.name, done, total);
    };
  }
  SourceScore result = {.name = source.name};
  for (const Ids& ids : streams) {
    result.n_bytes += static_cast<std::int64_t>(tokenizer.decode(ids, true).size());
    result.n_tokens += std::max<std::int64_t>(0, static_cast<std::int64_t>(ids.size()) - 1);
  }
  if (result.n_tokens == 0 || result.n_bytes == 0) {
    throw_bad_input({source.shard_prefix, "nothing to predict",
                     std::to_string(result.n_tokens) + " tokens", "at least 2 tokens of text", ""});
  }
  for (const TokenScores& scores : score_sequences(model, streams, scoring)) {
    result.sum_logprob += scores.sum();
  }
  return result;
}

}  // namespace

double SourceScore::nats_per_token() const { return -sum_logprob / static_cast<double>(n_tokens); }
double SourceScore::bits_per_byte() const { return farthing::bits_per_byte(sum_logprob, n_bytes); }

std::vector<SourceScore> evaluate_data(const Model<float>& model, const Tokenizer& tokenizer,
                                       const std::string& data_folder,
                                       const EvaluateSettings& settings) {
  std::vector<SourceScore> scores;
  for (const Source& source : find_sources(data_folder)) {
    scores.push_back(score_source(model, tokenizer, source, settings));
  }
  return scores;
}

SourceScore total_score(const std::vector<SourceScore>& sources) {
  SourceScore total = {.name = "all"};
  for (const SourceScore& source : sources) {
    total.n_tokens += source.n_tokens;
    total.n_bytes += source.n_bytes;
    total.sum_logprob += source.sum_logprob;
  }
  return total;
}

}  // namespace farthing
