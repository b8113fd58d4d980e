// prose.cpp - small string passes over one paragraph at a time.
#include "data/prose.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace farthing {
namespace {

constexpr int kFewestWords = 4;
constexpr double kLeastLetters = 0.82;                     // of the characters that are not spaces
constexpr double kMostCapitals = 0.25;                     // of the letters
constexpr double kShortestWords = 2.7, kLongestWords = 9;  // mean, punctuation included

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_alpha(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// What sentences do not hold; the last ones open box-drawing characters and U+FFFD.
constexpr std::array<std::string_view, 21> kForeign = {
    "|",   "??", "---", "===", "__", "\\", "{",        "}",        "<",        ">",           "://",
    "* *", "^",  "~~",  "$",   "#",  "@",  "\xE2\x94", "\xE2\x95", "\xE2\x96", "\xEF\xBF\xBD"};

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from)) {
    out.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return out.append(text);
}

}  // namespace

std::vector<RawParagraph> split_paragraphs(std::string_view original) {
  const std::string spaced = replaced(original, "\xC2\xA0", " ");  // no-break spaces
  std::string_view text = spaced;
  std::vector<RawParagraph> paragraphs;
  bool open = false;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
    if (std::all_of(line.begin(), line.end(), is_space)) {
      open = false;
      continue;
    }
    if (!open) paragraphs.emplace_back();
    open = true;
    paragraphs.back().push_back(std::move(line));
  }
  return paragraphs;
}

int indentation(std::string_view line) {
  int column = 0;
  for (const char c : line) {
    if (c == '\t') {
      column = (column / 8 + 1) * 8;
    } else if (c == ' ') {
      ++column;
    } else {
      break;
    }
  }
  return column;
}

std::string collapse_spaces(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char c : text) {
    if (is_space(c)) {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

std::string unwrap(const RawParagraph& lines) {
  std::string out;
  for (const std::string& line : lines) {
    const std::string words = collapse_spaces(line);
    const std::size_t size = out.size();
    const bool word_hyphen = size >= 2 && out[size - 1] == '-' && is_alpha(out[size - 2]) &&
                             !words.empty() && is_alpha(words[0]);
    if (!out.empty() && !word_hyphen) out += ' ';
    out += words;
  }
  return out;
}

std::string plain_quotes(std::string_view text) {
  std::string out(text);
  for (const std::string_view quote : {"\xE2\x80\x98", "\xE2\x80\x99"}) {
    out = replaced(out, quote, "'");
  }
  for (const std::string_view quote : {"\xE2\x80\x9C", "\xE2\x80\x9D", "``", "''"}) {
    out = replaced(out, quote, "\"");
  }
  std::replace(out.begin(), out.end(), '`', '\'');
  return out;
}

bool reads_as_prose(std::string_view paragraph) {
  if (paragraph.empty()) return false;
  for (const std::string_view foreign : kForeign) {
    if (paragraph.find(foreign) != std::string_view::npos) return false;
  }
  int n_words = 1, n_letters = 0, n_capitals = 0, n_characters = 0;
  for (const char c : paragraph) {
    n_words += c == ' ';
    n_characters += c != ' ';
    n_letters += is_alpha(c) || !is_ascii(c);
    n_capitals += std::isupper(static_cast<unsigned char>(c)) != 0;
  }
  const double word_length = static_cast<double>(n_characters) / n_words;
  constexpr std::string_view kEnds = ".?!:;\"')";
  return n_words >= kFewestWords && n_letters >= kLeastLetters * n_characters &&
         n_capitals <= kMostCapitals * n_letters && word_length >= kShortestWords &&
         word_length <= kLongestWords && kEnds.find(paragraph.back()) != std::string_view::npos;
}

}  // namespace farthing
