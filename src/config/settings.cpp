// settings.cpp - toml++ flattened; the only file that includes it.
#include "config/settings.h"

#include <fmt/core.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <set>
#include <sstream>

#include "base/error.h"

namespace farthing {
namespace {

std::string quoted(const std::string& text) {
  constexpr std::size_t kLongest = 60;
  std::string shown = "\"";
  shown += text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
  return shown += '"';
}

SettingValue make_value(const toml::node& node, std::string where) {
  SettingValue value;
  value.where = std::move(where);
  if (const auto* flag = node.as_boolean()) {
    value.value = flag->get();
    value.shown = flag->get() ? "true" : "false";
  } else if (const auto* whole = node.as_integer()) {
    value.value = whole->get();
    value.shown = fmt::format("{}", whole->get());
  } else if (const auto* real = node.as_floating_point()) {
    value.value = real->get();
    value.shown = fmt::format("{}", real->get());
  } else if (const auto* text = node.as_string()) {
    value.value = text->get();
    value.shown = quoted(text->get());
  } else {
    value.shown = node.is_array() ? "an array" : "a date or time";
    if (const auto* array = node.as_array()) value.n_elements = array->size();
  }
  return value;
}

toml::table parse(const std::string& text, const std::string& where) {
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    throw_bad_input({fmt::format("{}:{}", where, error.source().begin.line), "not valid TOML",
                     std::string(error.description()), "", ""});
  }
}

struct Flattened {
  std::map<std::string, SettingValue>& values;
  std::map<std::string, std::string>& sections;
  const std::string& file;

  void add(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      const std::string where = fmt::format("{}:{}", file, key.source().begin.line);
      if (const auto* inner = node.as_table()) {
        sections.emplace(path, where);
        add(*inner, path + ".");
      } else {
        values.insert_or_assign(path, make_value(node, where));
        if (const auto* array = node.as_array()) add_elements(*array, path);
      }
    }
  }
  void add_elements(const toml::array& array, const std::string& path) {
    std::size_t index = 0;
    for (const auto& node : array) {
      const std::string element = fmt::format("{}.{}", path, index++);
      const std::string where = fmt::format("{}:{}", file, node.source().begin.line);
      if (const auto* inner = node.as_table()) {
        add(*inner, element + ".");
      } else {
        values.insert_or_assign(element, make_value(node, where));
      }
    }
  }
};

// The value of "x = text", or nothing when that is not one TOML value.
std::optional<SettingValue> parse_value(const std::string& text, const std::string& where) {
  try {
    const toml::table table = toml::parse("x = " + text);
    if (table.size() != 1 || table.begin()->second.is_table()) return std::nullopt;
    SettingValue value = make_value(table.begin()->second, where);
    if (std::holds_alternative<std::monostate>(value.value)) return std::nullopt;
    return value;
  } catch (const toml::parse_error&) {
    return std::nullopt;
  }
}

// The line that a fault names, so that a reader meets them in the order of the file.
long line_of(const std::string& fault, const std::string& file) {
  const std::string start = file + ":";
  if (!fault.starts_with(start)) return std::numeric_limits<long>::max();
  const long line = std::atol(fault.c_str() + start.size());
  return line > 0 ? line : std::numeric_limits<long>::max();
}

std::string range_text(const SettingRule& rule) {
  const bool has_low = rule.low > std::numeric_limits<double>::lowest();
  const bool has_high = rule.high < std::numeric_limits<double>::max();
  if (has_low && has_high) return fmt::format("{} to {}", rule.low, rule.high);
  if (has_low) return fmt::format("{} or more", rule.low);
  return has_high ? fmt::format("{} or less", rule.high) : "a finite number";
}

bool has_word(std::string_view words, const std::string& word) {
  std::istringstream stream{std::string(words)};
  return std::find(std::istream_iterator<std::string>(stream), {}, word) !=
         std::istream_iterator<std::string>();
}

}  // namespace

Settings::Settings(const std::string& toml, const std::string& where,
                   const std::vector<std::string>& overrides)
    : file_(where) {
  Flattened{values_, sections_, file_}.add(parse(toml, where), "");
  for (const auto& text : overrides) apply_override(text);
}

