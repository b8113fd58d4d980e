// json.cpp - a strict parse: the library's, plus depth and duplicate keys.
#include "base/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace farthing {
namespace {
constexpr int kMaxDepth = 64;
}

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kMaxDepth) {
      throw_bad_input({where, "JSON is nested too deeply", "more than 64 levels", "at most 64", ""});
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second) {
      throw_bad_input({where, "JSON has the key \"" + value.get<std::string>() + "\" twice", "", "", ""});
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const nlohmann::json::exception& error) {
    throw_bad_input({where, "not valid JSON", error.what(), "", ""});
  }
}

Json read_json(const std::string& path) { return parse_json(read_file(path), path); }

}  // namespace farthing
