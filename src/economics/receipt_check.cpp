// receipt_check.cpp - what of a receipt no table of sums can hold: order, dates, prices, hashes.
#include "economics/receipt_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "economics/cost_case.h"
#include "economics/price_list.h"
#include "economics/receipt_fields.h"
#include "economics/receipt_relations.h"

namespace farthing {
namespace {

class ReceiptCheck : ReceiptFields {
 public:
  ReceiptCheck(const Json& receipt, const std::string& today)
      : ReceiptFields(receipt), today_(today) {}

  std::vector<Finding> check() {
    for (const char* name :
         {"final_run", "all_runs", "research_and_development", "programme", "amortised"}) {
      check_cost(name);
    }
    ordered("final_run", "all_runs");
    ordered("all_runs", "research_and_development");
    ordered("final_run", "research_and_development");
    ordered("amortised", "programme");
    check_parts();
    check_energy();
    check_dates();
    check_twins();
    check_hashes();
    check_unknown();
    std::stable_partition(found_.begin(), found_.end(),
                          [](const Finding& f) { return !f.is_warning; });
    return found_;
  }

 private:
  void fault(const std::string& where, const std::string& what) { found_.push_back({where, what}); }
  void warn(const std::string& where, const std::string& what) {
    found_.push_back({where, what, true});
  }
  void check_cost(const std::string& name) {
    const std::string where = "/definitions/" + name;
    const auto usd = number(where + "/usd"), low = number(where + "/low"),
               high = number(where + "/high");
    if (usd && low && *low > *usd)
      fault(where, fmt::format("low {:g} is above usd {:g}", *low, *usd));
    if (usd && high && *high < *usd)
      fault(where, fmt::format("high {:g} is below usd {:g}", *high, *usd));
  }
  void ordered(const std::string& part, const std::string& whole) {
    const auto a = number("/definitions/" + part + "/usd"),
               b = number("/definitions/" + whole + "/usd");
    if (a && b && *a > *b * 1.0001) {
      fault("/definitions/" + whole,
            fmt::format("{:g} is less than {} {:g}, which is part of it", *b, part, *a));
    }
  }
  // Who names a part as claims/definitions.toml does means that part.
  void check_parts() {
    const Definitions known = load_definitions();
    for (const Definition& definition : known.definitions) {
      const std::string where = "/definitions/" + definition.id + "/parts";
      const Json* parts = at(where);
      for (std::size_t i = 0; parts != nullptr && parts->is_array() && i < parts->size(); ++i) {
        const std::string name = text(fmt::format("{}/{}/name", where, i));
        const auto meant = std::find_if(known.parts.begin(), known.parts.end(), [&](const auto& p) {
          return name == p.id || name == p.name;
        });
        if (meant == known.parts.end()) continue;
        if (std::count(definition.parts.begin(), definition.parts.end(), meant->id) > 0) continue;
        fault(fmt::format("{}/{}", where, i),
              "\"" + name + "\" is no part of " + definition.id + " (farthing cost explain)");
      }
    }
  }
  void check_energy() {
    if (!number("/energy/kwh")) {
      warn("/energy/kwh", "not stated; the EU AI Act's Annex XI asks for it");
    } else if (text("/energy/basis") == "not stated") {
      fault("/energy/basis", "not stated, beside a figure");
    }
  }
  static double days_of(const std::string& date) {
    std::tm time{};
    time.tm_year = std::atoi(date.substr(0, 4).c_str()) - 1900;
    time.tm_mon = std::atoi(date.substr(5, 2).c_str()) - 1;
    time.tm_mday = std::atoi(date.substr(8, 2).c_str()), time.tm_hour = 12;
    return static_cast<double>(timegm(&time)) / 86400;
  }
  void check_dates() {
    const std::string begun = text("/dates/begun"), ended = text("/dates/ended");
    bool dated = true;
    for (const auto& [where, date] :
         {std::pair{"/dates/begun", &begun}, {"/dates/ended", &ended}}) {
      if (*date == "not stated" || date->empty())
        dated = false;
      else if (!is_date(*date) || date->size() != 10) {
        dated = false;
        fault(where, "found \"" + *date + "\", wanted a date of the calendar: YYYY-MM-DD");
      } else if (text("/origin") != "simulated" && days_of(*date) > days_of(today_) + 1) {
        fault(where, *date + ", a date to come: today is " + today_);
      }
    }
    check_prices(dated ? ended : "");
    if (!dated) return;
    const double days = days_of(ended) - days_of(begun);
    if (days < 0) return fault("/dates/ended", ended + " is before it began, " + begun);
    const auto wall = number("/compute/training_time_hours");
    if (wall && *wall > 24 * (days + 1) + 1) {
      fault("/compute/training_time_hours",
            fmt::format("{:g}, more than the {:g} days from {} to {}", *wall, days + 1, begun,
                        ended));
    }
  }
  // "EUR per kWh", "CNY/h"; not "CNY/USD", a rate of exchange.
  static bool is_foreign(const std::string& unit) {
    const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
    if (unit.size() < 3 || !std::all_of(unit.begin(), unit.begin() + 3, is_capital)) return false;
    const std::string rest = unit.substr(3);
    const bool is_word = rest.empty() || rest[0] == '/' || rest[0] == ' ';
    return is_word && !unit.starts_with("USD") && !rest.starts_with("/USD");
  }
  void check_prices(const std::string& ended) {
    const Json* prices = at("/prices");
    for (std::size_t i = 0; prices != nullptr && prices->is_array() && i < prices->size(); ++i) {
      const std::string where = fmt::format("/prices/{}", i);
      const std::string date = text(where + "/date");
      if (!is_date(date)) {
        fault(where + "/date", "found \"" + date + "\", wanted " + kDateWanted);
        continue;
      }
      const std::string unit = text(where + "/unit");
      if (is_foreign(unit)) {
        fault(where + "/unit", "found " + unit + ", wanted USD: the definitions are in dollars");
      }
      if (months_between(today_, date) > 1) {
        warn(where + "/date", *date_warning(date, today_));
      }
      const bool money = unit.starts_with("USD");
      if (!ended.empty() && money && months_between(date, ended) > kStaleMonths) {
        warn(where, fmt::format("{}: price of {} for a run that ended {}", text(where + "/item"),
                                date, ended));
      }
    }
  }
  // Zero is no way to say that one does not know; a cost without a price says nothing.
  void check_unknown() {
    for (const char* where : {"/compute/training_flops", "/tokens", "/compute/device_hours",
                              "/definitions/final_run/usd", "/definitions/all_runs/usd",
                              "/definitions/research_and_development/usd",
                              "/definitions/programme/usd", "/definitions/amortised/usd"}) {
      if (const auto value = number(where); value && *value == 0) {
        fault(where, "0; what is not known is \"not stated\"");
      }
    }
    const auto tokens = number("/tokens");
    if (tokens && *tokens > 0 && *tokens < 2 && number("/compute/training_flops").value_or(0) > 0) {
      fault("/tokens",
            fmt::format("{:g}, beside FLOPs of training: one is predicted from another", *tokens));
    }
    const Json* prices = at("/prices");
    const auto price = number("/compute/usd_per_device_hour");
    if (price && *price > 0 && prices != nullptr && prices->empty()) {
      fault("/prices", "none, beside usd_per_device_hour");
    }
  }
  // A digest has the length of its algorithm.
  void check_hashes() {
    static const std::map<std::string, std::size_t> kDigits = {
        {"md5", 32},     {"sha1", 40},    {"sha256", 64},   {"sha384", 96},
        {"sha512", 128}, {"blake3", 64},  {"xxh3-128", 32}, {"xxh128", 32},
        {"xxh64", 16},   {"xxh3-64", 16}, {"git-sha1", 40}};
    for (const char* where : {"/hashes/weights", "/hashes/recipe"}) {
      const std::string hash = text(where);
      const std::size_t colon = hash.find(':');
      if (colon == std::string::npos) continue;
      const auto digits = kDigits.find(hash.substr(0, colon));
      const std::size_t n = hash.size() - colon - 1;
      if (digits == kDigits.end() || n == digits->second) continue;
      fault(where, fmt::format("{} digits, {} has {}", n, digits->first, digits->second));
    }
  }
  // What is said twice, in this program's own keys and in the standard's.
  void check_twins() {
    const Json* estimated = at("/joules_estimated");
    const std::string basis = text("/energy/basis");
    if (estimated != nullptr && estimated->is_boolean() && number("/energy/kwh") &&
        (basis == "estimated") != estimated->get<bool>()) {
      fault("/energy/basis",
            fmt::format("\"{}\", but joules_estimated is {}", basis, estimated->get<bool>()));
    }
    const std::string digits = text("/weights_hash"), hash = text("/hashes/weights");
    if (!digits.empty() && !hash.empty() && !hash.ends_with(digits)) {
      fault("/hashes/weights", "\"" + hash + "\", but weights_hash is \"" + digits + "\"");
    }
  }

  const std::string& today_;
  std::vector<Finding> found_;
};

// The form lets anyone add keys of his own: said, since one may be misspelt.
std::vector<Finding> unknown_keys(const Json& receipt, const Json& schema) {
  std::set<std::string> names;
  for (const auto& [name, rule] : schema.at("properties").items()) names.insert(name);
  std::vector<Finding> found;
  for (const auto& [key, value] : receipt.items()) {
    if (names.contains(key) || key.starts_with("$")) continue;
    const std::string near = nearest_spelling(key, names);
    found.push_back(
        {"/" + key,
         "not of the schema, not checked" + (near.empty() ? "" : ": did you mean " + near + "?"),
         true});
  }
  return found;
}

}  // namespace

std::vector<Finding> check_receipt(const Json& receipt, const Json& schema,
                                   const std::string& today) {
  std::vector<Finding> found = check_schema(receipt, schema);
  if (!receipt.is_object()) return found;
  for (const auto& more : {check_relations(receipt), ReceiptCheck(receipt, today).check(),
                           unknown_keys(receipt, schema)}) {
    found.insert(found.end(), more.begin(), more.end());
  }
  return found;
}

}  // namespace farthing
