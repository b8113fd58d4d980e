// project_cost.cpp - a project's facts become a sheet: hours by phase, parts, five definitions.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/calendar.h"
#include "economics/project.h"
#include "ledger/cost.h"

namespace farthing {
namespace {

const char* const kNoPrice = "nobody knows the price of some of the runs' device-hours";
const char* const kNoLife = "no years and busy_share in project.toml";
const char* const kNoEnergy = "nobody stated the energy of the machines' hours (kwh)";

std::string joined(const std::vector<std::string>& ids) {
  std::string formula;
  for (const auto& id : ids) formula += (formula.empty() ? "" : " + ") + id;
  return formula.empty() ? "0" : formula;
}

class ProjectSheet {
 public:
  ProjectSheet(ProjectFacts facts, const PriceBook& book, const Definitions& definitions)
      : book_(book), definitions_(definitions) {
    cost_.facts = std::move(facts);
    owned_ =
        cost_.facts.file.machines.empty() ? book.is_owned : cost_.facts.file.machines == "owned";
    cost_.machines_are_rented = !owned_;
  }

  ProjectCost make() {
    estimate_energy();
    add_prices();
    add_phases();
    add_parts();
    add_definitions();
    cost_.sheet.finish(cost_.facts.folder);
    return std::move(cost_);
  }

 private:
  void input(const std::string& id, const std::string& label, const std::string& unit, double value,
             const std::string& source, bool slider = false) {
    SheetLine line;
    line.id = id, line.label = label, line.unit = unit, line.value = value, line.source = source;
    line.slider = slider && std::isfinite(value);
    cost_.sheet.add(line);
  }
  void formula(const std::string& id, const std::string& label, const std::string& unit,
               const std::string& text) {
    SheetLine line;
    line.id = id, line.label = label, line.unit = unit, line.formula = text;
    cost_.sheet.add(line);
  }

  // As the runs' receipts do: the book's watts for a core where no meter was read.
  void estimate_energy() {
    for (auto& run : cost_.facts.runs) {
      if (run.device != "core" || run.kwh) continue;
      run.kwh = run.hours * estimated_watts(1, book_) / 1000;
      run.kwh_estimated = true;
    }
  }

  void add_prices() {
    const auto source = [](const Price& price) { return price.source + ", " + price.date; };
    input("core_rent", "rent of a core-hour", "USD/core-h", book_.rent.value, source(book_.rent),
          true);
    input("kwh_price", "electricity", "USD/kWh", book_.electricity.value, source(book_.electricity),
          true);
    input("pue", "cooling: all energy over the machines' own (PUE)", "x", book_.cooling.value,
          source(book_.cooling), true);
  }

  std::string phase_id(const std::string& phase) {
    static const std::vector<std::string> kCanonical = {"pre-training", "extension",
                                                        "post-training"};
    const std::string name =
        phase == "context-extension" || phase == "context extension" ? "extension" : phase;
    auto& phases = cost_.phases;
    if (phases.empty()) {
      for (const auto& each : kCanonical) phases.push_back({each, {}, {}, "", ""});
    }
    const auto found = std::find_if(phases.begin(), phases.end(),
                                    [&](const PhaseCost& each) { return each.phase == name; });
    const auto index = found - phases.begin();
    if (found == phases.end()) phases.push_back({name, {}, {}, "", ""});
    return fmt::format("phase{}", index + 1);
  }

  // One line for each device and price.
  std::string rate_of(const std::string& device, double usd_per_hour, const std::string& source) {
    std::string& id = rates_[fmt::format("{} {}", device, usd_per_hour)];
    if (id.empty()) {
      id = fmt::format("rate{}", rates_.size());
      input(id, "rent of " + device, "USD/h", usd_per_hour, source, true);
    }
    return id;
  }

