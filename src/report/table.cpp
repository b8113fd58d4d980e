// table.cpp - tables in columns and in HTML.
#include "report/table.h"

#include <algorithm>
#include <cstddef>

namespace farthing {
namespace {

bool is_continuation(char letter) { return (static_cast<unsigned char>(letter) & 0xc0) == 0x80; }

// Characters, not bytes.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
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

}  // namespace

std::string to_text(const Table& table) {
  std::vector<std::vector<std::string>> lines = table.rows;
  if (!table.headings.empty()) lines.insert(lines.begin(), table.headings);
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    widths.resize(std::max(widths.size(), line.size()), 0);
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  std::string text;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - width(line[i]), ' ');
      const bool to_right = i > 0 && !table.headings.empty();
      row += "  " + (to_right ? padding + line[i] : line[i] + padding);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

std::string to_html(const Table& table) {
  std::string html = "<div class=\"scroll\"><table>\n";
  const auto add = [&](const std::vector<std::string>& cells, const char* tag) {
    html += "<tr>";
    for (const auto& cell : cells) {
      html += std::string("<") + tag + ">" + escape_html(cell) + "</" + tag + ">";
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
