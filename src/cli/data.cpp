// farthing data - text to token shards, a look into them, and a corpus to begin with.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/debian_corpus.h"
#include "data/prepare.h"

namespace farthing {
namespace {

struct PrepareOptions {
  PrepareRequest request;
  std::vector<std::string> inputs;
  std::vector<std::string> named_sources;  // NAME=PATH
  std::vector<std::string> licences;       // NAME=TEXT
  std::string pre_tokenizer = "deepseek-v3";
  std::string documents = "file";
  int threads = 0;
  bool json = false;
};

struct CorpusOptions {
  std::string folder;
  std::string root = "/";
  bool json = false;
};

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* flag) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0) {
    return {text.substr(0, equals), text.substr(equals + 1)};
  }
  throw Error(ErrorCode::kUsage, to_string({flag, "not an assignment", text, "NAME=...", ""}));
}

// Plain inputs are the source "text"; a folder with a manifest brings its own.
std::vector<DataSource> gather_sources(const PrepareOptions& options) {
  std::vector<DataSource> sources;
  std::vector<std::string> plain;
  for (const std::string& input : options.inputs) {
    if (!file_exists(input + "/manifest.json")) {
      plain.push_back(input);
      continue;
    }
    for (auto& source : read_manifest(input)) sources.push_back(std::move(source));
  }
  if (!plain.empty()) sources.push_back({"text", plain, ""});
  for (const std::string& text : options.named_sources) {
    const auto [name, path] = split_assignment(text, "--source");
    const auto known = std::find_if(sources.begin(), sources.end(),
                                    [&, n = name](const auto& source) { return source.name == n; });
    if (known == sources.end()) {
      sources.push_back({name, {path}, ""});
    } else {
      known->inputs.push_back(path);
    }
  }
  for (const std::string& text : options.licences) {
    const auto [name, licence] = split_assignment(text, "--licence");
    const auto known = std::find_if(sources.begin(), sources.end(),
                                    [&, n = name](const auto& source) { return source.name == n; });
    if (known == sources.end()) {
      throw Error(ErrorCode::kUsage, to_string({"--licence", "no such source", name, "", ""}));
    }
    known->licence = licence;
  }
  if (sources.empty()) {
    throw Error(ErrorCode::kUsage, to_string({"farthing data prepare", "nothing to read", "",
                                              "files, folders or --source NAME=PATH", ""}));
  }
  return sources;
}

std::string format_card(const Json& card, const std::string& folder) {
  std::vector<std::vector<std::string>> rows = {
      {"source", "documents", "text", "train tokens", "val tokens", "bytes/token", "licence"}};
  for (const Json& source : card["sources"]) {
    const double train_bytes = source["train"]["bytes"], val_bytes = source["val"]["bytes"];
    const double train_tokens = source["train"]["tokens"], val_tokens = source["val"]["tokens"];
    char ratio[32];
    std::snprintf(ratio, sizeof(ratio), "%.2f",
                  (train_bytes + val_bytes) / std::max(train_tokens + val_tokens, 1.0));
    rows.push_back({source["name"], format_count(source["documents"]),
                    format_bytes(train_bytes + val_bytes), format_count(train_tokens),
                    format_count(val_tokens), ratio, source["licence"]});
  }
  const Json& tokenizer = card["tokenizer"];
  return format_table(rows) + "\ntokenizer  " +
         std::to_string(tokenizer["vocab_size"].get<int>()) + " entries, from " +
         tokenizer["from"].get<std::string>() + "\nwritten    " + folder + " in " +
         format_seconds(card["seconds"]) + "\n";
}

void prepare_command(PrepareOptions options) {
  apply_threads(options.threads);
  PrepareRequest& request = options.request;
  request.sources = gather_sources(options);
  request.training.pre_tokenizer = options.pre_tokenizer == "gpt2" ? PreTokenizer::kGpt2
                                                                   : PreTokenizer::kDeepseekV3;
  request.reading.blank_line_documents = options.documents == "blank-line";
  std::unique_ptr<ProgressLine> line;
  std::string phase;
  const Json card = prepare_data(request, [&](const char* now, double done, double total) {
    if (phase != now) {
      line.reset();
      line = std::make_unique<ProgressLine>();
      phase = now;
    }
    line->show_share(done, total, "bytes");
  });
  line.reset();
  options.json ? print_json(card) : void(std::cout << format_card(card, request.folder));
}

void add_prepare_command(CLI::App& data) {
  auto options = std::make_shared<PrepareOptions>();
  PrepareRequest& request = options->request;
  CLI::App* prepare = data.add_subcommand("prepare", "text to tokenizer, shards and data card");
  prepare->add_option("inputs", options->inputs, ".txt or .jsonl files, folders, patterns");
  prepare->add_option("-o,--output", request.folder, "folder to write")->required();
  prepare->add_option("--source", options->named_sources, "NAME=PATH, a named source");
  prepare->add_option("--licence", options->licences, "NAME=TEXT, a source's licence");
  prepare->add_option("--tokenizer", request.tokenizer_path, "tokenizer.json; else one is trained");
  prepare->add_option("--vocab-size", request.training.vocab_size, "of the tokenizer trained here")
      ->check(CLI::Range(300, 1 << 20));
  prepare->add_option("--pre-tokenizer", options->pre_tokenizer, "of the tokenizer trained here")
      ->check(CLI::IsMember({"deepseek-v3", "gpt2"}));
  prepare->add_option("--val-fraction", request.val_fraction, "share of documents held out");
  prepare->add_option("--documents", options->documents, "what a document of a text file is")
      ->check(CLI::IsMember({"file", "blank-line"}));
  prepare->add_option("--text-key", request.reading.text_key, "key of a .jsonl line's text");
  prepare->add_flag("--skip-bad-lines", request.reading.skip_bad_lines,
                    "count bad .jsonl lines instead of stopping");
  prepare->add_flag("--force", request.replace, "replace finished data");
  add_threads_option(*prepare, options->threads);
  add_json_flag(*prepare, options->json);
  set_example(*prepare, "farthing data prepare book.txt --documents blank-line -o data/book");
  prepare->callback([options] { prepare_command(*options); });
}

void corpus_command(const CorpusOptions& options) {
  const Json manifest = make_debian_corpus(options.folder, options.root);
  if (options.json) return print_json(manifest);
  std::vector<std::vector<std::string>> rows = {{"source", "documents", "text", "licence"}};
  for (const Json& source : manifest["sources"]) {
    rows.push_back({source["name"], format_count(source["documents"]),
                    format_bytes(source["bytes"]), source["licence"]});
  }
  std::cout << format_table(rows);
}

void add_corpus_command(CLI::App& data) {
  auto options = std::make_shared<CorpusOptions>();
  CLI::App* corpus = data.add_subcommand(
      "corpus-debian", "English from Debian packages (tools/corpus_packages.txt) as .jsonl");
  corpus->add_option("-o,--output", options->folder, "folder to write")->required();
  corpus->add_option("--root", options->root, "where the packages are installed or unpacked");
  add_json_flag(*corpus, options->json);
  set_example(*corpus, "farthing data corpus-debian -o data/english");
  corpus->callback([options] { corpus_command(*options); });
}

void add_data_command(CLI::App& app) {
  CLI::App& data = parent_command(app, "data", "prepare text for training, and look into it");
  add_prepare_command(data);
  add_corpus_command(data);
}

const CommandRegistration kData{add_data_command, 20};

}  // namespace
}  // namespace farthing
