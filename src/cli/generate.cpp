// farthing generate - let a model write on.
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/support.h"
#include "data/text_stream.h"
#include "infer/generate.h"

namespace farthing {
namespace {

struct GenerateOptions {
  std::string model;
  std::string prompt;
  std::string prompt_file;
  GenerateSettings settings = {.sampling = {.temperature = 0.8, .top_p = 0.95}};
  std::vector<std::string> stops;
  int samples = 1;
  int threads = 0;
  bool json = false;
};

std::string read_prompt(const GenerateOptions& options) {
  if (options.prompt_file.empty()) return options.prompt;
  const bool is_stdin = options.prompt_file == "-";
  std::string text = is_stdin ? std::string(std::istreambuf_iterator<char>(std::cin),
                                            std::istreambuf_iterator<char>())
                              : read_file(options.prompt_file);
  if (text.empty()) {
    throw_bad_input({is_stdin ? "standard input" : options.prompt_file, "a prompt", "an empty file",
                     "some text", "--prompt \"\" begins a new document"});
  }
  return text;
}

// An empty prompt is the beginning of a document: what stands after the end of the one before.
std::vector<std::int32_t> encode_prompt(const Tokenizer& tokenizer, const std::string& prompt) {
  std::vector<std::int32_t> ids = tokenizer.encode(prompt);
  if (!ids.empty()) return ids;
  for (const int id : {tokenizer.end_of_text_id(), tokenizer.begin_of_text_id()}) {
    if (id >= 0) return {id};
  }
  throw_bad_input({"--prompt", "tokens", "none", "some text",
                   "this tokenizer has no token that begins a document"});
}

std::vector<std::int32_t> stop_ids(const Tokenizer& tokenizer, const ModelConfig& config) {
  std::vector<std::int32_t> ids;
  for (const int id : {config.eos_token_id, tokenizer.end_of_text_id()}) {
    if (id >= 0) ids.push_back(id);
  }
  return ids;
}

Json continuation_json(const Continuation& continuation, const TextStream& stream) {
  return {{"text", stream.text()},
          {"ids", continuation.ids},
          {"reason", to_string(continuation.reason)}};
}

struct Writer {
  const GenerateOptions& options;
  const Tokenizer& tokenizer;
  std::vector<TextStream> streams;

  bool is_live() const { return options.samples == 1 && !options.json; }

  // Takes a token; false: a stop string has come.
  bool take(int sequence, std::int32_t id) {
    TextStream& stream = streams[static_cast<std::size_t>(sequence)];
    const std::string text = stream.add(tokenizer.decode({id}, /*skip_special=*/true));
    if (is_live()) std::cout << text;
    if (is_live() && stdout_is_terminal()) std::cout.flush();
    return !stream.stopped();
  }
};

void generate_command(const GenerateOptions& options) {
  apply_threads(options.threads);
  check_sampling(options.settings.sampling);
  const std::string prompt = read_prompt(options);
  const ModelPlace place = find_model(options.model);
  const LoadedModel loaded = load_model(place);
  const Tokenizer tokenizer = load_tokenizer_of(place, loaded.config);
  const Model<float> model(loaded.config, *loaded.table, loaded.weights);
  const auto n_samples = static_cast<std::size_t>(options.samples);
  const std::vector<std::vector<std::int32_t>> prompts(n_samples, encode_prompt(tokenizer, prompt));
  Writer writer = {options, tokenizer, {n_samples, TextStream(options.stops)}};
  GenerateSettings settings = options.settings;
  settings.stop_ids = stop_ids(tokenizer, loaded.config);
  settings.on_token = [&](int sequence, std::int32_t id) { return writer.take(sequence, id); };
  if (writer.is_live()) std::cout << prompt << std::flush;
  const auto written = generate(model, prompts, settings);
  Json json = {{"prompt", prompt}, {"prompt_ids", prompts[0]}, {"continuations", Json::array()}};
  for (std::size_t i = 0; i < n_samples; ++i) {
    const std::string rest = writer.streams[i].finish();
    if (writer.is_live()) std::cout << rest << "\n";
    json["continuations"].push_back(continuation_json(written[i], writer.streams[i]));
    if (options.json || writer.is_live()) continue;
    std::cout << (i == 0 ? "" : "\n---\n\n") << prompt << writer.streams[i].text() << "\n";
  }
  if (!options.json) return;
  std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
}

void add_generate_command(Command& app) {
  auto options = std::make_shared<GenerateOptions>();
  Command* generate = app.add_subcommand("generate", "let a model write on from a prompt");
  SamplingSettings& sampling = options->settings.sampling;
  generate->add_option("model", options->model, "run, checkpoint or Hugging Face directory")
      ->required();
  Option* prompt = generate->add_option("--prompt", options->prompt, "text to continue");
  generate->add_option("--prompt-file", options->prompt_file, "the same from a file; -: stdin")
      ->excludes(prompt);
  generate->add_option("--max-tokens", options->settings.max_tokens, "at most so many; default 256")
      ->range(0, 1 << 24);
  generate
      ->add_option("--temperature", sampling.temperature, "0: always the likeliest; default 0.8")
      ->range(0.0, 1e6);
  generate->add_option("--top-p", sampling.top_p, "keep this much probability; default 0.95")
      ->range(1e-12, 1.0);
  generate->add_option("--top-k", sampling.top_k, "keep so many tokens; 0: all")->range(0, 1 << 24);
  generate->add_option("--seed", sampling.seed, "same seed, same text; default 1")->not_negative();
  generate->add_option("--stop", options->stops, "end before this text; may be given again")
      ->one_at_a_time();
  generate->add_option("--samples", options->samples, "so many continuations, each its own draws")
      ->range(1, 1024);
  add_threads_option(*generate, options->threads);
  add_json_flag(*generate, options->json);
  set_example(*generate, "farthing generate runs/tiny --prompt \"The \" --max-tokens 100");
  generate->callback([options] { generate_command(*options); });
}
const CommandRegistration kGenerate{add_generate_command, 40};

}  // namespace
}  // namespace farthing
