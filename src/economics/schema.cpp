// schema.cpp - a walk over schema and document together.
#include "economics/schema.h"
// g++ 12 takes an automaton's states inside its own <regex> for a fault of ours.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/error.h"

namespace farthing {
namespace {

constexpr int kDeepest = 64;

std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text.replace(57, std::string::npos, "...");
  return text;
}

bool has_type(const Json& json, const std::string& type) {
  if (type == "object") return json.is_object();
  if (type == "array") return json.is_array();
  if (type == "string") return json.is_string();
  if (type == "number") return json.is_number();
  if (type == "integer") {  // 1e5 is one, as draft 2020-12 has it
    return json.is_number() && json.get<double>() == std::floor(json.get<double>());
  }
  if (type == "boolean") return json.is_boolean();
  if (type == "null") return json.is_null();
  throw_bad_input({"schema", "type", type, "one of JSON's", ""});
}

class SchemaCheck {
 public:
  explicit SchemaCheck(const Json& root) : root_(root) {}

  std::vector<Finding> check(const Json& value, const Json& schema, const std::string& where,
                             int depth) const {
    if (depth > kDeepest) throw_bad_input({"schema", "$ref", "a circle", "", ""});
    if (!schema.is_object()) throw_bad_input({"schema", where, shown(schema), "an object", ""});
    std::vector<Finding> found;
    for (const auto& [keyword, rule] : schema.items()) {
      append(found, apply(keyword, rule, value, schema, where, depth));
    }
    return found;
  }

 private:
  static void append(std::vector<Finding>& all, std::vector<Finding> more) {
    all.insert(all.end(), more.begin(), more.end());
  }
  static std::vector<Finding> wanted(bool holds, const std::string& where, const Json& found,
                                     const std::string& what) {
    if (holds) return {};
    return {{where.empty() ? "/" : where, "found " + shown(found) + ", wanted " + what}};
  }

  std::vector<Finding> apply(const std::string& keyword, const Json& rule, const Json& value,
                             const Json& schema, const std::string& where, int depth) const {
    static const std::vector<std::string> kWords = {"$schema", "$id", "title", "description",
                                                    "$defs"};
    if (std::find(kWords.begin(), kWords.end(), keyword) != kWords.end()) return {};
    if (keyword == "type") {
      return wanted(has_type(value, rule.get<std::string>()), where, value,
                    "of type " + shown(rule));
    }
    if (keyword == "const") return wanted(value == rule, where, value, shown(rule));
    if (keyword == "enum") {
      return wanted(std::find(rule.begin(), rule.end(), value) != rule.end(), where, value,
                    "one of " + shown(rule));
    }
    if (keyword == "$ref") return check(value, target(rule), where, depth + 1);
    if (keyword == "oneOf" || keyword == "anyOf") return branch(keyword, rule, value, where, depth);
    if (keyword == "required" || keyword == "properties" || keyword == "additionalProperties") {
      return value.is_object() ? object(keyword, rule, value, schema, where, depth)
                               : std::vector<Finding>{};
    }
    if (keyword == "pattern") return pattern(rule.get<std::string>(), value, where);
    if (keyword == "items" || keyword == "minItems")
      return array(keyword, rule, value, where, depth);
    return size(keyword, rule, value, where);
  }

  const Json& target(const Json& rule) const {
    const std::string path = rule.is_string() ? rule.get<std::string>() : "";
    const std::string start = "#/$defs/";
    const auto defs = root_.find("$defs");
    if (path.starts_with(start) && defs != root_.end()) {
      const auto found = defs->find(path.substr(start.size()));
      if (found != defs->end()) return *found;
    }
    throw_bad_input({"schema", "$ref", path, "#/$defs/ and a name of $defs", ""});
  }

  // "an object {usd, basis}", "a number", "\"not stated\""
  std::string form_words(const Json& schema) const {
    if (const auto ref = schema.find("$ref"); ref != schema.end()) return form_words(target(*ref));
    if (const auto only = schema.find("const"); only != schema.end()) return shown(*only);
    const std::string type = schema.value("type", "");
    if (type == "null") return type;
    if (type.empty()) return "another form";
    const bool has_vowel = type[0] == 'a' || type[0] == 'i' || type[0] == 'o';
    std::string words = (has_vowel ? "an " : "a ") + type, keys;
    for (const auto& key : schema.value("required", Json::array())) {
      keys += (keys.empty() ? "" : ", ") + key.get<std::string>();
    }
    return keys.empty() ? words : words + " {" + keys + "}";
  }
  // Those with a type first, then the words that stand for one.
  std::string one_of_words(const Json& forms) const {
    std::vector<std::string> all;
    for (const bool is_const : {false, true}) {
      for (const auto& each : forms) {
        if (each.contains("const") == is_const) all.push_back(form_words(each));
      }
    }
    std::string words;
    for (std::size_t i = 0; i < all.size(); ++i) {
      words += (i == 0 ? "" : i + 1 == all.size() ? " or " : ", ") + all[i];
    }
    return words;
  }

