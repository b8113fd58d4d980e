// precision_test.cpp - what auto takes, what it remembers, what a recipe's words mean.
#include "train/precision.h"
#include "kernels/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace farthing {
namespace {

TEST(Precision, AutoTakesALowerOneOnlyWhenItIsWorthIt) {
  EXPECT_EQ(choose_precision({{"fp32", 100}, {"fp16", 90}, {"bf16", 109}}).matmul, "fp32");
  EXPECT_EQ(choose_precision({{"fp32", 100}, {"fp16", 90}, {"bf16", 190}}).matmul, "bf16");
  EXPECT_EQ(choose_precision({{"fp32", 100}, {"fp16", 170}, {"bf16", 180}}).matmul, "fp16");
}

TEST(Precision, TheHeadTakesTilesWhereFp16AloneIsFast) {
  const Isa before = current_isa();
  PrecisionRecipe precision;
  precision.matmul = "fp8";
  for (const Isa isa : kAllIsas) {
    if (!cpu_supports(isa)) continue;
    set_isa(isa);
    const bool tiles = isa == Isa::kAvx512Fp16;
    const MatmulFormat expected = tiles ? MatmulFormat::kFp16 : MatmulFormat::kBf16;
    EXPECT_EQ(matmul_of(precision).head, expected) << isa_name(isa);
    EXPECT_EQ(matmul_of(precision).attention, expected) << isa_name(isa);
  }
  set_isa(before);
}

TEST(Precision, TheHeadIsAsAskedFor) {
  PrecisionRecipe precision;
  EXPECT_EQ(matmul_of(precision).head, MatmulFormat::kFp32);
  precision.matmul = "fp8";
  EXPECT_EQ(matmul_of(precision).format, MatmulFormat::kFp8);
  precision.head = "bf16";
  precision.attention = "fp16";
  EXPECT_EQ(matmul_of(precision).head, MatmulFormat::kBf16);
  EXPECT_EQ(matmul_of(precision).attention, MatmulFormat::kFp16);
  precision.attention = "fp32";
  EXPECT_EQ(matmul_of(precision).attention, MatmulFormat::kFp32);
  precision.power_of_two_scales = false;
  precision.head = "fp32";
  EXPECT_EQ(matmul_of(precision).format, MatmulFormat::kFp8FloatScale);
  EXPECT_EQ(matmul_of(precision).head, MatmulFormat::kFp32);
}

// The user's cache folder is elsewhere for the length of a test.
struct OtherCache {
  std::filesystem::path path;
  OtherCache() {
    std::string name = (std::filesystem::temp_directory_path() / "farthing-cache-XXXXXX").string();
    path = mkdtemp(name.data());
    setenv("XDG_CACHE_HOME", path.c_str(), 1);
  }
  OtherCache(const OtherCache&) = delete;
  OtherCache& operator=(const OtherCache&) = delete;
  ~OtherCache() {
    unsetenv("XDG_CACHE_HOME");
    std::filesystem::remove_all(path);
  }
};

TEST(Precision, AMeasurementIsKeptAndADamagedOrOlderOneMadeAgain) {
  const OtherCache cache;
  const PrecisionChoice first = measured_precision();
  EXPECT_FALSE(first.from_cache);
  EXPECT_EQ(first.rates.size(), 3u);
  const PrecisionChoice second = measured_precision();
  EXPECT_TRUE(second.from_cache);
  EXPECT_EQ(second.matmul, first.matmul);
  for (const auto& entry : std::filesystem::directory_iterator(cache.path / "farthing")) {
    Json older = read_json(entry.path().string());
    older["kernels"] = older.at("kernels").get<int>() - 1;
    std::ofstream(entry.path()) << older.dump();
  }
  EXPECT_FALSE(measured_precision().from_cache);
  EXPECT_TRUE(measured_precision().from_cache);
  for (const auto& entry : std::filesystem::directory_iterator(cache.path / "farthing")) {
    std::ofstream(entry.path()) << "{\"flops_per_second\": {\"fp32\": -1}}";
  }
  EXPECT_FALSE(measured_precision().from_cache);
  std::filesystem::permissions(cache.path / "farthing", std::filesystem::perms::none);
  EXPECT_FALSE(measured_precision().matmul.empty());  // readable or not
  std::filesystem::permissions(cache.path / "farthing", std::filesystem::perms::owner_all);
}

TEST(Precision, AutoIsReplacedInTheRecipe) {
  const OtherCache cache;
  Recipe recipe;
  recipe.precision.matmul = "auto";
  PrecisionChoice choice;
  EXPECT_EQ(with_precision(recipe, &choice).precision.matmul, choice.matmul);
  EXPECT_FALSE(choice.why.empty());
}

}  // namespace
}  // namespace farthing
