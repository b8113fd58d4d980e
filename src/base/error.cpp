// error.cpp - how a complaint reads, and edit distance for hints.
#include "base/error.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

namespace farthing {

namespace {

// A file's name may hold anything; a terminal must not act on it.
std::string without_controls(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
      out += c;
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned>(c));
    out += escaped;
  }
  return out;
}

}  // namespace

std::string to_string(const Complaint& complaint) {
  std::string text;
  if (!complaint.where.empty()) text += without_controls(complaint.where) + ": ";
  text += complaint.what;
  if (!complaint.found.empty()) text += ": found " + complaint.found;
  if (!complaint.wanted.empty()) {
    text += complaint.found.empty() ? ": wanted " : ", wanted ";
    text += complaint.wanted;
  }
  if (!complaint.hint.empty()) text += " (" + complaint.hint + ")";
  return text;
}

void throw_bad_input(const Complaint& complaint) {
  throw Error(ErrorCode::kBadInput, to_string(complaint));
}

void throw_wrong_use(const Complaint& complaint) {
  throw Error(ErrorCode::kUsage, to_string(complaint));
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substitute, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace farthing
