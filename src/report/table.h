// table.h - a table as a value, written as text or HTML.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

// The first column is aligned to the left, the others to the right where there are headings.
struct Table {
  std::vector<std::string> headings;  // may be empty
  std::vector<std::vector<std::string>> rows;
};

std::string to_text(const Table& table);
std::string to_html(const Table& table);

// With & < > and quotes as entities; control characters and bytes that are no UTF-8 as U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace farthing
