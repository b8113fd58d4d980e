// farthing tokenizer - train a byte-level BPE; text to ids and back.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/readers.h"
#include "data/tokenizer.h"
#include "machine/resident.h"

namespace farthing {
namespace {

struct TrainTokenizerOptions {
  std::vector<std::string> inputs;
  std::string output;
  std::string pre_tokenizer = "deepseek-v3";
  TokenizerTraining training;
  ReadOptions reading;
  int threads = 0;
  bool json = false;
};

struct CodeOptions {
  std::string tokenizer;
  std::string file = "-";
  std::string text;
  bool has_text = false;
  bool texts = false;
  bool plain_special = false;
  bool skip_special = false;
  bool json = false;
};

// A folder stands for the tokenizer.json in it.
Tokenizer load_tokenizer(const std::string& path) {
  const std::string inside = path + "/tokenizer.json";
  return Tokenizer::load(file_exists(inside) ? inside : path);
}

// What is there and no tokenizer, or an input, would be lost.
void refuse_lost_output(const std::string& output, const std::vector<std::string>& inputs) {
  std::error_code gone;
  for (const std::string& input : inputs) {
    if (std::filesystem::equivalent(input, output, gone)) {
      throw Error(ErrorCode::kUsage, "--output: " + output + " is one of the inputs");
    }
  }
  if (!std::filesystem::is_regular_file(output, gone)) return;
  const std::string there = read_file(output);
  const std::size_t first = there.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && there[first] != '{') {
    throw_bad_input({output, "a file that is no tokenizer is there", "", "a new file", ""});
  }
}

void train_tokenizer_command(TrainTokenizerOptions& options) {
  apply_threads(options.threads);
  options.training.pre_tokenizer =
      options.pre_tokenizer == "gpt2" ? PreTokenizer::kGpt2 : PreTokenizer::kDeepseekV3;
  const std::vector<std::string> files = find_input_files(options.inputs);
  refuse_lost_output(options.output, files);
  DocumentReader reader(files, options.reading);
  ProgressLine line;
  TrainingReport report;
  const auto begin = std::chrono::steady_clock::now();
  const Tokenizer tokenizer = train_tokenizer(
      [&](std::string& document) {
        line.show_share(static_cast<double>(reader.bytes_consumed()),
                        static_cast<double>(reader.bytes_total()), "bytes");
        return reader.next(document);
      },
      options.training, &report);
  line.end();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  write_file_atomically(options.output, tokenizer.to_json_text());
  const Json summary = {{"tokenizer", options.output},
                        {"vocab_size", tokenizer.vocab_size()},
                        {"documents", reader.counts().documents},
                        {"bytes", reader.bytes_total()},
                        {"replaced", reader.counts().replaced},
                        {"fingerprint", tokenizer.fingerprint()},
                        {"distinct_pieces", report.distinct_pieces},
                        {"forgotten_pieces", report.forgotten_pieces},
                        {"largest_count_error", report.largest_error},
                        {"seconds", seconds},
                        {"counting_seconds", report.counting_seconds},
                        {"merging_seconds", report.merging_seconds},
                        {"peak_resident_bytes", peak_resident_bytes()}};
  if (options.json) return print_json(summary);
  std::cout << options.output << ": " << tokenizer.vocab_size() << " tokens from "
            << reader.counts().documents << " documents, "
            << format_bytes(static_cast<double>(reader.bytes_total())) << ", in "
            << format_seconds(seconds) << "\n";
  if (report.forgotten_pieces > 0) {
    std::cerr << "--memory was too little to count every piece: " << report.forgotten_pieces
              << " rare occurrences were forgotten, no piece counted too low by more than "
              << report.largest_error << "\n";
  }
  if (tokenizer.vocab_size() < options.training.vocab_size) {
    std::cerr << "the text has no more pairs that occur twice: fewer tokens than the "
              << options.training.vocab_size << " asked for\n";
  }
}

// --texts: an array of strings in, an array of arrays out.
void encode_texts(const CodeOptions& options, const Tokenizer& tokenizer) {
  const Json texts = parse_json(read_input(options.file), options.file);
  if (!texts.is_array()) {
    throw_bad_input({options.file, "--texts", texts.type_name(), "a JSON array of strings", ""});
  }
  for (const Json& text : texts) {
    if (!text.is_string()) {
      throw_bad_input({options.file, "--texts", text.type_name(), "strings alone", ""});
    }
  }
  std::string separator = "[\n";
  for (const Json& text : texts) {
    const auto ids = tokenizer.encode(text.get_ref<const std::string&>(),
                                      {.parse_special = !options.plain_special});
    std::cout << separator << Json(ids).dump();
    separator = ",\n";
  }
  std::cout << (texts.empty() ? "[]\n" : "\n]\n");
}

void encode_command(const CodeOptions& options) {
  const Tokenizer tokenizer = load_tokenizer(options.tokenizer);
  if (options.texts) return encode_texts(options, tokenizer);
  const std::string text = options.has_text ? options.text : read_input(options.file);
  std::int64_t n_replaced = 0;
  const auto ids = tokenizer.encode(text, {.parse_special = !options.plain_special}, &n_replaced);
  if (options.json) {
    std::vector<std::string> pieces;
    pieces.reserve(ids.size());
    for (const std::int32_t id : ids) pieces.push_back(tokenizer.decode({id}));
    return print_json({{"ids", ids}, {"pieces", pieces}, {"replaced", n_replaced}});
  }
  std::cout << Json(ids).dump() << "\n";
  if (n_replaced > 0) {
    std::cerr << n_replaced << " invalid UTF-8 sequences became U+FFFD\n";
  }
}

std::vector<std::int32_t> parse_ids(const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  std::vector<std::int32_t> ids;
  if (json.is_array()) {
    for (const Json& id : json) {
      if (!id.is_number_integer()) break;
      const auto value = id.get<std::int64_t>();
      ids.push_back(value < 0 || value > INT32_MAX ? -1 : static_cast<std::int32_t>(value));
    }
  }
  if (!json.is_array() || ids.size() != json.size()) {
    throw_bad_input({where, "ids", json.dump().substr(0, 60), "a JSON array of integers", ""});
  }
  return ids;
}

void decode_command(const CodeOptions& options) {
  const Tokenizer tokenizer = load_tokenizer(options.tokenizer);
  const std::string input = options.has_text ? options.text : read_input(options.file);
  const std::string where = options.has_text ? "--ids" : options.file;
  const auto ids = parse_ids(input, where);
  for (const std::int32_t id : ids) {
    if (id >= 0 && id < tokenizer.vocab_size()) continue;
    throw_bad_input({where, "an id outside the vocabulary", std::to_string(id),
                     "0 to " + std::to_string(tokenizer.vocab_size() - 1), ""});
  }
  std::cout << tokenizer.decode(ids, options.skip_special);
  if (stdout_is_terminal()) std::cout << "\n";
}

void add_train(Command& tokenizer) {
  auto options = std::make_shared<TrainTokenizerOptions>();
  Command* train = tokenizer.add_subcommand("train", "learn a vocabulary from text");
  train->add_option("inputs", options->inputs, ".txt or .jsonl files, folders, patterns")
      ->required();
  refuse_empty(train->add_option("-o,--output", options->output, "tokenizer.json to write"))
      ->required();
  train
      ->add_option("--vocab-size", options->training.vocab_size,
                   "tokens, bytes and special tokens included")
      ->range(300, 1 << 20);
  train->add_option("--pre-tokenizer", options->pre_tokenizer, "what cuts text into words")
      ->one_of({"deepseek-v3", "gpt2"});
  train->add_option("--special", options->training.special_tokens,
                    "special tokens, in the order of their ids");
  train
      ->add_option("--memory", options->training.counting_bytes,
                   "bytes for distinct pieces (4GiB); beyond it rare ones are forgotten")
      ->as_bytes()
      ->range(std::int64_t{1} << 20, std::int64_t{1} << 44);
  train->add_option("--text-key", options->reading.text_key, "key of a .jsonl line's text");
  train->add_flag("--skip-bad-lines", options->reading.skip_bad_lines,
                  "count bad .jsonl lines instead of stopping");
  add_threads_option(*train, options->threads);
  add_json_flag(*train, options->json);
  set_example(*train, "farthing tokenizer train corpus/ --vocab-size 8192 -o tokenizer.json");
  train->callback([options] { train_tokenizer_command(*options); });
}

void add_encode(Command& tokenizer) {
  auto options = std::make_shared<CodeOptions>();
  Command* encode = tokenizer.add_subcommand("encode", "text to ids, as a JSON array");
  encode->add_option("tokenizer", options->tokenizer, "tokenizer.json, or its folder")->required();
  encode->add_option("file", options->file, "text file; - (the default) is standard input");
  Option* text = encode->add_option("--text", options->text, "the text itself");
  encode->add_flag("--texts", options->texts, "the file is a JSON array of texts");
  encode->add_flag("--plain-special", options->plain_special,
                   "special tokens in the text are text like any other");
  add_json_flag(*encode, options->json);
  set_example(*encode, "farthing tokenizer encode tokenizer.json --text 'Hello, world'");
  encode->callback([options, text] {
    options->has_text = text->count() > 0;
    encode_command(*options);
  });
}

void add_decode(Command& tokenizer) {
  auto options = std::make_shared<CodeOptions>();
  Command* decode = tokenizer.add_subcommand("decode", "ids, a JSON array, to text");
  decode->add_option("tokenizer", options->tokenizer, "tokenizer.json, or its folder")->required();
  decode->add_option("file", options->file, "file of ids; - (the default) is standard input");
  Option* ids = decode->add_option("--ids", options->text, "the ids themselves");
  decode->add_flag("--skip-special", options->skip_special, "leave special tokens out");
  set_example(*decode, "farthing tokenizer decode tokenizer.json --ids '[262, 1121]'");
  decode->callback([options, ids] {
    options->has_text = ids->count() > 0;
    decode_command(*options);
  });
}

void add_tokenizer_command(Command& app) {
  Command& tokenizer = app.parent("tokenizer", "train a tokenizer; text to ids and back");
  add_train(tokenizer);
  add_encode(tokenizer);
  add_decode(tokenizer);
}

const CommandRegistration kTokenizer{add_tokenizer_command, 25};

}  // namespace
}  // namespace farthing
