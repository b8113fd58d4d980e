// pre_tokenizer_pattern.h - one compiled pattern: Oniguruma's dialect through PCRE2 with JIT.
//
// Threads  next() may be called from several at once, each with its own MatchState.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// The pattern in PCRE2's dialect.  `\s` becomes \p{White_Space} (PCRE2's own also holds U+180E).
// Errors: Error{kBadInput} for what means something else there: \h, \K, nested or intersected sets.
std::string translate_pattern(std::string_view pattern, const std::string& where);

class Pattern {
 public:
  Pattern(const std::string& pattern, bool is_literal, const std::string& where);
  ~Pattern();
  Pattern(Pattern&&) noexcept;

  // Buffers of one search, and where the last match ended.
  class Search;
  struct Span {
    std::size_t begin, end;
  };

 private:
  friend class Search;
  struct State;
  std::unique_ptr<State> state_;
};

// Finds one match after another, as Oniguruma's find_iter: an empty match right after another match
// is passed over.
class Pattern::Search {
 public:
  explicit Search(const Pattern& pattern);
  ~Search();
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  void begin(std::string_view text);  // REQUIRES valid UTF-8
  std::optional<Span> next();

 private:
  std::optional<Span> match(std::size_t from);
  struct Buffers;
  const Pattern& pattern_;
  std::unique_ptr<Buffers> buffers_;
  std::string_view text_;
  std::size_t from_ = 0;
  std::optional<std::size_t> last_end_;
};

}  // namespace farthing
