// debian_corpus_clean.cpp - from each package's own layout to documents of plain paragraphs.
#include <algorithm>
#include <array>
#include <cctype>

#include "data/debian_corpus.h"
#include "data/prose.h"

namespace farthing {
namespace {

constexpr std::size_t kSectionBytes = 4000;  // sections longer than this are cut at a paragraph

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

// Collects paragraphs into documents; one that does not read as prose is left out.
class DocumentMaker {
 public:
  void begin() {
    if (!current_.empty()) documents_.push_back(std::move(current_));
    current_.clear();
  }
  void add(const std::string& paragraph) {
    if (!reads_as_prose(paragraph)) return;
    if (!current_.empty()) current_ += '\n';
    current_ += paragraph;
  }
  std::size_t size() const { return current_.size(); }
  Documents take() {
    begin();
    return std::move(documents_);
  }

 private:
  std::string current_;
  Documents documents_;
};

// Without every stretch from `open` to its partner, spaces before it included.
std::string without_groups(std::string_view text, char open, char close) {
  std::string out;
  int depth = 0;
  for (const char c : text) {
    if (c == open) {
      if (depth++ == 0) {
        while (!out.empty() && out.back() == ' ') out.pop_back();
      }
    } else if (c == close && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out += c;
    }
  }
  return out;
}

std::string without_characters(std::string_view text, std::string_view unwanted) {
  std::string out(text);
  std::erase_if(out, [&](char c) { return unwanted.find(c) != std::string_view::npos; });
  return out;
}

// "antenn[ae]" becomes "antennae" and "caf[eacute]" its plain letter; other [remarks] go.
std::string without_brackets(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t end = text[at] == '[' ? text.find(']', at) : std::string_view::npos;
    const bool in_word = end != std::string_view::npos && end - at <= 4 &&
                         ((!out.empty() && is_letter(out.back())) ||
                          (end + 1 < text.size() && is_letter(text[end + 1])));
    if (!in_word) {
      out += text[at];
      continue;
    }
    for (const char c : text.substr(at, end - at)) {
      if (is_letter(c)) out += c;
    }
    at = end;
  }
  return without_groups(out, '[', ']');
}

// "(Zool.)" and "(Physiol. Chem.)" name a field; other parentheses stay.
std::string without_field_labels(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t end = text[at] == '(' ? text.find(')', at) : std::string_view::npos;
    const bool label = end != std::string_view::npos && end - at < 30 && text[end - 1] == '.' &&
                       is_upper(text[at + 1]);
    if (!label) {
      out += text[at];
      continue;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    at = end;
  }
  return out;
}

// Behind the period that ends a name which begins here and is short; npos: it is no name.
std::size_t end_of_name(std::string_view text, std::size_t name) {
  for (std::size_t dot = text.find(". ", name); dot < name + 24; dot = text.find(". ", dot + 1)) {
    if (dot - name > 3) return dot + 2;
  }
  return std::string_view::npos;
}

// "... rough. --Dryden. Again" loses "--Dryden.": the name ends at a period before a capital or the
// end, within 40 characters.
std::string without_attributions(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t dashes = text.find("--", at);
    const std::size_t name = dashes == std::string_view::npos ? dashes : dashes + 2;
    if (name >= text.size()) break;
    out += text.substr(at, dashes - at);
    std::size_t end = std::string_view::npos;
    if (is_upper(text[name]))
      end = text.size() - name <= 40 ? text.size() : end_of_name(text, name);
    if (end == std::string_view::npos) {
      out += "--";
      at = name;
    } else {
      at = end;
    }
  }
  out += text.substr(std::min(at, text.size()));
  return out;
}

// "1. To run", "(a) To run", "Note: To run" begin with what follows.
std::string without_number(std::string_view text) {
  std::size_t at = 0;
  if (text.size() > 4 && text[0] == '(' && text[2] == ')') {
    at = 3;
  } else {
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at > 0) at = at < text.size() && text[at] == '.' ? at + 1 : 0;
  }
  if (text.starts_with("Note: ")) at = 6;
  while (at < text.size() && text[at] == ' ') ++at;
  return std::string(text.substr(at));
}

