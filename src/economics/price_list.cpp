// price_list.cpp - [[price]] entries read through Settings, turned into dollars, looked up by date.
#include "economics/price_list.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "config/share.h"
#include "economics/sheet.h"

namespace farthing {
namespace {

// What a unit may measure; a value outside is a slip of the pen, not a price.
struct UnitRule {
  const char* unit;  // with CUR for a currency
  double low, high;
};
constexpr std::array<UnitRule, 18> kUnits = {{{"CUR", 0, 1e12},
                                              {"CUR/h", 0, 1e3},
                                              {"CUR/core-h", 0, 100},
                                              {"CUR/kWh", 0, 10},
                                              {"CUR/month", 0, 1e7},
                                              {"CUR/year", 0, 1e8},
                                              {"CUR/GB-month", 0, 10},
                                              {"CUR/GB", 0, 100},
                                              {"CUR/TB", 0, 1e6},
                                              {"CUR/Mtoken", 0, 1e4},
                                              {"CUR/CUR", 1e-6, 1e6},
                                              {"W", 0, 1e7},
                                              {"x", 0, 1e4},
                                              {"share", 0, 1},
                                              {"years", 0.05, 100},
                                              {"GB", 0, 1e9},
                                              {"TFLOPS", 0, 1e6},
                                              {"count", 0, 1e9}}};

bool is_currency(const std::string& word) {
  return word.size() == 3 &&
         word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
}

// "CNY/h" -> {"CNY", "CUR/h"}; "W" -> {"", "W"}; "CNY/USD" -> {"CNY", "CUR/CUR"}.
struct UnitParts {
  std::string currency;
  std::string pattern;
};
UnitParts parts_of(const std::string& unit) {
  const std::size_t slash = unit.find('/');
  const std::string first = unit.substr(0, slash);
  if (!is_currency(first)) return {"", unit};
  const std::string rest = slash == std::string::npos ? "" : unit.substr(slash + 1);
  return {first, rest.empty() ? "CUR" : fmt::format("CUR/{}", is_currency(rest) ? "CUR" : rest)};
}

const UnitRule* rule_of(const std::string& pattern) {
  const auto* found = std::find_if(kUnits.begin(), kUnits.end(),
                                   [&](const UnitRule& rule) { return pattern == rule.unit; });
  return found == kUnits.end() ? nullptr : found;
}

void read_value(Settings& settings, const std::string& path, PriceEntry& entry) {
  const UnitRule* rule = rule_of(parts_of(entry.unit).pattern);
  if (rule == nullptr) {
    for (const char* key : {"value", "low", "high"}) settings.skip_section(path + key);
    return settings.add_fault(
        path + "unit", "\"" + entry.unit + "\"",
        "USD, USD/h, USD/kWh, USD/month, USD/GB-month, USD/TB, USD/Mtoken, W, x, "
        "share, years, GB, TFLOPS or count",
        "or another currency's three letters for USD");
  }
  // What a kind of price is counted by, whatever the currency: an hour of a device is no month of
  // it.
  constexpr std::pair<const char*, const char*> kKindUnits[] = {
      {"on-demand", "CUR/h"},    {"spot", "CUR/h"}, {"committed-1y", "CUR/h"},
      {"committed-3y", "CUR/h"}, {"buy", "CUR"},    {"tdp", "W"}};
  for (const auto& [kind, unit] : kKindUnits) {
    if (entry.kind != kind || parts_of(entry.unit).pattern == unit) continue;
    const std::string wanted =
        std::string(unit).starts_with("CUR") ? "USD" + std::string(unit + 3) : unit;
    settings.skip_section(path + "value");
    return settings.add_fault(path + "unit", "\"" + entry.unit + "\"",
                              wanted + " for a price of kind " + kind, "");
  }
  double low = rule->low, high = rule->high;
  if (entry.item == "pue") low = 1, high = 4;
  const SettingRule bounds{.low = low, .high = high};
  if (!settings.has(path + "value")) settings.add_fault(path + "value", "nothing", "a number");
  settings.read(path + "value", entry.value, bounds);
  entry.low = entry.high = entry.value;
  settings.read(path + "low", entry.low, bounds);
  settings.read(path + "high", entry.high, bounds);
  if (entry.low > entry.value || entry.high < entry.value) {
    settings.add_fault(path + "value",
                       fmt::format("{} outside {} to {}", entry.value, entry.low, entry.high),
                       "low <= value <= high");
  }
}

PriceEntry read_entry(Settings& settings, const std::string& path) {
  PriceEntry entry;
  entry.confidence = "published";
  const std::array<std::pair<const char*, std::string*>, 8> words = {
      {{"item", &entry.item},
       {"kind", &entry.kind},
       {"region", &entry.region},
       {"unit", &entry.unit},
       {"date", &entry.date},
       {"source", &entry.source},
       {"note", &entry.note},
       {"confidence", &entry.confidence}}};
  for (const auto& [key, field] : words) {
    const bool rated = std::string_view(key) == "confidence";
    settings.read(path + key, *field,
                  {.words = rated ? "published rounded secondary derived assumed" : ""});
  }
  settings.read(path + "includes", entry.includes, {.words = "server"});
  if (!entry.includes.empty() && entry.kind != "buy") {
    settings.add_fault(path + "includes", "a price of kind \"" + entry.kind + "\"",
                       "a price of kind \"buy\"");
  }
  entry.where = settings.where(path + "item");
  for (const char* key : {"item", "unit", "date", "source"}) {
    if (settings.has(path + key)) continue;
    settings.add_fault_line(
        fmt::format("{}: price of {}: wanted {} (every price has item, unit, date "
                    "and source)",
                    entry.where, entry.item, key));
  }
  if (settings.has(path + "date") && !is_date(entry.date)) {
    settings.add_fault(path + "date", "\"" + entry.date + "\"", kDateWanted);
  }
  if (settings.has(path + "unit")) {
    read_value(settings, path, entry);
  } else {
    for (const char* key : {"value", "low", "high"}) settings.skip_section(path + key);
  }
  return entry;
}

// The file's own exchange entries, as units of that currency for a dollar.
void to_dollars(Settings& settings, std::vector<PriceEntry>& entries) {
  std::map<std::string, double> per_usd = {{"USD", 1}};
  for (const auto& entry : entries) {
    if (entry.item == "exchange" && entry.unit.ends_with("/USD") && entry.value > 0) {
      per_usd[entry.unit.substr(0, 3)] = entry.value;
    }
  }
  for (auto& entry : entries) {
    const UnitParts unit = parts_of(entry.unit);
    if (unit.currency.empty() || unit.currency == "USD" || entry.item == "exchange") continue;
    const auto rate = per_usd.find(unit.currency);
    if (rate == per_usd.end()) {
      settings.add_fault_line(fmt::format(
          "{}: mixed currencies: found {}, wanted USD (or a [[price]] with item = \"exchange\" and "
          "unit = \"{}/USD\")",
          entry.where, entry.unit, unit.currency));
      continue;
    }
    for (double* value : {&entry.value, &entry.low, &entry.high}) *value /= rate->second;
    entry.note += fmt::format("{}at {} {} for a dollar", entry.note.empty() ? "" : "; ",
                              rate->second, unit.currency);
    entry.unit.replace(0, 3, "USD");
  }
}

void refuse_twins(Settings& settings, const std::vector<PriceEntry>& entries) {
  std::map<std::string, std::string> seen;
  for (const auto& entry : entries) {
    const std::string key = entry.item + '\n' + entry.kind + '\n' + entry.region + '\n' +
                            entry.date + (entry.item == "exchange" ? entry.unit : "");
    const auto [twin, is_new] = seen.emplace(key, entry.where);
    if (is_new) continue;
    settings.add_fault_line(
        fmt::format("{}: price of {} {}: found it twice for {}, wanted it once ({})", entry.where,
                    entry.item, entry.kind, entry.date, twin->second));
  }
}

// Months since year 0, in the middle of what the date leaves open.
double month_of(const std::string& date) {
  const double year = std::atof(date.substr(0, 4).c_str());
  if (date.size() < 7) return 12 * year + 6;
  const double month = std::atof(date.substr(5, 2).c_str());
  return 12 * year + month - 1 + (date.size() < 10 ? 0.5 : std::atof(date.c_str() + 8) / 31);
}

bool matches(const PriceEntry& entry, const PriceQuery& query) {
  return entry.item == query.item && entry.kind == query.kind &&
         (entry.region.empty() || entry.region == query.region);
}

}  // namespace

double months_between(const std::string& a, const std::string& b) {
  return month_of(b) - month_of(a);
}

std::optional<std::string> date_warning(const std::string& date, const std::string& today) {
  const double months = months_between(date, today);
  if (months < -1) return date + ", a date to come";
  const double shown = std::round(months);  // a price that is said to be 18 months old is not older
  if (shown <= kStaleMonths) return std::nullopt;
  return fmt::format("{}, {:.0f} months old", date, shown);
}

std::optional<std::string> staleness(const PriceEntry& entry, const std::string& today) {
  if (!entry.unit.starts_with("USD")) return std::nullopt;
  const auto words = date_warning(entry.date, today);
  if (!words) return std::nullopt;
  return entry.item + (entry.kind.empty() ? "" : " ") + entry.kind + ": price of " + *words;
}

const PriceEntry* PriceList::find(const PriceQuery& query) const {
  const PriceEntry* best = nullptr;
  const auto rank =
      [&](const PriceEntry& entry) {  // region, then not after as_of, then the nearest
        const double after = query.as_of.empty() ? 0 : months_between(query.as_of, entry.date);
        const bool late = after > 0.75;
        return std::array<double, 3>{entry.region == query.region ? 1.0 : 0.0, late ? 0.0 : 1.0,
                                     late ? -month_of(entry.date) : month_of(entry.date)};
      };
  for (const auto& entry : entries) {
    if (matches(entry, query) && (best == nullptr || rank(entry) > rank(*best))) best = &entry;
  }
  return best;
}

const PriceEntry& PriceList::at(const PriceQuery& query) const {
  if (const PriceEntry* entry = find(query)) return *entry;
  std::set<std::string> names, kinds;
  for (const auto& entry : entries) {
    names.insert(entry.item);
    if (entry.item == query.item)
      kinds.insert(entry.kind + (entry.region.empty() ? "" : " " + entry.region));
  }
  std::string hint;
  for (const auto& kind : kinds) hint += (hint.empty() ? "it has: " : ", ") + kind;
  const std::string near = kinds.empty() ? nearest_spelling(query.item, names) : "";
  if (!near.empty()) hint = "did you mean " + near + "?";
  if (hint.empty() && !query.kind.empty()) {
    for (const auto& item : items(query.kind)) {
      hint += (hint.empty() ? query.kind + " has: " : ", ") + item;
    }
  }
  const std::string region = query.region.empty() ? "" : " in " + query.region;
  throw_bad_input(
      {name, "no price of " + query.item + (query.kind.empty() ? "" : " " + query.kind) + region,
       "", "", hint});
}

std::vector<const PriceEntry*> PriceList::history(const std::string& item,
                                                  const std::string& kind) const {
  std::vector<const PriceEntry*> found;
  for (const auto& entry : entries) {
    if (entry.item == item && entry.kind == kind) found.push_back(&entry);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto* a, const auto* b) {
    return month_of(a->date) < month_of(b->date);
  });
  return found;
}

