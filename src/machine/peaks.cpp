// peaks.cpp - the probes behind peaks.h.
#include "machine/peaks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/check.h"
#include "base/error.h"
#include "base/parallel.h"
#include "machine/fma_loop.h"
#include "machine/resident.h"

namespace farthing {
namespace {

constexpr int kProbes = 5;
constexpr int kWarmUpProbes = 10;
constexpr int kMostProbes = 60;

template <class Body>
double seconds_of(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

auto fma_loop(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::kBf16) {
    return current_isa() == Isa::kAmx ? fma_loop_amx : fma_loop_avx512bf16;
  }
  if (arithmetic == Arithmetic::kFp16) return fma_loop_avx512fp16;
  if (current_isa() == Isa::kRef) return fma_loop_plain;
  return current_isa() == Isa::kAvx2 ? fma_loop_avx2 : fma_loop_avx512;
}

// How many rounds take about 20 ms on one thread.
template <class Loop>
std::int64_t rounds_of_a_probe(Loop loop) {
  std::int64_t rounds = 1 << 16;
  float sink = 0;
  double seconds = 0;
  while ((seconds = seconds_of([&] { loop(rounds, sink); })) < 2e-3) rounds *= 2;
  return static_cast<std::int64_t>(double(rounds) * 20e-3 / seconds);
}

// Each thread walks its own stretch of the arrays.
class Arrays {
 public:
  explicit Arrays(std::int64_t count) : a_(count), b_(count), c_(count) {
    each([](std::uint64_t& a, std::uint64_t& b, std::uint64_t& c) { a = b = c = 1; });
  }
  // body(a, b, c) on every element.  Returns the best speed at n_moved bytes an element.
  template <class Body>
  double best_speed(double n_moved, const Body& body) {
    double best = 0;
    for (int probe = 0; probe < kProbes; ++probe) {
      const double seconds = seconds_of([&] { each(body); });
      best = std::max(best, n_moved * double(a_.size()) / seconds);
    }
    return best;
  }
  double best_read_speed() {
    double best = 0;
    for (int probe = 0; probe < kProbes; ++probe) {
      const double seconds = seconds_of([&] {
        for_stretches([&](std::int64_t begin, std::int64_t end) {
          std::uint64_t sum = 0;
          for (std::int64_t i = begin; i < end; ++i) sum += a_[i];
          a_[begin] = sum;
        });
      });
      best = std::max(best, 8.0 * double(a_.size()) / seconds);
    }
    return best;
  }

 private:
  template <class Body>
  void for_stretches(const Body& body) {
    const auto n = static_cast<std::int64_t>(a_.size());
    const int n_threads = num_threads();
    parallel_for(n_threads,
                 [&](int thread) { body(n * thread / n_threads, n * (thread + 1) / n_threads); });
  }
  template <class Body>
  void each(const Body& body) {
    for_stretches([&](std::int64_t begin, std::int64_t end) {
      std::uint64_t *a = a_.data(), *b = b_.data(), *c = c_.data();
      for (std::int64_t i = begin; i < end; ++i) body(a[i], b[i], c[i]);
    });
  }

  std::vector<std::uint64_t> a_, b_, c_;
};

[[noreturn]] void throw_disk_error(const std::string& path, const char* what) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  throw Error(full ? ErrorCode::kOutOfResource : ErrorCode::kBadInput,
              to_string({.where = path,
                         .what = what,
                         .found = std::strerror(errno),
                         .wanted = "a folder with room to write",
                         .hint = "name another folder"}));
}

// A file that is closed and removed with it.
struct ProbeFile {
  std::string path;
  int descriptor;
  explicit ProbeFile(const std::string& folder)
      : path(folder + "/farthing-disk-probe-" + std::to_string(getpid())),
        descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600)) {
    if (descriptor < 0) throw_disk_error(path, "cannot create");
  }
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;
  ~ProbeFile() {
    close(descriptor);
    unlink(path.c_str());
  }
};

}  // namespace

std::string_view arithmetic_name(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kFp32:
      return "fp32";
    case Arithmetic::kBf16:
      return "bf16";
    case Arithmetic::kFp16:
      return "fp16";
  }
  return "unknown";
}

