// prepare_work.h - what prepare's stages hand to one another: the work folder, its segments,
// tallies.
//
//   DIR/.preparing/plan.json          the request and the files, as they were at the start
//                  clock              attempts, and seconds and joules of all of them
//                  seg-N.text         blocks of cleaned documents: u64 number of them, u64 raw
//                  size,
//                                     u64 packed size, zstd
//                  seg-N.print        a record per document: Hash128, and a fingerprint with near
//                  seg-N.json         written last: where reading goes on, and the tally so far
//                  fate.bin, fate.json    a Fate per document
//                  paragraphs.bin         a ParagraphPosition per repeated one, in order
//                  training.json, tokenizer.json      how its training went; then the tokenizer
//                  part-N.tokens, part-N.json   the tokens of segment N, and the tally so far
//                  out/, moving       what goes into the folder; there from the first move on
// Exact    seg-N and part-N depend on the documents and on segment_bytes alone.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/pipeline.h"
#include "data/external_sort.h"
#include "data/prepare.h"
#include "data/shards.h"

namespace farthing {

inline constexpr std::size_t kExamplesPerReason = 3;
inline constexpr std::size_t kMaxFaultsKept = 1000;

template <class T>
void append_number(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

struct SplitCounts {
  std::int64_t documents = 0, tokens = 0, bytes = 0;
  void add(const SplitCounts& other) {
    documents += other.documents;
    tokens += other.tokens;
    bytes += other.bytes;
  }
};

struct SourceTally {
  std::int64_t documents_in = 0, text_bytes_in = 0;
  std::int64_t replaced = 0;       // U+FFFD put in
  std::int64_t lines_removed = 0;  // by the rules on lines
  std::int64_t paragraphs_removed = 0;
  std::map<std::string, std::int64_t> dropped;  // by reason
  SplitCounts train, val;
};

struct DropExample {
  std::string reason, place, excerpt;
  double value = 0;  // what the rule measured
};

// Sums and first examples, in the order of the documents.
struct Tally {
  std::vector<SourceTally> sources;
  std::vector<DropExample> examples;
  std::vector<std::string> faults;  // the first kMaxFaultsKept messages
  std::int64_t n_faults = 0;
  std::map<std::string, std::int64_t> contaminated;  // documents by evaluation file

  void drop(std::size_t source, const std::string& reason) { ++sources[source].dropped[reason]; }
  void add_example(DropExample example);
  void add(const Tally& later);
};

struct Seconds {
  double wall = 0, cpu = 0, joules = 0;
  void add(const Seconds& other) {
    wall += other.wall;
    cpu += other.cpu;
    joules += other.joules;
  }
};

Json to_json(const Tally& tally);
Tally tally_from_json(const Json& json);
Json to_json(const Seconds& seconds);
Seconds seconds_from_json(const Json& json);

// Time since it was made or last asked.
class Stopwatch {
 public:
  explicit Stopwatch(const std::function<double()>& joules);
  Seconds lap();

 private:
  std::function<double()> joules_;
  Seconds last_;
};

// What all attempts took, the killed ones included: saved each second, so that a kill hides less.
class AttemptClock {
 public:
  // Goes on with what is saved in `path`; a damaged file counts as none.
  AttemptClock(std::string path, const std::function<double()>& joules);
  // Saves if the last time is a second ago.  Thread-safe.
  void beat();
  Seconds total();
  int attempts() const { return attempts_; }

 private:
  void save();

  std::string path_;
  std::mutex mutex_;
  Stopwatch stopwatch_;
  Seconds total_;
  double unsaved_ = 0;  // seconds
  int attempts_ = 0;
};

struct InputSource {
  DataSource description;
  std::vector<std::string> files;
  std::int64_t file_bytes = 0;
  std::map<std::string, std::int64_t> ignored;  // files of its folders, by suffix or kind
};

// What every stage knows.
struct Job {
  const PrepareRequest& request;
  const PrepareProgress& progress;
  std::vector<InputSource> sources;
  std::string work;  // folder
  std::int64_t memory_bytes = 0;
  std::int64_t segment_bytes = 0;
  int n_threads = 1;
  AttemptClock* clock = nullptr;

  // Bytes of the longest document that the memory allows.
  std::int64_t longest_document() const;
  // Of stages whose items are batches of documents, weighed by batch_weight().
  PipelineLimits pipeline_limits() const;
  std::int64_t batch_weight(std::size_t text_bytes) const;

  std::string segment(std::int64_t number, const char* ending) const;
  std::string part(std::int64_t number, const char* ending) const;
  // Of the memory, for what is sorted at one time.
  std::int64_t sort_bytes() const;
  // Called often.  Errors: Error{kInterrupted} when the request should stop.
  void check_stop() const;
};

// A document that was kept by the rules.
struct CleanDocument {
  std::uint32_t source = 0, file = 0;
  std::int64_t place = 0;
  std::string_view member, metadata, text;
};
void append_document(const CleanDocument& document, std::string& block);
// Takes the first document off the block.  Errors: Error{kBadInput} for a damaged block.
CleanDocument take_document(std::string_view& block);
// With its three sizes in front.
std::string packed_block(std::string_view block, std::int64_t n_documents);

struct CleanResult {
  Tally tally;
  std::int64_t n_segments = 0, n_documents = 0;
  std::int64_t n_held_out = 0;  // of the documents; stage 2 drops of both splits
  std::int64_t n_evaluation_texts = 0, n_short_texts = 0;  // shorter than the n-gram
  Seconds seconds;
};
// Stage 1.
CleanResult clean_inputs(const Job& job);

// Stage 2: the fate of every document that stage 1 kept, in fate.bin, and of their paragraphs.
struct FateResult {
  std::string report = "null";  // JSON for the card; null without deduplication
  Seconds seconds;
};
FateResult decide_fates(const Job& job, const CleanResult& cleaned);

// A paragraph of a document, by their numbers.
struct ParagraphPosition {
  std::int64_t document, paragraph;
  bool operator<(const ParagraphPosition& other) const {
    return document != other.document ? document < other.document : paragraph < other.paragraph;
  }
};

// Blocks of the segments one after another, packed as they lie on the disk, with what stage 2
// found.
struct PackedBlock {
  std::string bytes;
  std::int64_t segment = 0;
  std::int64_t first_document = 0;  // number of its first document in the whole corpus
  std::vector<Fate> fates;          // of its documents
  std::vector<ParagraphPosition> repeated;
};
class BlockReader {
 public:
  enum class Paragraphs { kUnknown, kKnown };
  BlockReader(const Job& job, std::int64_t first_segment, std::int64_t n_segments,
              Paragraphs paragraphs = Paragraphs::kKnown);
  bool next(PackedBlock& block);  // false at the end

 private:
  void add_findings(PackedBlock& block, std::int64_t n_documents);

  const Job& job_;
  std::int64_t segment_, n_segments_, document_ = 0;
  std::optional<MappedFile> file_;
  std::size_t at_ = 0;
  std::optional<OffsetFile> fates_, paragraphs_;
  std::optional<EntryStream<ParagraphPosition>> repeated_;
};
std::size_t unpacked_size(std::string_view packed);
std::string unpacked_block(std::string_view packed);

// How many documents will be in each split; where neither is empty, only that.
struct DocumentsOfSplits {
  std::int64_t train = 0, val = 0;
};
DocumentsOfSplits count_splits(const Job& job, const CleanResult& cleaned);

// Stage 3 and 4.
struct TrainingResult {
  TrainingReport report;  // of nothing when the tokenizer was given
  Seconds seconds;
};
Tokenizer make_tokenizer(const Job& job, const CleanResult& cleaned, TrainingResult& training);
struct EncodeResult {
  Tally tally;  // of what stages 2 and 4 dropped and wrote
  Seconds seconds;
};
EncodeResult encode_segments(const Job& job, const CleanResult& cleaned,
                             const Tokenizer& tokenizer);

// Stage 5: writes the shards into `folder`.
Seconds assemble_shards(const Job& job, const CleanResult& cleaned, const Tokenizer& tokenizer,
                        const std::string& folder);

struct CardFacts {
  const CleanResult& cleaned;
  const FateResult& fates;
  const EncodeResult& encoded;
  const Tokenizer& tokenizer;
  const TrainingReport& training;
  std::vector<std::pair<std::string, Seconds>> stages;
};
Json make_card(const Job& job, const CardFacts& facts);

}  // namespace farthing