  // Hours by phase, purpose and device, each its own line of the sheet.
  void add_phases() {
    struct Group {
      std::string phase, device, label;
      bool is_final = false;
      double hours = 0, usd_per_hour = 0;
      std::string price_source, origin;
    };
    std::map<std::string, Group> groups;
    std::vector<std::string> order;
    phase_id("pre-training");
    for (const auto& run : cost_.facts.runs) {
      const std::string phase = phase_id(run.phase);
      const std::string key =
          fmt::format("{}{}{}{}", phase, run.is_final(), run.device, run.usd_per_hour);
      Group& group = groups[key];
      if (group.phase.empty()) order.push_back(key);
      group.phase = phase, group.device = run.device, group.is_final = run.is_final();
      group.usd_per_hour = run.usd_per_hour, group.hours += run.hours;
      group.price_source = run.price_source, group.origin = run.origin;
      group.label = fmt::format("{}, {}", run.phase, run.is_final() ? "final run" : "other runs");
      PhaseCost& cost = cost_.phases[static_cast<std::size_t>(std::stoi(phase.substr(5)) - 1)];
      cost.all_hours[run.device] += run.hours;
      if (run.is_final()) cost.final_hours[run.device] += run.hours;
    }
    std::map<std::string, std::vector<std::string>> usd;  // phase + "final" or "other" -> ids
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Group& group = groups[order[i]];
      const std::string hours = fmt::format("hours{}", i + 1), money = fmt::format("usd{}", i + 1);
      const bool core = group.device == "core";
      input(hours, group.label, core ? "core-h" : group.device + "-h", group.hours,
            group.origin == "project.toml" ? group.origin : "the runs' events and ledger lines");
      std::string rate = "core_rent";
      if (!core) rate = rate_of(group.device, group.usd_per_hour, group.price_source);
      formula(money, group.label + " at the rent", "USD", fmt::format("{} * {}", hours, rate));
      if (!core && std::isnan(group.usd_per_hour)) unpriced_.insert(money);
      usd[group.phase + (group.is_final ? "final" : "other")].push_back(money);
      (group.is_final ? final_ : other_).push_back(money);
      if (!core) elsewhere_.push_back(money);
    }
    for (std::size_t i = 0; i < cost_.phases.size(); ++i) {
      const std::string phase = fmt::format("phase{}", i + 1);
      PhaseCost& cost = cost_.phases[i];
      cost.final_usd = phase + "_final", cost.all_usd = phase + "_all";
      std::vector<std::string> ids = usd[phase + "final"];
      sum(cost.final_usd, cost.phase + ", final run", ids);
      const auto& others = usd[phase + "other"];
      ids.insert(ids.end(), others.begin(), others.end());
      sum(cost.all_usd, cost.phase + ", all runs", ids);
    }
  }

  // What is priced; "at least" where some of it is not, not stated where nothing is.
  void sum(const std::string& id, const std::string& label, std::vector<std::string> ids,
           const char* why = kNoPrice, const char* lacks = "of runs without a known price") {
    const auto missing =
        std::erase_if(ids, [&](const std::string& each) { return unpriced_.contains(each); });
    if (missing > 0 && ids.empty()) return input(id, label, "USD", kNotStated, why);
    if (missing > 0) cost_.partial[id] = lacks;
    formula(id, label + (missing > 0 ? ", at least" : ""), "USD", joined(ids));
  }

  // The tax of a part over a part would be no tax.
  void add_tax() {
    cost_.tax = "tax";
    std::string words = "iteration tax: all runs over the final run";
    if (!cost_.facts.faults.empty()) words += ", at least unless a final run is left out";
    if (final_.empty()) cost_.no_tax = "no run has the purpose \"final\"";
    if (!final_.empty() && !unpriced_.empty()) cost_.no_tax = kNoPrice;
    if (!cost_.no_tax.empty()) return input("tax", words, "x", kNotStated, cost_.no_tax);
    formula("tax", words, "x", "all_compute / final_compute");
    Sheet probe = cost_.sheet;
    probe.finish(cost_.facts.folder);
    if (!std::isfinite(probe.value("tax"))) cost_.no_tax = "the final run cost nothing";
  }

