// csv.h - comma-separated values with a heading line: quoted fields, doubled quotes, line numbers.
//
// Source   RFC 4180; "\n" and "\r\n" end a line; a byte-order mark is skipped, blank lines too.
// Errors   Error{kBadInput} with path:line for an open quote, text after a closing quote, a row
//          with another number of fields than the heading, a heading with a name twice or empty.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

struct CsvRow {
  std::string where;                          // "path:line"
  std::map<std::string, std::string> fields;  // by heading
  // Empty where there is no such column.
  const std::string& at(const std::string& column) const;
};

struct Csv {
  std::vector<std::string> columns;
  std::vector<CsvRow> rows;
};

Csv parse_csv(std::string_view text, const std::string& path);
Csv read_csv(const std::string& path);

}  // namespace farthing
