// receipt_check.cpp - the sums of a receipt, one check each.
#include "economics/receipt_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "economics/price_list.h"

namespace farthing {
namespace {

class ReceiptCheck {
 public:
  explicit ReceiptCheck(const Json& receipt) : receipt_(receipt) {}

  std::vector<Finding> check() {
    for (const char* name :
         {"final_run", "all_runs", "research_and_development", "programme", "amortised"}) {
      check_cost(name);
    }
    ordered("final_run", "all_runs");
    ordered("all_runs", "research_and_development");
    ordered("final_run", "research_and_development");
    check_compute();
    check_energy();
    check_dates();
    check_own();
    check_hashes();
    check_unknown();
    std::stable_partition(found_.begin(), found_.end(),
                          [](const Finding& f) { return !f.is_warning; });
    return found_;
  }

 private:
  const Json* at(const std::string& pointer) const {
    const Json::json_pointer path(pointer);
    return receipt_.contains(path) ? &receipt_.at(path) : nullptr;
  }
  std::optional<double> number(const std::string& pointer) const {
    const Json* value = at(pointer);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->get<double>();
  }
  std::string text(const std::string& pointer) const {
    const Json* value = at(pointer);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
  }
  void fault(const std::string& where, const std::string& what) { found_.push_back({where, what}); }
  void warn(const std::string& where, const std::string& what) {
    found_.push_back({where, what, true});
  }
  // Sums were written with rounding; `share` says how much of it is forgiven.
  void equal(const std::string& where, std::optional<double> found, std::optional<double> wanted,
             double share, const std::string& what) {
    if (!found || !wanted) return;
    const double room = share * std::max(std::abs(*found), std::abs(*wanted)) + 1e-9;
    if (std::abs(*found - *wanted) <= room) return;
    fault(where, fmt::format("{:.6g}, but {} is {:.6g}", *found, what, *wanted));
  }

