// table.h - a table as a value, written as text or HTML.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

// The first column is aligned to the left, and so are all without headings and those of words:
// where most cells begin with no digit, sign or currency; figures are aligned to the right.
struct Table {
  std::vector<std::string> headings;  // may be empty
  std::vector<std::vector<std::string>> rows;
};

// How wide text may be: 0, as at first, as wide as it needs.  Set once, by the program, for its
// terminal; a table that does not fit has its widest cells wrapped, and one of three columns or
// more whose words would have to be broken is written row below row, each cell beside its heading.
void set_text_columns(std::size_t columns);
// Of prose: `most`, or the terminal where that is narrower.
std::size_t prose_columns(std::size_t most = 98);
// The rows with cells wrapped into more rows, so that with `between` columns between (and before
// the first, where `margin`) they fit.
std::vector<std::vector<std::string>> wrap_cells(std::vector<std::vector<std::string>> rows,
                                                 std::size_t between, std::size_t margin);
// Breaks at spaces; what follows the first line is set in by `hanging`.  Ends with a line's end.
std::string wrap_prose(const std::string& text, std::size_t hanging, std::size_t columns);

// wrap_prose with two blanks in front of what follows the first line, to the terminal's columns.
std::string wrapped(const std::string& text);

std::string to_text(const Table& table);
std::string to_html(const Table& table);

// With & < > and quotes as entities; control characters and bytes that are no UTF-8 as U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace farthing
