// machine_test.cpp - peaks are plausible and scale with the work, the meters move the right way.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "machine/energy.h"
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

TEST(Peaks, WiderVectorsAreFaster) {
  const Isa before = current_isa();
  set_isa(Isa::kRef);
  const double plain = measure_fp32_peak(1);
  EXPECT_GT(plain, 1e8);
  if (cpu_supports(Isa::kAvx2)) {
    set_isa(Isa::kAvx2);
    EXPECT_GT(measure_fp32_peak(1), 2 * plain);
  }
  set_isa(before);
  EXPECT_LT(measure_fp32_peak(1), 1e13);
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
    std::vector<char> block(kBytes, 1);
    EXPECT_GE(current_resident_bytes(), before + kBytes * 9 / 10 + block[5] - 1);
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
