// prepare.cpp - the passes over the text: train a tokenizer, encode and write, account.
#include "data/prepare.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "data/shards.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSplitSeed = 0x6661727468696E67;  // another seed would move documents
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
constexpr std::size_t kBatchDocuments = 8192;

struct SplitCounts {
  std::int64_t documents = 0, tokens = 0, bytes = 0;
  void add(const SplitCounts& other) {
    documents += other.documents;
    tokens += other.tokens;
    bytes += other.bytes;
  }
};

Json to_json(const SplitCounts& counts) {
  return {{"documents", counts.documents}, {"tokens", counts.tokens}, {"bytes", counts.bytes}};
}

struct SourceCounts {
  std::int64_t n_files = 0, file_bytes = 0;
  ReadCounts read;
  SplitCounts train, val;
};

constexpr const char* kAsidePrefix = ".preparing-";

// What a killed process left in `parent`.  Our own number can only be an earlier process's.
void remove_stale_asides(const fs::path& parent) {
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(parent, fault)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kAsidePrefix)) continue;
    const std::string digits = name.substr(std::string_view(kAsidePrefix).size());
    const long pid = std::strtol(digits.c_str(), nullptr, 10);
    if (pid <= 0 || std::to_string(pid) != digits) continue;
    const bool is_alive = kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
    if (!is_alive || pid == getpid()) fs::remove_all(entry.path(), fault);
  }
}

// A folder in the results' folder, removed with whatever is left in it.
class AsideFolder {
 public:
  explicit AsideFolder(const std::string& parent)
      : path_(parent + "/" + kAsidePrefix + std::to_string(getpid())) {
    remove_stale_asides(parent);
    made_.emplace(path_);
  }
  AsideFolder(const AsideFolder&) = delete;
  AsideFolder& operator=(const AsideFolder&) = delete;
  ~AsideFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::optional<TentativeFolder> made_;
};

struct Source {
  DataSource description;
  std::vector<std::string> files;
  SourceCounts counts;
};

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
      throw_bad_input({"--source", "name", "\"" + source.name + "\"",
                       "letters, digits, '-' and '_'", ""});
    }
    if (!names.insert(source.name).second) {
      throw_bad_input({"--source", "the name \"" + source.name + "\" stands twice", "", "", ""});
    }
  }
  if (!request.replace && file_exists(request.folder + "/card.json")) {
    throw_bad_input({request.folder, "holds finished data already", "card.json", "a new folder",
                     "--force replaces it"});
  }
}

std::vector<Source> find_sources(const PrepareRequest& request) {
  std::vector<Source> sources;
  for (const auto& description : request.sources) {
    Source source{description, find_input_files(description.inputs), {}};
    source.counts.n_files = static_cast<std::int64_t>(source.files.size());
    source.counts.file_bytes = DocumentReader(source.files, request.reading).bytes_total();
    sources.push_back(std::move(source));
  }
  return sources;
}

// Pulls the documents of all sources one after another and says how far it is.
class Pass {
 public:
  Pass(std::vector<Source>& sources, const PrepareRequest& request, const char* phase,
       const PrepareProgress& progress)
      : sources_(sources), request_(request), phase_(phase), progress_(progress) {
    for (const auto& source : sources) {
      total_ += static_cast<double>(source.counts.file_bytes);
    }
  }

  // The next document and its source; nullptr at the end.
  Source* next(std::string& document) {
    while (current_ < sources_.size()) {
      Source& source = sources_[current_];
      if (!reader_) reader_ = std::make_unique<DocumentReader>(source.files, request_.reading);
      const bool found = reader_->next(document);
      source.counts.read = reader_->counts();
      if (progress_) {
        progress_(phase_, before_ + static_cast<double>(reader_->bytes_consumed()), total_);
      }
      if (found) return &source;
      before_ += static_cast<double>(reader_->bytes_consumed());
      reader_.reset();
      ++current_;
    }
    return nullptr;
  }

 private:
  std::vector<Source>& sources_;
  const PrepareRequest& request_;
  const char* phase_;
  const PrepareProgress& progress_;
  std::size_t current_ = 0;
  std::unique_ptr<DocumentReader> reader_;
  double before_ = 0, total_ = 0;
};