bool has_arithmetic(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kFp32:
      return true;
    case Arithmetic::kBf16:
      return current_isa() == Isa::kAvx512Bf16 || current_isa() == Isa::kAmx;
    case Arithmetic::kFp16:
      return current_isa() == Isa::kAvx512Fp16 || current_isa() == Isa::kAmx;
  }
  return false;
}

Arithmetic arithmetic_of(MatmulFormat format) {
  const bool pairs = format == MatmulFormat::kBf16 || format == MatmulFormat::kFp8;
  if (pairs && has_arithmetic(Arithmetic::kBf16)) return Arithmetic::kBf16;
  const bool scaled = format == MatmulFormat::kFp16 || format == MatmulFormat::kFp8;
  return scaled && has_arithmetic(Arithmetic::kFp16) ? Arithmetic::kFp16 : Arithmetic::kFp32;
}

double measure_peak(Arithmetic arithmetic, int n_threads) {
  CHECK(n_threads >= 1);
  CHECK(n_threads <= num_threads());
  CHECK(has_arithmetic(arithmetic));
  const auto loop = fma_loop(arithmetic);
  const std::int64_t rounds = rounds_of_a_probe(loop);
  std::vector<float> sinks(static_cast<std::size_t>(n_threads) * 16);
  std::vector<double> flops(sinks.size());
  // A scheduler takes its time to give fresh threads a core each, above all beside a busy
  // neighbour: the first probes warm up, and the rest go on until five in a row gain nothing.
  double best = 0;
  int n_without_gain = n_threads > 1 ? -kWarmUpProbes : 0;
  for (int probe = 0; probe < kMostProbes && n_without_gain < kProbes; ++probe) {
    const double seconds = seconds_of([&] {
      parallel_for(n_threads,
                   [&](int thread) { flops[thread * 16] = loop(rounds, sinks[thread * 16]); });
    });
    double total = 0;
    for (const double share : flops) total += share;
    const double speed = total / seconds;
    n_without_gain = speed > best * 1.02 && n_without_gain >= 0 ? 0 : n_without_gain + 1;
    best = std::max(best, speed);
  }
  return best;
}

Bandwidth measure_bandwidth() {
  Arrays arrays(8 << 20);  // 64 MiB each
  Bandwidth best;
  best.read = arrays.best_read_speed();
  best.copy = arrays.best_speed(16, [](auto& a, auto& b, auto&) { a = b; });
  best.triad = arrays.best_speed(24, [](auto& a, auto& b, auto& c) { a = b + (c << 1); });
  return best;
}

DiskSpeed measure_disk(const std::string& folder, std::int64_t bytes) {
  const ProbeFile file(folder);
  std::vector<char> block(1 << 20, 'f');
  const std::int64_t n_blocks = std::max<std::int64_t>(1, bytes >> 20);
  const double total = double(n_blocks << 20);
  DiskSpeed speed;
  speed.write = total / seconds_of([&] {
                  for (std::int64_t i = 0; i < n_blocks; ++i) {
                    if (write(file.descriptor, block.data(), block.size()) != std::ssize(block)) {
                      throw_disk_error(file.path, "cannot write");
                    }
                  }
                  if (fsync(file.descriptor) != 0) throw_disk_error(file.path, "cannot sync");
                });
  posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED);
  lseek(file.descriptor, 0, SEEK_SET);
  speed.read = total / seconds_of([&] {
                 while (read(file.descriptor, block.data(), block.size()) > 0) {
                 }
               });
  return speed;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

MachineInfo measure_machine() {
  MachineInfo info;
  info.cpu_name = cpu_name();
  info.n_cores = available_processors();
  info.isa = current_isa();
  info.memory_bytes = total_memory_bytes();
  for (const Arithmetic arithmetic : kAllArithmetics) {
    if (!has_arithmetic(arithmetic)) continue;
    info.peaks.push_back({std::string(arithmetic_name(arithmetic)), measure_peak(arithmetic, 1),
                          measure_peak(arithmetic, num_threads())});
  }
  info.bandwidth = measure_bandwidth();
  return info;
}

}  // namespace farthing
