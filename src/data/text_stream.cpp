// text_stream.cpp - what is whole is shown, the rest waits.
#include "data/text_stream.h"

#include <algorithm>

#include "data/utf8.h"

namespace farthing {
namespace {

// Bytes that a character with this first byte has; 1 for what begins none.
std::size_t character_bytes(unsigned char first) {
  if (first >= 0xf0 && first <= 0xf4) return 4;
  if (first >= 0xe0 && first < 0xf0) return 3;
  if (first >= 0xc2 && first < 0xe0) return 2;
  return 1;
}

// Where an unfinished last character begins; the size if there is none.
std::size_t whole_characters_end(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    return character_bytes(byte) > back ? text.size() - back : text.size();
  }
  return text.size();
}

// The length of the longest end of `text` that `stop` begins with.
std::size_t stop_begun(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size()); n > 0; --n) {
    if (text.ends_with(stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

std::string TextStream::add(std::string_view bytes) {
  if (stopped_) return "";
  held_ += bytes;
  std::size_t found = std::string::npos;
  std::size_t begun = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    found = std::min(found, held_.find(stop));
    begun = std::max(begun, stop_begun(held_, stop));
  }
  if (found != std::string::npos) {
    stopped_ = true;
    std::string text = show(found);
    held_.clear();
    return text;
  }
  return show(std::min(whole_characters_end(held_), held_.size() - begun));
}

std::string TextStream::finish() { return show(held_.size()); }

std::string TextStream::show(std::size_t end) {
  std::string text = mend_utf8(std::string_view(held_).substr(0, end), nullptr);
  held_.erase(0, end);
  text_ += text;
  return text;
}

}  // namespace farthing
