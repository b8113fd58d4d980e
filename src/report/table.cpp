// table.cpp - tables in columns and in HTML.
#include "report/table.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

namespace farthing {
namespace {

bool is_continuation(char letter) { return (static_cast<unsigned char>(letter) & 0xc0) == 0x80; }

// Characters, not bytes.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::size_t g_columns = 0;  // of text; 0: as many as it needs

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

std::vector<std::size_t> widths_of(const std::vector<std::vector<std::string>>& rows, bool words) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::size_t needed = width(row[i]);
      if (words) {
        needed = 0;
        for (const auto& word : words_of(row[i])) needed = std::max(needed, width(word));
      }
      widths[i] = std::max(widths[i], needed);
    }
  }
  return widths;
}

// Pieces of a word that is longer than its column.
std::vector<std::string> pieces_of(const std::string& word, std::size_t columns) {
  std::vector<std::string> pieces(1);
  for (const char letter : word) {
    if (!is_continuation(letter) && width(pieces.back()) == columns) pieces.emplace_back();
    pieces.back() += letter;
  }
  return pieces;
}

std::vector<std::string> lines_of(const std::string& cell, std::size_t columns) {
  if (width(cell) <= columns) return {cell};
  std::vector<std::string> words, lines(1);
  for (const auto& word : words_of(cell)) {
    for (auto& piece : pieces_of(word, columns)) words.push_back(std::move(piece));
  }
  for (const auto& word : words) {
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (width(line) + 1 + width(word) <= columns) {
      line += " " + word;
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

// Bytes of the UTF-8 character at text[0]; 0 when there is none.
std::size_t character_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  return size;
}

// "12 s", "-0.3 %", "~5", "$3", "1e-9"
bool is_figure(const std::string& cell) {
  const std::size_t at = cell.find_first_not_of("+-~<>=($ ");
  return at != std::string::npos && std::isdigit(static_cast<unsigned char>(cell[at])) != 0;
}

// Of each column, whether it holds words.
std::vector<bool> columns_of_words(const Table& table) {
  std::vector<int> balance;  // words less figures
  for (const auto& row : table.rows) {
    balance.resize(std::max(balance.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_neutral = row[i].empty() || row[i] == "not stated" || row[i] == "unknown";
      if (!is_neutral) balance[i] += is_figure(row[i]) ? -1 : 1;
    }
  }
  balance.resize(std::max(balance.size(), table.headings.size()));
  std::vector<bool> words;
  for (std::size_t i = 0; i < balance.size(); ++i) {
    words.push_back(i == 0 || table.headings.empty() || balance[i] > 0);
  }
  return words;
}

}  // namespace

void set_text_columns(std::size_t columns) { g_columns = columns; }

std::size_t prose_columns(std::size_t most) {
  return g_columns == 0 ? most : std::min(most, std::max<std::size_t>(g_columns, 30));
}

std::vector<std::vector<std::string>> wrap_cells(std::vector<std::vector<std::string>> rows,
                                                 std::size_t between, std::size_t margin) {
  std::vector<std::size_t> widths = widths_of(rows, false);
  std::vector<std::size_t> least = widths_of(rows, true);
  if (g_columns == 0 || widths.empty()) return rows;
  std::size_t total = margin + between * (widths.size() - 1);
  for (const std::size_t columns : widths) total += columns;
  while (total > g_columns) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > least[i] && (widest == widths.size() || widths[i] > widths[widest])) {
        widest = i;
      }
    }
    if (widest < widths.size()) {
      --widths[widest], --total;
      continue;
    }
    constexpr std::size_t kLeast = 6;  // of a column whose words are broken
    if (std::all_of(least.begin(), least.end(), [](std::size_t n) { return n <= kLeast; })) break;
    *std::max_element(least.begin(), least.end()) -= 1;
  }
  std::vector<std::vector<std::string>> wrapped;
  for (const auto& row : rows) {
    const std::size_t first = wrapped.size();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto lines = lines_of(row[i], widths[i]);
      while (wrapped.size() < first + lines.size()) wrapped.emplace_back(row.size());
      for (std::size_t k = 0; k < lines.size(); ++k) wrapped[first + k][i] = lines[k];
    }
    if (row.empty()) wrapped.emplace_back();
  }
  return wrapped;
}

std::string wrap_prose(const std::string& text, std::size_t hanging, std::size_t columns) {
  std::string lines, line(std::min(text.find_first_not_of(' '), text.size()), ' ');
  bool empty = true;
  for (const auto& word : words_of(text)) {
    if (!empty && width(line) + 1 + width(word) > columns) {
      lines += line + "\n";
      line.assign(hanging, ' ');
      empty = true;
    }
    line += (empty ? "" : " ") + word;
    empty = false;
  }
  return lines + line + "\n";
}

std::string wrapped(const std::string& text) { return wrap_prose(text, 2, prose_columns()); }

namespace {

// Whether columns would have to break words to fit.
bool is_too_wide(const Table& table) {
  std::vector<std::vector<std::string>> rows = table.rows;
  rows.push_back(table.headings);
  std::size_t total = 0;
  for (const std::size_t columns : widths_of(rows, true)) total += 2 + columns;
  return g_columns != 0 && table.headings.size() > 2 && total > g_columns;
}

// Row below row: its first cell, then the others, each beside its heading.
std::string stacked(const Table& table) {
  constexpr std::size_t kIndent = 2;
  std::string text = table.headings[0].empty() ? "" : "  " + table.headings[0] + "\n";
  for (const auto& row : table.rows) {
    if (row.empty()) continue;
    text += wrap_prose("  " + row[0], 4, g_columns);
    Table rest;
    for (std::size_t i = 1; i < std::min(row.size(), table.headings.size()); ++i) {
      if (!row[i].empty()) rest.rows.push_back({table.headings[i], row[i]});
    }
    const std::size_t columns = std::exchange(g_columns, g_columns - kIndent);
    const std::string inner = to_text(rest);
    g_columns = columns;
    for (std::size_t at = 0; at < inner.size();) {
      const std::size_t end = inner.find('\n', at) + 1;
      text += std::string(kIndent, ' ') + inner.substr(at, end - at);
      at = end;
    }
  }
  return text;
}

}  // namespace

std::string to_text(const Table& table) {
  if (is_too_wide(table)) return stacked(table);
  const std::vector<bool> words = columns_of_words(table);
  std::vector<std::vector<std::string>> lines = table.rows;
  if (!table.headings.empty()) lines.insert(lines.begin(), table.headings);
  lines = wrap_cells(std::move(lines), 2, 2);
  const std::vector<std::size_t> widths = widths_of(lines, false);
  std::string text;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - width(line[i]), ' ');
      row += "  " + (words[i] ? line[i] + padding : padding + line[i]);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

std::string to_html(const Table& table) {
  const std::vector<bool> words = columns_of_words(table);
  std::string html = "<div class=\"scroll\"><table>\n";
  const auto add = [&](const std::vector<std::string>& cells, const char* tag) {
    html += "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool marked = i > 0 && words[i];
      html += std::string("<") + tag + (marked ? " class=\"words\">" : ">") +
              escape_html(cells[i]) + "</" + tag + ">";
    }
    html += "</tr>\n";
  };
  if (!table.headings.empty()) add(table.headings, "th");
  for (const auto& row : table.rows) add(row, "td");
  return html + "</table></div>\n";
}

std::string escape_html(std::string_view text) {
  std::string html;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (size == 0 ||
        (size == 1 && (first == 0x7f || (first < 0x20 && first != '\n' && first != '\t')))) {
      html += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    switch (text[0]) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return html;
}

}  // namespace farthing