void Settings::apply_override(const std::string& text) {
  const std::string where = "--set " + text;
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw_wrong_use({"--set", "not an override", quoted(text), "key=value", ""});
  }
  const std::string path = text.substr(0, equals);
  const std::string word = text.substr(equals + 1);
  auto value = parse_value(word, where);
  if (!value) value = parse_value(toml_text(std::string_view(word)), where);
  if (!value) throw_bad_input({where, "not valid UTF-8", "", "", ""});
  if (word.empty()) {
    throw_wrong_use({"--set " + text, "no value", "", "key=value", ""});
  }
  const auto is_inside = [&](const auto& entry) { return entry.first.starts_with(path + "."); };
  std::erase_if(values_, is_inside);
  std::erase_if(sections_,
                [&](const auto& entry) { return entry.first == path || is_inside(entry); });
  values_.insert_or_assign(path, *std::move(value));
}

SettingValue* Settings::find(const std::string& path) {
  known_.push_back(path);
  const auto found = values_.find(path);
  if (found == values_.end()) return nullptr;
  found->second.used = true;
  return &found->second;
}

std::optional<double> Settings::number(const std::string& path, const SettingRule& rule,
                                       bool whole) {
  const SettingValue* value = find(path);
  if (value == nullptr) return std::nullopt;
  double found = 0;
  if (const auto* integer = std::get_if<std::int64_t>(&value->value)) {
    found = static_cast<double>(*integer);
  } else if (const auto* real = std::get_if<double>(&value->value)) {
    found = *real;
  } else {
    add_fault(path, value->shown, whole ? "a whole number" : "a number");
    return std::nullopt;
  }
  if (whole && found != std::floor(found)) {
    add_fault(path, value->shown, "a whole number");
  } else if (!std::isfinite(found) || found < rule.low || found > rule.high) {
    add_fault(path, value->shown, range_text(rule));
  } else {
    return found;
  }
  return std::nullopt;
}

std::size_t Settings::count(const std::string& path) {
  SettingValue* value = find(path);
  if (value == nullptr) return 0;
  if (!value->n_elements) {
    add_fault(path, value->shown, "an array");
    return 0;
  }
  value->counted = true;
  return *value->n_elements;
}

void Settings::read(const std::string& path, bool& field, const SettingRule&) {
  const SettingValue* value = find(path);
  if (value == nullptr) return;
  if (const auto* flag = std::get_if<bool>(&value->value)) {
    field = *flag;
  } else {
    add_fault(path, value->shown, "true or false");
  }
}

void Settings::read(const std::string& path, int& field, const SettingRule& rule) {
  SettingRule narrow = rule;
  narrow.low = std::max<double>(rule.low, std::numeric_limits<int>::min());
  narrow.high = std::min<double>(rule.high, std::numeric_limits<int>::max());
  if (const auto found = number(path, narrow, true)) field = static_cast<int>(*found);
}

void Settings::read(const std::string& path, std::uint64_t& field, const SettingRule& rule) {
  SettingRule narrow = rule;
  narrow.low = std::max(rule.low, 0.0);
  narrow.high = std::min(rule.high, 9007199254740992.0);  // 2^53: every one is a double
  if (const auto found = number(path, narrow, true)) field = static_cast<std::uint64_t>(*found);
}

void Settings::read(const std::string& path, double& field, const SettingRule& rule) {
  if (const auto found = number(path, rule, false)) field = *found;
}

void Settings::read(const std::string& path, std::optional<int>& field, const SettingRule& rule) {
  if (!has(path)) return void(find(path));
  int value = 0;
  read(path, value, rule);
  field = value;
}

void Settings::read(const std::string& path, std::optional<double>& field,
                    const SettingRule& rule) {
  if (const auto found = number(path, rule, false)) field = *found;
}

void Settings::read(const std::string& path, std::string& field, const SettingRule& rule) {
  const SettingValue* value = find(path);
  if (value == nullptr) return;
  const auto* text = std::get_if<std::string>(&value->value);
  if (text == nullptr) {
    add_fault(path, value->shown, "a string");
  } else if (!rule.words.empty() && !has_word(rule.words, *text)) {
    add_fault(path, value->shown, "one of: " + std::string(rule.words));
  } else {
    field = *text;
  }
}

bool Settings::has_section(const std::string& section) const {
  const auto next = values_.lower_bound(section + ".");
  return next != values_.end() && next->first.starts_with(section + ".");
}

bool Settings::is_number(const std::string& path) const {
  const auto found = values_.find(path);
  return found != values_.end() && (std::holds_alternative<std::int64_t>(found->second.value) ||
                                    std::holds_alternative<double>(found->second.value));
}

