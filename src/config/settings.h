// settings.h - a TOML file as a flat list of dotted keys, read field by field with all faults kept.
//
//   Settings settings(text, "tiny.toml", {"train.seed=7"});
//   settings.read("train.seed", recipe.train.seed, {.low = 0});     leaves the default when absent
//   settings.read("run.purpose", recipe.run.purpose, {.words = "experiment final"});
//   settings.finish();                                              unknown keys; throws every
//   fault
//
// Every fault says file:line (or the --set that brought it), what, found, wanted, hint.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace farthing {

struct SettingRule {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  std::string_view words = {};   // the values a string may have, separated by spaces; empty: any
  std::string_view source = {};  // where the default comes from
};

struct SettingValue {
  std::variant<std::monostate, bool, std::int64_t, double, std::string> value;  // none: other types
  std::string shown;  // as a message quotes it
  std::string where;
  bool used = false;
  std::optional<std::size_t> n_elements;  // of an array; its elements are values of their own
  bool counted = false;
};

class Settings {
 public:
  // Each override is "a.b=value": TOML, or a bare word.  Errors: Error{kBadInput} for syntax, which
  // hides the rest; everything later is collected.  Error{kUsage} for an override without "=".
  Settings(const std::string& toml, const std::string& where,
           const std::vector<std::string>& overrides = {});

  void read(const std::string& path, bool& field, const SettingRule& rule);
  void read(const std::string& path, int& field, const SettingRule& rule);
  void read(const std::string& path, std::uint64_t& field, const SettingRule& rule);
  void read(const std::string& path, double& field, const SettingRule& rule);
  void read(const std::string& path, std::string& field, const SettingRule& rule);
  void read(const std::string& path, std::optional<int>& field, const SettingRule& rule);
  void read(const std::string& path, std::optional<double>& field, const SettingRule& rule);

  // The number of elements of an array, 0 when it is absent.  Element i of it, or its keys if it is
  // a table, are read as "path.i" and "path.i.key".
  std::size_t count(const std::string& path);

  bool has(const std::string& path) const { return values_.contains(path); }
  bool is_number(const std::string& path) const;
  // Any key below "section."
  bool has_section(const std::string& section) const;
  // The paths below "section.", sorted; and the top-level tables, sorted.
  std::vector<std::string> keys(const std::string& section) const;
  std::vector<std::string> sections() const;
  // Its place, or the file's name.
  std::string where(const std::string& path) const;
  // Takes that key, array or section and all within as known without reading it.
  void skip_section(const std::string& section);

  void add_fault(const std::string& path, const std::string& found, const std::string& wanted,
                 const std::string& hint = "");
  void add_fault_line(const std::string& line) { faults_.push_back(line); }
  // Adds a fault for every key that nobody read.  Errors: Error{kBadInput}, one fault a line.
  void finish();

 private:
  void apply_override(const std::string& text);
  // The value if it is present; marks the path as known.
  SettingValue* find(const std::string& path);
  std::optional<double> number(const std::string& path, const SettingRule& rule, bool whole);
  void complain_of_unknown(const std::string& path, const SettingValue& value);
  std::string keys_beside(const std::string& path) const;

  std::string file_;
  std::map<std::string, SettingValue> values_;
  std::map<std::string, std::string> sections_;  // path -> where
  std::vector<std::string> known_;
  std::vector<std::string> faults_;
};

// TOML text of a value that reads back as the same.
std::string toml_text(bool value);
std::string toml_text(std::int64_t value);
std::string toml_text(double value);
std::string toml_text(std::string_view value);

}  // namespace farthing
