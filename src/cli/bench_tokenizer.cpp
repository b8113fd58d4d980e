// farthing bench tokenizer - bytes of text encoded a second, read beforehand; ids for comparison.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/readers.h"
#include "data/tokenizer.h"
#include "machine/resident.h"

namespace farthing {
namespace {

struct BenchTokenizerOptions {
  std::string tokenizer;
  std::vector<std::string> inputs;
  std::string ids_path;
  int rounds = 5;
  int threads = 0;
  bool json = false;
};

void write_ids(const std::string& path, const std::vector<std::vector<std::int32_t>>& documents) {
  FileWriter file(path);
  for (const auto& ids : documents) file.write(std::as_bytes(std::span(ids)));
  file.finish();
}

void bench_tokenizer_command(const BenchTokenizerOptions& options) {
  apply_threads(options.threads);
  const std::string inside = options.tokenizer + "/tokenizer.json";
  const Tokenizer tokenizer = Tokenizer::load(file_exists(inside) ? inside : options.tokenizer);
  DocumentReader reader(find_input_files(options.inputs), {});
  std::vector<std::string> documents;
  std::int64_t n_bytes = 0;
  for (std::string document; reader.next(document);) {
    n_bytes += static_cast<std::int64_t>(document.size());
    documents.push_back(std::move(document));
  }
  std::vector<double> seconds;
  std::vector<std::vector<std::int32_t>> ids;
  ProgressLine progress;
  for (int round = 0; round < options.rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    ids = tokenizer.encode_batch(documents, {.parse_special = false});
    const auto end = std::chrono::steady_clock::now();
    seconds.push_back(std::chrono::duration<double>(end - begin).count());
    progress.show_share(round + 1, options.rounds, "rounds");
  }
  progress.end();
  if (!options.ids_path.empty()) write_ids(options.ids_path, ids);
  std::int64_t n_tokens = 0;
  for (const auto& document : ids) n_tokens += static_cast<std::int64_t>(document.size());
  std::vector<double> sorted = seconds;
  std::ranges::sort(sorted);
  const double median = sorted[sorted.size() / 2];
  if (options.json) {
    return print_json({{"documents", documents.size()},
                       {"bytes", n_bytes},
                       {"tokens", n_tokens},
                       {"seconds", seconds},
                       {"median_seconds", median},
                       {"bytes_per_second", static_cast<double>(n_bytes) / median},
                       {"peak_resident_bytes", peak_resident_bytes()},
                       {"threads", num_threads()}});
  }
  std::cout << format_table(
      {{"encoding", ""},
       {"documents", std::to_string(documents.size())},
       {"text", format_bytes(static_cast<double>(n_bytes))},
       {"tokens", format_count(static_cast<double>(n_tokens))},
       {"text a second", format_bytes(static_cast<double>(n_bytes) / median)},
       {"tokens a second", format_rate(static_cast<double>(n_tokens) / median)},
       {"threads", std::to_string(num_threads())}});
}

void add_bench_tokenizer_command(Command& app) {
  auto options = std::make_shared<BenchTokenizerOptions>();
  Command* bench = app.parent("bench", "measure this machine")
                       .add_subcommand("tokenizer", "text encoded a second");
  bench->add_option("tokenizer", options->tokenizer, "tokenizer.json, or its folder")->required();
  bench->add_option("inputs", options->inputs, ".txt or .jsonl files, folders, patterns")
      ->required();
  bench->add_option("--rounds", options->rounds, "times; the median counts")->range(1, 1000);
  bench->add_option("--ids", options->ids_path, "write the ids there, int32, end to end");
  add_threads_option(*bench, options->threads);
  add_json_flag(*bench, options->json);
  set_example(*bench, "farthing bench tokenizer data/ corpus/text.jsonl --threads 1");
  bench->callback([options] { bench_tokenizer_command(*options); });
}

const CommandRegistration kBenchTokenizer{add_bench_tokenizer_command, 93};

}  // namespace
}  // namespace farthing