// A part of speech and its kin behind a headword: ", v. t.", "n.; pl. {Coagula}." and so on.
std::string without_grammar(std::string_view text) {
  static constexpr std::array<std::string_view, 42> kWords = {
      "n.",      "a.",      "adj.",      "adv.",    "v.",         "t.",       "i.",
      "prep.",   "conj.",   "interj.",   "pl.",     "imp.",       "p.",       "pr.",
      "vb.",     "obs.",    "superl.",   "compar.", "pron.",      "sing.",    "fem.",
      "masc.",   "prop.",   "pred.",     "prov.",   "excl.",      "vi.",      "vt.",
      "v.t.",    "v.i.",    "n.pl.",     "&",       "and",        "prefix",   "suffix",
      "prefix.", "suffix.", "auxiliary", "tense",   "possessive", "definite", "article"};
  while (true) {
    const std::size_t begin = text.find_first_not_of(" ,;.:");
    if (begin == std::string_view::npos) return "";
    text.remove_prefix(begin);
    std::size_t end = std::min(text.find_first_of(" ,;:"), text.size());
    if (text[0] == '{') {
      end = std::min(text.find('}'), text.size() - 1) + 1;
    } else if (text[0] == '(' && text.find(')') != std::string_view::npos) {
      end = text.find(')') + 1;
    } else if (std::find(kWords.begin(), kWords.end(), text.substr(0, end)) == kWords.end()) {
      return std::string(text);
    }
    text.remove_prefix(end);
  }
}

// "Free from toil. -- Toil"less*ly, adv." loses the derived word: marks of stress and syllables
// stand inside it.
std::string without_derivatives(std::string_view text) {
  for (std::size_t at = text.find("-- "); at != std::string_view::npos;
       at = text.find("-- ", at + 1)) {
    const std::string_view word = text.substr(at + 3, text.find(' ', at + 3) - at - 3);
    const std::size_t mark = word.find_first_of("*\"", 1);
    if (mark < word.size() - 1 && is_letter(word[mark + 1])) return std::string(text.substr(0, at));
  }
  return std::string(text);
}

// A '?' before a letter stands for a character that the transcribers could not read.
bool has_unread_characters(std::string_view text) {
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (text[at] == '?' && is_letter(text[at + 1])) return true;
  }
  return false;
}

std::string clean_gcide_words(std::string_view text) {
  std::string words = without_characters(without_brackets(text), "{}");
  if (has_unread_characters(words)) return "";
  words = without_derivatives(words);
  words = collapse_spaces(without_attributions(without_field_labels(words)));
  words = without_number(plain_quotes(words));
  const std::size_t label = words.starts_with('(') ? words.find(") ") : std::string::npos;
  if (label < words.find(' ')) words = words.substr(label + 2);  // "(Zoology) able to swim"
  return words;
}

// "Abjure \Ab*jure"\, v. t. [L. ...] 1. To renounce" -> {"Abjure", "To renounce"}.
std::pair<std::string, std::string> split_gcide_head(const std::string& text) {
  const std::size_t slash = text.find('\\');
  if (slash == std::string::npos || slash < 2) return {};
  const std::string head = collapse_spaces(text.substr(0, slash));
  // Other spellings and their pronunciations stand before the last backslash.
  const std::string body = text.substr(text.rfind('\\') + 1);
  return {head, without_grammar(without_brackets(body))};
}

std::string capitalised(std::string text) {
  if (!text.empty()) {
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  }
  return text;
}

// "FOO, n.  Bar baz." -> "Foo. Bar baz."; "" when the paragraph does not open an entry.
std::string devil_entry(const std::string& text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos || comma < 2 || comma > 30) return "";
  std::string word = text.substr(0, comma);
  for (char& c : word) {
    if (std::islower(static_cast<unsigned char>(c))) return "";
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return capitalised(word) + ". " + without_grammar(text.substr(comma));
}

bool is_heading(const RawParagraph& lines) {
  const std::string first = collapse_spaces(lines[0]);
  return !first.empty() && lines.size() <= 2 && first.size() < 75 &&
         (is_digit(first[0]) || first.starts_with("Chapter") || first.starts_with("Appendix") ||
          first.starts_with("Article") || first.starts_with("ARTICLE"));
}

// Lines of very different indentation or with wide gaps inside: a table, a figure, code.
bool is_layout(const RawParagraph& lines) {
  int n_gaps = 0;
  for (const std::string& line : lines) {
    const std::size_t text = line.find_first_not_of(" \t");
    const std::size_t gap = text == std::string::npos ? text : line.find("   ", text);
    n_gaps += gap != std::string::npos && line.find_first_not_of(" \t", gap) != std::string::npos;
  }
  return n_gaps > 0;
}

std::string without_bullet(const std::string& text) {
  for (const std::string_view bullet : {"* ", "- ", "o ", "\xE2\x80\xA2 "}) {
    if (text.starts_with(bullet)) return text.substr(bullet.size());
  }
  return text;
}

// "a. text" and "[12] text" of lists and footnotes; references such as "^[7]" and "[1]" inside.
std::string without_references(const std::string& text) {
  std::string out = without_groups(text, '[', ']');
  std::erase(out, '^');
  return collapse_spaces(out);
}

}  // namespace

