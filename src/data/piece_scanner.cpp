// piece_scanner.cpp - one alternative after another, as the patterns list them.
#include "data/piece_scanner.h"

#include "data/character_classes.h"
#include "data/pre_tokenizer.h"

namespace farthing {

namespace known_pattern {
const char* const kGpt2 =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kCl100k = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                            R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kCl100kSingleDigits =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kDigits = R"(\p{N}{1,3})";
const char* const kCjk = "[一-龥\u3040-ゟ゠-ヿ]+";
const char* const kWords =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
    R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
}  // namespace known_pattern

namespace {

using namespace character_class;
using Bytes = const unsigned char*;

struct Character {
  std::uint8_t flags;
  std::uint8_t n_bytes;
};

// A text, read character by character; past the end there is none (flags 0, 0 bytes).
class Scanner {
 public:
  explicit Scanner(std::string_view text)
      : at_(reinterpret_cast<Bytes>(text.data())), end_(at_ + text.size()) {}

  Bytes end() const { return end_; }
  bool ascii(Bytes p) const { return p < end_ && *p < 0x80; }

  Character at(Bytes p) {
    if (p >= end_) return {0, 0};
    if (*p < 0x80) return {kAsciiClasses[*p], 1};
    return beyond_ascii(p);
  }

  // The end of the run of characters that have one of the flags.
  Bytes run(Bytes p, std::uint8_t flags) {
    for (;;) {
      while (p < end_ && *p < 0x80 && (kAsciiClasses[*p] & flags) != 0) ++p;
      if (p >= end_ || *p < 0x80) return p;
      const Character c = beyond_ascii(p);
      if ((c.flags & flags) == 0) return p;
      p += c.n_bytes;
    }
  }

  // The end of the run of characters that have none of the flags.
  Bytes run_without(Bytes p, std::uint8_t flags) {
    for (;;) {
      while (p < end_ && *p < 0x80 && (kAsciiClasses[*p] & flags) == 0) ++p;
      if (p >= end_ || *p < 0x80) return p;
      const Character c = beyond_ascii(p);
      if ((c.flags & flags) != 0) return p;
      p += c.n_bytes;
    }
  }

  Character beyond_ascii(Bytes p) {
    if (classes_ == nullptr) classes_ = character_classes();
    if (*p < 0xE0) return {classes_[(*p & 0x1F) << 6 | (p[1] & 0x3F)], 2};
    if (*p < 0xF0) {
      return {classes_[(*p & 0xF) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F)], 3};
    }
    return {classes_[(*p & 7) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 | (p[3] & 0x3F)], 4};
  }

