// prepare.h - text into a data folder: token shards, tokenizer and a card that accounts for both.
//
//   DIR/train.bin .idx        documents of the training split, source after source, or shuffled
//   DIR/val.bin .idx          the validation split; when sources are several, also val-NAME.bin
//                             .idx of each that has documents in it
//   DIR/SPLIT.meta.jsonl.zst  with keep_metadata: a line per document of the split: source, file,
//                             place, and the other keys of its line
//   DIR/tokenizer.json        the tokenizer used, given or trained on the training split
//   DIR/card.json card.md     the data card, written last: with card.json the folder is finished
//
// The way of a document: read and decompress, repair UTF-8, normalise, quality rules, contamination
// (all on all threads) -> compressed segments on disk -> exact and near duplicates -> repeated
// paragraphs -> tokenize -> shards.  A document is held out when the hash of its text falls below
// val_fraction: the split depends neither on order nor on the other documents.  Every document is
// followed by the tokenizer's end-of-text token; special tokens that a text happens to spell are
// encoded as plain text.
//
// Resume   DIR/.preparing holds what is done, in segments that are whole or absent.  The same
// request
//          on the same files (sizes and times of change) goes on there; another begins afresh.
//          Threads, memory, and what to do about faults may change in between.
// Errors   Error{kBadInput} for inputs, for a finished folder without `replace`, for a split that
// is
//          empty, for a folder that another process is preparing; Error{kInterrupted} when
//          should_stop says so.  Whatever is thrown, an earlier content of DIR is left as it was; a
//          DIR made for nothing that could be gone on with is gone.
// Exact    all files but the card are the same bytes for any number of threads, any memory, and any
//          number of interruptions; but a tokenizer trained in too little memory to count every
//          piece depends on the memory, and the card says that it was.
// Memory   memory_bytes, beside 64 MiB and the names of the files (about 100 bytes each), however
//          much text and however many documents.  Of that a 14th bounds a document, a 34th where
//          rules or evaluation texts look at its words (a longer one that is allowed is
//          Error{kOutOfResource}), and a quarter the tokenizer trainer's counting; what is sorted,
//          32 MiB of it and at most another quarter, spills.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/duplicates.h"
#include "data/quality.h"
#include "data/readers.h"
#include "data/tokenizer.h"

namespace farthing {

struct DataSource {
  std::string name;  // letters, digits, '-', '_'
  std::vector<std::string> inputs;
  std::string licence;
};

struct PrepareRequest {
  std::vector<DataSource> sources;
  std::string folder;
  std::string tokenizer_path;  // empty: train one
  TokenizerTraining training;
  double val_fraction = 0.02;
  ReadOptions reading;
  bool replace = false;

  CleanOptions clean;
  bool dedup_exact = false;
  bool dedup_near = false;
  MinHashOptions minhash;
  bool shuffle = false;
  std::uint64_t shuffle_seed = 1;

  std::int64_t memory_bytes = 0;      // 0: a quarter of the machine's
  std::int64_t segment_bytes = 0;     // of text between two savings; 0: by the memory
  std::function<bool()> should_stop;  // asked often, from several threads
  std::function<double()> joules;     // used since the start; may be empty
  std::function<Json(double seconds, double cpu_seconds, double joules)> cost;  // for the card
};

// Called often: what is being done, units done, of all.
using PrepareProgress = std::function<void(const char* phase, double done, double total)>;

// Returns the card.
Json prepare_data(const PrepareRequest& request, const PrepareProgress& progress = {});

// The card as Markdown that reads well in a terminal too.
std::string format_card(const Json& card);

// Whether a document with this text is held out.
bool is_held_out(std::string_view text, double val_fraction);

// The sources of a folder that holds a manifest.json as `farthing data corpus-debian` writes it:
// {"sources": [{"name", "file", "licence"}]}.
std::vector<DataSource> read_manifest(const std::string& folder);

}  // namespace farthing
