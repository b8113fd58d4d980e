// prose.h - plain-text layout undone: wrapped lines to paragraphs, and what is prose told from what
// is not.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

// Stretches of lines between blank lines; each keeps its lines and their indentation.
using RawParagraph = std::vector<std::string>;
std::vector<RawParagraph> split_paragraphs(std::string_view text);

// Columns of white space that a line begins with; a tab goes to the next multiple of eight.
int indentation(std::string_view line);

// Joins wrapped lines with single spaces; a line broken behind a word's own hyphen is joined
// without one.
std::string unwrap(const RawParagraph& lines);

// Runs of white space become one space; none at the ends.
std::string collapse_spaces(std::string_view text);

// Curly quotation marks become ASCII ones, and ``TeX'' ones too.
std::string plain_quotes(std::string_view text);

// Whether a paragraph reads as English sentences: enough words, mostly letters, ordinary word
// lengths, few capitals, an end; no URLs, tables, rules or markup.
bool reads_as_prose(std::string_view paragraph);

}  // namespace farthing
