// prepare.h - text into a data folder: token shards, tokenizer and a card that accounts for both.
//
//   DIR/train.bin .idx        documents of the training split, source after source
//   DIR/val.bin .idx          the validation split; when sources are several, also val-NAME.bin
//                             .idx of each that has documents in it
//   DIR/tokenizer.json        the tokenizer used, given or trained on the training split
//   DIR/card.json             the data card, written last: with it the folder is finished
//
// A document is held out when the hash of its text falls below val_fraction: the split depends
// neither on order nor on the other documents, and equal documents fall on the same side.
// Every document is followed by the tokenizer's end-of-text token; special tokens that a text
// happens to spell are encoded as plain text.
//
// Errors   Error{kBadInput} for inputs, for a finished folder without `replace`, for a split that is
//          empty; whatever is thrown, an earlier content of DIR is left as it was, and a DIR made
//          for it is gone.  What a killed process left (.preparing-PID) goes at the next start.
// Exact    train, val and tokenizer are the same bytes for any number of threads.
// Memory   a batch of documents and what the tokenizer's trainer counts; the inputs are read twice
//          when a tokenizer is trained, else once.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
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
};

// Called often: what is being done, bytes of input read, of all.
using PrepareProgress = std::function<void(const char* phase, double done, double total)>;

// Returns the card.
Json prepare_data(const PrepareRequest& request, const PrepareProgress& progress = {});

// Whether a document with this text is held out.
bool is_held_out(std::string_view text, double val_fraction);

// The sources of a folder that holds a manifest.json as `farthing data corpus-debian` writes it:
// {"sources": [{"name", "file", "licence"}]}.
std::vector<DataSource> read_manifest(const std::string& folder);

}  // namespace farthing
