// quality.cpp - Gopher's, C4's and FineWeb's rules, each measured once and compared with its
// limits.
#include "data/quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/hash.h"
#include "config/settings.h"
#include "data/key_table.h"

namespace farthing {
namespace {

constexpr double kAny = std::numeric_limits<double>::infinity();
constexpr const char* kGopherQuality = "Gopher, Rae et al. 2021, section A.1.1";
constexpr const char* kGopherRepetition = "Gopher, Rae et al. 2021, table A1";
constexpr const char* kC4 = "C4, Raffel et al. 2020, section 2.2";
constexpr const char* kFineWeb = "FineWeb, Penedo et al. 2024, section 3.6";

// In the order in which they are tried: line rules first, then what is cheap.
constexpr QualityRule kRules[] = {
    {"c4.terminal_punctuation", kC4, "lines not ending in . ! ? or a quotation mark are removed", 1,
     kAny},
    {"c4.line_words", kC4, "lines of fewer words are removed", 3, kAny},
    {"c4.javascript", kC4, "lines that speak of javascript are removed", 1, kAny},
    {"c4.policy", kC4, "lines about cookies and terms of use are removed", 1, kAny},
    {"c4.lorem_ipsum", kC4, "times the text says lorem ipsum", 0, 0},
    {"c4.curly_bracket", kC4, "curly brackets", 0, 0},
    {"c4.sentences", kC4, "sentences", 5, kAny},
    {"gopher.words", kGopherQuality, "words", 50, 100000},
    {"gopher.mean_word_length", kGopherQuality, "mean characters of a word", 3, 10},
    {"gopher.hash_ratio", kGopherQuality, "hash signs to words", 0, 0.1},
    {"gopher.ellipsis_ratio", kGopherQuality, "ellipses to words", 0, 0.1},
    {"gopher.bullet_lines", kGopherQuality, "share of lines that begin with a bullet", 0, 0.9},
    {"gopher.ellipsis_lines", kGopherQuality, "share of lines that end with an ellipsis", 0, 0.3},
    {"gopher.alphabetic_words", kGopherQuality, "share of words with a letter", 0.8, 1},
    {"gopher.stop_words", kGopherQuality, "of: the be to of and that have with", 2, kAny},
    {"gopher.duplicate_paragraphs", kGopherRepetition, "share of paragraphs", 0, 0.3},
    {"gopher.duplicate_paragraph_characters", kGopherRepetition, "share of characters", 0, 0.2},
    {"gopher.duplicate_lines", kGopherRepetition, "share of lines", 0, 0.3},
    {"gopher.duplicate_line_characters", kGopherRepetition, "share of characters", 0, 0.2},
    {"gopher.top_2gram", kGopherRepetition, "share of characters in the commonest", 0, 0.2},
    {"gopher.top_3gram", kGopherRepetition, "share of characters in the commonest", 0, 0.18},
    {"gopher.top_4gram", kGopherRepetition, "share of characters in the commonest", 0, 0.16},
    {"gopher.duplicate_5gram", kGopherRepetition, "share of characters in repeated ones", 0, 0.15},
    {"gopher.duplicate_6gram", kGopherRepetition, "share of characters in repeated ones", 0, 0.14},
    {"gopher.duplicate_7gram", kGopherRepetition, "share of characters in repeated ones", 0, 0.13},
    {"gopher.duplicate_8gram", kGopherRepetition, "share of characters in repeated ones", 0, 0.12},
    {"gopher.duplicate_9gram", kGopherRepetition, "share of characters in repeated ones", 0, 0.11},
    {"gopher.duplicate_10gram", kGopherRepetition, "share of characters in repeated ones", 0, 0.1},
    {"fineweb.terminal_punctuation", kFineWeb, "share of lines that end in punctuation", 0.12, 1},
    {"fineweb.short_lines", kFineWeb, "share of lines of at most 30 characters", 0, 0.67},
    {"fineweb.duplicate_line_characters", kFineWeb, "share of characters", 0, 0.1},
};
constexpr std::size_t kNumRules = std::size(kRules);

// clang-format off
enum RuleIndex : std::size_t {
  kTerminal, kLineWords, kJavascript, kPolicy, kLoremIpsum, kCurly, kSentences,
  kWords, kMeanWord, kHashes, kEllipses, kBullets, kEllipsisLines, kAlphabetic, kStopWords,
  kDupParagraphs, kDupParagraphChars, kDupLines, kDupLineChars,
  kTop2, kTop3, kTop4, kDup5, kDup6, kDup7, kDup8, kDup9, kDup10,
  kFineTerminal, kFineShort, kFineDup,
};
// clang-format on
static_assert(kFineDup + 1 == kNumRules);

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_alphabetic(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (static_cast<unsigned char>(c) >= 128);
}
bool is_figure(char c) { return c >= '0' && c <= '9'; }

// Characters: bytes that continue none.
std::int64_t n_characters(std::string_view text) {
  std::int64_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return n;
}

std::string_view stripped(std::string_view text) {
  while (!text.empty() && is_white(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white(text.back())) text.remove_suffix(1);
  return text;
}

// What ends a sentence or a quotation: ASCII and the typographic marks.
bool ends_in_punctuation(std::string_view line) {
  for (const std::string_view mark :
       {".", "!", "?", "\"", "'", "\u201D", "\u3002", "\uFF01", "\uFF1F"}) {
    if (line.ends_with(mark)) return true;
  }
  return false;
}

bool ends_in_ellipsis(std::string_view line) {
  return line.ends_with("...") || line.ends_with("\u2026");
}

// 16 bytes: a document may be nothing but words of a letter.
struct Word {
  std::uint64_t hash = 0;
  std::uint32_t characters = 0;
  bool has_symbol_only = false;
};

// Calls use(word, has_symbol_only) for the words as Gopher's rules count them: runs of letters and
// digits; a run of anything else that is visible is a word of symbols.
template <class Use>
void for_each_word(std::string_view text, const Use& use) {
  std::size_t at = 0;
  const auto kind = [](char c) {
    return is_white(c) ? 0 : is_alphabetic(c) || is_figure(c) ? 1 : 2;
  };
  while (at < text.size()) {
    const int of = kind(text[at]);
    const std::size_t begin = at;
    while (at < text.size() && kind(text[at]) == of) ++at;
    if (of != 0) use(text.substr(begin, at - begin), of == 2);
  }
}

std::vector<Word> words_of(std::string_view text) {
  constexpr std::size_t kGiant = std::size_t{1} << 20;  // worth counting first, to take no more
  std::size_t n = text.size() < kGiant ? text.size() / 4 : 0;
  if (n == 0) for_each_word(text, [&](std::string_view, bool) { ++n; });
  std::vector<Word> words;
  words.reserve(n);
  for_each_word(text, [&](std::string_view word, bool has_symbol_only) {
    words.push_back(
        {hash64(word), static_cast<std::uint32_t>(n_characters(word)), has_symbol_only});
  });
  return words;
}

struct Repeated {
  double elements = 0, characters = 0;  // counts
};

// What is measured of a document, each when a rule first asks.
class Measures {
 public:
  explicit Measures(std::string_view text) : text_(text) {}
  Measures(const Measures&) = delete;
  Measures& operator=(const Measures&) = delete;
  ~Measures() { table_.shrink(); }

  double characters() {
    if (characters_ < 0) characters_ = static_cast<double>(n_characters(text_));
    return characters_;
  }

  const std::vector<Word>& words() {
    if (words_.empty()) words_ = words_of(text_);
    return words_;
  }

  // Lines with something in them, white space at their ends off.
  const std::vector<std::string_view>& lines() {
    if (lines_.empty()) {
      lines_.reserve(1 + static_cast<std::size_t>(std::count(text_.begin(), text_.end(), '\n')));
      split([&](std::string_view line) {
        line = stripped(line);
        if (!line.empty()) lines_.push_back(line);
      });
    }
    return lines_;
  }

  Repeated repeated_lines() {
    if (!lines_measured_) repeated_lines_ = repeats(lines());
    lines_measured_ = true;
    return repeated_lines_;
  }

  Repeated repeated_paragraphs() {
    if (paragraphs_.empty()) find_paragraphs();
    return repeats(paragraphs_);
  }
  double n_paragraphs() {
    if (paragraphs_.empty()) find_paragraphs();
    return static_cast<double>(paragraphs_.size());
  }

  // Characters in the n-gram that fills most when all its places are counted.
  double top_ngram(std::size_t n) {
    const auto& all = words();
    if (all.size() < n) return 0;
    table_.clear(all.size());
    std::int64_t best_count = 0, best = 0;
    for (std::size_t i = 0; i + n <= all.size(); ++i) {
      const std::int64_t count = ++table_.count(ngram_hash(i, n));
      const std::int64_t length =
          count * (ngram_characters(i, n) + static_cast<std::int64_t>(n) - 1);
      if (count > best_count || (count == best_count && length > best)) {
        best_count = count;
        best = length;
      }
    }
    return best_count < 2 ? 0 : static_cast<double>(best);
  }

  // Characters in n-grams that stood before, none counted twice.
  double repeated_ngrams(std::size_t n) {
    const auto& all = words();
    table_.clear(all.size());
    std::int64_t characters = 0;
    for (std::size_t i = 0; i + n <= all.size();) {
      if (table_.count(ngram_hash(i, n))++ > 0) {
        characters += ngram_characters(i, n);
        i += n;
      } else {
        ++i;
      }
    }
    return static_cast<double>(characters);
  }

 private:
  template <class Use>
  void split(const Use& use) const {
    std::size_t begin = 0;
    while (begin <= text_.size()) {
      const std::size_t end = std::min(text_.find('\n', begin), text_.size());
      use(text_.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  void find_paragraphs() {
    std::size_t begin = 0;
    while (begin <= text_.size()) {
      const std::size_t end = std::min(text_.find("\n\n", begin), text_.size());
      const auto paragraph = stripped(text_.substr(begin, end - begin));
      if (!paragraph.empty()) paragraphs_.push_back(paragraph);
      begin = end + 2;
    }
  }

  Repeated repeats(const std::vector<std::string_view>& parts) {
    table_.clear(parts.size());
    Repeated repeated;
    for (const std::string_view part : parts) {
      if (table_.count(hash64(part))++ == 0) continue;
      repeated.elements += 1;
      repeated.characters += static_cast<double>(n_characters(part));
    }
    return repeated;
  }

  std::int64_t ngram_characters(std::size_t first, std::size_t n) const {
    std::int64_t sum = 0;
    for (std::size_t i = first; i < first + n; ++i) sum += words_[i].characters;
    return sum;
  }
  std::uint64_t ngram_hash(std::size_t first, std::size_t n) const {
    std::uint64_t hash = n;
    for (std::size_t i = first; i < first + n; ++i) {
      hash = (hash ^ words_[i].hash) * 0xD6E8FEB86659FD93;
      hash ^= hash >> 32;
    }
    return hash;
  }

  std::string_view text_;
  double characters_ = -1;
  std::vector<Word> words_;
  std::vector<std::string_view> lines_, paragraphs_;
  bool lines_measured_ = false;
  Repeated repeated_lines_;
  static thread_local KeyTable table_;
};
thread_local KeyTable Measures::table_;

double share(double part, double whole) { return whole == 0 ? 0 : part / whole; }

template <class Holds>
double share_of(const std::vector<std::string_view>& lines, const Holds& holds) {
  const auto n = std::count_if(lines.begin(), lines.end(), holds);
  return share(static_cast<double>(n), static_cast<double>(lines.size()));
}

double count_of(std::string_view text, std::string_view wanted) {
  double n = 0;
  for (std::size_t at = text.find(wanted); at != std::string_view::npos;
       at = text.find(wanted, at + wanted.size())) {
    ++n;
  }
  return n;
}

// Ends of sentences: a mark, perhaps quotation marks or brackets, then white space or the end.
double n_sentences(std::string_view text) {
  double n = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '.' && text[i] != '!' && text[i] != '?') continue;
    while (i + 1 < text.size() && std::strchr(".!?\"')]", text[i + 1]) != nullptr) ++i;
    if (i + 1 == text.size() || is_white(text[i + 1])) ++n;
  }
  return n;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

double n_stop_words(const std::vector<Word>& words) {
  static const std::array<std::uint64_t, 8> stop = {hash64("the"),  hash64("be"),  hash64("to"),
                                                    hash64("of"),   hash64("and"), hash64("that"),
                                                    hash64("have"), hash64("with")};
  std::array<bool, 8> seen{};
  for (const Word& word : words) {
    for (std::size_t i = 0; i < stop.size(); ++i) seen[i] = seen[i] || word.hash == stop[i];
  }
  return static_cast<double>(std::count(seen.begin(), seen.end(), true));
}

double n_real_words(const std::vector<Word>& words) {
  return static_cast<double>(std::count_if(words.begin(), words.end(),
                                           [](const Word& word) { return !word.has_symbol_only; }));
}

double mean_word_length(const std::vector<Word>& words) {
  double sum = 0;
  for (const Word& word : words)
    sum += word.has_symbol_only ? 0 : static_cast<double>(word.characters);
  return share(sum, n_real_words(words));
}

// Of what stands between white space, so that a comma is no word of its own.
double share_with_letter(std::string_view text) {
  double n = 0, n_with = 0;
  bool inside = false, has_letter = false;
  for (const char c : text) {
    if (is_white(c)) {
      n_with += has_letter ? 1 : 0;
      inside = has_letter = false;
      continue;
    }
    n += inside ? 0 : 1;
    inside = true;
    has_letter = has_letter || is_alphabetic(c);
  }
  return share(n_with + (has_letter ? 1 : 0), n);
}

// long: one line for each rule
double measure(std::size_t rule, std::string_view text, Measures& of) {
  const auto n_words = [&] { return static_cast<double>(of.words().size()); };
  // clang-format off
  switch (static_cast<RuleIndex>(rule)) {
    case kLoremIpsum: return count_of(lower_case(text), "lorem ipsum");
    case kCurly: return count_of(text, "{") + count_of(text, "}");
    case kSentences: return n_sentences(text);
    case kWords: return n_real_words(of.words());
    case kMeanWord: return mean_word_length(of.words());
    case kHashes: return share(count_of(text, "#"), n_words());
    case kEllipses: return share(count_of(text, "...") + count_of(text, "\u2026"), n_words());
    case kBullets:
      return share_of(of.lines(), [](std::string_view line) {
        return line.starts_with("-") || line.starts_with("\u2022") || line.starts_with("*");
      });
    case kEllipsisLines: return share_of(of.lines(), ends_in_ellipsis);
    case kAlphabetic: return share_with_letter(text);
    case kStopWords: return n_stop_words(of.words());
    case kDupParagraphs: return share(of.repeated_paragraphs().elements, of.n_paragraphs());
    case kDupParagraphChars: return share(of.repeated_paragraphs().characters, of.characters());
    case kDupLines:
      return share(of.repeated_lines().elements, static_cast<double>(of.lines().size()));
    case kFineDup:
    case kDupLineChars: return share(of.repeated_lines().characters, of.characters());
    case kTop2: case kTop3: case kTop4:
      return share(of.top_ngram(rule - kTop2 + 2), of.characters());
    case kDup5: case kDup6: case kDup7: case kDup8: case kDup9: case kDup10:
      return share(of.repeated_ngrams(rule - kDup5 + 5), of.characters());
    case kFineTerminal: return share_of(of.lines(), ends_in_punctuation);
    case kFineShort:
      return share_of(of.lines(), [](std::string_view line) { return n_characters(line) <= 30; });
    default: return 0;
  }
  // clang-format on
}

void activate(std::size_t rule, CleanOptions& options) {
  for (const auto& active : options.rules) {
    if (active.rule == rule) return;
  }
  options.rules.push_back({rule, kRules[rule].low, kRules[rule].high});
}

void sort_rules(CleanOptions& options) {
  std::sort(options.rules.begin(), options.rules.end(),
            [](const auto& a, const auto& b) { return a.rule < b.rule; });
}

}  // namespace

std::span<const QualityRule> quality_rules() { return kRules; }

void choose_rules(const std::string& names, CleanOptions& options) {
  std::size_t begin = 0;
  while (begin <= names.size()) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const std::string name(stripped(std::string_view(names).substr(begin, end - begin)));
    begin = end + 1;
    if (name == "none" || name.empty()) continue;
    bool known = false;
    for (std::size_t rule = 0; rule < kNumRules; ++rule) {
      const std::string full = kRules[rule].name;
      if (name != "all" && name != full && !full.starts_with(name + ".")) continue;
      known = true;
      activate(rule, options);
    }
    if (known) continue;
    std::vector<std::string> candidates = {"gopher", "c4", "fineweb", "all", "none"};
    for (const auto& rule : kRules) candidates.push_back(rule.name);
    const std::string near = nearest_spelling(name, candidates);
    throw_bad_input({"--clean", "no such rule or family", name,
                     "gopher, c4, fineweb, all, none or a rule",
                     near.empty() ? "" : "did you mean " + near + "?"});
  }
  sort_rules(options);
}

void read_rules(const std::string& toml, const std::string& where, CleanOptions& options) {
  Settings settings(toml, where);
  std::string names;
  settings.read("clean.rules", names, {});
  settings.read("clean.normalise", options.normalise, {});
  settings.read("clean.contamination_ngram", options.contamination_ngram, {.low = 2, .high = 64});
  settings.read("clean.drop_contaminated", options.drop_contaminated, {});
  settings.read("clean.drop_repeated_paragraphs", options.drop_repeated_paragraphs, {});
  int min_paragraph = static_cast<int>(options.min_paragraph_bytes);
  settings.read("clean.min_paragraph_bytes", min_paragraph, {.low = 1});
  options.min_paragraph_bytes = min_paragraph;
  choose_rules(names, options);
  for (std::size_t rule = 0; rule < kNumRules; ++rule) {
    const std::string section = std::string("clean.") + kRules[rule].name;
    if (!settings.has_section(section)) continue;
    bool use = true;
    settings.read(section + ".use", use, {});
    activate(rule, options);
    const auto active = std::find_if(options.rules.begin(), options.rules.end(),
                                     [&](const auto& other) { return other.rule == rule; });
    settings.read(section + ".low", active->low, {});
    settings.read(section + ".high", active->high, {});
    if (!use) options.rules.erase(active);
  }
  sort_rules(options);
  settings.finish();
}

struct QualityFilter::State {
  std::array<bool, kNumRules> on{};
  std::array<double, kNumRules> low{}, high{};
  bool any = false, any_of_lines = false;

  bool keeps_line(std::string_view line) const {
    if (on[kTerminal] && (!ends_in_punctuation(line) || ends_in_ellipsis(line))) return false;
    if (on[kLineWords] && n_line_words(line) < low[kLineWords]) return false;
    if (!on[kJavascript] && !on[kPolicy]) return true;
    const std::string lower = lower_case(line);
    if (on[kJavascript] && lower.find("javascript") != std::string::npos) return false;
    if (!on[kPolicy]) return true;
    for (const char* words : {"terms of use", "privacy policy", "cookie policy", "uses cookies",
                              "use of cookies", "use cookies"}) {
      if (lower.find(words) != std::string::npos) return false;
    }
    return true;
  }

  static double n_line_words(std::string_view line) {
    double n = 0;
    bool inside = false;
    for (const char c : line) {
      n += !is_white(c) && !inside ? 1 : 0;
      inside = !is_white(c);
    }
    return n;
  }

  std::int64_t remove_lines(std::string& text) const {
    std::string kept;
    std::int64_t n_removed = 0;
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const auto line = stripped(std::string_view(text).substr(begin, end - begin));
      if (line.empty()) {
        if (!kept.empty() && !kept.ends_with("\n\n")) kept += '\n';
      } else if (keeps_line(line)) {
        kept.append(line) += '\n';
      } else {
        ++n_removed;
      }
      begin = end + 1;
    }
    if (n_removed == 0) return 0;
    text.assign(stripped(kept));
    return n_removed;
  }
};

QualityFilter::QualityFilter(const CleanOptions& options) : state_(std::make_unique<State>()) {
  for (const auto& active : options.rules) {
    state_->on[active.rule] = true;
    state_->low[active.rule] = active.low;
    state_->high[active.rule] = active.high;
    state_->any = true;
    state_->any_of_lines = state_->any_of_lines || active.rule <= kPolicy;
  }
}
QualityFilter::~QualityFilter() = default;

bool QualityFilter::is_empty() const { return !state_->any; }

Verdict QualityFilter::apply(std::string& text) const {
  Verdict verdict;
  const State& state = *state_;
  if (!state.any) return verdict;
  if (state.any_of_lines) verdict.lines_removed = state.remove_lines(text);
  Measures measures(text);
  for (std::size_t rule = kPolicy + 1; rule < kNumRules; ++rule) {
    if (!state.on[rule]) continue;
    const double measured = measure(rule, text, measures);
    if (measured >= state.low[rule] && measured <= state.high[rule]) continue;
    verdict.rule = kRules[rule].name;
    verdict.measured = measured;
    return verdict;
  }
  return verdict;
}

std::string normalised(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t n_line_ends = 0;
  const auto end_line = [&] {
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
    if (++n_line_ends <= 2) out += '\n';
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') {
      if (i + 1 == text.size() || text[i + 1] != '\n') end_line();
    } else if (c == '\n') {
      end_line();
    } else if (text.substr(i).starts_with("\u00A0")) {
      out += ' ';
      i += 1;
    } else if (text.substr(i, 3) == "\u200B" || text.substr(i, 3) == "\uFEFF") {
      i += 2;
    } else if ((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\t') {
      if (c != ' ' && c != '\t') n_line_ends = 0;
      out += c;
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
  return out;
}

}  // namespace farthing
