// resident.cpp - reads the kernel's own bookkeeping.
#include "machine/resident.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>

namespace farthing {
namespace {

// "VmHWM:     1234 kB"
std::int64_t kilobyte_line(const char* path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name)) continue;
    const auto digit = line.find_first_of("0123456789");
    return digit == std::string::npos ? 0 : std::stoll(line.substr(digit)) * 1024;
  }
  return 0;
}

}  // namespace

std::int64_t peak_resident_bytes() { return kilobyte_line("/proc/self/status", "VmHWM:"); }

std::int64_t current_resident_bytes() { return kilobyte_line("/proc/self/status", "VmRSS:"); }

std::int64_t mapped_bytes() { return kilobyte_line("/proc/self/status", "RssFile:"); }

std::int64_t total_memory_bytes() {
  const std::int64_t machine = kilobyte_line("/proc/meminfo", "MemTotal:");
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  std::int64_t cgroup = 0;
  return limit >> cgroup ? std::min(machine, cgroup) : machine;
}

}  // namespace farthing
