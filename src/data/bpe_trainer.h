// bpe_trainer.h - learns byte-pair merges from documents.
//
//   count the pieces;  while the vocabulary is not full: merge the pair that occurs most, the one
//   with smaller ids among equals, and correct the counts of the pairs around it.
//
// Ids: special tokens, the 256 bytes in GPT-2's order, then one per merge.  Training stops early
// when no pair occurs twice.
//
// Source   Sennrich et al. 2016 (arXiv:1508.07909).
// Cost     counting O(bytes), on all threads; each merge O(words that hold the pair); all merges
//          together at most kMaxPieceBytes visits for each symbol of the distinct pieces.
// Memory   training.counting_bytes while counting (piece_counts.h: beyond it rare pieces are
//          forgotten), then about as much again for the merges (bpe_merger.h).
// Exact    what the definition gives where no piece is longer than kMaxPieceBytes, else as if such
//          pieces were cut (piece_counts.h); the same result for any number of threads and any
//          order of documents.
// Errors   Error{kBadInput}: a vocabulary too small for bytes and special tokens, special tokens
//          that repeat or are empty, no text at all.
#pragma once
#include "data/tokenizer.h"
#include "data/tokenizer_spec.h"

namespace farthing {

// Adds to *report where it is not null.
TokenizerSpec train_bpe(const DocumentSource& source, const TokenizerTraining& training,
                        TrainingReport* report = nullptr);

}  // namespace farthing
