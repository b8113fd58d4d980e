// json_lines.cpp - simdjson behind one call.
#include "data/json_lines.h"

#include <simdjson.h>

#include <charconv>
#include <cstdio>

namespace farthing {
namespace {

std::string about_key(const char* before, std::string_view key, const char* after) {
  std::string words(before);
  return words.append("\"").append(key).append("\"").append(after);
}

std::string quoted(std::string_view key) {
  std::string out(1, '"');
  for (const char c : key) {
    if (c == '"' || c == '\\') {
      out.append(1, '\\').append(1, c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char text[8];
      std::snprintf(text, sizeof(text), "\\u%04x", static_cast<unsigned>(c));
      out += text;
    } else {
      out += c;
    }
  }
  return out += '"';
}

// The value of \uXXXX at `at`; -1: no such escape.
int escaped_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  const char* const end = text.data() + at + 6;
  const auto read = std::from_chars(text.data() + at + 2, end, unit, 16);
  return read.ec == std::errc() && read.ptr == end ? unit : -1;
}

// The first escape that is half of a UTF-16 pair without the other half; "": none.
std::string_view lone_surrogate(std::string_view line) {
  for (std::size_t at = line.find('\\'); at < line.size(); at = line.find('\\', at)) {
    const int unit = escaped_unit(line, at);
    if (unit < 0xD800 || unit > 0xDFFF) {
      at += 2;
      continue;
    }
    const int next = escaped_unit(line, at + 6);
    if (unit >= 0xDC00 || next < 0xDC00 || next > 0xDFFF) return line.substr(at, 6);
    at += 12;
  }
  return {};
}

}  // namespace

struct JsonLineParser::State {
  simdjson::dom::parser parser;
};

JsonLineParser::JsonLineParser() : state_(std::make_unique<State>()) {}
JsonLineParser::~JsonLineParser() = default;

std::string JsonLineParser::parse(std::string_view line, std::string_view key, std::string& text,
                                  std::string* others) {
  simdjson::dom::element value;
  if (const auto fault = state_->parser.parse(line.data(), line.size()).get(value)) {
    const std::string_view half = lone_surrogate(line);
    if (half.empty()) return simdjson::error_message(fault);
    return std::string(half) + " is a lone surrogate, half of a character";
  }
  simdjson::dom::object object;
  if (value.get(object)) return "not a JSON object";
  int n_found = 0;
  std::string_view found;
  if (others != nullptr) others->clear();
  for (const auto& member : object) {
    if (member.key == key) {
      if (++n_found > 1) return about_key("the key ", key, " stands twice");
      if (member.value.get(found)) return about_key("", key, " is not a string");
    } else if (others != nullptr) {
      others->append(others->empty() ? "{" : ",").append(quoted(member.key)).append(":");
      others->append(simdjson::minify(member.value));
    }
  }
  if (n_found == 0) return about_key("no key ", key, "");
  if (others != nullptr && !others->empty()) *others += '}';
  text.assign(found);
  return "";
}

}  // namespace farthing
