// prepare.cpp - the stages one after another, in a folder from which an interrupted run goes on.
#include "data/prepare.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "data/paragraphs.h"
#include "data/prepare_work.h"
#include "data/shard_bytes.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSplitSeed = 0x6661727468696E67;  // another seed would move documents
constexpr std::int64_t kMinSegmentBytes = std::int64_t{1} << 20;
constexpr std::int64_t kMaxSegmentBytes = std::int64_t{64} << 20;
constexpr std::int64_t kMaxSortBytes = std::int64_t{32} << 20;
constexpr const char* kWorkName = "/.preparing";
constexpr const char* kPlanName = "/plan.json";
constexpr const char* kMovingName = "/moving";

// Memory for each byte of a batch of documents: raw, parsed, as a block, packed, as ids.
constexpr std::int64_t kBatchFactor = 8;
constexpr std::size_t kMostBatchBytes = std::size_t{2} << 20;  // of short documents
// And of one giant document, whatever is in it: measured at most 12 times, and 31 with all rules,
// for which each of its words may be there as hashes.
constexpr std::int64_t kGiantFactor = 14, kJudgedGiantFactor = 34;

std::int64_t document_factor(const PrepareRequest& request) {
  const bool is_judged = !request.clean.rules.empty() || !request.clean.contamination_files.empty();
  return is_judged ? kJudgedGiantFactor : kGiantFactor;
}

void check_request(const PrepareRequest& request) {
  CHECK(!request.sources.empty());
  if (!(request.val_fraction >= 0 && request.val_fraction < 1)) {
    throw_bad_input({"--val-fraction", "out of range", std::to_string(request.val_fraction),
                     "0 or more, below 1", ""});
  }
  std::set<std::string> names;
  for (const auto& source : request.sources) {
    const bool plain = std::all_of(source.name.begin(), source.name.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
    });
    if (source.name.empty() || !plain) {
      throw_bad_input(
          {"--source", "name", "\"" + source.name + "\"", "letters, digits, '-' and '_'", ""});
    }
    if (!names.insert(source.name).second) {
      throw_bad_input({"--source", "the name \"" + source.name + "\" stands twice", "", "", ""});
    }
  }
  if (!request.clean.contamination_files.empty() && request.clean.contamination_ngram < 2) {
    throw_bad_input({"--contamination-ngram", "out of range",
                     std::to_string(request.clean.contamination_ngram), "2 to 64", ""});
  }
}

Json request_hash(const Json& plan) {
  const std::string text = plan.dump(-1, ' ', false, Json::error_handler_t::replace);
  return hash128_hex(std::as_bytes(std::span(text.data(), text.size())));
}

[[noreturn]] void refuse_finished(const std::string& folder) {
  throw_bad_input(
      {folder, "holds finished data already", "card.json", "a new folder", "--force replaces it"});
}

// A finished folder of the same request on the same files, with all that it held at the end.
bool is_done(const Json& card, const Json& plan, const Job& job) {
  for (const auto& source : job.sources) {  // what a pipe gives is not known beforehand
    const auto is_file = [](const std::string& path) {
      std::error_code fault;
      return fs::is_regular_file(path, fault);
    };
    if (!std::all_of(source.files.begin(), source.files.end(), is_file)) return false;
  }
  if (!card.is_object() || card.value("request", Json()) != request_hash(plan)) return false;
  for (const std::string name : {"train", "val"}) {
    const std::string prefix = job.request.folder + "/" + name;
    if (!file_exists(prefix + ".idx")) return false;
    if (!file_exists(prefix + ".bin") && !file_exists(prefix + ".bin.zst")) return false;
  }
  return file_exists(job.request.folder + "/tokenizer.json");
}

bool is_made_here(const std::string& name) {
  const bool is_shard = name.ends_with(".bin") || name.ends_with(".idx");
  const std::string stem = name.substr(0, name.rfind('.'));
  return (is_shard && (stem == "train" || stem == "val" || stem.starts_with("val-"))) ||
         name.ends_with(".meta.jsonl.zst") || name == "tokenizer.json" || name == "card.md";
}

