// peaks.h - what this machine can do at most, measured: arithmetic, memory, disk.  Never quoted.
//
// Each is the best of at least five probes (about 20 ms for arithmetic, 50 ms for memory): a
// neighbour can only make a probe slower.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/isa.h"
#include "kernels/matmul_format.h"

namespace farthing {

// Arithmetic that a matrix product may run on.  kBf16: pairs of products into FP32 sums.
enum class Arithmetic { kFp32, kBf16, kFp16 };
inline constexpr Arithmetic kAllArithmetics[] = {Arithmetic::kFp32, Arithmetic::kBf16,
                                                 Arithmetic::kFp16};
std::string_view arithmetic_name(Arithmetic arithmetic);  // "fp32", "bf16", "fp16"
// current_isa() has it: kBf16 with kAvx512Bf16, kFp16 with kAvx512Fp16, both with kAmx.
bool has_arithmetic(Arithmetic arithmetic);
// What products of this format run on with current_isa().
Arithmetic arithmetic_of(MatmulFormat format);

// FLOP/s of independent multiply-adds (two FLOPs each) on n_threads threads, with the vectors or
// tiles of current_isa().  REQUIRES 1 <= n_threads <= num_threads(), has_arithmetic(arithmetic).
double measure_peak(Arithmetic arithmetic, int n_threads);
inline double measure_fp32_peak(int n_threads) {
  return measure_peak(Arithmetic::kFp32, n_threads);
}

// Bytes per second that a loop moves over arrays beyond every cache, on all threads.
struct Bandwidth {
  double read = 0;   // sum of one array
  double copy = 0;   // one read, one written
  double triad = 0;  // a = b + 2 c: two read, one written
};
Bandwidth measure_bandwidth();

// Bytes per second of one file of `bytes` in `folder`: written and synced; read back after the
// cache was asked to forget it.  The file is removed.  Throws Error when the folder cannot be
// written.
struct DiskSpeed {
  double write = 0;
  double read = 0;
};
DiskSpeed measure_disk(const std::string& folder, std::int64_t bytes = 64 << 20);

// A format that this machine cannot be measured in is absent.
struct FormatPeak {
  std::string format;  // as arithmetic_name()
  double one_core = 0;
  double all_cores = 0;
};

struct MachineInfo {
  std::string cpu_name;
  int n_cores = 0;
  Isa isa = Isa::kRef;
  std::int64_t memory_bytes = 0;
  std::vector<FormatPeak> peaks;
  Bandwidth bandwidth;
};
std::string cpu_name();
MachineInfo measure_machine();

}  // namespace farthing
