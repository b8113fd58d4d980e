// select_isa_test.cpp - the environment forces an instruction set; a wrong name is a usage error.
#include "machine/select_isa.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdlib>

#include "base/error.h"

namespace farthing {
namespace {

class SelectIsa : public testing::Test {
 protected:
  void TearDown() override {
    unsetenv("FARTHING_ISA");
    set_isa(best_isa());
  }
};

TEST_F(SelectIsa, TakesTheBestByDefault) {
  unsetenv("FARTHING_ISA");
  EXPECT_EQ(select_isa(), best_isa());
  EXPECT_EQ(current_isa(), best_isa());
}

TEST_F(SelectIsa, TheEnvironmentForcesOne) {
  for (const Isa isa : kAllIsas) {
    if (!cpu_supports(isa)) continue;
    setenv("FARTHING_ISA", std::string(isa_name(isa)).c_str(), 1);
    EXPECT_EQ(select_isa(), isa);
    EXPECT_EQ(current_isa(), isa);
    if (isa == Isa::kAvx2) {
      EXPECT_EQ(hwy::SupportedTargets() & (HWY_AVX3 | HWY_AVX3_DL), 0) << "Highway follows";
    }
  }
}

TEST_F(SelectIsa, AnUnknownNameIsAUsageErrorThatNamesTheChoices) {
  setenv("FARTHING_ISA", "avx1024", 1);
  try {
    select_isa();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kUsage);
    for (const char* word : {"FARTHING_ISA", "avx1024", "ref"}) {
      EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
    }
  }
}

TEST_F(SelectIsa, OneThatTheProcessorLacksIsAUsageError) {
  const auto plain = [](Isa isa) { return isa <= Isa::kAvx2; };
  EXPECT_EQ(wanted_isa("avx2", plain), Isa::kAvx2);
  for (const Isa isa : kAllIsas) {
    if (plain(isa)) continue;
    try {
      wanted_isa(std::string(isa_name(isa)).c_str(), plain);
      FAIL() << "accepted " << isa_name(isa);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kUsage);
      for (const char* part : {"this processor lacks it", "one of ref, avx2"}) {
        EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
      }
    }
    if (cpu_supports(isa)) continue;
    setenv("FARTHING_ISA", std::string(isa_name(isa)).c_str(), 1);
    EXPECT_THROW(select_isa(), Error) << isa_name(isa);
  }
}

TEST(Isa, NamesRoundTrip) {
  for (const Isa isa : kAllIsas) EXPECT_EQ(isa_from_name(isa_name(isa)), isa);
  EXPECT_EQ(isa_from_name("AVX2"), std::nullopt);
}

}  // namespace
}  // namespace farthing
