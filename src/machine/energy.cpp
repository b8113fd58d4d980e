// energy.cpp - reads RAPL's counters, or the process clock.
#include "machine/energy.h"

#include <fmt/format.h>
#include <time.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace farthing {
namespace {

std::optional<double> read_number(const std::string& path) {
  std::ifstream file(path);
  double value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

double process_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

// "intel-rapl:0" is a package; "intel-rapl:0:1" is a part of it, counted already.
bool is_package(const std::string& name) {
  const std::string prefix = "intel-rapl:";
  return name.starts_with(prefix) && name.find(':', prefix.size()) == std::string::npos;
}

}  // namespace

EnergyMeter::EnergyMeter(double watts_per_busy_core, const std::string& powercap_folder)
    : watts_per_busy_core_(watts_per_busy_core), start_cpu_seconds_(process_cpu_seconds()) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(powercap_folder, ignored)) {
    if (!is_package(entry.path().filename())) continue;
    const std::string file = entry.path() / "energy_uj";
    const auto now = read_number(file);
    const auto range = read_number(entry.path() / "max_energy_range_uj");
    if (now && range) packages_.push_back({file, *range, *now, 0});
  }
}

std::string EnergyMeter::source() const {
  if (!is_measured()) return fmt::format("estimate, {} W per busy core", watts_per_busy_core_);
  return fmt::format("RAPL, {} package{}", packages_.size(), packages_.size() == 1 ? "" : "s");
}

double EnergyMeter::joules() {
  if (!is_measured()) return (process_cpu_seconds() - start_cpu_seconds_) * watts_per_busy_core_;
  double total_uj = 0;
  for (Package& package : packages_) {
    if (const auto now = read_number(package.file)) {
      const double step = *now - package.last_uj;
      package.used_uj += step >= 0 ? step : step + package.range_uj;
      package.last_uj = *now;
    }
    total_uj += package.used_uj;
  }
  return total_uj * 1e-6;
}

}  // namespace farthing