  std::vector<Finding> branch(const std::string& keyword, const Json& rule, const Json& value,
                              const std::string& where, int depth) const {
    std::vector<Finding> nearest;
    int held = 0;
    bool first = true, nearest_has_type = false;
    for (const auto& each : rule) {
      auto found = check(value, each, where, depth + 1);
      if (found.empty()) ++held;
      const auto type = each.find("type");
      const bool typed = type != each.end() && has_type(value, type->get<std::string>());
      if (first || (typed && !nearest_has_type))
        nearest = std::move(found), nearest_has_type = typed;
      first = false;
    }
    if (held == 1 || (held > 1 && keyword == "anyOf")) return {};
    if (held > 1) return wanted(false, where, value, "exactly one of several forms");
    return nearest_has_type ? nearest : wanted(false, where, value, one_of_words(rule));
  }

  std::vector<Finding> object(const std::string& keyword, const Json& rule, const Json& value,
                              const Json& schema, const std::string& where, int depth) const {
    std::vector<Finding> found;
    if (keyword == "required") {
      for (const auto& key : rule) {
        const auto name = key.get<std::string>();
        if (!value.contains(name)) found.push_back({fmt::format("{}/{}", where, name), "missing"});
      }
    } else if (keyword == "properties") {
      for (const auto& [key, inner] : rule.items()) {
        const auto at = value.find(key);
        if (at != value.end())
          append(found, check(*at, inner, fmt::format("{}/{}", where, key), depth + 1));
      }
    } else if (rule == false) {
      const auto known = schema.find("properties");
      for (const auto& [key, inner] : value.items()) {
        if (known == schema.end() || !known->contains(key))
          found.push_back({fmt::format("{}/{}", where, key), "unknown key"});
      }
    }
    return found;
  }

  std::vector<Finding> array(const std::string& keyword, const Json& rule, const Json& value,
                             const std::string& where, int depth) const {
    std::vector<Finding> found;
    if (!value.is_array()) return found;
    if (keyword == "minItems") {
      return wanted(value.size() >= rule.get<std::size_t>(), where, value, "more elements");
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      append(found, check(value[i], rule, fmt::format("{}/{}", where, i), depth + 1));
    }
    return found;
  }

  // Anywhere in the text, as JSON Schema has it.  std::regex recurses: what is long is refused.
  static std::vector<Finding> pattern(const std::string& rule, const Json& value,
                                      const std::string& where) {
    constexpr std::size_t kLongest = 1024;
    if (!value.is_string()) return {};
    const auto& text = value.get_ref<const std::string&>();
    const bool holds = text.size() <= kLongest && std::regex_search(text, std::regex(rule));
    return wanted(holds, where, value, "text of the form " + rule);
  }

  static std::vector<Finding> size(const std::string& keyword, const Json& rule, const Json& value,
                                   const std::string& where) {
    const bool length = keyword == "minLength" || keyword == "maxLength";
    if (!length && keyword != "minimum" && keyword != "maximum") {
      throw_bad_input({"schema", "keyword", keyword, "one that is checked here", ""});
    }
    if (length ? !value.is_string() : !value.is_number()) return {};
    const double limit = rule.get<double>();
    const double found = length ? static_cast<double>(value.get_ref<const std::string&>().size())
                                : value.get<double>();
    const bool low = keyword.starts_with("min");
    return wanted(
        low ? found >= limit : found <= limit, where, value,
        fmt::format("{} {:g}{}", low ? "at least" : "at most", limit, length ? " characters" : ""));
  }

  const Json& root_;
};

}  // namespace

std::vector<Finding> check_schema(const Json& document, const Json& schema) {
  try {
    return SchemaCheck(schema).check(document, schema, "", 0);
  } catch (const Json::exception& error) {
    throw_bad_input({"schema", "a keyword of the wrong type", error.what(), "", ""});
  } catch (const std::regex_error& error) {
    throw_bad_input({"schema", "pattern", error.what(), "a regular expression", ""});
  }
}

}  // namespace farthing
#pragma GCC diagnostic pop
