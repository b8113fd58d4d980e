// inspect.h - what a folder of token shards holds, as one JSON value.
//
//   {folder, bytes_on_disk, tokenizer{vocab_size, fingerprint} | null,
//    splits{NAME{documents, tokens, bytes, bytes_per_token, bytes_on_disk, largest_id,
//                longest_document, histogram[{from, to, documents}],
//                sequences, ids_used, token_histogram[{from, to, ids, tokens}],
//                frequent[{id, text, count}],
//                duplicates{documents, distinct, copies, most[{copies, tokens, text}]},
//                packing{sequence_length, cut{...}, best_fit{...}},
//                samples{first, random, longest}}},
//    sources[{name, licence, documents, tokens, share, dropped{}, cost}],
//    dropped[{reason, documents, share, source}], documents_in, examples[], cost{}}
//
// `bytes`, `sources`, `dropped` and `cost` come from card.json, texts from tokenizer.json; without
// those files they are null or empty, so that shards made elsewhere can be looked at too.  The cost
// of a source is the card's, shared out by bytes of text where the card does not say it.
// Errors   Error{kBadInput}: no train.idx, a damaged file, an id that the tokenizer does not have,
//          a card whose counts are not those of its shards.
// Cost     one pass over the tokens, on one thread; 24 bytes a document.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"

namespace farthing {

struct InspectOptions {
  std::uint64_t seed = 1;     // of the random samples
  int sequence_length = 512;  // for what packing would give
};
Json inspect_data(const std::string& folder, const InspectOptions& options = {});

// The same as text for a terminal, and as one self-contained HTML page.
std::string inspection_text(const Json& inspection);
std::string inspection_html(const Json& inspection);

}  // namespace farthing