Documents clean_gcide(std::string_view text) {
  DocumentMaker documents;
  std::string word;
  for (const RawParagraph& lines : split_paragraphs(text)) {
    if (indentation(lines[0]) == 0) {
      const auto [head, body] = split_gcide_head(unwrap(lines));
      if (head != word) documents.begin();
      word = head;
      if (head.empty()) continue;
      const std::string words = clean_gcide_words(body);
      documents.add(documents.size() == 0 ? head + ". " + capitalised(words) : words);
    } else if (!word.empty()) {
      const std::string joined = unwrap(lines);
      if (joined.starts_with("Syn:") || is_layout({joined})) continue;
      const std::string words = clean_gcide_words(joined);
      if (words.empty()) continue;
      documents.add(documents.size() == 0 ? word + ". " + capitalised(words) : words);
    }
  }
  return documents.take();
}

Documents clean_foldoc(std::string_view text) {
  DocumentMaker documents;
  std::string word;
  for (const RawParagraph& lines : split_paragraphs(text)) {
    if (indentation(lines[0]) == 0) {
      documents.begin();
      word = lines.size() == 1 && !lines[0].starts_with("00-database") ? lines[0] : "";
      continue;
    }
    if (word.empty() || is_layout(lines) || indentation(lines[0]) > 3) continue;
    std::string words = unwrap(lines);
    if (words.starts_with('(') || words.starts_with('[')) continue;  // dates, editors' remarks
    const std::size_t field = words.starts_with('<') ? words.find('>') : std::string::npos;
    if (field != std::string::npos) words = words.substr(field + 1);
    words = collapse_spaces(without_characters(without_groups(words, '[', ']'), "{}"));
    const std::size_t spoken = words.starts_with('/') ? words.find("/ ", 1) : std::string::npos;
    if (spoken != std::string::npos) words = words.substr(spoken + 2);
    words = plain_quotes(words);
    if (documents.size() == 0) words.insert(0, word + ". ");
    documents.add(words);
  }
  return documents.take();
}

Documents clean_devil(std::string_view text) {
  DocumentMaker documents;
  bool in_entry = false;
  for (const RawParagraph& lines : split_paragraphs(text)) {
    if (indentation(lines[0]) > 2) continue;  // verse
    const std::string words = without_characters(plain_quotes(unwrap(lines)), "_");
    const std::string entry = devil_entry(words);
    if (!entry.empty()) documents.begin();
    in_entry = in_entry || !entry.empty();
    if (in_entry) documents.add(entry.empty() ? words : entry);
  }
  return documents.take();
}

Documents clean_jargon(std::string_view text) {
  DocumentMaker documents;
  std::string word;
  for (const RawParagraph& lines : split_paragraphs(text)) {
    const std::string joined = unwrap(lines);
    const std::size_t colon = joined.starts_with(':') ? joined.find(':', 1) : std::string::npos;
    if (colon != std::string::npos && colon > 1 && lines.size() <= 2) {
      documents.begin();
      word = joined.substr(1, colon - 1);
      continue;
    }
    if (is_layout(lines) || documents.size() > kSectionBytes) {
      documents.begin();
      word.clear();
    }
    std::string words = without_characters(without_groups(joined, '[', ']'), "{}");
    words = without_number(collapse_spaces(plain_quotes(words)));
    if (words.empty() || is_layout(lines)) continue;
    documents.add(documents.size() == 0 && !word.empty() ? capitalised(word) + ". " + words
                                                         : words);
  }
  return documents.take();
}

Documents clean_fortunes(std::string_view text) {
  DocumentMaker documents;
  RawParagraph lines;
  const auto flush = [&] {
    // Verse and lists have short lines; prose fills them.
    std::size_t longest = 0;
    for (const auto& line : lines) longest = std::max(longest, line.size());
    if (lines.size() <= 3 || longest >= 60) documents.add(plain_quotes(unwrap(lines)));
    lines.clear();
  };
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    const std::string line(text.substr(0, length));
    text.remove_prefix(std::min(length + 1, text.size()));
    const std::string words = collapse_spaces(line);
    const bool attribution = words.starts_with("--") || words.starts_with("\xE2\x80\x94");
    if (words.empty() || words == "%" || attribution || line[0] == '\t') flush();
    if (words == "%") documents.begin();
    if (!words.empty() && words != "%" && !attribution && indentation(line) <= 8) {
      lines.push_back(line);
    }
  }
  flush();
  return documents.take();
}

Documents clean_manual(std::string_view text) {
  DocumentMaker documents;
  for (const RawParagraph& lines : split_paragraphs(text)) {
    if (is_heading(lines) || documents.size() > kSectionBytes) documents.begin();
    if (is_layout(lines)) continue;
    const std::string words = without_bullet(plain_quotes(without_references(unwrap(lines))));
    if (words.size() >= 60) documents.add(words);
  }
  return documents.take();
}

}  // namespace farthing
