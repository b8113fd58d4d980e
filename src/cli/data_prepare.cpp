// farthing data prepare - text to token shards, tokenizer and a card that accounts for both.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/prepare.h"
#include "ledger/cost.h"
#include "machine/energy.h"

namespace farthing {
namespace {

struct PrepareOptions;

// A flag that does nothing but with a value of another.
struct Need {
  const Option* given;
  const char* flag;
  const char* needs;
  bool (*is_met)(const PrepareOptions&);
};

struct PrepareOptions {
  PrepareRequest request;
  std::vector<std::string> inputs;
  std::vector<std::string> named_sources;  // NAME=PATH
  std::vector<std::string> licences;       // NAME=TEXT
  std::string pre_tokenizer = "deepseek-v3";
  std::string documents = "file";
  std::string files = "text";
  std::string on_error = "stop";
  std::string clean = "none";
  std::string rules_file;
  std::string dedup = "none";
  std::string memory;
  std::string max_file_bytes, max_document_bytes;
  std::string price = "default";
  int threads = 0;
  bool json = false;
  std::vector<Need> needs;
};

void check_needs(const PrepareOptions& options) {
  for (const Need& need : options.needs) {
    if (need.given->count() == 0 || need.is_met(options)) continue;
    throw Error(ErrorCode::kUsage, std::string(need.flag) + " needs " + need.needs);
  }
}

bool has_near(const PrepareOptions& options) { return options.dedup == "near"; }
bool takes_all_kinds(const PrepareOptions& options) { return options.files != "text"; }
bool trains_tokenizer(const PrepareOptions& options) {
  return options.request.tokenizer_path.empty();
}

std::atomic<bool> stop_requested{false};

// Time to save in; a read that waits for a pipe does not end by itself.
constexpr unsigned kSecondsToStop = 5;

extern "C" void on_prepare_signal(int) {
  stop_requested = true;
  alarm(kSecondsToStop);
}

// What was saved stays, as after any kill.
extern "C" void on_late_stop(int) {
  constexpr char kWords[] =
      "\nfarthing: stopped while it waited for input; the same command goes on\n";
  const auto written = write(STDERR_FILENO, kWords, sizeof(kWords) - 1);
  _exit(written < 0 ? 1 : 75);
}

// The second Ctrl-C ends the program at once; what was saved stays.
void watch_for_stop() {
  struct sigaction action = {};
  action.sa_handler = on_prepare_signal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  action.sa_handler = on_late_stop;
  sigaction(SIGALRM, &action, nullptr);
}

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* flag,
                                                     const char* wanted) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0 && equals + 1 < text.size()) {
    return {text.substr(0, equals), text.substr(equals + 1)};
  }
  throw_wrong_use({flag, "not an assignment", text, wanted, ""});
}

DataSource* find_source(std::vector<DataSource>& sources, const std::string& name) {
  const auto known = std::find_if(sources.begin(), sources.end(),
                                  [&](const DataSource& source) { return source.name == name; });
  return known == sources.end() ? nullptr : &*known;
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
    const auto [name, path] = split_assignment(text, "--source", "NAME=PATH");
    DataSource* const known = find_source(sources, name);
    known == nullptr ? sources.push_back({name, {path}, ""}) : known->inputs.push_back(path);
  }
  for (const std::string& text : options.licences) {
    const auto [name, licence] = split_assignment(text, "--licence", "NAME=TEXT");
    DataSource* const known = find_source(sources, name);
    if (known == nullptr) {
      throw_wrong_use({"--licence", "no such source", name, "", ""});
    }
    known->licence = licence;
  }
  if (sources.empty()) {
    throw_wrong_use({"farthing data prepare", "nothing to read", "",
                     "files, folders or --source NAME=PATH", ""});
  }
  return sources;
}

