// json_lines.cpp - simdjson behind one call.
#include "data/json_lines.h"

#include <simdjson.h>

namespace farthing {
namespace {

std::string about_key(const char* before, std::string_view key, const char* after) {
  std::string words(before);
  return words.append("\"").append(key).append("\"").append(after);
}

}  // namespace

struct JsonLineParser::State {
  simdjson::dom::parser parser;
};

JsonLineParser::JsonLineParser() : state_(std::make_unique<State>()) {}
JsonLineParser::~JsonLineParser() = default;

std::string JsonLineParser::parse(std::string_view line, std::string_view key, std::string& text) {
  simdjson::dom::element value;
  if (const auto fault = state_->parser.parse(line.data(), line.size()).get(value)) {
    return simdjson::error_message(fault);
  }
  simdjson::dom::object object;
  if (value.get(object)) return "not a JSON object";
  std::string_view found;
  simdjson::dom::element member;
  if (object.at_key(key).get(member)) return about_key("no key ", key, "");
  if (member.get(found)) return about_key("", key, " is not a string");
  text.assign(found);
  return "";
}

}  // namespace farthing