std::vector<std::string> PriceList::items(const std::string& kind) const {
  std::set<std::string> found;
  for (const auto& entry : entries) {
    if (entry.kind == kind) found.insert(entry.item);
  }
  return {found.begin(), found.end()};
}

PriceQuery parse_price_query(const std::string& words) {
  PriceQuery query;
  std::string* const parts[] = {&query.item, &query.kind, &query.region};
  std::size_t begin = 0;
  for (std::string* part : parts) {
    const std::size_t end = std::min(words.find('/', begin), words.size());
    *part = words.substr(begin, end - begin);
    begin = std::min(end + 1, words.size());
  }
  return query;
}

PriceList load_price_list(const std::string& name) {
  const std::string path = find_shared("prices", name, ".toml");
  return parse_price_list(read_file(path), path);
}

PriceList parse_price_list(const std::string& toml, const std::string& where) {
  Settings settings(toml, where);
  PriceList list;
  list.name = std::filesystem::path(where).stem().string();
  const std::size_t n = settings.count("price");
  for (std::size_t i = 0; i < n; ++i) {
    list.entries.push_back(read_entry(settings, fmt::format("price.{}.", i)));
  }
  to_dollars(settings, list.entries);
  refuse_twins(settings, list.entries);
  for (const char* section :
       {"basis", "rent", "machine", "power", "cooling", "electricity", "sterling"}) {
    settings.skip_section(section);
  }
  settings.finish();
  return list;
}

std::string describe(const PriceEntry& entry) {
  const auto shown = [&](double value) { return format_figure(value, entry.unit); };
  std::string text = shown(entry.value);
  if (entry.low < entry.high) text += " (" + shown(entry.low) + " to " + shown(entry.high) + ")";
  if (entry.includes_server()) text += ", server included";
  for (const std::string& part : {entry.date, entry.source, entry.confidence}) {
    if (!part.empty() && part != "published") text += ", " + part;
  }
  return text;
}

}  // namespace farthing