 private:
  Bytes at_, end_;
  const std::uint8_t* classes_ = nullptr;
};

// Where the last character of [begin, end) begins.
Bytes last_character(Bytes begin, Bytes end) {
  Bytes p = end - 1;
  while (p > begin && (*p & 0xC0) == 0x80) --p;
  return p;
}

// \s+(?!\S)|\s+  from a run of spaces [begin, end): all of it at the end of the text, else all but
// the last, else that one.
Bytes spaces(Bytes begin, Bytes end, Bytes text_end) {
  if (end == text_end) return end;
  const Bytes last = last_character(begin, end);
  return last > begin ? last : end;
}

// \s*[\r\n]+|\s+(?!\S)|\s+
Bytes lines_or_spaces(Bytes begin, Bytes end, Bytes text_end) {
  for (Bytes p = end; p > begin; --p) {
    if (p[-1] == '\n' || p[-1] == '\r') return p;
  }
  return spaces(begin, end, text_end);
}

// '(?:[sdmt]|ll|ve|re)  the end of it, or null.  REQUIRES *p is the apostrophe.
Bytes contraction(Bytes p, Bytes end) {
  if (end - p < 2) return nullptr;
  const unsigned char c = p[1];
  if (c == 's' || c == 'd' || c == 'm' || c == 't') return p + 2;
  if (end - p < 3) return nullptr;
  const unsigned char d = p[2];
  if ((c == 'l' && d == 'l') || (c == 'v' && d == 'e') || (c == 'r' && d == 'e')) return p + 3;
  return nullptr;
}

// The same in either case; U+017F, the long s, is an s.
Bytes caseless_contraction(Bytes p, Bytes end) {
  if (end - p < 2) return nullptr;
  if (end - p >= 3 && p[1] == 0xC5 && p[2] == 0xBF) return p + 3;
  const unsigned char c = p[1] | 0x20, d = end - p < 3 ? 0 : p[2] | 0x20;
  if (c == 's' || c == 'd' || c == 'm' || c == 't') return p + 2;
  if ((c == 'l' && d == 'l') || (c == 'v' && d == 'e') || (c == 'r' && d == 'e')) return p + 3;
  return nullptr;
}

Bytes next_gpt2(Scanner& text, Bytes p) {
  if (*p == '\'') {
    if (const Bytes end = contraction(p, text.end())) return end;
  }
  Character c = text.at(p);
  Bytes body = p;
  if (*p == ' ') {
    const Character next = text.at(p + 1);
    if (next.n_bytes != 0 && (next.flags & kSpace) == 0) {
      c = next;
      body = p + 1;
    }
  }
  body += c.n_bytes;
  if (c.flags & kLetter) return text.run(body, kLetter);
  if (c.flags & kNumber) return text.run(body, kNumber);
  if (c.flags & kSpace) return spaces(p, text.run(body, kSpace), text.end());
  return text.run_without(body, kSpace | kLetter | kNumber);
}

Bytes numbers(Scanner& text, Bytes p, int most) {
  for (int i = 0; i < most; ++i) {
    const Character c = text.at(p);
    if ((c.flags & kNumber) == 0) break;
    p += c.n_bytes;
  }
  return p;
}

template <int max_digits>
Bytes next_cl100k(Scanner& text, Bytes p) {
  if (*p == '\'') {
    if (const Bytes end = caseless_contraction(p, text.end())) return end;
  }
  const Character c = text.at(p);
  if (c.flags & kLetter) return text.run(p + c.n_bytes, kLetter);
  if (c.flags & kNumber) return numbers(text, p, max_digits);
  const Character next = text.at(p + c.n_bytes);
  if ((c.flags & kNewline) == 0 && (next.flags & kLetter)) {
    return text.run(p + c.n_bytes + next.n_bytes, kLetter);
  }
  Bytes body = nullptr;
  if ((c.flags & kSpace) == 0) {
    body = p + c.n_bytes;
  } else if (*p == ' ' && next.n_bytes != 0 && (next.flags & (kSpace | kNumber)) == 0) {
    body = p + 1 + next.n_bytes;
  }
  if (body != nullptr) {
    body = text.run_without(body, kSpace | kLetter | kNumber);
    return text.run(body, kNewline);
  }
  return lines_or_spaces(p, text.run(p + c.n_bytes, kSpace), text.end());
}

// DeepSeek-V3's words, inside a stretch without numbers that is all ideographs and kana or has none
// of them.
class Words {
 public:
  // The end of the match at p, or null.  REQUIRES p < text.end().
  static Bytes match(Scanner& text, Bytes p) {
    const Character c = text.at(p);
    if ((c.flags & kPunctuation) && *p < 0x80 && text.ascii(p + 1) &&
        (kAsciiClasses[p[1]] & kAsciiLetter)) {
      Bytes end = p + 2;
      while (text.ascii(end) && (kAsciiClasses[*end] & kAsciiLetter)) ++end;
      return end;
    }
    if (c.flags & (kLetter | kMark)) return text.run(p + c.n_bytes, kLetter | kMark);
    if (c.flags & kPunctuation) return punctuation(text, p + c.n_bytes);
    const Character next = text.at(p + c.n_bytes);
    if ((c.flags & kNewline) == 0 && (next.flags & (kLetter | kMark))) {
      return text.run(p + c.n_bytes + next.n_bytes, kLetter | kMark);
    }
    if (*p == ' ' && (next.flags & kPunctuation)) return punctuation(text, p + 1 + next.n_bytes);
    if ((c.flags & kSpace) == 0) return nullptr;
    return lines_or_spaces(p, text.run(p + c.n_bytes, kSpace), text.end());
  }

