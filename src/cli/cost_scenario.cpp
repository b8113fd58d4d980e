// cost_scenario.cpp - farthing cost scenario, own-or-rent: business cases from scenarios/*.toml.
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "config/share.h"
#include "economics/scenario.h"
#include "economics/scenario_device.h"
#include "report/table.h"

namespace farthing {
namespace {

struct ScenarioOptions {
  std::string name;
  std::vector<std::string> changes;
  std::vector<ScenarioChange> flagged;  // by options of their own
  std::string device, region;           // of own-or-rent: prices from the list
  CostOutput output;
};

// What the list says of this device and this place.
DeviceCase case_of(const ScenarioOptions& options, const PriceList& prices) {
  DeviceCase found;
  if (!options.device.empty()) {
    bool has_spot = false;
    for (const auto& change : options.flagged) has_spot |= change.id == "spot";
    for (const auto& text : options.changes) has_spot |= text.starts_with("spot=");
    found = device_case(options.device, options.region, prices, load_price_list(), has_spot);
  }
  if (!options.region.empty()) {
    found.changes.push_back(
        change_to("kwh_usd", prices.at({"electricity", "industrial", options.region})));
  }
  return found;
}

// With a list of one's own: which lines are of it, the last change of a line being its value.
std::string use_of_list(const std::string& name, const PriceList& prices, const Scenario& scenario,
                        const std::vector<ScenarioChange>& changes) {
  if (name == "default" || prices.entries.empty()) return "";
  const std::string& first = prices.entries.front().where;  // file:line
  const std::string file = first.substr(0, first.rfind(':') + 1);
  std::map<std::string, bool> listed;  // by id
  for (const auto& id : scenario.priced) listed[id] = true;
  for (const auto& change : changes) listed[change.id] = change.where.starts_with(file);
  std::string names;
  for (const auto& [id, is_listed] : listed) {
    if (is_listed) names += (names.empty() ? "" : "; ") + scenario.sheet.at(id).label;
  }
  if (!names.empty()) return "Of " + name + ": " + names + ".";
  return "Nothing of " + name +
         " is used in this scenario: it holds its own prices (--set changes them).";
}

void list_scenarios(bool json) {
  const auto names = list_shared("scenarios", ".toml");
  const PriceList prices = load_price_list();
  if (json) return print_json(Json(names));
  Table table;
  for (const auto& name : names) {
    std::string title;
    try {
      title = spoken_title(load_scenario(name, prices));
    } catch (const Error& error) {
      title = "unusable: " + error.message.substr(0, error.message.find('\n'));
    }
    table.rows.push_back({name, title});
  }
  std::cout << to_text(table);
}

// The list of scenarios has no quantities, no prices and no page.
void refuse_without_name(const ScenarioOptions& options) {
  const char* needless = !options.changes.empty()             ? "--set"
                         : !options.output.html.empty()       ? "--html"
                         : options.output.prices != "default" ? "--prices"
                                                              : nullptr;
  if (needless == nullptr) return;
  throw_wrong_use(
      {needless, "of no scenario", "no name", "a name", "farthing cost scenario lists them"});
}

void scenario_command(const ScenarioOptions& options) {
  if (options.name.empty()) {
    refuse_without_name(options);
    return list_scenarios(options.output.json);
  }
  const PriceList prices = load_price_list(options.output.prices);
  const DeviceCase listed = case_of(options, prices);
  std::vector<ScenarioChange> changes = listed.changes;
  changes.insert(changes.end(), options.flagged.begin(), options.flagged.end());
  for (const auto& text : options.changes) changes.push_back(parse_change(text));
  Scenario scenario = load_scenario(options.name, prices, changes, listed.absent);
  scenario.remarks = listed.remarks;
  const auto remark = [&](const std::string& words) {
    if (!words.empty()) scenario.remarks.push_back(words);
  };
  if (!options.device.empty()) {
    scenario.device = options.device;
    remark(still_of_h100(scenario, options.device, changes));
  }
  remark(use_of_list(options.output.prices, prices, scenario, changes));
  if (!options.output.html.empty()) {
    write_page(options.output.html, scenario_page(scenario, today()), options.output.json);
  }
  if (options.output.json) {
    print_json(scenario_json(scenario, today()));
  } else if (options.output.html.empty()) {
    std::cout << scenario_text(scenario, today());
  }
}

void add_changes(Command& command, ScenarioOptions& options) {
  command.add_option("--set", options.changes, "id=value, of any quantity of the scenario");
  add_cost_output(command, options.output, true);
}

void add_cost_scenario(Command& app) {
  auto options = std::make_shared<ScenarioOptions>();
  Command* scenario =
      cost_command(app).add_subcommand("scenario", "a business case; without a name, all of them");
  scenario->add_option("name", options->name, "a name under scenarios/, or a file");
  add_changes(*scenario, *options);
  set_example(*scenario, "farthing cost scenario indie-30b --set budget=200000 --html indie.html");
  scenario->callback([options] { scenario_command(*options); });
}

// The same sheet under the name of its question, with the usual quantities as options.
void add_cost_own_or_rent(Command& app) {
  auto options = std::make_shared<ScenarioOptions>();
  options->name = "own-or-rent";
  Command* command = cost_command(app).add_subcommand(
      "own-or-rent", "a busy device-hour owned, rented, committed, on spot; the break-even");
  const auto add = [&](const char* flag, const char* id, const char* words) {
    command->add_option_callback(
        flag,
        [options, id, flag](const std::string& value) {
          options->flagged.push_back(parse_change(id, value, flag));
        },
        words);
  };
  add("--devices", "devices", "devices of the cluster");
  add("--hours", "useful_hours", "device-hours that the run needs");
  add("--device-usd", "device_usd", "price of a bare device");
  add("--rent", "rent", "USD per device-hour, on demand");
  add("--spot", "spot", "USD per device-hour, spot");
  add("--busy", "busy", "hours used of all hours owned, in percent");
  add("--years", "years", "years of service");
  command->add_option("--device", options->device, "its prices from the list: h100-sxm");
  command->add_option("--region", options->region, "us, china: prices of that place")
      ->one_of({"us", "china"});
  add_changes(*command, *options);
  set_example(*command,
              "farthing cost own-or-rent --device h100-sxm --region us --devices 256 "
              "--hours 400000 --years 5");
  command->callback([options] { scenario_command(*options); });
}

const CommandRegistration kCostScenario{add_cost_scenario, kCostOrder};
const CommandRegistration kCostOwnOrRent{add_cost_own_or_rent, kCostOrder};

}  // namespace
}  // namespace farthing
