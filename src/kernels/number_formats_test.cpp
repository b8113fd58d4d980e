// number_formats_test.cpp - every bit pattern of the small formats, and rounding between
// neighbours.
#include "kernels/number_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace farthing {
namespace {

// The value of a small float by its definition, in double.
double value_by_definition(std::uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits >> (exponent_bits + mantissa_bits)) & 1u ? -1 : 1;
  const int exponent = static_cast<int>((bits >> mantissa_bits) & ((1u << exponent_bits) - 1));
  const double fraction =
      std::ldexp(static_cast<double>(bits & ((1u << mantissa_bits) - 1)), -mantissa_bits);
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias);
  return sign * std::ldexp(1 + fraction, exponent - bias);
}

// Between neighbours low and high (codes c and c + 1): the middle goes to the even code, a step of
// one float to either side of it goes to the nearer.
template <class Code, class Encode, class Decode>
void expect_nearest_even(Code code, Encode encode, Decode decode) {
  const float low = decode(code);
  const float high = decode(static_cast<Code>(code + 1));
  const float middle = low + (high - low) / 2;
  const Code even = (code & 1) == 0 ? code : static_cast<Code>(code + 1);
  ASSERT_EQ(encode(middle), even) << low << " " << high;
  ASSERT_EQ(encode(std::nextafter(middle, low)), code);
  ASSERT_EQ(encode(std::nextafter(middle, high)), static_cast<Code>(code + 1));
}

TEST(NumberFormats, Bf16RoundTripsEveryPattern) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto code = static_cast<std::uint16_t>(bits);
    const float value = from_bf16(code);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_bf16(to_bf16(value))));
    } else {
      ASSERT_EQ(to_bf16(value), code);
    }
  }
}

TEST(NumberFormats, Bf16RoundsToNearestEven) {
  for (std::uint32_t bits = 0x0080; bits < 0x7f7f; ++bits) {
    expect_nearest_even<std::uint16_t>(static_cast<std::uint16_t>(bits), to_bf16, from_bf16);
  }
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()), 0x7f80);  // nearest is infinity
  EXPECT_EQ(to_bf16(-std::numeric_limits<float>::infinity()), 0xff80);
}

TEST(NumberFormats, F16EveryPatternHasItsDefinedValueAndRoundTrips) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto code = static_cast<std::uint16_t>(bits);
    const float value = from_f16(code);
    if ((bits & 0x7c00) == 0x7c00) {
      if ((bits & 0x3ff) == 0) {
        EXPECT_TRUE(std::isinf(value));
        EXPECT_EQ(to_f16(value), code);
      } else {
        EXPECT_TRUE(std::isnan(value));
        EXPECT_TRUE(std::isnan(from_f16(to_f16(value))));
      }
      continue;
    }
    ASSERT_EQ(value, value_by_definition(bits, 5, 10)) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000);
    ASSERT_EQ(to_f16(value), code);
  }
}

TEST(NumberFormats, F16RoundsToNearestEvenAndOverflowsToInfinity) {
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    expect_nearest_even<std::uint16_t>(static_cast<std::uint16_t>(bits), to_f16, from_f16);
  }
  EXPECT_EQ(to_f16(65504.0f), 0x7bff);
  EXPECT_EQ(to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(to_f16(0x1p-25f), 0);  // tie with zero: zero is even
  EXPECT_EQ(to_f16(0x1.8p-25f), 1);
  EXPECT_EQ(to_f16(1e-40f), 0);
}

TEST(NumberFormats, E4m3EveryPatternHasItsDefinedValueAndRoundTrips) {
  for (std::uint32_t bits = 0; bits < 0x100; ++bits) {
    const auto code = static_cast<std::uint8_t>(bits);
    const float value = from_e4m3(code);
    if ((bits & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(from_e4m3(to_e4m3(value))));
      continue;
    }
    ASSERT_EQ(value, value_by_definition(bits, 4, 3)) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x80);
    ASSERT_EQ(to_e4m3(value), code);
  }
}

// model_spec pitfall: saturation, the smallest subnormal and its tie, NaN.
TEST(NumberFormats, E4m3RoundsToNearestEvenAndSaturates) {
  for (std::uint32_t bits = 0; bits < 0x7e; ++bits) {
    expect_nearest_even<std::uint8_t>(static_cast<std::uint8_t>(bits), to_e4m3, from_e4m3);
  }
  EXPECT_EQ(to_e4m3(448.0f), 0x7e);
  EXPECT_EQ(to_e4m3(464.0f), 0x7e);
  EXPECT_EQ(to_e4m3(-1e9f), 0xfe);
  EXPECT_EQ(to_e4m3(std::numeric_limits<float>::infinity()), 0x7e);
  EXPECT_EQ(to_e4m3(0x1p-9f), 0x01);
  EXPECT_EQ(to_e4m3(0x1p-10f), 0x00);
  EXPECT_EQ(to_e4m3(0x1.8p-9f), 0x02);
  EXPECT_EQ(to_e4m3(-0.0f), 0x80);
  EXPECT_EQ(to_e4m3(std::numeric_limits<float>::quiet_NaN()) & 0x7f, 0x7f);
}

TEST(NumberFormats, Ue8m0ScaleIsThePowerOfTwoNotBelow) {
  const auto scale = [](float amax) { return from_ue8m0(ue8m0_scale(amax)); };
  EXPECT_EQ(scale(448.0f), 1.0f);
  EXPECT_EQ(scale(449.0f), 2.0f);
  EXPECT_EQ(scale(1.0f), 0x1p-8f);
  EXPECT_EQ(scale(0.0f), 0x1p-22f);  // clamped at 1e-4
  for (float amax = 1e-4f; amax < 1e30f; amax *= 1.37f) {
    ASSERT_GE(scale(amax), e4m3_scale(amax));
    ASSERT_LT(scale(amax), 2 * e4m3_scale(amax));
  }
}

TEST(NumberFormats, Ue8m0PatternsArePowersOfTwo) {
  for (int bits = 0; bits < 255; ++bits) {
    ASSERT_EQ(from_ue8m0(static_cast<std::uint8_t>(bits)), std::ldexp(1.0, bits - 127));
  }
  EXPECT_TRUE(std::isnan(from_ue8m0(255)));
}

}  // namespace
}  // namespace farthing