 private:
  static Bytes punctuation(Scanner& text, Bytes p) {
    return text.run(text.run(p, kPunctuation), kNewline);
  }
};

std::string_view view(Bytes begin, Bytes end) {
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
}

// Where the pieces go.
struct PieceSink {
  std::vector<std::string_view>& pieces;
  const std::function<void()>& take;
  void add(Bytes begin, Bytes end) const {
    pieces.push_back(view(begin, end));
    if (pieces.size() >= kPiecesAtOnce && take) take();
  }
};

// Words in [begin, end); what none matches stays together.
void scan_words(Bytes begin, Bytes end, const PieceSink& sink) {
  Scanner text(view(begin, end));
  Bytes gap = begin;
  for (Bytes p = begin; p < end;) {
    const Bytes match = Words::match(text, p);
    if (match == nullptr) {
      p += text.at(p).n_bytes;
      continue;
    }
    if (gap < p) sink.add(gap, p);
    sink.add(p, match);
    gap = p = match;
  }
  if (gap < end) sink.add(gap, end);
}

void scan_deepseek_v3(std::string_view whole, const PieceSink& sink) {
  Scanner text(whole);
  for (Bytes p = reinterpret_cast<Bytes>(whole.data()); p < text.end();) {
    const Character c = text.at(p);
    Bytes end;
    if (c.flags & kNumber) {
      end = numbers(text, p, 3);
      sink.add(p, end);
    } else {
      end = (c.flags & kCjk) ? text.run(p, kCjk) : text.run_without(p, kCjk | kNumber);
      scan_words(p, end, sink);
    }
    p = end;
  }
}

template <class Next>
void scan_with(std::string_view whole, const PieceSink& sink, Next next) {
  Scanner text(whole);
  for (Bytes p = reinterpret_cast<Bytes>(whole.data()); p < text.end();) {
    const Bytes end = next(text, p);
    sink.add(p, end);
    p = end;
  }
}

bool is_one_pattern(const PreTokenizerRules& rules, const char* pattern) {
  return rules.splits.size() == 1 && !rules.use_regex &&
         rules.splits[0] == SplitRule{.pattern = pattern};
}

}  // namespace

std::optional<KnownPattern> recognise(const PreTokenizerRules& rules) {
  const std::vector<SplitRule>& splits = rules.splits;
  if (splits.empty() && rules.use_regex) return KnownPattern::kGpt2;
  if (is_one_pattern(rules, known_pattern::kGpt2)) return KnownPattern::kGpt2;
  if (is_one_pattern(rules, known_pattern::kCl100k)) return KnownPattern::kCl100k;
  if (is_one_pattern(rules, known_pattern::kCl100kSingleDigits)) {
    return KnownPattern::kCl100kSingleDigits;
  }
  if (splits.size() == 3 && !rules.use_regex &&
      splits[0] == SplitRule{.pattern = known_pattern::kDigits} &&
      splits[1] == SplitRule{.pattern = known_pattern::kCjk} &&
      splits[2] == SplitRule{.pattern = known_pattern::kWords}) {
    return KnownPattern::kDeepseekV3;
  }
  return std::nullopt;
}

void scan_pieces(KnownPattern pattern, std::string_view text, std::vector<std::string_view>& pieces,
                 const std::function<void()>& take) {
  const PieceSink sink{pieces, take};
  switch (pattern) {
    case KnownPattern::kGpt2:
      return scan_with(text, sink, next_gpt2);
    case KnownPattern::kDeepseekV3:
      return scan_deepseek_v3(text, sink);
    case KnownPattern::kCl100k:
      return scan_with(text, sink, next_cl100k<3>);
    case KnownPattern::kCl100kSingleDigits:
      return scan_with(text, sink, next_cl100k<1>);
  }
}

}  // namespace farthing