// Files that somebody else wrote under the names of ours; a given tokenizer may lie here.
void refuse_foreign_files(const PrepareRequest& request) {
  std::vector<std::string> names;
  std::error_code fault;
  for (fs::directory_iterator entry(request.folder, fault), end; !fault && entry != end;
       entry.increment(fault)) {
    const std::string name = entry->path().filename().string();
    std::error_code other;
    if (!is_made_here(name) || fs::equivalent(entry->path(), request.tokenizer_path, other)) {
      continue;
    }
    names.push_back(name);
  }
  if (names.empty()) return;
  std::sort(names.begin(), names.end());
  std::string found = names[0];
  for (std::size_t i = 1; i < names.size(); ++i) found += ", " + names[i];
  throw_bad_input({request.folder, "holds files that would be replaced, and no card.json", found,
                   "a new folder", "--force replaces them"});
}

std::int64_t quarter_of_memory() {
  auto bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  double allowed = 0;
  if (limit >> allowed && allowed > 0) bytes = std::min(bytes, allowed);
  return static_cast<std::int64_t>(bytes / 4);
}

// A file of two sources would stand in the data twice.
void check_sources_differ(const std::vector<InputSource>& sources) {
  std::map<FileIdentity, std::pair<std::string, std::string>> known;
  for (const auto& source : sources) {
    for (const std::string& path : source.files) {
      const auto identity = identity_of(path);
      if (!identity) continue;
      const std::string& name = source.description.name;
      const auto [first, is_new] = known.emplace(*identity, std::pair{path, name});
      if (is_new) continue;
      throw_bad_input({path, "the same file in two sources",
                       first->second.first + " of \"" + first->second.second + "\" and " + path +
                           " of \"" + name + "\"",
                       "each file in one", ""});
    }
  }
}

std::vector<InputSource> find_sources(const PrepareRequest& request) {
  std::vector<InputSource> sources;
  for (const auto& description : request.sources) {
    FoundFiles found =
        search_input_files(description.inputs, request.reading.files, request.folder);
    for (const auto& [taken, left] : found.repeated) {
      log_line(left + ": taken once" + (left == taken ? "" : ", as " + taken));
    }
    for (const auto& folder : found.outputs) log_line(folder + ": left out, the output folder");
    InputSource source{description, std::move(found.files), 0, std::move(found.ignored)};
    for (const std::string& path : source.files) {
      std::error_code fault;  // a missing file is named when it is opened
      const auto size = fs::file_size(path, fault);
      if (!fault) source.file_bytes += static_cast<std::int64_t>(size);
    }
    sources.push_back(std::move(source));
  }
  if (sources.size() > 1) check_sources_differ(sources);
  return sources;
}

void add_file(StreamHash& files, const std::string& path) {
  struct stat status {};
  stat(path.c_str(), &status);
  const std::string line = path + " " + std::to_string(status.st_size) + " " +
                           std::to_string(status.st_mtim.tv_sec) + "." +
                           std::to_string(status.st_mtim.tv_nsec) + "\n";
  files.add(std::as_bytes(std::span(line.data(), line.size())));
}

// All that decides the result; what may change between two attempts is not in it.
Json make_plan(const Job& job) {
  const PrepareRequest& request = job.request;
  Json sources = Json::array();
  for (const auto& source : job.sources) {
    StreamHash files;
    for (const std::string& path : source.files) add_file(files, path);
    sources.push_back({{"name", source.description.name},
                       {"licence", source.description.licence},
                       {"n_files", source.files.size()},
                       {"files", files.hex()}});
  }
  Json rules = Json::array();
  for (const auto& rule : request.clean.rules) rules.push_back({rule.rule, rule.low, rule.high});
  StreamHash evaluation;
  for (const auto& path : request.clean.contamination_files) add_file(evaluation, path);
  std::string given;
  if (!request.tokenizer_path.empty())
    given = Tokenizer::load(request.tokenizer_path).fingerprint();
  return {{"version", 1},
          {"sources", sources},
          {"reading",
           {request.reading.text_key, request.reading.blank_line_documents,
            static_cast<int>(request.reading.files), request.reading.max_file_bytes,
            request.reading.max_document_bytes, request.reading.keep_metadata}},
          {"tokenizer",
           {given, request.training.vocab_size, static_cast<int>(request.training.pre_tokenizer),
            request.training.special_tokens}},
          {"val_fraction", request.val_fraction},
          {"clean",
           {request.clean.normalise, rules, evaluation.hex(), request.clean.contamination_ngram,
            request.clean.drop_contaminated, request.clean.drop_repeated_paragraphs,
            request.clean.min_paragraph_bytes}},
          {"dedup",
           {request.dedup_exact, request.dedup_near, request.minhash.ngram, request.minhash.bands,
            request.minhash.rows, request.minhash.jaccard, request.minhash.seed}},
          {"shuffle", {request.shuffle, request.shuffle_seed}}};
}

