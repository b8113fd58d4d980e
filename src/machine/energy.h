// energy.h - joules used since the meter was made: measured where the machine tells, else modelled.
//
// Measured  RAPL package counters under /sys/class/powercap: the whole package, others included.
// Modelled  watts per busy core times this process's processor seconds: an estimate, marked so.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace farthing {

class EnergyMeter {
 public:
  explicit EnergyMeter(double watts_per_busy_core,
                       const std::string& powercap_folder = "/sys/class/powercap");

  bool is_measured() const { return !packages_.empty(); }
  // "RAPL, 1 package" or "estimate, 10 W per busy core"
  std::string source() const;
  // Since construction.  Call at least once a minute: the counters wrap.
  double joules();

 private:
  struct Package {
    std::string file;
    double range_uj;
    double last_uj;
    double used_uj;
  };
  double watts_per_busy_core_;
  double start_cpu_seconds_;
  std::vector<Package> packages_;
};

}  // namespace farthing
