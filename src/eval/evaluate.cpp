// evaluate.cpp - the shards of a validation split, scored window by window.
#include "eval/evaluate.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "data/loader.h"
#include "data/shards.h"
#include "eval/score.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

// Ids [begin, end): a window's inputs and, one further, its targets.
struct Piece {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

Json card_of(const std::string& folder) {
  return file_exists(folder + "/card.json") ? read_json(folder + "/card.json") : Json::object();
}

// The name of a folder's only source, from its card.
std::string only_source(const std::string& folder) {
  const Json card = card_of(folder);
  const Json::json_pointer name("/sources/0/name");
  return card.contains(name) && card[name].is_string() ? card[name].get<std::string>() : "val";
}

}  // namespace

std::vector<ValidationPlace> validation_places(const std::string& folder) {
  if (!fs::is_directory(folder)) (void)read_file(folder + "/val.idx");  // says why
  std::vector<ValidationPlace> sources;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".idx" || !stem.starts_with("val-")) continue;
    sources.push_back(
        {stem.substr(4), folder, fs::path(entry.path()).replace_extension().string()});
  }
  std::ranges::sort(sources, {}, &ValidationPlace::name);
  if (!sources.empty()) return sources;
  if (!file_exists(folder + "/val.idx")) {
    throw_bad_input({folder, "no validation split", "", "val.idx and val.bin",
                     "made by `farthing data prepare`"});
  }
  return {{only_source(folder), folder, folder + "/val"}};
}

std::vector<ValidationPlace> validation_places(const DataRecipe& data) {
  if (data.sources.empty()) {
    if (!file_exists(data.train + "/val.idx")) return {};
    return validation_places(data.train);
  }
  std::vector<ValidationPlace> places;
  for (const MixSource& source : data.sources) {
    const fs::path train = train_prefix(source.data);
    std::string name = train.filename().string();  // train-NAME and val-NAME belong together
    if (name.starts_with("train")) name.replace(0, 5, "val");
    const std::string folder = train.parent_path().string();
    const std::string prefix = (train.parent_path() / name).string();
    if (name != train.filename() && file_exists(prefix + ".idx")) {
      places.push_back({source.name, folder, prefix});
    }
  }
  return places;
}

namespace {

void add_pieces(std::vector<Piece>& pieces, std::int64_t begin, std::int64_t end, int window) {
  for (; begin + 1 < end; begin += window) {
    pieces.push_back({begin, std::min<std::int64_t>(begin + window + 1, end)});
  }
}

Ids read_ids(const ShardReader& shard, Piece piece) {
  Ids ids(static_cast<std::size_t>(piece.end - piece.begin));
  shard.read(piece.begin, ids);
  return ids;
}

// Bytes of text that the card gives a split; 0: none.
std::int64_t card_bytes(const std::string& folder, const std::string& shard_prefix) {
  const Json card = card_of(folder);
  const auto bytes =
      Json::json_pointer("/splits/" + fs::path(shard_prefix).filename().string() + "/bytes");
  return card.contains(bytes) && card[bytes].is_number_unsigned() ? card[bytes].get<std::int64_t>()
                                                                  : 0;
}

// Which of n_pieces a sample of n_taken has: evenly spread, the last one always.
bool is_taken(std::int64_t piece, std::int64_t n_pieces, std::int64_t n_taken) {
  CHECK(n_pieces > 0);
  return (piece + 1) * n_taken / n_pieces > piece * n_taken / n_pieces;
}

}  // namespace

struct ValidationSplit::Source {
  std::string name;
  std::string shard_prefix;
  std::unique_ptr<ShardReader> shard;
  std::vector<Piece> pieces;
  std::int64_t n_tokens = 0;  // predicted
  std::int64_t n_bytes = 0;

  void add(const EvaluateSettings& settings, int window) {
    const std::int64_t all = shard->n_tokens();
    const std::int64_t n_ids = settings.max_tokens > 0 ? std::min(all, settings.max_tokens) : all;
    if (!settings.document_mask) add_pieces(pieces, 0, n_ids, window);
    for (std::int64_t document = 0; settings.document_mask && document < shard->n_documents();
         ++document) {
      const std::int64_t begin = shard->document_begin(document);
      if (begin >= n_ids) break;
      add_pieces(pieces, begin, std::min(shard->document_begin(document + 1), n_ids), window);
    }
    for (const Piece& piece : pieces) n_tokens += piece.end - piece.begin - 1;
    if (n_tokens > 0) return;
    throw_bad_input({shard_prefix, "nothing to predict", std::to_string(n_ids) + " tokens",
                     "at least 2 tokens of text", ""});
  }

  void count_bytes(const std::string& folder, const EvaluateSettings& settings,
                   const Tokenizer* tokenizer) {
    const std::int64_t all = shard->n_tokens();
    const bool is_whole = settings.max_tokens <= 0 || settings.max_tokens >= all;
    if (is_whole) n_bytes = card_bytes(folder, shard_prefix);
    if (n_bytes > 0 || tokenizer == nullptr) return;
    const Ids ids = read_ids(*shard, {0, is_whole ? all : settings.max_tokens});
    n_bytes = static_cast<std::int64_t>(tokenizer->decode(ids, true).size());
    if (n_bytes > 0) return;
    throw_bad_input({shard_prefix, "no text", std::to_string(ids.size()) + " tokens of 0 bytes",
                     "at least 2 tokens of text", ""});
  }
};