// DIR/.preparing: kept when something in it can be gone on with, else gone with all that it made.
class WorkFolder {
 public:
  explicit WorkFolder(const std::string& parent) : path_(parent + kWorkName) {
    made_.emplace(parent);
    lock_.emplace(lock(parent));
    make_folder(path_);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    if (!file_exists(path_ + "/seg-000000.json")) {
      fs::remove_all(path_, ignored);
    } else {
      made_->keep();
    }
    fs::remove(path_ + ".lock", ignored);
  }

  const std::string& path() const { return path_; }

  // Another plan than the one that is there means a fresh start.
  void follow(const Json& plan) {
    if (follows(plan)) return;
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    make_folder(path_);
    write_file_atomically(path_ + kPlanName, plan.dump());
  }

  // From here on the result goes into the folder, its card last.
  void begin_moving() { write_file_atomically(path_ + kMovingName, ""); }
  // Whether an attempt was killed between its card and the end of its cleaning up.
  bool was_finished(const std::string& folder) const {
    return file_exists(path_ + kMovingName) && file_exists(folder + "/card.json") &&
           !file_exists(path_ + "/out/card.json");
  }
  bool follows(const Json& plan) const {
    return file_exists(path_ + kPlanName) && read_file(path_ + kPlanName) == plan.dump();
  }

  // What was_finished() goes by is removed last.
  void finish() {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path_, ignored)) {
      const fs::path& path = entry.path();
      if (path != path_ + kMovingName && path != path_ + kPlanName) fs::remove_all(path, ignored);
    }
    fs::remove_all(path_, ignored);
    made_->keep();
  }

 private:
  static FileLock lock(const std::string& parent) {
    auto held = FileLock::try_lock(parent + kWorkName + ".lock");
    if (!held) throw_bad_input({parent, "another process is preparing this folder", "", "", ""});
    return std::move(*held);
  }

  std::string path_;
  std::optional<TentativeFolder> made_;
  std::optional<FileLock> lock_;
};

// "a.txt and 3 more"
std::string words_of_inputs(const PrepareRequest& request) {
  std::size_t n = 0;
  for (const auto& source : request.sources) n += source.inputs.size();
  const auto& first = request.sources.front().inputs;
  if (first.empty()) return "the input";
  return first.front() + (n > 1 ? " and " + std::to_string(n - 1) + " more" : "");
}

// Neither split is empty.
void check_splits(std::int64_t n_train, std::int64_t n_val, const PrepareRequest& request) {
  const std::int64_t n_documents = n_train + n_val;
  const std::string found = std::to_string(n_documents) +
                            (n_documents == 1 ? " document" : " documents") + " in " +
                            words_of_inputs(request);
  const char* const hint = request.reading.blank_line_documents
                               ? "more text: a hundred paragraphs or more are split with certainty"
                               : "--documents blank-line makes a document of every paragraph";
  if (n_train == 0) {
    throw_bad_input({request.folder, "nothing falls in the training split", found, "more", hint});
  }
  if (n_val == 0 && request.val_fraction > 0) {
    throw_bad_input({request.folder, "nothing falls in the validation split", found,
                     "more documents, a larger --val-fraction, or 0", hint});
  }
}

