// scenario_device.cpp - a device's prices and draw as changes to own-or-rent.
#include "economics/scenario_device.h"

#include <algorithm>

namespace farthing {
namespace {

// Of spot alone: without a price nothing is to be said of them.
const std::vector<std::string> kOfSpot = {"spot", "reclaim", "node_devices", "checkpoint",
                                          "restart"};
// What the scenario has of nodes of eight H100 or H800.
const std::vector<std::string> kOfNodes = {"server_factor",      "network_share", "idle_power",
                                           "committed_discount", "reclaim",       "node_devices"};

// Kilowatts at the meter, before cooling, of a device at work with its share of the host.
std::optional<ScenarioChange> draw_of(const std::string& device, const PriceList& list,
                                      const PriceList& usual) {
  const auto find = [&](const PriceQuery& query) {
    const PriceEntry* entry = list.find(query);
    return entry != nullptr ? entry : usual.find(query);
  };
  const PriceEntry* tdp = find({device, "tdp"});
  const PriceEntry* use = find({"tdp-use"});
  const PriceEntry* host = find({"host-power"});
  const PriceEntry* supply = find({"power-supply-efficiency"});
  const PriceEntry* ups = find({"ups-efficiency"});
  for (const PriceEntry* entry : {tdp, use, host, supply, ups}) {
    if (entry == nullptr) return std::nullopt;
  }
  ScenarioChange change{.id = "kilowatts"};
  const auto kilowatts = [](double watts, double share, double over, double lost) {
    return watts / 1000 * share * over / lost;
  };
  change.value = kilowatts(tdp->value, use->value, host->value, supply->value * ups->value);
  change.low = kilowatts(tdp->low, use->low, host->low, supply->high * ups->high);
  change.high = kilowatts(tdp->high, use->high, host->high, supply->low * ups->low);
  change.source = device + ": " + format_figure(tdp->value, "W") + " (" + tdp->source + ") x " +
                  format_figure(use->value, "") + " of it at work x " +
                  format_figure(host->value, "") + " for the host / " +
                  format_figure(supply->value * ups->value, "") + " for power supply and UPS";
  change.date = tdp->date, change.confidence = "derived", change.where = tdp->where;
  return change;
}

bool changes_one(const std::vector<ScenarioChange>& changes, const std::string& id) {
  return std::any_of(changes.begin(), changes.end(),
                     [&](const ScenarioChange& change) { return change.id == id; });
}

}  // namespace

DeviceCase device_case(const std::string& device, const std::string& region, const PriceList& list,
                       const PriceList& usual, bool spot_is_given) {
  DeviceCase found;
  const PriceEntry& buy = list.at({device, "buy", region});
  found.changes.push_back(change_to("device_usd", buy));
  if (buy.includes_server()) {
    found.changes.back().label = "device and its server";
    found.changes.push_back({.id = "server_factor",
                             .value = 1,
                             .source = buy.source + "; the server is in the price",
                             .date = buy.date,
                             .confidence = buy.confidence,
                             .where = buy.where,
                             .label = "server over the price, which includes it"});
  }
  found.changes.push_back(change_to("rent", list.at({device, "on-demand", region})));
  const auto add = [&](const char* id, const char* kind) {
    const PriceEntry* entry = list.find({device, kind, region});
    if (entry != nullptr) found.changes.push_back(change_to(id, *entry));
    return entry != nullptr;
  };
  add("committed", "committed-3y");
  if (!add("spot", "spot") && !spot_is_given) {
    found.absent = kOfSpot;
    std::string words = "No spot price of ";
    words += device + " in the list" + (region.empty() ? "" : " for " + region);
    found.remarks.push_back(words + ": spot is left out (--spot gives one).");
  }
  if (const auto draw = draw_of(device, list, usual)) found.changes.push_back(*draw);
  return found;
}

std::string still_of_h100(const Scenario& scenario, const std::string& device,
                          const std::vector<ScenarioChange>& changes) {
  if (device.starts_with("h100") || device.starts_with("h800")) return "";
  std::vector<std::string> ids = kOfNodes;
  ids.insert(ids.begin(), "kilowatts");  // where the list has no tdp
  std::string names;
  for (const auto& id : ids) {
    const bool is_known = id == "committed_discount" && changes_one(changes, "committed");
    if (is_known || changes_one(changes, id) || scenario.sheet.find(id) == nullptr) continue;
    names += (names.empty() ? "" : "; ") + scenario.sheet.at(id).label;
  }
  if (names.empty()) return "";
  return "Still of nodes of eight H100 or H800, not of " + device + ": " + names +
         ". Storage, people and cooling are those of 2,048 H800, in proportion.";
}

}  // namespace farthing
