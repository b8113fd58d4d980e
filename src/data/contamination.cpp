// contamination.cpp - a table of the evaluation's n-grams, looked up by every document.
#include "data/contamination.h"

#include "base/error.h"
#include "data/minhash.h"

namespace farthing {
namespace {

// 64 bits of each n-gram: its own 32-bit hash and that of the n-gram of half the length in it.
void append_grams(std::string_view text, int ngram, std::vector<std::uint64_t>& grams) {
  std::vector<std::uint32_t> whole, half;
  append_shingles(text, ngram, whole);
  append_shingles(text, (ngram + 1) / 2, half);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    grams.push_back(std::uint64_t{whole[i]} << 32 | (i < half.size() ? half[i] : 0));
  }
}

}  // namespace

Contamination::Contamination(const CleanOptions& options, const ReadOptions& reading)
    : ngram_(options.contamination_ngram) {
  ReadOptions strict = reading;
  strict.skip_faults = strict.skip_bad_lines = strict.keep_metadata = false;
  strict.files = FileChoice::kText;
  std::vector<std::uint64_t> grams;
  std::vector<std::uint32_t> words;
  std::string document;
  if (options.contamination_files.empty()) return;
  for (const std::string& path : find_input_files(options.contamination_files)) {
    grams.clear();
    DocumentReader reader({path}, strict);
    while (reader.next(document)) {
      append_grams(document, ngram_, grams);
      words.clear();
      append_shingles(document, 1, words);
      ++n_texts_;
      n_short_ += std::ssize(words) < ngram_ ? 1 : 0;
    }
    if (grams.empty()) throw_bad_input({path, "no word in it", "", "an evaluation text", ""});
    for (const std::uint64_t gram : grams) {
      grams_.emplace(gram, static_cast<std::uint32_t>(files_.size()));
    }
    files_.push_back(path);
  }
}

Contamination::Found Contamination::find(std::string_view text) const {
  std::vector<std::uint64_t> grams;
  append_grams(text, ngram_, grams);
  Found found;
  for (const std::uint64_t gram : grams) {
    const auto known = grams_.find(gram);
    if (known == grams_.end()) continue;
    if (found.n_ngrams++ == 0) found.file = files_[known->second];
  }
  return found;
}

}  // namespace farthing