Tokenizer make_tokenizer(std::vector<Source>& sources, const PrepareRequest& request,
                         const PrepareProgress& progress) {
  if (!request.tokenizer_path.empty()) {
    Tokenizer tokenizer = Tokenizer::load(request.tokenizer_path);
    if (tokenizer.end_of_text_id() < 0) {
      throw_bad_input({request.tokenizer_path, "no end-of-text token among its added tokens", "",
                       "one such as <|endoftext|>", "it separates documents"});
    }
    return tokenizer;
  }
  Pass pass(sources, request, "training the tokenizer", progress);
  const DocumentSource training_documents = [&](std::string& document) {
    while (pass.next(document) != nullptr) {
      if (!is_held_out(document, request.val_fraction)) return true;
    }
    return false;
  };
  return train_tokenizer(training_documents, request.training);
}

// The shards of one folder, and the counts that go with them.
class SplitWriters {
 public:
  SplitWriters(const AsideFolder& aside, int vocab_size, std::vector<Source>& sources)
      : train_(aside.file("train"), vocab_size), val_(aside.file("val"), vocab_size) {
    if (sources.size() < 2) return;
    for (const auto& source : sources) {
      val_of_source_.push_back(std::make_unique<ShardWriter>(
          aside.file("val-" + source.description.name), vocab_size));
    }
  }

  void add(Source& source, std::size_t index, std::int64_t n_bytes, bool held_out,
           const std::vector<std::int32_t>& ids) {
    (held_out ? val_ : train_).add_document(ids);
    if (held_out && !val_of_source_.empty()) val_of_source_[index]->add_document(ids);
    (held_out ? source.counts.val : source.counts.train)
        .add({1, static_cast<std::int64_t>(ids.size()), n_bytes});
  }

  void finish() {
    train_.finish();
    val_.finish();
    for (auto& writer : val_of_source_) {
      if (writer->n_documents() > 0) writer->finish();  // else its files go with the writer
    }
  }

 private:
  ShardWriter train_, val_;
  std::vector<std::unique_ptr<ShardWriter>> val_of_source_;
};

struct Batch {
  std::vector<std::string> documents;
  std::vector<Source*> sources;
  std::size_t n_bytes = 0;
};

void encode_batch(Batch& batch, const Tokenizer& tokenizer, const PrepareRequest& request,
                  std::vector<Source>& sources, SplitWriters& writers) {
  const std::size_t n_documents = batch.documents.size();
  std::vector<std::vector<std::int32_t>> ids(n_documents);
  parallel_for(static_cast<std::int64_t>(n_documents), [&](int document) {
    const auto index = static_cast<std::size_t>(document);
    ids[index] = tokenizer.encode(batch.documents[index], {.parse_special = false});
    ids[index].push_back(tokenizer.end_of_text_id());
  });
  for (std::size_t document = 0; document < n_documents; ++document) {
    Source& source = *batch.sources[document];
    const std::string& text = batch.documents[document];
    writers.add(source, static_cast<std::size_t>(&source - sources.data()),
                static_cast<std::int64_t>(text.size()), is_held_out(text, request.val_fraction),
                ids[document]);
  }
  batch = {};
}

void encode_all(std::vector<Source>& sources, const Tokenizer& tokenizer,
                const PrepareRequest& request, const PrepareProgress& progress,
                SplitWriters& writers) {
  Pass pass(sources, request, "encoding", progress);
  Batch batch;
  std::string document;
  while (Source* source = pass.next(document)) {
    batch.n_bytes += document.size();
    batch.documents.push_back(std::move(document));
    batch.sources.push_back(source);
    if (batch.n_bytes >= kBatchBytes || batch.documents.size() >= kBatchDocuments) {
      encode_batch(batch, tokenizer, request, sources, writers);
    }
  }
  encode_batch(batch, tokenizer, request, sources, writers);
}