  void add_parts() {
    if (final_.empty()) {
      input("final_compute", label("final_compute"), "USD", kNotStated,
            "no run has the purpose \"final\"");
    } else {
      sum("final_compute", label("final_compute"), final_);
    }
    runs("other_compute", label("other_compute"), other_);
    runs("all_compute", "machine time of all runs at the rent", all_ids());
    add_tax();
    const ProjectFile& file = cost_.facts.file;
    items("people", file.people);
    items("data", file.data);
    items("tools", file.tools);
    items("overhead", file.overhead);
    items("earlier_work", file.earlier);
    if (owned_) {
      sum("rented_compute", label("rented_compute"), elsewhere_);
    } else {
      runs("rented_compute", label("rented_compute"), all_ids());
    }
    add_hardware();
  }

  // Where there is no run at all, what runs cost is not known to be nothing.
  void runs(const std::string& id, const std::string& label, const std::vector<std::string>& ids) {
    if (cost_.facts.runs.empty()) return input(id, label, "USD", kNotStated, "no run");
    sum(id, label, ids);
  }

  std::string label(const std::string& part) const { return definitions_.label_of(part); }

  void items(const std::string& part, const std::optional<std::vector<ProjectItem>>& list) {
    if (!list) return input(part, label(part), "USD", kNotStated, "not in project.toml");
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < list->size(); ++i) {
      const ProjectItem& item = (*list)[i];
      ids.push_back(fmt::format("{}_{}", part, i + 1));
      input(ids.back(), item.name.empty() ? part : item.name, "USD", item.usd,
            item.source.empty() ? "project.toml" : "project.toml: " + item.source, true);
    }
    formula(part, label(part), "USD", joined(ids));
  }

  void add_hardware() {
    const auto& hardware = cost_.facts.file.hardware;
    if (!owned_) {
      for (const char* part : {"hardware_bought", "hardware_worn", "electricity"}) {
        input(part, label(part) + ": none, taken as rented", "USD", 0,
              "no machine is owned: it is in the rent");
      }
      return;
    }
    const double core_hours = add_electricity();
    if (hardware.empty()) {
      for (const char* part : {"hardware_bought", "hardware_worn"}) {
        input(part, label(part), "USD", kNotStated, "no [[hardware]] in project.toml");
      }
      return;
    }
    std::vector<std::string> bought, worn;
    for (std::size_t i = 0; i < hardware.size(); ++i) {
      const ProjectMachine& machine = hardware[i];
      const std::string n = std::to_string(i + 1), from = "project.toml " + machine.item.source;
      const double hours = hours_of(machine, core_hours);
      input("machine" + n, machine.item.name, "USD", machine.item.usd, from, true);
      const bool has_life = machine.years && machine.busy_share;
      if (!has_life) unpriced_.insert("worn" + n);
      input("life" + n, "life of " + machine.item.name, "years", machine.years.value_or(kNotStated),
            from, true);
      input("busy" + n, "share of its life in use", "share",
            machine.busy_share.value_or(kNotStated), has_life ? from : kNoLife);
      input("use" + n, "hours that the project used it", "h", hours,
            machine.hours ? from : "core-hours of the runs over its cores");
      formula(
          "worn" + n, "wear of " + machine.item.name, "USD",
          fmt::format("machine{0} * min(1, use{0} / (life{0} * {1} * busy{0}))", n, kHoursPerYear));
      bought.push_back("machine" + n), worn.push_back("worn" + n);
    }
    formula("hardware_bought", label("hardware_bought"), "USD", joined(bought));
    sum("hardware_worn", label("hardware_worn"), worn, kNoLife, "without years and busy_share");
  }

  // The hours of a machine's use: its own, or those of the runs.
  double hours_of(const ProjectMachine& machine, double core_hours) const {
    return machine.hours.value_or(core_hours / cores_of(machine));
  }
  double cores_of(const ProjectMachine& machine) const {
    return machine.cores.value_or(book_.machine_cores);
  }

