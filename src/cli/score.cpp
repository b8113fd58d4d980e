// farthing score - the log-probability that a model gives to every token of a text.
#include <cmath>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/support.h"
#include "data/utf8.h"
#include "eval/score.h"

namespace farthing {
namespace {

using Ids = std::vector<std::int32_t>;

struct ScoreOptions {
  std::string model;
  std::string ids_file;
  std::string text_file;
  int window = 0;
  int threads = 0;
  bool json = false;
};

// What is to be scored; n_bytes of a sequence: absent without a tokenizer.
struct ScoreInput {
  std::vector<Ids> sequences;
  std::vector<std::optional<std::int64_t>> n_bytes;
  bool is_nested = false;  // an array of arrays
};

Ids parse_ids(const Json& array, const std::string& where) {
  Ids ids;
  for (const Json& value : array) {
    const bool fits = value.is_number_integer() && value >= 0 &&
                      value <= std::numeric_limits<std::int32_t>::max();
    if (!fits) {
      throw_bad_input({where, "token " + std::to_string(ids.size()), value.dump().substr(0, 60),
                       "a token id, an integer from 0", ""});
    }
    ids.push_back(value.get<std::int32_t>());
  }
  return ids;
}

ScoreInput read_ids(const std::string& path) {
  const Json json = parse_json(read_input(path), path);
  if (!json.is_array() || json.empty()) {
    throw_bad_input({path, "the ids", json.is_array() ? "an empty array" : json.type_name(),
                     "an array of ids, or of arrays of ids", ""});
  }
  ScoreInput input;
  input.is_nested = json.front().is_array();
  if (!input.is_nested) {
    input.sequences = {parse_ids(json, path)};
    return input;
  }
  for (const Json& inner : json) {
    const std::string where = path + ", sequence " + std::to_string(input.sequences.size());
    if (!inner.is_array()) {
      throw_bad_input(
          {where, "the ids", inner.dump().substr(0, 60), "an array, as the first is", ""});
    }
    input.sequences.push_back(parse_ids(inner, where));
  }
  return input;
}

ScoreInput read_scored(const ScoreOptions& options, const ModelPlace& place,
                       const ModelConfig& config) {
  if (!options.text_file.empty()) {
    std::int64_t n_replaced = 0;
    const std::string text = mend_utf8(read_input(options.text_file), &n_replaced);
    if (n_replaced > 0) {
      log_line(options.text_file + ": " + std::to_string(n_replaced) +
               " times invalid UTF-8, scored as U+FFFD; bits a byte are of the text so mended");
    }
    ScoreInput input;
    input.sequences = {load_tokenizer_of(place, config).encode(text)};
    input.n_bytes = {static_cast<std::int64_t>(text.size())};
    if (text.empty()) throw_bad_input({options.text_file, "the text", "no bytes", "some", ""});
    return input;
  }
  ScoreInput input = read_ids(options.ids_file);
  input.n_bytes.resize(input.sequences.size());
  if (place.tokenizer.empty()) return input;
  const Tokenizer tokenizer = load_tokenizer_of(place, config);
  for (std::size_t i = 0; i < input.sequences.size(); ++i) {
    input.n_bytes[i] = static_cast<std::int64_t>(tokenizer.decode(input.sequences[i], true).size());
  }
  return input;
}

// NaN marks what has no value: null.
Json values_json(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(std::isnan(value) ? Json() : Json(value));
  return json;
}

Json sequence_json(const Ids& ids, const TokenScores& scores, std::optional<std::int64_t> n_bytes) {
  const bool has_bits = n_bytes && *n_bytes > 0 && ids.size() > 1;
  return {{"ids", ids},
          {"logprob", values_json(scores.logprob)},
          {"mtp_logprob",
           scores.mtp_logprob.empty() && !ids.empty() ? Json() : values_json(scores.mtp_logprob)},
          {"bits_per_byte", has_bits ? Json(bits_per_byte(scores.sum(), *n_bytes)) : Json()}};
}

// One object: of values for one sequence, of arrays of them for an array of arrays.
Json scores_json(const ScoreInput& input, const std::vector<TokenScores>& scores) {
  if (!input.is_nested) return sequence_json(input.sequences[0], scores[0], input.n_bytes[0]);
  Json json = {{"ids", Json::array()},
               {"logprob", Json::array()},
               {"mtp_logprob", Json::array()},
               {"bits_per_byte", Json::array()}};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const Json one = sequence_json(input.sequences[i], scores[i], input.n_bytes[i]);
    for (const auto& [key, value] : one.items()) json[key].push_back(value);
  }
  return json;
}

void print_summary(const ScoreInput& input, const std::vector<TokenScores>& scores) {
  std::vector<std::vector<std::string>> rows = {
      {"sequence", "tokens", "nats a token", "bits a byte"}};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::size_t n_tokens = input.sequences[i].size();
    const auto n_bytes = input.n_bytes[i].value_or(0);
    const bool any = n_tokens > 1;
    rows.push_back(
        {std::to_string(i), std::to_string(n_tokens),
         any ? std::to_string(-scores[i].sum() / static_cast<double>(n_tokens - 1)) : "-",
         any && n_bytes > 0 ? std::to_string(bits_per_byte(scores[i].sum(), n_bytes)) : "-"});
  }
  std::cout << format_table(rows);
}

void score_command(const ScoreOptions& options) {
  apply_threads(options.threads);
  if (options.ids_file.empty() == options.text_file.empty()) {
    throw Error(ErrorCode::kUsage, "score needs either --ids FILE or --text FILE");
  }
  const ModelPlace place = find_model(options.model);
  const LoadedModel loaded = load_model(place);
  const ScoreInput input = read_scored(options, place, loaded.config);
  const Model<float> model(loaded.config, *loaded.table, loaded.weights);
  ProgressLine line;
  const auto scores = score_sequences(
      model, input.sequences,
      {.window = options.window,
       .progress = [&](double done, double total) { line.show_share(done, total, "tokens"); }});
  line.end();
  if (!options.json && stdout_is_terminal()) return print_summary(input, scores);
  std::cout << scores_json(input, scores).dump() << '\n';
}

void add_score_command(Command& app) {
  auto options = std::make_shared<ScoreOptions>();
  Command* score = app.add_subcommand("score", "log-probability of every token of a text");
  score->add_option("model", options->model, "run, checkpoint or Hugging Face directory")
      ->required();
  score->add_option("--ids", options->ids_file, "JSON array of token ids, or of such; -: stdin");
  score->add_option("--text", options->text_file, "text file; -: stdin");
  score
      ->add_option("--window", options->window,
                   "tokens seen at once; 0: the model's context. Longer texts: half overlaps")
      ->range(0, 1 << 24);
  add_threads_option(*score, options->threads);
  add_json_flag(*score, options->json);
  set_example(*score, "farthing score runs/tiny --text chapter.txt --json");
  score->callback([options] { score_command(*options); });
}
const CommandRegistration kScore{add_score_command, 45};

}  // namespace
}  // namespace farthing
