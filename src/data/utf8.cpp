// utf8.cpp - table 3-7 of the Unicode standard as code.
#include "data/utf8.h"

#include <cstring>

namespace farthing {
namespace {

// What may follow a lead byte: how many bytes, and the range of the first of them.
struct Lead {
  int n_following;
  unsigned char low, high;
};

Lead lead_of(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {-1, 0, 0};
}

// Bytes of plain ASCII at the front, found eight at a time.
std::size_t ascii_prefix(std::string_view text) {
  std::size_t n = 0;
  while (n + 8 <= text.size()) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + n, 8);
    if (word & 0x8080808080808080u) break;
    n += 8;
  }
  while (n < text.size() && static_cast<unsigned char>(text[n]) < 0x80) ++n;
  return n;
}

}  // namespace

Utf8Step decode_utf8(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {1, first};
  const Lead lead = lead_of(first);
  if (lead.n_following < 0) return {1, -1};
  std::int32_t character = first & (0x3F >> lead.n_following);
  for (int i = 1; i <= lead.n_following; ++i) {
    if (static_cast<std::size_t>(i) >= text.size()) return {i, -1};
    const auto byte = static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
    const unsigned char low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {i, -1};
    character = character << 6 | (byte & 0x3F);
  }
  return {lead.n_following + 1, character};
}

bool is_valid_utf8(std::string_view text) {
  for (text.remove_prefix(ascii_prefix(text)); !text.empty();
       text.remove_prefix(ascii_prefix(text))) {
    const Utf8Step step = decode_utf8(text);
    if (step.character < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(step.n_bytes));
  }
  return true;
}

std::size_t find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(at));
    if (step.character < 0) break;
    at += static_cast<std::size_t>(step.n_bytes);
  }
  return at;
}

std::string mend_utf8(std::string_view text, std::int64_t* n_replaced) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = decode_utf8(text);
    const auto n = static_cast<std::size_t>(step.n_bytes);
    if (step.character >= 0) {
      out.append(text.substr(0, n));
    } else {
      out.append("\uFFFD");
      if (n_replaced != nullptr) ++*n_replaced;
    }
    text.remove_prefix(n);
  }
  return out;
}

void append_utf8(std::string& out, std::int32_t character) {
  const auto c = static_cast<std::uint32_t>(character);
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  const int n_following = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  const unsigned mark = n_following == 1 ? 0xC0 : n_following == 2 ? 0xE0 : 0xF0;
  out.push_back(static_cast<char>(mark | c >> (6 * n_following)));
  for (int i = n_following - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(0x80 | (c >> (6 * i) & 0x3F)));
  }
}

}  // namespace farthing