// The card goes first and comes last, so that a folder with a card is always whole.
void move_into_place(const std::string& made_folder, const std::string& folder) {
  std::error_code fault;
  fs::remove(folder + "/card.json", fault);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool shard = name.ends_with(".bin") || name.ends_with(".idx");
    if ((shard && name.starts_with("val-")) || name.ends_with(".meta.jsonl.zst")) {
      fs::remove(entry.path(), fault);
    }
  }
  std::vector<fs::path> made;
  for (const auto& entry : fs::directory_iterator(made_folder)) made.push_back(entry.path());
  std::sort(made.begin(), made.end(), [](const fs::path& a, const fs::path& b) {
    const bool a_card = a.filename() == "card.json", b_card = b.filename() == "card.json";
    return a_card != b_card ? b_card : a < b;
  });
  for (const fs::path& path : made) {
    fs::rename(path, fs::path(folder) / path.filename(), fault);
    if (fault) {
      throw Error(ErrorCode::kFailed, folder + ": cannot move " + path.filename().string() +
                                          " into it: " + fault.message());
    }
  }
  sync_folder(folder);
}

// Documents in = documents out + documents dropped by named reasons, for every source.
void check_nothing_lost(const CleanResult& cleaned, const EncodeResult& encoded) {
  for (std::size_t i = 0; i < cleaned.tally.sources.size(); ++i) {
    const SourceTally& in = cleaned.tally.sources[i];
    const SourceTally& out = encoded.tally.sources[i];
    std::int64_t n_dropped = 0;
    for (const auto& [reason, n] : in.dropped) n_dropped += n;
    for (const auto& [reason, n] : out.dropped) n_dropped += n;
    CHECK(in.documents_in == out.train.documents + out.val.documents + n_dropped);
  }
}

// Of the shards, whose names end in .bin and .idx.
Json digests_of(const std::string& folder) {
  Json digests = Json::object();
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".idx") {
      const std::string stem = path.stem().string();
      for (const std::string& name : {stem + ".idx", stem + ".bin"}) {
        digests[name] = hash_of_file(folder + "/" + name);
      }
    }
  }
  return digests;
}

Json run_stages(const Job& job, const Json& plan, WorkFolder& work) {
  const CleanResult cleaned = clean_inputs(job);  // 1
  const bool cuts_paragraphs = job.request.clean.drop_repeated_paragraphs;
  if (!cuts_paragraphs) {
    check_splits(cleaned.n_documents - cleaned.n_held_out, cleaned.n_held_out, job.request);
  }
  const FateResult fates = decide_fates(job, cleaned);  // 2
  if (cuts_paragraphs) {  // which may move a document to the other split
    const DocumentsOfSplits found = count_splits(job, cleaned);
    check_splits(found.train, found.val, job.request);
  }
  TrainingResult training;
  const Tokenizer tokenizer = make_tokenizer(job, cleaned, training);     // 3
  const EncodeResult encoded = encode_segments(job, cleaned, tokenizer);  // 4
  check_nothing_lost(cleaned, encoded);
  SplitCounts train, val;
  for (const auto& source : encoded.tally.sources) {
    train.add(source.train);
    val.add(source.val);
  }
  check_splits(train.documents, val.documents, job.request);
  const std::string made = work.path() + "/out";
  std::error_code ignored;
  fs::remove_all(made, ignored);
  make_folder(made);
  const Seconds writing = assemble_shards(job, cleaned, tokenizer, made);  // 5
  write_file_atomically(made + "/tokenizer.json", tokenizer.to_json_text());
  Json card = make_card(job, {cleaned,
                              fates,
                              encoded,
                              tokenizer,
                              training.report,
                              {{"clean", cleaned.seconds},
                               {"duplicates", fates.seconds},
                               {"tokenizer", training.seconds},
                               {"encode", encoded.seconds},
                               {"write", writing}}});
  card["request"] = request_hash(plan);
  card["digests"] = digests_of(made);
  write_file_atomically(made + "/card.md", format_card(card));
  write_file_atomically(made + "/card.json",
                        card.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  work.begin_moving();
  move_into_place(made, job.request.folder);
  work.finish();
  return card;
}

}  // namespace

