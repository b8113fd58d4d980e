// inspect.h - what a folder of token shards holds, as one JSON value.
//
//   {folder, bytes_on_disk, tokenizer{vocab_size, fingerprint} | null,
//    splits{NAME{documents, tokens, bytes, bytes_per_token, largest_id, longest_document,
//                histogram[{from, to, documents}], samples{first, random, longest}}},
//    sources[{name, licence, documents, tokens, share}]}
//
// `bytes`, `bytes_per_token` and `sources` come from card.json, samples from tokenizer.json; without
// those files they are null or empty, so that shards made elsewhere can be looked at too.
// Errors   Error{kBadInput}: no train.idx, a damaged file, an id that the tokenizer does not have,
//          a card whose counts are not those of its shards.
// Cost     one pass over the tokens.
#pragma once
#include <cstdint>
#include <string>

#include "base/json.h"

namespace farthing {

// `seed` chooses the random samples.
Json inspect_data(const std::string& folder, std::uint64_t seed = 1);

}  // namespace farthing
