// project_file.cpp - project.toml read through Settings.
#include "economics/project_file.h"

#include <fmt/core.h>

#include "base/calendar.h"
#include "config/settings.h"
#include "economics/price_list.h"

namespace farthing {
namespace {

constexpr double kMost = 1e11;  // dollars; no project has spent more
constexpr double kMostYears = 100;

class ProjectReader {
 public:
  ProjectReader(const std::string& toml, const std::string& where) : settings_(toml, where) {}

  ProjectFile read() {
    ProjectFile file;
    settings_.read("name", file.name, {});
    settings_.read("machines", file.machines, {.words = "rented owned"});
    file.people = section("people", true);
    file.data = section("data", false);
    file.tools = section("tools", false);
    file.overhead = section("overhead", false);
    file.earlier = section("earlier", false);
    for (std::size_t i = 0, n = settings_.count("hardware"); i < n; ++i) {
      file.hardware.push_back(machine(fmt::format("hardware.{}.", i)));
    }
    for (std::size_t i = 0, n = settings_.count("compute"); i < n; ++i) {
      file.compute.push_back(compute(fmt::format("compute.{}.", i)));
    }
    if (file.machines == "rented" && !file.hardware.empty()) {
      settings_.add_fault("machines", "rented, and [[hardware]]", "owned, or no [[hardware]]");
    }
    if (settings_.has("exchange.USD")) {
      settings_.add_fault("exchange.USD", "a rate of the dollar itself", "other currencies");
    }
    settings_.skip_section("exchange");
    settings_.finish();
    file.dates = std::move(dates_);
    return file;
  }

 private:
  // `key` in dollars, or amount in another currency at the file's own rate.
  double money(const std::string& prefix, const std::string& key) {
    double usd = 0, amount = 0;
    std::string currency = "USD";
    settings_.read(prefix + key, usd, {.low = 0, .high = kMost});
    settings_.read(prefix + "amount", amount, {.low = 0, .high = kMost * 1e5});
    settings_.read(prefix + "currency", currency, {});
    const bool has_usd = settings_.has(prefix + key), has_amount = settings_.has(prefix + "amount");
    if (has_usd == has_amount) {
      settings_.add_fault(prefix + key, has_usd ? "two amounts" : "nothing",
                          key + ", or amount and currency");
      return 0;
    }
    if (has_amount && !settings_.has(prefix + "currency")) {
      settings_.add_fault(prefix + "amount", "no currency beside it", "currency = \"CNY\"");
    }
    if (has_usd && currency != "USD") {
      settings_.add_fault(prefix + "currency", currency + " for " + key,
                          "amount = ... for other currencies");
    }
    return has_usd || currency == "USD" ? usd + amount : amount / rate(prefix, currency);
  }
  double rate(const std::string& prefix, const std::string& currency) {
    double rate = 1;
    const std::string path = "exchange." + currency;
    if (!settings_.has(path)) {
      settings_.add_fault(prefix + "currency", "mixed currencies: " + currency,
                          "USD, or a rate under [exchange]",
                          "exchange." + currency + " = units of it for one dollar");
    }
    settings_.read(path, rate, {.low = 1e-6, .high = 1e6});
    return rate;
  }
  double number(const std::string& path, double otherwise, double low, double high) {
    double value = otherwise;
    settings_.read(path, value, {.low = low, .high = high});
    return value;
  }
  void words(const std::string& prefix, std::string& source, std::string& date) {
    settings_.read(prefix + "source", source, {});
    settings_.read(prefix + "date", date, {});
    if (settings_.has(prefix + "date") && !is_date(date)) {
      settings_.add_fault(prefix + "date", "\"" + date + "\"", kDateWanted);
    }
    if (!date.empty()) dates_.push_back({prefix + "date", date});
  }

  std::optional<std::vector<ProjectItem>> section(const std::string& name, bool people) {
    const std::size_t n = settings_.count(name);
    if (n == 0) return std::nullopt;
    std::vector<ProjectItem> items;
    for (std::size_t i = 0; i < n; ++i) {
      const std::string prefix = fmt::format("{}.{}.", name, i);
      ProjectItem item;
      settings_.read(prefix + (people ? "role" : "name"), item.name, {});
      words(prefix, item.source, item.date);
      item.usd = money(prefix, people ? "usd_per_month" : "usd");
      if (people) {
        for (const char* key : {"count", "months"}) {
          if (!settings_.has(prefix + key))
            settings_.add_fault(prefix + key, "nothing", "a number");
        }
        item.usd *= number(prefix + "count", 0, 0, 1e5) * number(prefix + "months", 0, 0, 1200);
      }
      items.push_back(item);
    }
    return items;
  }
  ProjectMachine machine(const std::string& prefix) {
    ProjectMachine machine;
    settings_.read(prefix + "name", machine.item.name, {});
    words(prefix, machine.item.source, machine.item.date);
    machine.item.usd = money(prefix, "usd") * number(prefix + "count", 1, 0, 1e6);
    settings_.read(prefix + "years", machine.years, {.low = 0.05, .high = kMostYears});
    settings_.read(prefix + "busy_share", machine.busy_share, {.low = 0.001, .high = 1});
    settings_.read(prefix + "cores", machine.cores, {.low = 1, .high = 1e9});
    settings_.read(prefix + "hours", machine.hours, {.low = 0, .high = 1e9});
    settings_.read(prefix + "kwh", machine.kwh, {.low = 0, .high = 1e12});
    if (machine.kwh && !machine.hours) {
      settings_.add_fault(prefix + "kwh", "no hours beside it", "hours, of which it is the energy");
    }
    const double life =
        machine.years.value_or(kMostYears) * kHoursPerYear * machine.busy_share.value_or(1);
    if (machine.hours.value_or(0) > life) {
      settings_.add_fault(prefix + "hours", fmt::format("{}", *machine.hours),
                          fmt::format("at most {:.0f}, its years * 8766 * busy_share", life));
    }
    return machine;
  }
  ProjectCompute compute(const std::string& prefix) {
    ProjectCompute compute;
    settings_.read(prefix + "name", compute.name, {});
    settings_.read(prefix + "phase", compute.phase, {});
    settings_.read(prefix + "purpose", compute.purpose,
                   {.words = "experiment final failed data eval"});
    settings_.read(prefix + "device", compute.device, {});
    words(prefix, compute.source, compute.date);
    for (const char* key : {"device", "hours"}) {
      if (!settings_.has(prefix + key)) settings_.add_fault(prefix + key, "nothing", "a value");
    }
    compute.hours = number(prefix + "hours", 0, 0, 1e11);
    compute.usd_per_hour = money(prefix, "usd_per_hour");
    settings_.read(prefix + "kwh", compute.kwh, {.low = 0, .high = 1e12});
    return compute;
  }

  Settings settings_;
  std::vector<std::pair<std::string, std::string>> dates_;
};

}  // namespace

ProjectFile parse_project_file(const std::string& toml, const std::string& where) {
  return ProjectReader(toml, where).read();
}

std::string future_words(const ProjectFile& file, const std::string& today) {
  std::string names;
  for (const auto& [where, date] : file.dates) {
    // "2027" and "2027-03" are after a day of 2026 or of 2027-02.
    if (date <= today.substr(0, date.size())) continue;
    names += fmt::format("{}{} = \"{}\"", names.empty() ? "" : ", ", where, date);
  }
  if (names.empty()) return "";
  return "dates after today, " + today + ", in project.toml: " + names +
         "; what they stand beside is counted as spent";
}

}  // namespace farthing