  // Of the runs' cores and of machines that state their own; returns the runs' core-hours.  Hours
  // of machines beyond the runs' have an energy that nobody stated.
  double add_electricity() {
    double kwh = 0, runs_kwh = 0, core_hours = 0, silent_core_hours = 0;
    bool known = true;
    for (const auto& run : cost_.facts.runs) {
      if (run.device != "core") continue;
      core_hours += run.hours;
      runs_kwh += run.kwh.value_or(0);
      known = known && !run.kwh_estimated;
    }
    const auto& hardware = cost_.facts.file.hardware;
    bool runs_are_in = hardware.empty(), is_stated = core_hours > 0;
    for (const auto& machine : hardware) {
      kwh += machine.kwh.value_or(0);
      if (machine.hours) is_stated = true;
      if (!machine.kwh) runs_are_in = true;
      if (!machine.kwh) silent_core_hours += machine.hours.value_or(0) * cores_of(machine);
    }
    if (runs_are_in) kwh += runs_kwh;
    const bool is_partial = silent_core_hours > core_hours * (1 + 1e-6);
    if (!is_stated || (is_partial && kwh == 0)) {
      input("electricity", label("electricity"), "USD", kNotStated, kNoEnergy);
      return core_hours;
    }
    if (is_partial) cost_.partial["electricity"] = "of hours whose energy is not stated";
    std::string source = runs_are_in && core_hours > 0 ? "measured by the runs" : "project.toml";
    if (runs_are_in && !known) source = "measured where a run has a meter, else the book's watts";
    input("kwh", "energy of owned machines", "kWh", kwh, source);
    formula("electricity", label("electricity") + (is_partial ? ", at least" : ""), "USD",
            "kwh * pue * kwh_price");
    return core_hours;
  }

  std::vector<std::string> all_ids() const {
    std::vector<std::string> ids = final_;
    ids.insert(ids.end(), other_.begin(), other_.end());
    return ids;
  }

  // The sum of the parts that are stated, and the names of those that are not.
  void add_definitions() {
    Sheet probe = cost_.sheet;
    probe.finish(cost_.facts.folder);
    for (const auto& part : definitions_.parts) cost_.parts.push_back(part.id);
    for (const auto& definition : definitions_.definitions) {
      DefinitionCost cost{definition.id, "sum_" + definition.id, {}};
      std::vector<std::string> stated;
      double usd = 0;
      for (const auto& part : definition.parts) {
        if (std::isfinite(probe.value(part))) {
          stated.push_back(part), usd += probe.value(part);
        } else {
          cost.missing.push_back(definitions_.name_of(part));
        }
        if (cost_.partial.contains(part)) {
          cost.missing.push_back(definitions_.name_of(part) + " " + cost_.partial.at(part));
        }
      }
      // "At least nothing" says nothing.
      if (stated.empty() || (usd == 0 && !cost.missing.empty())) {
        input(cost.id, definition.label, "USD", kNotStated, "nothing of it is stated");
      } else {
        const bool partial = !cost.missing.empty() || !cost_.facts.faults.empty();
        formula(cost.id, definition.label + (partial ? ", at least" : ""), "USD", joined(stated));
      }
      cost_.definitions.push_back(cost);
    }
  }

  const PriceBook& book_;
  const Definitions& definitions_;
  ProjectCost cost_;
  bool owned_ = false;
  std::map<std::string, std::string> rates_;
  std::vector<std::string> final_, other_, elsewhere_;  // ids of usd lines
  std::set<std::string> unpriced_;                      // of these, whose rent is not known
};

}  // namespace

ProjectCost price_project(ProjectFacts facts, const PriceBook& book,
                          const Definitions& definitions) {
  return ProjectSheet(std::move(facts), book, definitions).make();
}

}  // namespace farthing
