// quality.h - the published heuristics that tell text worth training on from what is not.
//
// A rule is a name, a paper, and thresholds; a document is dropped by the first rule that it fails,
// in the order of quality_rules().  C4's line rules take lines away instead.  A word is a run of
// letters and digits, a run of other visible bytes is a word of symbols (which the rules on numbers
// and lengths of words leave out); in gopher.alphabetic_words and c4.line_words, what stands
// between white space.  Every byte above 127 counts as part of a letter.  Lengths are in
// characters. datatrove splits words by language models: figures near a threshold differ from its.
//
// Source   Gopher: Rae et al. 2021 (arXiv:2112.11446), section A.1 and table A1.
//          C4: Raffel et al. 2020 (arXiv:1910.10683), section 2.2.
//          FineWeb: Penedo et al. 2024 (arXiv:2406.17557), section 3.6.
// Errors   Error{kBadInput} for a rules file with unknown keys or values, every fault at once.
// Cost     one to three passes over the document; the repetition rules hash every n-gram.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

struct QualityRule {
  const char* name;    // "gopher.words"
  const char* source;  // paper and place
  const char* what;    // "50 to 100000 words", with {} for the thresholds
  double low, high;    // what passes: low <= measured <= high
};
std::span<const QualityRule> quality_rules();

struct CleanOptions {
  bool normalise = false;
  // The rules in force with their thresholds; empty: none.
  struct Active {
    std::size_t rule = 0;  // index in quality_rules()
    double low = 0, high = 0;
  };
  std::vector<Active> rules;
  std::vector<std::string> contamination_files;  // evaluation texts, as readers.h reads them
  int contamination_ngram = 13;                  // words
  bool drop_contaminated = false;
  bool drop_repeated_paragraphs = false;
  std::int64_t min_paragraph_bytes = 40;
};

// `names` are families ("gopher", "c4", "fineweb"), rules, or "all", with commas between; "none".
// `toml` is a rules file: [clean] with  rules = "gopher,c4",  normalise = true,  ngram = 13, and a
// key for every threshold:  [clean.gopher.words] low = 50, high = 100000, use = false.
void choose_rules(const std::string& names, CleanOptions& options);
void read_rules(const std::string& toml, const std::string& where, CleanOptions& options);

struct Verdict {
  const char* rule = nullptr;  // null: it stays
  double measured = 0;
  std::int64_t lines_removed = 0;
};

// Thread-safe.
class QualityFilter {
 public:
  explicit QualityFilter(const CleanOptions& options);
  ~QualityFilter();
  // May take lines out of the text.
  Verdict apply(std::string& text) const;
  bool is_empty() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Line ends become \n, control characters and zero-width characters go, no-break spaces become
// spaces, white space at line ends goes, three or more line ends become two.
std::string normalised(std::string_view text);

}  // namespace farthing
