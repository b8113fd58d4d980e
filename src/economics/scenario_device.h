// scenario_device.h - scenarios/own-or-rent.toml for a device of the price list.
//
//   prices    buy, on-demand, committed-3y and spot of the device in that region
//   draw      kW = tdp * use * host / power supply / UPS of the list, as in the owned hour of
//             `farthing plan --budget`
//   spot      where the list has no such price of the device and none is given, whatever depends
//             on it is left out
//
// Errors   Error{kBadInput} where the list has no purchase or on-demand price of the device.
#pragma once
#include <string>
#include <vector>

#include "economics/scenario.h"

namespace farthing {

struct DeviceCase {
  std::vector<ScenarioChange> changes;
  std::vector<std::string> absent;   // givens, for load_scenario
  std::vector<std::string> remarks;  // what is left out
};
// `list` first; `usual` for what a list of one's own leaves out of the draw.
DeviceCase device_case(const std::string& device, const std::string& region, const PriceList& list,
                       const PriceList& usual, bool spot_is_given);

// "Still of H100 nodes, not of rtx-4090: server over bare device; ...": the givens that no change
// replaced; empty for H100 and H800.
std::string still_of_h100(const Scenario& scenario, const std::string& device,
                          const std::vector<ScenarioChange>& changes);

}  // namespace farthing
