// project_file.h - project.toml: what a project spent that no run knows of.
//
//   name = "tiny-moe"        machines = "rented" or "owned"; default: the price book's basis
//   [exchange] CNY = 7.2     for a dollar; needed for amounts in that currency
//   [[people]]               role count months usd_per_month
//   [[hardware]]             name usd count years busy_share cores hours kwh
//                            worn = usd * count * min(1, hours / (years * 8766 * busy_share)), not
//                            stated without years and busy_share;
//                            hours of use by this project: given, or the core-hours of its runs
//                            over cores; kwh of those hours, at the machine, cooling apart
//   [[data]] [[tools]] [[overhead]] [[earlier]]     name usd
//   [[compute]]              name phase purpose device hours usd_per_hour kwh: rented elsewhere
//
// Every entry may have source and date; instead of usd (usd_per_month, usd_per_hour), amount and
// currency.  A section that is absent is "not stated"; one that costs nothing is stated as usd = 0.
// Errors   Error{kBadInput}, every fault with its line: negative or absurd amounts, a currency
//          without a rate, both usd and amount, an amount without currency, a machine used for
//          longer than its life, rented machines with [[hardware]], words for a date, unknown keys.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace farthing {

struct ProjectItem {
  std::string name, source, date;
  double usd = 0;  // in all
};

struct ProjectMachine {
  ProjectItem item;                         // usd: purchase of all of them
  std::optional<double> years, busy_share;  // without both, its wear is not stated
  std::optional<double> cores;              // of all of them
  std::optional<double> hours;              // of use by this project
  std::optional<double> kwh;                // of these hours
};

struct ProjectCompute {
  std::string name, phase = "pre-training", purpose = "final", device, source, date;
  double hours = 0, usd_per_hour = 0;
  std::optional<double> kwh;
};

struct ProjectFile {
  std::string name;
  std::string machines;  // "rented", "owned" or empty
  std::optional<std::vector<ProjectItem>> people, data, tools, overhead, earlier;
  std::vector<ProjectMachine> hardware;
  std::vector<ProjectCompute> compute;
  std::vector<std::pair<std::string, std::string>> dates;  // "hardware.0.date", "2026-05"
};
// One sentence that names the dates after `today` (YYYY-MM-DD); empty: there is none.
std::string future_words(const ProjectFile& file, const std::string& today);

ProjectFile parse_project_file(const std::string& toml, const std::string& where);

}  // namespace farthing
