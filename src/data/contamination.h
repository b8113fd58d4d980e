// contamination.h - which training documents share a run of words with an evaluation text.
//
//   a document is contaminated by a file when any of its n-grams of words is one of the file's
//
// Words as in minhash.h, so that case, punctuation and spacing do not hide a copy.  An evaluation
// text of fewer words than n counts as one n-gram that can only match a document of the same words.
// Source   13-grams: Brown et al. 2020 (arXiv:2005.14165), appendix C.
// Exact    a false alarm needs two 32-bit hashes of a pair of halves to agree: 2^-64 per n-gram.
// Memory   16 bytes per distinct n-gram of the evaluation files.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/quality.h"
#include "data/readers.h"

namespace farthing {

class Contamination {
 public:
  // Reads the files of options.contamination_files.  Errors: as readers.h; a file without a word.
  Contamination(const CleanOptions& options, const ReadOptions& reading);
  bool is_empty() const { return grams_.empty(); }

  struct Found {
    std::string file;  // the first that it shares with; empty: none
    std::int64_t n_ngrams = 0;
  };
  std::int64_t n_texts() const { return n_texts_; }
  std::int64_t n_short() const { return n_short_; }  // of fewer words than n
  // Thread-safe.
  Found find(std::string_view text) const;

 private:
  int ngram_;
  std::int64_t n_texts_ = 0, n_short_ = 0;
  std::vector<std::string> files_;
  std::unordered_map<std::uint64_t, std::uint32_t> grams_;  // hash -> file
};

}  // namespace farthing
