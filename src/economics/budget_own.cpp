// budget_own.cpp - an owned device-hour from the price list, as lines of a sheet.
#include <algorithm>

#include "economics/budget.h"
#include "economics/serving_answer.h"

namespace farthing {

std::vector<SheetLine> own_device_hour(const std::string& device, const std::string& region,
                                       const PriceList& list, const PriceList& usual) {
  std::vector<SheetLine> lines;
  const auto input = [&](const char* id, const char* label, const char* unit, double value,
                         const std::string& source, bool slider) -> SheetLine& {
    lines.push_back({.id = id, .label = label, .unit = unit, .value = value, .source = source});
    lines.back().slider = slider;
    return lines.back();
  };
  const auto priced = [&](const char* id, const char* label, const PriceEntry& entry, bool slider) {
    SheetLine& line = input(id, label, entry.unit.c_str(), entry.value, entry.source, slider);
    if (entry.low < entry.value) line.low = entry.low;
    if (entry.high > entry.value) line.high = entry.high;
    line.date = entry.date, line.confidence = entry.confidence;
  };
  const auto listed = [&](const char* id, const char* label, const PriceQuery& query, bool slider) {
    const PriceEntry* entry = list.find(query);
    priced(id, label, entry != nullptr ? *entry : usual.at(query), slider);
  };
  const PriceEntry* buy = find_device_price(list, device, "buy");
  const PriceEntry* tdp = find_device_price(list, device, "tdp");
  if (tdp == nullptr) tdp = find_device_price(usual, device, "tdp");
  if (buy == nullptr || tdp == nullptr) return {};
  const bool has_server = buy->includes_server();
  priced("own_device", has_server ? "owned: a device and its server" : "owned: a bare device", *buy,
         true);
  if (!has_server) {
    listed("own_server", "owned: server over device", {"server-overhead"}, false);
  }
  listed("own_network", "owned: network, of the cluster", {"network-share"}, false);
  listed("own_life", "owned: years of service", {"hardware-life"}, true);
  input("own_repairs", "owned: repairs a year, of the purchase", "%", 3, "assumption", true);
  input("own_busy", "owned: hours used of all hours", "%", 70, "assumption", true);
  priced("own_tdp", "owned: rated power of a device", *tdp, false);
  listed("own_use", "owned: power at work over the rating", {"tdp-use"}, false);
  listed("own_host", "owned: host and network beside the devices", {"host-power"}, false);
  listed("own_psu", "owned: efficiency of the power supply", {"power-supply-efficiency"}, false);
  listed("own_ups", "owned: efficiency of the UPS", {"ups-efficiency"}, false);
  listed("own_pue", "owned: cooling, PUE of an air-cooled hall", {"pue", "air"}, true);
  listed("own_kwh", "owned: electricity",
         {"electricity", "industrial", region.empty() ? "us" : region}, true);
  const auto formula = [&](const char* id, const char* label, const char* unit, const char* text) {
    lines.push_back({.id = id, .label = label, .unit = unit, .formula = text});
  };
  formula("own_cluster", "owned: a device with its server and network", "USD",
          has_server ? "own_device / (1 - own_network)"
                     : "own_device * own_server / (1 - own_network)");
  formula("own_watts", "owned: power of a busy device at the meter, before cooling", "W",
          "own_tdp * own_use * own_host / own_psu / own_ups");
  formula(
      "own_hour", "owned: a busy device-hour, people left out", "USD/h",
      "own_cluster * (1 / own_life + own_repairs / 100) / 8766 / (own_busy / 100) + own_watts / "
      "1000 * own_pue * own_kwh");
  return lines;
}

std::vector<std::string> stale_prices(const BudgetRequest& request) {
  std::vector<std::string> old;
  const auto add = [&](const std::string& line) {
    if (std::find(old.begin(), old.end(), line) == old.end()) old.push_back(line);
  };
  if (request.today.empty()) return old;
  for (const PriceEntry* entry : {&request.price, request.on_demand, request.spot}) {
    if (entry == nullptr || !is_date(entry->date)) continue;
    if (const auto words = staleness(*entry, request.today)) add(*words);
  }
  for (const SheetLine& line : request.own) {
    if (!line.unit.starts_with("USD") || !is_date(line.date)) continue;
    const auto words = date_warning(line.date, request.today);
    if (words) add(line.label + ": price of " + *words);
  }
  return old;
}

}  // namespace farthing