// "4GB", "512MiB", "1e9".  Errors: Error{kUsage}.
std::int64_t parse_bytes(const std::string& text, const char* flag, double least) {
  const Quantity quantity = parse_quantity(text, flag);
  const std::pair<const char*, double> units[] = {
      {"", 1},     {"B", 1},     {"kB", 1e3},     {"KB", 1e3},        {"MB", 1e6},
      {"GB", 1e9}, {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  for (const auto& [unit, factor] : units) {
    const double bytes = quantity.value * factor;
    if (quantity.unit == unit && bytes >= least && bytes < 9e18) {
      return static_cast<std::int64_t>(bytes);
    }
  }
  throw_wrong_use(
      {flag, "not a size", text, "such as 512MB, 4GB, at least " + format_bytes(least), ""});
}

void fill_request(PrepareOptions& options) {
  check_needs(options);
  PrepareRequest& request = options.request;
  request.sources = gather_sources(options);
  request.training.pre_tokenizer =
      options.pre_tokenizer == "gpt2" ? PreTokenizer::kGpt2 : PreTokenizer::kDeepseekV3;
  request.reading.blank_line_documents = options.documents == "blank-line";
  request.reading.files = options.files == "code"  ? FileChoice::kCode
                          : options.files == "all" ? FileChoice::kAll
                                                   : FileChoice::kText;
  request.reading.skip_faults = options.on_error == "skip";
  if (!options.max_file_bytes.empty()) {
    request.reading.max_file_bytes = parse_bytes(options.max_file_bytes, "--max-file-size", 1);
  }
  if (!options.max_document_bytes.empty()) {
    request.reading.max_document_bytes =
        parse_bytes(options.max_document_bytes, "--max-document-size", 1);
    if (request.reading.max_document_bytes > kMaxTextBytes) {
      throw_wrong_use({"--max-document-size", "too large", options.max_document_bytes,
                       "at most " + format_bytes(static_cast<double>(kMaxTextBytes)), ""});
    }
  }
  if (!options.memory.empty()) {
    request.memory_bytes = parse_bytes(options.memory, "--memory", 32e6);
  }
  request.dedup_exact = options.dedup != "none";
  request.dedup_near = options.dedup == "near";
  flag_value([&] {
    choose_rules(options.clean, request.clean);
    MinHasher{request.minhash};  // refuses what is out of range
  });
  if (!options.rules_file.empty()) {
    read_rules(read_file(options.rules_file), options.rules_file, request.clean);
  }
}

// Energy as the machine tells or estimates it, and money by the price book.
void meter(PrepareOptions& options) {
  const auto book = std::make_shared<PriceBook>(load_price_book(options.price));
  const auto energy = std::make_shared<EnergyMeter>(estimated_watts(1, *book));
  options.request.joules = [energy] { return energy->joules(); };
  options.request.cost = [energy, book](double seconds, double, double joules) {
    const Cost cost = cost_of(
        {.seconds = seconds, .cores = static_cast<double>(num_threads()), .joules = joules}, *book);
    return Json{{"joules", joules},
                {"joules_estimated", !energy->is_measured()},
                {"joules_source", energy->source()},
                {"usd", cost.usd},
                {"price", describe(*book)}};
  };
}

void prepare_command(PrepareOptions options) {
  // What a giant document took goes back at once; by itself malloc raises this and keeps it.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  apply_threads(options.threads);
  fill_request(options);
  meter(options);
  stop_requested = false;
  watch_for_stop();
  options.request.should_stop = [] { return stop_requested.load(); };
  std::unique_ptr<ProgressLine> line;
  std::string phase;
  const Json card = prepare_data(options.request, [&](const char* now, double done, double total) {
    if (phase != now) {
      line.reset();
      line = std::make_unique<ProgressLine>();
      phase = now;
    }
    line->show_share(done, total,
                     phase == "cleaning"                                        ? "bytes read"
                     : phase == "encoding" || phase == "training the tokenizer" ? "documents"
                                                                                : phase);
  });
  line.reset();
  if (options.json) return print_json(card);
  std::cout << format_card(card) << "- written: " << options.request.folder
            << " (this page is card.md there, card.json for programs)\n";
}

void add_reading_options(Command& prepare, PrepareOptions& options) {
  PrepareRequest& request = options.request;
  prepare.add_option("inputs", options.inputs,
                     "files, folders, patterns, - for standard input: text, .jsonl, .parquet, tar "
                     "archives; gzip, zstd, xz, dictzip");
  refuse_empty(prepare.add_option("-o,--output", request.folder, "folder to write"))->required();
  prepare.add_option("--source", options.named_sources, "NAME=PATH, a named source");
  prepare.add_option("--licence", options.licences, "NAME=TEXT, a source's licence");
  prepare.add_option("--documents", options.documents, "what a document of a text file is")
      ->one_of({"file", "blank-line"});
  prepare.add_option("--text-key", request.reading.text_key, "key of a .jsonl line's text");
  prepare.add_option("--files", options.files, "what folders and archives give")
      ->one_of({"text", "code", "all"});
  options.needs.push_back(
      {prepare.add_option("--max-file-size", options.max_file_bytes,
                          "with --files code or all: larger files are dropped; default 1 MiB"),
       "--max-file-size", "--files code or all", takes_all_kinds});
  prepare.add_option("--max-document-size", options.max_document_bytes,
                     "a longer document or line is an error; default and most 256 MiB");
  prepare.add_option("--on-error", options.on_error, "a file or line that cannot be read")
      ->one_of({"stop", "skip"});
  prepare.add_flag("--skip-bad-lines", request.reading.skip_bad_lines,
                   "count bad .jsonl lines instead of stopping");
  prepare.add_flag("--keep-metadata", request.reading.keep_metadata,
                   "write where each document came from and its other keys beside the shards");
}

void add_cleaning_options(Command& prepare, PrepareOptions& options) {
  PrepareRequest& request = options.request;
  prepare.add_flag("--normalise", request.clean.normalise, "line ends, control characters, spaces");
  prepare.add_option("--clean", options.clean,
                     "quality rules: gopher, c4, fineweb, all, or names of rules, with commas; "
                     "farthing data rules lists them");
  prepare.add_option("--rules", options.rules_file, "TOML file with [clean]: rules and thresholds");
  prepare.add_option("--dedup", options.dedup, "duplicates to remove; near removes exact ones too")
      ->one_of({"none", "exact", "near"});
  options.needs.push_back(
      {prepare.add_option("--jaccard", request.minhash.jaccard, "similarity of near duplicates")
           ->range(0.05, 1),
       "--jaccard", "--dedup near", has_near});
  options.needs.push_back(
      {prepare.add_option("--minhash-bands", request.minhash.bands, "of the near-duplicate search"),
       "--minhash-bands", "--dedup near", has_near});
  options.needs.push_back(
      {prepare.add_option("--minhash-rows", request.minhash.rows, "of each band"), "--minhash-rows",
       "--dedup near", has_near});
  options.needs.push_back(
      {prepare.add_option("--minhash-ngram", request.minhash.ngram, "words of a shingle"),
       "--minhash-ngram", "--dedup near", has_near});
  prepare.add_flag("--dedup-paragraphs", request.clean.drop_repeated_paragraphs,
                   "cut paragraphs that stood before out of documents");
  const Option* evaluation =
      prepare.add_option("--contamination", request.clean.contamination_files,
                         "evaluation files: report documents that share a run of words with them");
  prepare
      .add_option("--contamination-ngram", request.clean.contamination_ngram, "words of the run")
      ->needs(evaluation);
  prepare.add_flag("--decontaminate", request.clean.drop_contaminated, "drop such documents")
      ->needs(evaluation);
}

void add_prepare_command(Command& app) {
  auto options = std::make_shared<PrepareOptions>();
  PrepareRequest& request = options->request;
  Command& data = app.parent("data", "prepare text for training, and look into it");
  Command* prepare = data.add_subcommand("prepare", "text to tokenizer, shards and data card");
  add_reading_options(*prepare, *options);
  add_cleaning_options(*prepare, *options);
  prepare->add_option("--tokenizer", request.tokenizer_path, "tokenizer.json; else one is trained");
  options->needs.push_back({prepare
                                ->add_option("--vocab-size", request.training.vocab_size,
                                             "of the tokenizer trained here")
                                ->range(300, 1 << 20),
                            "--vocab-size", "a tokenizer trained here, not --tokenizer",
                            trains_tokenizer});
  options->needs.push_back(
      {prepare
           ->add_option("--pre-tokenizer", options->pre_tokenizer, "of the tokenizer trained here")
           ->one_of({"deepseek-v3", "gpt2"}),
       "--pre-tokenizer", "a tokenizer trained here, not --tokenizer", trains_tokenizer});
  prepare->add_option("--val-fraction", request.val_fraction, "share of documents held out")
      ->range(0.0, 0.999);
  const Option* shuffle =
      prepare->add_flag("--shuffle", request.shuffle, "training documents in a random order");
  prepare->add_option("--shuffle-seed", request.shuffle_seed, "of that order")->needs(shuffle);
  prepare->add_option("--memory", options->memory, "bound, such as 4GB; default a quarter of all");
  prepare->add_option("--price", options->price, "price book for the card's cost");
  prepare->add_flag("--force", request.replace, "replace finished data");
  add_threads_option(*prepare, options->threads);
  add_json_flag(*prepare, options->json);
  set_example(
      *prepare,
      "farthing data prepare book.txt --documents blank-line -o data/book\n"
      "  farthing data prepare crawl/*.jsonl.zst --clean gopher,fineweb --dedup near -o data/web\n"
      "  farthing data prepare --source linux=linux.tar.xz --files code --dedup near -o data/c");
  prepare->callback([options] { prepare_command(*options); });
}

const CommandRegistration kDataPrepare{add_prepare_command, 20};

}  // namespace
}  // namespace farthing
