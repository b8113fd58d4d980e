// farthing doctor - what this machine is: processor, instruction set, measured peaks, memory, disk.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "ledger/cost.h"
#include "ledger/price_book.h"
#include "machine/energy.h"
#include "machine/peaks.h"
#include "machine/resident.h"
#include "plan/machine_model.h"
#include "train/precision.h"
#include "train/probe.h"

namespace farthing {
namespace {

struct DoctorOptions {
  std::string folder = ".";
  int threads = 0;
  bool json = false;
  bool steps = false;
  std::string precision, output;
};

struct Diagnosis {
  MachineInfo machine;
  DiskSpeed disk;
  std::string energy_source;
  bool energy_measured;
  PrecisionChoice precision;
};

// As a receipt estimates it.
double usual_watts_per_core() { return estimated_watts(1, load_price_book("default")); }

Diagnosis diagnose(const DoctorOptions& options) {
  const EnergyMeter energy(usual_watts_per_core());
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

std::string today_text() {
  const auto day = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const std::chrono::year_month_day date{day};
  return fmt::format("{:04}-{:02}-{:02}", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()));
}

MachineRates measured_rates(const std::string& precision) {
  ProgressLine progress;
  const auto times = measure_probes(
      precision, [&](int done, int of) { progress.show_share(done, of, precision + " probes"); });
  std::vector<MachineSample> samples;
  for (const ProbeTime& time : times) {
    const Recipe& recipe = time.recipe;
    samples.push_back({recipe.run.name,
                       machine_work(recipe.model, recipe.data.sequence_length,
                                    recipe.train.batch_tokens, recipe.train.micro_batch),
                       time.seconds});
  }
  return fit_machine(precision, samples);
}

// What the planner may know of this machine, written where --cluster here finds it.
std::string measure_for_plan(const DoctorOptions& options) {
  std::string path = options.output.empty() ? here_path() : options.output;
  if (path.empty()) {
    throw Error{ErrorCode::kUsage, "doctor --steps: no HOME to keep it under; --output FILE"};
  }
  MachineFacts facts;
  facts.program_bytes = static_cast<double>(current_resident_bytes() - mapped_bytes());
  const Diagnosis found = diagnose(options);
  facts.cpu = found.machine.cpu_name;
  facts.isa = std::string(isa_name(found.machine.isa));
  facts.measured_on = today_text();
  facts.threads = num_threads();
  facts.memory_bytes = static_cast<double>(found.machine.memory_bytes);
  facts.fp32_peak_flops = measure_fp32_peak(num_threads());
  facts.watts_per_core = usual_watts_per_core();
  facts.energy_measured = found.energy_measured;
  facts.auto_precision = found.precision.matmul;
  std::vector<std::string> precisions{"fp32"};
  const std::string other = options.precision.empty() ? facts.auto_precision : options.precision;
  if (other != "fp32") precisions.push_back(other);
  for (const std::string& each : precisions) facts.rates.push_back(measured_rates(each));
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) make_folder(parent.string());
  write_file_atomically(path, to_toml(facts));
  return path;
}

void doctor_steps_command(const DoctorOptions& options) {
  const std::string path = measure_for_plan(options);
  const MachineFacts facts = load_machine(path);
  if (options.json) {
    Json json{{"file", path}, {"threads", facts.threads}, {"rates", Json::array()}};
    for (const MachineRates& rates : facts.rates) {
      json["rates"].push_back({{"precision", rates.precision}, {"width", rates.width}});
    }
    return print_json(json);
  }
  for (const MachineRates& rates : facts.rates) {
    std::cout << fmt::format("{}: {} probe models; a left-out one is predicted within {:.1f} %\n",
                             rates.precision, rates.n_probes, 100 * rates.width);
  }
  std::cout << path << ": farthing plan tiny --cluster here\n";
}

void doctor_command(const DoctorOptions& options) {
  apply_threads(options.threads);
  if (options.steps) return doctor_steps_command(options);
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
  doctor->add_flag(
      "--steps", options->steps,
      "time steps of probe models, one to two minutes: what plan --cluster here reads");
  doctor->add_option("--precision", options->precision,
                     "with --steps, beside fp32: bf16 fp16 fp8; default what auto takes");
  doctor->add_option("--output", options->output, "with --steps, instead of the cache folder");
  add_threads_option(*doctor, options->threads);
  add_json_flag(*doctor, options->json);
  set_example(*doctor, "farthing doctor --json");
  doctor->callback([options] { doctor_command(*options); });
}

const CommandRegistration kDoctor{add_doctor_command, 10};

}  // namespace
}  // namespace farthing
