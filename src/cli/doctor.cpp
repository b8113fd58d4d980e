// farthing doctor - what this machine is: processor, instruction set, measured peaks, memory, disk.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "machine/energy.h"
#include "machine/peaks.h"
#include "train/precision.h"

namespace farthing {
namespace {

struct DoctorOptions {
  std::string folder = ".";
  int threads = 0;
  bool json = false;
};

struct Diagnosis {
  MachineInfo machine;
  DiskSpeed disk;
  std::string energy_source;
  bool energy_measured;
  PrecisionChoice precision;
};

Diagnosis diagnose(const DoctorOptions& options) {
  const EnergyMeter energy;
  return {measure_machine(), measure_disk(options.folder), energy.source(), energy.is_measured(),
          measured_precision()};
}

Json to_json(const Diagnosis& found, const DoctorOptions& options) {
  const MachineInfo& machine = found.machine;
  Json json{{"cpu", machine.cpu_name},
            {"cores", machine.n_cores},
            {"threads", num_threads()},
            {"isa", std::string(isa_name(machine.isa))},
            {"memory_bytes", machine.memory_bytes}};
  for (const FormatPeak& peak : machine.peaks) {
    json["peak_flops"][peak.format] = {{"one_core", peak.one_core}, {"all", peak.all_cores}};
  }
  json["bandwidth_bytes_per_second"] = {{"read", machine.bandwidth.read},
                                        {"copy", machine.bandwidth.copy},
                                        {"triad", machine.bandwidth.triad}};
  json["disk_bytes_per_second"] = {
      {"folder", options.folder}, {"write", found.disk.write}, {"read", found.disk.read}};
  json["precision_auto"] = {{"takes", found.precision.matmul}, {"why", found.precision.why}};
  json["energy"] = {{"measured", found.energy_measured}, {"source", found.energy_source}};
  return json;
}

std::string giga(double per_second, const char* unit) {
  return fmt::format("{:.1f} G{}", per_second * 1e-9, unit);
}

std::string mega(double per_second) { return fmt::format("{:.0f} MB/s", per_second * 1e-6); }

std::string to_text(const Diagnosis& found, const DoctorOptions& options) {
  const MachineInfo& machine = found.machine;
  std::vector<std::vector<std::string>> rows{
      {"this machine", ""},
      {"processor", machine.cpu_name},
      {"cores, threads used", fmt::format("{}, {}", machine.n_cores, num_threads())},
      {"instruction set", std::string(isa_name(machine.isa))},
      {"memory", format_bytes(double(machine.memory_bytes))}};
  for (const FormatPeak& peak : machine.peaks) {
    rows.push_back({peak.format + " peak, one core", giga(peak.one_core, "FLOP/s")});
    rows.push_back({fmt::format("{} peak, {} threads", peak.format, num_threads()),
                    giga(peak.all_cores, "FLOP/s")});
  }
  rows.push_back({"memory read", giga(machine.bandwidth.read, "B/s")});
  rows.push_back({"memory copy", giga(machine.bandwidth.copy, "B/s")});
  rows.push_back({"memory triad", giga(machine.bandwidth.triad, "B/s")});
  rows.push_back({"disk write at " + options.folder, mega(found.disk.write)});
  rows.push_back({"disk read at " + options.folder, mega(found.disk.read)});
  rows.push_back({"energy", found.energy_source});
  rows.push_back({"precision auto takes", found.precision.matmul});
  rows.push_back({"", found.precision.why});
  return format_table(rows);
}

void doctor_command(const DoctorOptions& options) {
  apply_threads(options.threads);
  const Diagnosis found = diagnose(options);
  if (options.json) {
    print_json(to_json(found, options));
  } else {
    std::cout << to_text(found, options)
              << "Peaks and speeds are measured now, best of five or more; a busy neighbour lowers "
                 "them.\n";
  }
}

void add_doctor_command(Command& app) {
  auto options = std::make_shared<DoctorOptions>();
  Command* doctor = app.add_subcommand("doctor", "what this machine is, measured");
  doctor->add_option("--folder", options->folder, "where the disk is measured");
  add_threads_option(*doctor, options->threads);
  add_json_flag(*doctor, options->json);
  set_example(*doctor, "farthing doctor --json");
  doctor->callback([options] { doctor_command(*options); });
}

const CommandRegistration kDoctor{add_doctor_command, 10};

}  // namespace
}  // namespace farthing
