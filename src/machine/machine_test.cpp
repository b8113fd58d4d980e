// machine_test.cpp - peaks are plausible and scale with the work, the meters move the right way.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/arena.h"
#include "base/error.h"
#include "base/parallel.h"
#include "machine/energy.h"
#include "machine/fma_loop.h"
#include "machine/peaks.h"
#include "machine/resident.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

struct TemporaryFolder {
  fs::path path;
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "farthing-machine-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~TemporaryFolder() { fs::remove_all(path); }
};

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

// The loops behind the peak do the work that they count: a chain that began at i has come to
// 1 + (i - 1) * 0.999^n after n rounds, and every lane of every chain counts two FLOPs a round.
TEST(Peaks, LoopsDoTheWorkTheyCount) {
  struct Loop {
    Isa isa;
    double (*run)(std::int64_t, float&);
    int n_chains, n_lanes;
  };
  const std::int64_t n_rounds = 500;
  for (const Loop& loop :
       {Loop{Isa::kRef, fma_loop_plain, 32, 1}, Loop{Isa::kAvx2, fma_loop_avx2, 12, 8},
        Loop{Isa::kAvx512, fma_loop_avx512, 20, 16}}) {
    if (!cpu_supports(loop.isa)) continue;
    float sum = 0;
    EXPECT_EQ(loop.run(n_rounds, sum), 2.0 * loop.n_chains * loop.n_lanes * n_rounds);
    double wanted = 0;
    for (int i = 0; i < loop.n_chains; ++i) wanted += 1 + (i - 1) * std::pow(0.999, n_rounds);
    EXPECT_NEAR(sum, wanted, 1e-4 * wanted) << loop.n_lanes;
  }
}

// A chain of BF16 pairs that began at i has come to i + n / 512 after n rounds, exactly.
TEST(Peaks, TheLoopOfBf16PairsDoesTheWorkItCounts) {
  if (!cpu_supports(Isa::kAvx512Bf16)) GTEST_SKIP() << "this processor has no vdpbf16ps";
  float sum = 0;
  EXPECT_EQ(fma_loop_avx512bf16(512, sum), 4.0 * 20 * 16 * 512);
  EXPECT_EQ(sum, 20 * 19 / 2 + 20);
}

TEST(Peaks, TheLoopOfTilesDoesTheWorkItCounts) {
  if (!cpu_supports(Isa::kAmx)) GTEST_SKIP() << "this processor has no AMX, or may not use it";
  float sum = 0;
  EXPECT_EQ(fma_loop_amx(64, sum), 4.0 * 16 * 16 * 32 * 2 * 64);
  EXPECT_EQ(sum, 4 * 64.0 / 32);
}

TEST(Peaks, TheLoopOfFp16DoesTheWorkItCounts) {
  if (!cpu_supports(Isa::kAvx512Fp16)) GTEST_SKIP() << "this processor has no FP16 arithmetic";
  float sum = 0;
  EXPECT_EQ(fma_loop_avx512fp16(500, sum), 2.0 * 20 * 32 * 500);
  EXPECT_NEAR(sum, 20, 0.1);
}

TEST(Peaks, EveryInstructionSetIsMeasured) {
  const Isa before = current_isa();
  for (const Isa isa : kAllIsas) {
    if (!cpu_supports(isa)) continue;
    set_isa(isa);
    EXPECT_GT(measure_fp32_peak(1), 1e8);
    EXPECT_LT(measure_fp32_peak(1), 1e13);
    for (const Arithmetic arithmetic : kAllArithmetics) {
      if (!has_arithmetic(arithmetic)) continue;
      EXPECT_GT(measure_peak(arithmetic, 1), 1e8);
    }
  }
  set_isa(before);
}

TEST(Peaks, BandwidthIsPositiveAndBelowAnyMemory) {
  const Bandwidth bandwidth = measure_bandwidth();
  for (const double speed : {bandwidth.read, bandwidth.copy, bandwidth.triad}) {
    EXPECT_GT(speed, 1e8);
    EXPECT_LT(speed, 1e13);
  }
}

TEST(Disk, WritesReadsAndLeavesNothing) {
  const TemporaryFolder folder;
  const DiskSpeed speed = measure_disk(folder.path, 4 << 20);
  EXPECT_GT(speed.write, 1e5);
  EXPECT_GT(speed.read, 1e5);
  EXPECT_TRUE(fs::is_empty(folder.path));
}

TEST(Disk, AMissingFolderIsBadInput) {
  try {
    measure_disk("/nonexistent/folder");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("/nonexistent/folder"), std::string::npos);
  }
}

TEST(Resident, SeesABlockComeAndGo) {
  constexpr std::int64_t kBytes = 64 << 20;
  const std::int64_t before = current_resident_bytes();
  {
    Arena arena(kBytes);  // straight from the system and back: a sanitizer's heap would keep it
    const std::span<char> block = arena.array<char>(kBytes);
    std::fill(block.begin(), block.end(), char{1});
    EXPECT_GE(current_resident_bytes(), before + kBytes * 9 / 10);
  }
  EXPECT_LT(current_resident_bytes(), before + kBytes / 2);
  EXPECT_GE(peak_resident_bytes(), before + kBytes * 9 / 10);
  EXPECT_GT(total_memory_bytes(), peak_resident_bytes());
}

void burn_cpu() {
  volatile double sink = 1;
  for (int i = 0; i < 20'000'000; ++i) sink = sink * 1.0000001;
}

TEST(Energy, TheModelCountsBusySeconds) {
  EnergyMeter meter(10, "/nonexistent");
  EXPECT_FALSE(meter.is_measured());
  EXPECT_EQ(meter.source(), "estimate, 10 W per busy core");
  const double idle = meter.joules();
  burn_cpu();
  EXPECT_GT(meter.joules(), idle + 10 * 1e-3);
}

TEST(Energy, RaplPackagesAreSummedAndWrap) {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, const char* value) {
    write_text(folder.path / name / "energy_uj", value);
    write_text(folder.path / name / "max_energy_range_uj", "10000000");
  };
  write("intel-rapl:0", "9000000");
  write("intel-rapl:1", "1000000");
  write("intel-rapl:0:0", "0");  // a part of package 0
  EnergyMeter meter(10, folder.path);
  EXPECT_TRUE(meter.is_measured());
  EXPECT_EQ(meter.source(), "RAPL, 2 packages");
  EXPECT_EQ(meter.joules(), 0);
  write("intel-rapl:0:0", "5000000");
  write("intel-rapl:0", "1000000");  // wrapped: 2 J
  write("intel-rapl:1", "4000000");  // 3 J
  EXPECT_NEAR(meter.joules(), 5, 1e-9);
  EXPECT_NEAR(meter.joules(), 5, 1e-9);
}

}  // namespace
}  // namespace farthing
