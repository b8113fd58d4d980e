// project.h - a project's money: every run that ever was, each once, and what project.toml adds.
//
// Runs are found under a folder, at most four levels deep:
//   a folder with events.jsonl    a run, trained here or imported; a simulated one costs nothing,
//                                 and is only mentioned
//   a line of a ledger.jsonl      a run whose folder is gone; the last line of a run holds.  When a
//                                 name's machine time falls, the name was used again: what it had
//                                 before is counted as well
//   [[compute]] of project.toml   machine time rented elsewhere
// A folder reached twice, or copied (the same first event), counts once: the longer copy.
//
//   final run        the runs whose purpose is "final": machine time at the rent
//   iteration tax    machine time of all runs over that of the final ones, in dollars
//
// What is not known is NaN and never zero: without a run, their machine time; of owned machines,
// the energy of hours for which neither a run nor project.toml has it.  A folder that cannot be
// read is a fault in the list and makes the sums "at least".
//
// Cost     one pass over every events.jsonl.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "economics/cost_case.h"
#include "economics/project_file.h"
#include "economics/sheet.h"
#include "ledger/price_book.h"

namespace farthing {

struct ProjectRun {
  std::string name, project, purpose, phase;
  std::string origin;       // "run folder", "ledger line", "project.toml"
  std::string where;        // its folder, or path:line
  std::string device;       // "core", or a device of project.toml or of an imported run
  double hours = 0;         // device-hours
  double usd_per_hour = 0;  // of project.toml or the price list; a core's is the price book's
  std::string price_source = "project.toml";
  double tokens = 0, model_flops = 0;
  std::optional<double> kwh;  // at the machine, without cooling; a core's is estimated when priced
  bool kwh_estimated = false;
  bool is_final() const { return purpose == "final"; }
};

struct DataCard {
  std::string where, licences;
  double tokens = 0;
};

struct ProjectFacts {
  std::string folder;
  ProjectFile file;
  bool has_file = false;
  std::vector<ProjectRun> runs;
  std::vector<DataCard> cards;
  std::vector<std::string> remarks;  // counted once although found twice, ...
  std::vector<std::string> faults;   // what could not be read and is missing from the sums
};

struct ProjectSearch {
  std::string folder;
  std::string project = {};        // only runs of this project, and project.toml if of its name
  std::string prices = "default";  // for the devices of imported runs
  std::function<void(int n_runs)> progress = {};
};

// Errors: Error{kBadInput} where the folder is none, project.toml has faults, nothing is found, or
// nothing in it is of `project`.
ProjectFacts collect_project(const ProjectSearch& search);

struct PhaseCost {
  std::string phase;
  std::map<std::string, double> final_hours, all_hours;  // by device
  std::string final_usd, all_usd;                        // ids of the sheet
};

struct DefinitionCost {
  std::string definition;
  std::string id;                    // of the sheet: the sum of what is stated
  std::vector<std::string> missing;  // names of parts that are in and not stated
};

struct ProjectCost {
  // What the rent includes: its 0 on the sheet is "none", and nobody stated it.
  bool is_in_the_rent(const std::string& part) const {
    return machines_are_rented &&
           (part == "hardware_bought" || part == "hardware_worn" || part == "electricity");
  }
  ProjectFacts facts;
  Sheet sheet;
  std::vector<PhaseCost> phases;  // in order of first use; the canonical three first
  std::vector<DefinitionCost> definitions;
  std::string tax;                             // id of the iteration tax
  std::string no_tax;                          // why it is not stated; else empty
  std::map<std::string, std::string> partial;  // ids of sums that lack a part: of what
  std::vector<std::string> parts;              // ids of the parts, as in Definitions
  bool machines_are_rented = false;
};

ProjectCost price_project(ProjectFacts facts, const PriceBook& book,
                          const Definitions& definitions);

}  // namespace farthing
