// farthing eval - bits per byte of a model on held-out text, source by source.
#include <fmt/core.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/support.h"
#include "eval/evaluate.h"

namespace farthing {
namespace {

struct EvalOptions {
  std::string model;
  std::string data;
  int window = 0;
  std::int64_t max_tokens = 0;
  int threads = 0;
  bool json = false;
};

Json score_json(const SourceScore& score) {
  return {{"name", score.name},
          {"tokens", score.n_tokens},
          {"bytes", score.n_bytes},
          {"nats_per_token", score.nats_per_token()},
          {"bits_per_byte", score.bits_per_byte()}};
}

void print_scores(const std::vector<SourceScore>& scores, const SourceScore& total) {
  std::vector<std::vector<std::string>> rows = {
      {"source", "tokens", "bytes", "nats a token", "bits a byte"}};
  const auto add = [&](const SourceScore& score) {
    rows.push_back({score.name, std::to_string(score.n_tokens), std::to_string(score.n_bytes),
                    fmt::format("{:.4f}", score.nats_per_token()),
                    fmt::format("{:.4f}", score.bits_per_byte())});
  };
  for (const SourceScore& score : scores) add(score);
  if (scores.size() > 1) add(total);
  std::cout << format_table(rows);
}

// The data folder's tokenizer must be the model's own where both have one.
Tokenizer tokenizer_of_data(const std::string& data, const ModelPlace& place,
                            const ModelConfig& config) {
  const std::string path = data + "/tokenizer.json";
  if (!file_exists(path)) return load_tokenizer_of(place, config);
  Tokenizer tokenizer = Tokenizer::load(path);
  if (place.tokenizer.empty()) return tokenizer;
  const Tokenizer own = load_tokenizer_of(place, config);
  if (own.fingerprint() != tokenizer.fingerprint()) {
    throw_bad_input({data, "tokenized with another tokenizer", tokenizer.fingerprint(),
                     own.fingerprint() + ", the model's",
                     "prepare the text again with --tokenizer " + place.tokenizer});
  }
  return tokenizer;
}

void eval_command(const EvalOptions& options) {
  apply_threads(options.threads);
  const ModelPlace place = find_model(options.model);
  const std::optional<Recipe> recipe = recipe_of(place);
  if (options.data.empty() && !recipe) {
    throw Error(ErrorCode::kUsage,
                options.model + " belongs to no run that names its data: give --data DIR");
  }
  const bool of_run = options.data.empty();
  const std::vector<ValidationPlace> places =
      of_run ? validation_places(recipe->data) : validation_places(options.data);
  if (places.empty()) {
    throw_bad_input({options.model, "its data has no validation split", "", "val.idx and val.bin",
                     "made by `farthing data prepare`"});
  }
  const std::string data = places.front().folder;
  const LoadedModel loaded = load_model(place);
  const Tokenizer tokenizer = tokenizer_of_data(data, place, loaded.config);
  const Model<float> model(loaded.config, *loaded.table, loaded.weights);
  EvaluateSettings settings = {.window = options.window, .max_tokens = options.max_tokens};
  if (recipe) {
    settings.document_mask = recipe->data.document_mask;
    if (settings.window == 0) settings.window = recipe->data.sequence_length;
  }
  ProgressLine line;
  settings.progress = [&](const std::string&, double done, double total) {
    line.show_share(done, total, "tokens");
  };
  const auto scores = evaluate_data(model, tokenizer, places, settings);
  line.end();
  const SourceScore total = total_score(scores);
  if (!options.json) return print_scores(scores, total);
  Json json = {{"model", place.folder}, {"data", data}, {"sources", Json::array()}};
  for (const SourceScore& score : scores) json["sources"].push_back(score_json(score));
  json["tokens"] = total.n_tokens;
  json["bytes"] = total.n_bytes;
  json["nats_per_token"] = total.nats_per_token();
  json["bits_per_byte"] = total.bits_per_byte();
  print_json(json);
}

void add_eval_command(Command& app) {
  auto options = std::make_shared<EvalOptions>();
  Command* eval = app.add_subcommand("eval", "bits per byte on held-out text, by source");
  eval->add_option("model", options->model, "run, checkpoint or Hugging Face directory")
      ->required();
  eval->add_option("--data", options->data, "folder of `data prepare`; default: the run's own");
  eval->add_option("--window", options->window,
                   "tokens seen at once; 0: the run's sequence length, or the model's context")
      ->range(0, 1 << 24);
  eval->add_option("--max-tokens", options->max_tokens, "of each source; 0: all")->not_negative();
  add_threads_option(*eval, options->threads);
  add_json_flag(*eval, options->json);
  set_example(*eval, "farthing eval runs/tiny");
  eval->callback([options] { eval_command(*options); });
}
const CommandRegistration kEval{add_eval_command, 50};

}  // namespace
}  // namespace farthing