std::vector<std::string> Settings::keys(const std::string& section) const {
  std::vector<std::string> found;
  for (const auto& [path, value] : values_) {
    if (path.starts_with(section + ".")) found.push_back(path);
  }
  return found;
}

std::vector<std::string> Settings::sections() const {
  std::vector<std::string> found;
  for (const auto& [path, where] : sections_) {
    if (path.find('.') == std::string::npos) found.push_back(path);
  }
  return found;
}

std::string Settings::where(const std::string& path) const {
  const auto found = values_.find(path);
  return found == values_.end() ? file_ : found->second.where;
}

void Settings::skip_section(const std::string& section) {
  known_.push_back(section + ".");
  for (auto& [path, value] : values_)
    value.used |= path == section || path.starts_with(section + ".");
}

void Settings::add_fault(const std::string& path, const std::string& found,
                         const std::string& wanted, const std::string& hint) {
  faults_.push_back(to_string(Complaint{where(path), path, found, wanted, hint}));
}

void Settings::complain_of_unknown(const std::string& path, const SettingValue& value) {
  const std::string last = path.substr(path.rfind('.') + 1);
  const auto elsewhere = std::find_if(known_.begin(), known_.end(), [&](const std::string& key) {
    return key.substr(key.rfind('.') + 1) == last;
  });
  const std::string near = elsewhere != known_.end() ? *elsewhere : nearest_spelling(path, known_);
  const std::string hint = near.empty() ? keys_beside(path) : "did you mean " + near + "?";
  faults_.push_back(to_string(Complaint{value.where, "unknown key " + path, "", "", hint}));
}

// The known keys of the same section, or the sections where it is unknown.
std::string Settings::keys_beside(const std::string& path) const {
  const std::string section = path.substr(0, path.rfind('.') + 1);
  std::set<std::string> keys, sections;
  for (const std::string& key : known_) {
    sections.insert(key.substr(0, key.find('.')));
    if (!key.starts_with(section)) continue;
    const std::string rest = key.substr(section.size());
    keys.insert(rest.substr(0, rest.find('.')));  // of an inline table its name
  }
  keys.erase("");
  if (section.empty()) return "";
  std::string text;
  for (const std::string& each : keys.empty() ? sections : keys) {
    text += (text.empty() ? keys.empty() ? "sections: " : "known there: " : ", ") + each;
  }
  return text;
}

void Settings::finish() {
  std::string unknown_section = "\n";
  for (const auto& entry : sections_) {
    const std::string& section = entry.first;  // clang 14 captures no structured binding
    const std::string& place = entry.second;
    const std::string prefix = section + ".";
    const bool known = std::any_of(known_.begin(), known_.end(), [&](const std::string& key) {
      return key.starts_with(prefix) || (key.ends_with('.') && section.starts_with(key));
    });
    if (known || section.starts_with(unknown_section)) continue;
    std::vector<std::string> names;
    for (const auto& key : known_) names.push_back(key.substr(0, key.rfind('.')));
    const std::string near = nearest_spelling(section, names);
    faults_.push_back(to_string(Complaint{place, "unknown section [" + section + "]", "", "",
                                          near.empty() ? "" : "did you mean [" + near + "]?"}));
    unknown_section = section + ".";
    for (auto& [path, value] : values_) value.used |= path.starts_with(unknown_section);
  }
  std::string array = "\n";  // one that nobody counted: it is complained of, its elements are not
  for (const auto& [path, value] : values_) {
    if (path.starts_with(array)) continue;
    if (!value.used) complain_of_unknown(path, value);
    if (value.n_elements && !value.counted) array = path + ".";
  }
  if (faults_.empty()) return;
  std::stable_sort(faults_.begin(), faults_.end(), [&](const auto& a, const auto& b) {
    return line_of(a, file_) < line_of(b, file_);
  });
  std::string message;
  for (const auto& fault : faults_) message += (message.empty() ? "" : "\n") + fault;
  throw Error(ErrorCode::kBadInput, message);
}

std::string toml_text(bool value) { return value ? "true" : "false"; }
std::string toml_text(std::int64_t value) { return fmt::format("{}", value); }
std::string toml_text(double value) { return fmt::format("{}", value); }

std::string toml_text(std::string_view value) {
  std::string text = "\"";
  for (const char letter : value) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      text += '\\';
      text += letter;
    } else if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\u{:04x}", byte);
    } else {
      text += letter;
    }
  }
  return text + "\"";
}

}  // namespace farthing
