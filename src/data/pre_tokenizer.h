// pre_tokenizer.h - cuts text into the pieces that byte-pair merges never cross.
//
// A list of Splits, each run inside the pieces that the one before it left, then ByteLevel (whose
// own step is GPT-2's pattern, where use_regex asks for it).  Patterns are those of tokenizer.json:
// the Oniguruma dialect, translated to PCRE2 where the two differ and refused where that cannot be
// done.
//
// Source   Hugging Face tokenizers: Split, Sequence, ByteLevel; DeepSeek-V3's tokenizer.json.
// Errors   Error{kBadInput}: a pattern that does not compile, or one that backtracks beyond all
//          reason on a text.  Never a crash: the matcher's stack and steps are bounded.
// Threads  split() may be called from several at once.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

struct SplitRule {
  std::string pattern;
  bool is_literal = false;       // tokenizer.json {"String": ...}; else {"Regex": ...}
  bool removes_matches = false;  // behavior Removed; else Isolated
  bool invert = false;           // what matches is the gap
  bool operator==(const SplitRule&) const = default;
};

struct PreTokenizerRules {
  std::vector<SplitRule> splits;
  bool add_prefix_space = false;  // ByteLevel: a piece that has no space in front gets one
  bool use_regex = false;         // ByteLevel: GPT-2's pattern as a last split
  bool trim_offsets = true;       // kept for writing; offsets are not computed
  bool operator==(const PreTokenizerRules&) const = default;
};

// `\p{N}{1,3}`, then runs of CJK and kana, then words, punctuation and spaces.
PreTokenizerRules deepseek_v3_rules();
PreTokenizerRules gpt2_rules();

// Pieces of a text, in order; valid while the text and this live.
struct Pieces {
  std::vector<std::string_view> pieces;
  std::deque<std::string> prefixed;  // owns the pieces that were given a space
};

// The patterns that models use are matched by hand (piece_scanner.h); kPcre2 is the reference.
enum class SplitMethod { kFastest, kPcre2 };

class Splitter {
 public:
  // `where` opens the messages.
  Splitter(const PreTokenizerRules& rules, const std::string& where,
           SplitMethod method = SplitMethod::kFastest);
  ~Splitter();
  Splitter(Splitter&&) noexcept;
  Splitter& operator=(Splitter&&) noexcept;
  // Replaces `out`.  No piece is empty.  REQUIRES text is valid UTF-8.
  void split(std::string_view text, Pieces& out) const;
  // A long text's pieces a part at a time: calls take() whenever `out` holds the next ones.
  void split(std::string_view text, Pieces& out, const std::function<void()>& take) const;

 private:
  void split_all(std::string_view text, Pieces& out, const std::function<void()>& take) const;
  void split_known(std::string_view text, Pieces& out, const std::function<void()>& take) const;

  class Cutter;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
