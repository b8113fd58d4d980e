// csv.cpp - one pass over the text, a field at a time.
#include "base/csv.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace farthing {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& path) : text_(text), path_(path) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }
  bool at_end() const { return at_ >= text_.size(); }
  std::string where() const { return path_ + ":" + std::to_string(line_); }

  // The next line's fields; one empty field for a blank line.
  std::vector<std::string> row() {
    std::vector<std::string> fields;
    do {
      fields.push_back(at('"') ? quoted() : plain());
    } while (take(','));
    take('\r');
    if (!take('\n') && !at_end()) fail("text after a closing quote", "a comma or the line's end");
    ++line_;
    return fields;
  }
  [[noreturn]] void fail(const std::string& what, const std::string& wanted) const {
    throw_bad_input({where(), "CSV", what, wanted, ""});
  }

 private:
  bool at(char c) const { return !at_end() && text_[at_] == c; }
  bool take(char c) {
    const bool found = at(c);
    at_ += found ? 1 : 0;
    return found;
  }
  std::string plain() {
    const std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    std::string field(text_.substr(at_, end - at_));
    at_ = end;
    if (field.ends_with('\r') && (at_end() || at('\n'))) field.pop_back();
    return field;
  }
  std::string quoted() {
    const std::string begun = where();
    std::string field;
    take('"');
    while (!at_end()) {
      if (take('"')) {
        if (!at('"')) return field;
      }
      line_ += at('\n') ? 1 : 0;
      field += text_[at_++];
    }
    throw_bad_input({begun, "CSV", "a quote that never closes", "a closing quote", ""});
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

const std::string& CsvRow::at(const std::string& column) const {
  static const std::string nothing;
  const auto found = fields.find(column);
  return found == fields.end() ? nothing : found->second;
}

Csv parse_csv(std::string_view text, const std::string& path) {
  CsvReader reader(text, path);
  Csv csv;
  if (reader.at_end()) throw_bad_input({path, "CSV", "an empty file", "a heading line", ""});
  csv.columns = reader.row();
  std::vector<std::string> sorted = csv.columns;
  std::sort(sorted.begin(), sorted.end());
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
  if (twin != sorted.end() || sorted.front().empty()) {
    throw_bad_input({path + ":1", "CSV heading",
                     twin != sorted.end() ? *twin + " twice" : "an empty name", "each name once",
                     ""});
  }
  while (!reader.at_end()) {
    CsvRow row;
    row.where = reader.where();
    const std::vector<std::string> fields = reader.row();
    if (fields.size() == 1 && fields[0].empty()) continue;
    if (fields.size() != csv.columns.size()) {
      throw_bad_input({row.where, "CSV row", std::to_string(fields.size()) + " fields",
                       std::to_string(csv.columns.size()) + " as in the heading", ""});
    }
    for (std::size_t i = 0; i < fields.size(); ++i) row.fields[csv.columns[i]] = fields[i];
    csv.rows.push_back(std::move(row));
  }
  return csv;
}

Csv read_csv(const std::string& path) { return parse_csv(read_file(path), path); }

}  // namespace farthing