// Documents in = documents out + documents dropped by named reasons; neither split is empty.
void check_counts(const std::vector<Source>& sources, const PrepareRequest& request) {
  SplitCounts train, val;
  for (const auto& source : sources) {
    CHECK(source.counts.read.documents ==
          source.counts.train.documents + source.counts.val.documents);
    train.add(source.counts.train);
    val.add(source.counts.val);
  }
  const std::int64_t n_documents = train.documents + val.documents;
  const std::string found =
      std::to_string(n_documents) + (n_documents == 1 ? " document" : " documents");
  const char* const hint = request.reading.blank_line_documents
                               ? "more text: a hundred paragraphs or more are split with certainty"
                               : "--documents blank-line makes a document of every paragraph";
  if (train.documents == 0) {
    throw_bad_input({request.folder, "nothing falls in the training split", found, "more", hint});
  }
  if (val.documents == 0 && request.val_fraction > 0) {
    throw_bad_input({request.folder, "nothing falls in the validation split", found,
                     "more documents, a larger --val-fraction, or 0", hint});
  }
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Json source_json(const Source& source) {
  const SourceCounts& counts = source.counts;
  return {{"name", source.description.name},
          {"licence", source.description.licence},
          {"files", counts.n_files},
          {"file_bytes", counts.file_bytes},
          {"documents", counts.read.documents},
          {"empty_documents_dropped", counts.read.empty_documents},
          {"bad_lines_skipped", counts.read.bad_lines},
          {"replaced_characters", counts.read.replaced},
          {"train", to_json(counts.train)},
          {"val", to_json(counts.val)}};
}

Json make_card(const std::vector<Source>& sources, const Tokenizer& tokenizer,
               const PrepareRequest& request, double seconds) {
  SplitCounts train, val;
  Json of_sources = Json::array();
  for (const auto& source : sources) {
    train.add(source.counts.train);
    val.add(source.counts.val);
    of_sources.push_back(source_json(source));
  }
  Json splits = {{"train", to_json(train)}, {"val", to_json(val)}};
  for (const auto& source : sources) {
    if (sources.size() < 2 || source.counts.val.documents == 0) continue;
    splits["val-" + source.description.name] = to_json(source.counts.val);
  }
  return {{"kind", "farthing data card"},
          {"version", 1},
          {"date", date_now()},
          {"seconds", seconds},
          {"val_fraction", request.val_fraction},
          {"tokenizer", {{"fingerprint", tokenizer.fingerprint()},
                         {"vocab_size", tokenizer.vocab_size()},
                         {"from", request.tokenizer_path.empty() ? "the training split"
                                                                 : request.tokenizer_path}}},
          {"splits", splits},
          {"sources", of_sources}};
}

// The card goes first and comes last, so that a folder with a card is always whole.
void move_into_place(const AsideFolder& aside, const std::string& folder) {
  std::error_code fault;
  fs::remove(folder + "/card.json", fault);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("val-")) continue;
    if (name.ends_with(".bin") || name.ends_with(".idx")) fs::remove(entry.path(), fault);
  }
  std::vector<fs::path> made;
  for (const auto& entry : fs::directory_iterator(aside.path())) made.push_back(entry.path());
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

}  // namespace

bool is_held_out(std::string_view text, double val_fraction) {
  return static_cast<double>(hash64(text, kSplitSeed) >> 11) * 0x1p-53 < val_fraction;
}

Json prepare_data(const PrepareRequest& request, const PrepareProgress& progress) {
  const auto started = std::chrono::steady_clock::now();
  check_request(request);
  std::vector<Source> sources = find_sources(request);
  const AsideFolder aside(request.folder);
  const Tokenizer tokenizer = make_tokenizer(sources, request, progress);
  {
    SplitWriters writers(aside, tokenizer.vocab_size(), sources);
    encode_all(sources, tokenizer, request, progress, writers);
    check_counts(sources, request);
    writers.finish();
  }
  write_file_atomically(aside.file("tokenizer.json"), tokenizer.to_json_text());
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
  const Json card = make_card(sources, tokenizer, request, spent.count());
  write_file_atomically(aside.file("card.json"),
                        card.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  move_into_place(aside, request.folder);
  return card;
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
    sources.push_back({text_of(source, "name"), {folder + "/" + text_of(source, "file")},
                       text_of(source, "licence")});
  }
  if (sources.empty()) throw_bad_input({path, "\"sources\" is empty", "", "", ""});
  return sources;
}

}  // namespace farthing
