// json_lines.cpp - simdjson behind one call.
#include "data/json_lines.h"

#include <simdjson.h>

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
    return simdjson::error_message(fault);
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