namespace {

// The batches of one source, as they fill up.
class PieceScorer {
 public:
  PieceScorer(const Model<float>& model, Context<float>& context, int window)
      : model_(model),
        settings_{.window = window, .stride = window, .context = &context},
        n_rows_(static_cast<std::size_t>(context.shape.n_sequences)) {}

  void add(Ids ids) {
    n_tokens_ += static_cast<std::int64_t>(ids.size()) - 1;
    pieces_.push_back(std::move(ids));
    if (pieces_.size() == n_rows_) run();
  }
  void run() {
    for (const TokenScores& scores : score_sequences(model_, pieces_, settings_)) {
      for (std::size_t i = 1; i < scores.logprob.size(); ++i) sum_ += scores.logprob[i];
    }
    pieces_.clear();
  }
  std::int64_t n_tokens() const { return n_tokens_; }
  double sum() const { return sum_; }

 private:
  const Model<float>& model_;
  ScoreSettings settings_;
  std::size_t n_rows_;
  std::vector<Ids> pieces_;
  std::int64_t n_tokens_ = 0;
  double sum_ = 0;
};

int window_of(const ModelConfig& config, const EvaluateSettings& settings) {
  const int window = settings.window > 0 ? settings.window : config.max_position_embeddings;
  if (window >= 2 && window <= config.max_position_embeddings) return window;
  throw_bad_input(
      {"window", "tokens", std::to_string(window),
       "2 to " + std::to_string(config.max_position_embeddings) + ", the model's context", ""});
}

}  // namespace

ValidationSplit::ValidationSplit(const std::vector<ValidationPlace>& places,
                                 const ModelConfig& config, const EvaluateSettings& settings,
                                 const Tokenizer* tokenizer) {
  const int window = window_of(config, settings);
  for (const ValidationPlace& place : places) {
    Source source = {
        place.name, place.shard_prefix, std::make_unique<ShardReader>(place.shard_prefix), {}, 0,
        0};
    const int largest = source.shard->max_id();
    if (largest >= config.vocab_size) {
      throw_bad_input({place.shard_prefix + ".bin", "token id outside the vocabulary",
                       std::to_string(largest), "0 to " + std::to_string(config.vocab_size - 1),
                       "made with another tokenizer, or model.vocab_size is too small"});
    }
    source.add(settings, window);
    source.count_bytes(place.folder, settings, tokenizer);
    sources_.push_back(std::move(source));
  }
}

ValidationSplit::~ValidationSplit() = default;
ValidationSplit::ValidationSplit(ValidationSplit&&) noexcept = default;

std::int64_t ValidationSplit::n_tokens() const {
  std::int64_t total = 0;
  for (const Source& source : sources_) total += source.n_tokens;
  return total;
}

std::vector<SourceScore> ValidationSplit::score(const Model<float>& model,
                                                const EvaluateSettings& settings) const {
  const int window = window_of(model.config, settings);
  std::optional<ScoringContext> own;
  if (settings.context == nullptr) {
    own.emplace(model.config, ContextShape{windows_in_a_batch(window), window});
  }
  Context<float>& context = own ? own->context : *settings.context;
  std::int64_t n_pieces = 0;
  for (const Source& source : sources_) n_pieces += std::ssize(source.pieces);
  const std::int64_t n_taken =
      settings.sample_tokens > 0
          ? std::clamp<std::int64_t>(settings.sample_tokens / window, 1, n_pieces)
          : n_pieces;
  std::vector<SourceScore> scores;
  std::int64_t index = 0;
  for (const Source& source : sources_) {
    PieceScorer scorer(model, context, window);
    for (const Piece& piece : source.pieces) {
      if (!is_taken(index++, n_pieces, n_taken)) continue;
      if (settings.cancelled && settings.cancelled()) return {};
      scorer.add(read_ids(*source.shard, piece));
      if (settings.progress) {
        settings.progress(source.name, static_cast<double>(scorer.n_tokens()),
                          static_cast<double>(source.n_tokens));
      }
    }
    scorer.run();
    if (scorer.n_tokens() == 0) continue;
    // In proportion: all of them where all tokens were scored.
    const auto n_bytes =
        std::llround(static_cast<double>(source.n_bytes) * (static_cast<double>(scorer.n_tokens()) /
                                                            static_cast<double>(source.n_tokens)));
    scores.push_back({source.name, scorer.n_tokens(), n_bytes, scorer.sum()});
  }
  return scores;
}

double SourceScore::nats_per_token() const { return -sum_logprob / static_cast<double>(n_tokens); }
double SourceScore::bits_per_byte() const { return farthing::bits_per_byte(sum_logprob, n_bytes); }

std::vector<SourceScore> evaluate_data(const Model<float>& model, const Tokenizer& tokenizer,
                                       const std::vector<ValidationPlace>& places,
                                       const EvaluateSettings& settings) {
  return ValidationSplit(places, model.config, settings, &tokenizer).score(model, settings);
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
