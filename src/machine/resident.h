// resident.h - how much memory of the machine this process holds.
#pragma once
#include <cstdint>

namespace farthing {

// From /proc/self/status: VmHWM (the most so far) and VmRSS (now).  0 where there is no such file.
std::int64_t peak_resident_bytes();
std::int64_t current_resident_bytes();
// Of those now resident, pages of mapped files (token files, the program itself): VmRSS has them,
// but the kernel can drop them at any time.
std::int64_t mapped_bytes();
// All memory of the machine, or of this process's cgroup where that is less.
std::int64_t total_memory_bytes();

}  // namespace farthing