  void check_cost(const std::string& name) {
    const std::string where = "/definitions/" + name;
    const auto usd = number(where + "/usd"), low = number(where + "/low"),
               high = number(where + "/high");
    if (usd && low && *low > *usd)
      fault(where, fmt::format("low {:g} is above usd {:g}", *low, *usd));
    if (usd && high && *high < *usd)
      fault(where, fmt::format("high {:g} is below usd {:g}", *high, *usd));
    const Json* parts = at(where + "/parts");
    if (parts == nullptr || !parts->is_array() || parts->empty()) return;
    double sum = 0;
    for (std::size_t i = 0; i < parts->size(); ++i) {
      sum += number(fmt::format("{}/parts/{}/usd", where, i)).value_or(0);
    }
    equal(where + "/usd", usd, sum, 0.005, "the sum of its parts");
  }
  void ordered(const std::string& part, const std::string& whole) {
    const auto a = number("/definitions/" + part + "/usd"),
               b = number("/definitions/" + whole + "/usd");
    if (a && b && *a > *b * 1.0001) {
      fault("/definitions/" + whole,
            fmt::format("{:g} is less than {} {:g}, which is part of it", *b, part, *a));
    }
  }
  void check_compute() {
    const auto hours = number("/compute/device_hours"),
               wall = number("/compute/training_time_hours");
    const auto devices = number("/compute/devices"), price = number("/compute/usd_per_device_hour");
    const auto flops = number("/compute/training_flops");
    if (hours && price) {
      equal("/definitions/final_run/usd", number("/definitions/final_run/usd"), *hours * *price,
            0.01, "device_hours x usd_per_device_hour");
    }
    if (hours && wall && devices && *hours > *wall * *devices * 1.001) {
      fault("/compute/device_hours",
            fmt::format("{:g}, more than {:g} devices in {:g} hours", *hours, *devices, *wall));
    }
    if (flops && *flops > 0 && hours && *flops > *hours * 3600 * 1e17) {
      fault("/compute/training_flops",
            fmt::format("{:.3g} in {:g} device-hours: no device does that", *flops, *hours));
    }
  }
  void check_energy() {
    const auto kwh = number("/energy/kwh"), hours = number("/compute/device_hours");
    if (!kwh) return warn("/energy/kwh", "not stated; the EU AI Act's Annex XI asks for it");
    const auto pue = number("/energy/pue");
    if (pue && *pue < 1) fault("/energy/pue", fmt::format("{:g}, wanted at least 1", *pue));
    if (text("/energy/basis") == "not stated")
      fault("/energy/basis", "not stated, beside a figure");
    if (!hours || *hours <= 0) return;
    const bool core = text("/compute/device").find("core") != std::string::npos;
    const double watts = *kwh * 1000 / *hours, low = core ? 0.1 : 20, high = core ? 500 : 5000;
    if (watts < low || watts > high) {
      fault("/energy/kwh",
            fmt::format("{:g} kWh in {:g} device-hours is {:.3g} W a device, wanted {:g} to "
                        "{:g}",
                        *kwh, *hours, watts, low, high));
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
        fault(where, "found \"" + *date + "\", wanted YYYY-MM-DD");
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
        fault(where + "/date", "found \"" + date + "\", wanted YYYY, YYYY-MM or YYYY-MM-DD");
        continue;
      }
      const std::string unit = text(where + "/unit");
      if (is_foreign(unit)) {
        fault(where + "/unit", "found " + unit + ", wanted USD: the definitions are in dollars");
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
    const Json* prices = at("/prices");
    const auto price = number("/compute/usd_per_device_hour");
    if (price && *price > 0 && prices != nullptr && prices->empty()) {
      fault("/prices", "none, beside usd_per_device_hour");
    }
    const std::string device = text("/compute/device");
    for (std::size_t i = 0; price && prices != nullptr && i < prices->size(); ++i) {
      const std::string where = fmt::format("/prices/{}", i);
      const std::string item = text(where + "/item");
      const bool is_hour = text(where + "/unit") == "USD/h" && item == device;
      if (is_hour || item == device + "-hour") {
        equal("/compute/usd_per_device_hour", price, number(where + "/value"), 0.001, where);
      }
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
  // Totals beside their categories, in farthing's own receipts.
  void check_own() {
    sum_of("/seconds", "/seconds/total");
    sum_of("/usd/by_category", "/usd/total");
    const auto joules = number("/joules"), seconds = number("/core_seconds");
    if (joules)
      equal("/energy/kwh", number("/energy/kwh"), *joules / 3.6e6, 1e-6, "joules over 3.6e6");
    if (seconds) {
      equal("/compute/device_hours", number("/compute/device_hours"), *seconds / 3600, 1e-6,
            "core_seconds over 3600");
    }
    equal("/compute/training_flops", number("/compute/training_flops"), number("/model_flops"),
          1e-6, "model_flops");
    const auto hours = number("/compute/device_hours"),
               price = number("/compute/usd_per_device_hour");
    if (hours && price) {
      equal("/usd/rented", number("/usd/rented"), *hours * *price, 1e-6,
            "device_hours x usd_per_device_hour");
    }
  }
  void sum_of(const std::string& parts, const std::string& total) {
    const Json* values = at(parts);
    if (values == nullptr || !values->is_object()) return;
    double sum = 0;
    for (const auto& [key, value] : values->items()) {
      if (key != "total" && value.is_number()) sum += value.get<double>();
    }
    equal(total, number(total), sum, 1e-6, "the sum of its categories");
  }

  const Json& receipt_;
  std::vector<Finding> found_;
};

}  // namespace

std::vector<Finding> check_receipt(const Json& receipt, const Json& schema) {
  std::vector<Finding> found = check_schema(receipt, schema);
  if (!receipt.is_object()) return found;
  const std::vector<Finding> sums = ReceiptCheck(receipt).check();
  found.insert(found.end(), sums.begin(), sums.end());
  return found;
}

}  // namespace farthing