std::string Job::segment(std::int64_t number, const char* ending) const {
  const std::string digits = std::to_string(number);
  const std::string zeros(digits.size() < 6 ? 6 - digits.size() : 0, '0');
  return work + "/seg-" + zeros + digits + "." + ending;
}

std::string Job::part(std::int64_t number, const char* ending) const {
  return work + "/part-" + std::to_string(number) + "." + ending;
}

// More than the most buys no time: runs are merged about as fast as they are sorted.
std::int64_t Job::sort_bytes() const { return std::min(memory_bytes / 4, kMaxSortBytes); }

std::int64_t Job::longest_document() const { return memory_bytes / document_factor(request); }

std::int64_t Job::batch_weight(std::size_t text_bytes) const {
  const bool is_one_giant = text_bytes > kMostBatchBytes;
  return static_cast<std::int64_t>(text_bytes) *
         (is_one_giant ? document_factor(request) : kBatchFactor);
}

PipelineLimits Job::pipeline_limits() const {
  return {
      .n_threads = n_threads, .max_in_flight = 3 * n_threads + 1, .max_weight = memory_bytes / 2};
}

void Job::check_stop() const {
  if (clock != nullptr) clock->beat();
  if (request.should_stop && request.should_stop()) {
    throw Error(ErrorCode::kInterrupted,
                "interrupted; run the same command again and it goes on from there");
  }
}

bool is_held_out(std::string_view text, double val_fraction) {
  return static_cast<double>(hash64(text, kSplitSeed) >> 11) * 0x1p-53 < val_fraction;
}

Json prepare_data(const PrepareRequest& request, const PrepareProgress& progress) {
  check_request(request);
  const std::string card_path = request.folder + "/card.json";
  const bool has_card = file_exists(card_path), has_work = file_exists(request.folder + kWorkName);
  Job job{request, progress, find_sources(request), "", 0, 0, num_threads(), nullptr};
  const Json plan = make_plan(job);
  if (has_card && !request.replace && !has_work) {
    Json card = read_json(card_path);
    if (!is_done(card, plan, job)) refuse_finished(request.folder);
    log_line(request.folder + ": already done, by the same request on the same files");
    return card;
  }
  const bool is_moving = file_exists(request.folder + kWorkName + kMovingName);
  if (!has_card && !request.replace && !is_moving) refuse_foreign_files(request);
  job.memory_bytes = request.memory_bytes > 0 ? request.memory_bytes : quarter_of_memory();
  job.segment_bytes = request.segment_bytes > 0
                          ? request.segment_bytes
                          : std::clamp(job.memory_bytes / 64, kMinSegmentBytes, kMaxSegmentBytes);
  WorkFolder work(request.folder);
  job.work = work.path();
  if (work.was_finished(request.folder)) {
    const bool is_this = work.follows(plan);
    work.finish();
    if (is_this) return read_json(card_path);
  }
  if (has_card && !request.replace) refuse_finished(request.folder);
  work.follow(plan);
  AttemptClock clock(job.work + "/clock", request.joules);
  job.clock = &clock;
  try {
    return run_stages(job, plan, work);
  } catch (const Json::exception& fault) {
    throw_bad_input({job.work, std::string("damaged: ") + fault.what(), "", "",
                     "remove that folder to begin afresh"});
  }
}

std::vector<DataSource> read_manifest(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  const Json manifest = read_json(path);
  std::vector<DataSource> sources;
  const auto text_of = [&](const Json& source, const char* key) {
    if (!source.is_object() || !source.contains(key) || !source[key].is_string()) {
      throw_bad_input({path, std::string("sources: ") + key, source.dump(), "a string", ""});
    }
    return source[key].get<std::string>();
  };
  if (!manifest.is_object() || !manifest.contains("sources") || !manifest["sources"].is_array()) {
    throw_bad_input({path, "no list \"sources\"", "", "{\"sources\": [...]}", ""});
  }
  for (const Json& source : manifest["sources"]) {
    sources.push_back({text_of(source, "name"),
                       {folder + "/" + text_of(source, "file")},
                       text_of(source, "licence")});
  }
  if (sources.empty()) throw_bad_input({path, "\"sources\" is empty", "", "", ""});
  return sources;
}

}  // namespace farthing
