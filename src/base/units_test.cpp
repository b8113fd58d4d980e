// units_test.cpp - how quantities read, at the edges where rounding could mislead.
#include "base/units.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace farthing {
namespace {

TEST(Units, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(5.35e9), "5.35 GB");
  EXPECT_EQ(format_bytes(999.6e6), "1.00 GB");
  EXPECT_EQ(format_bytes(3e18), "3000 PB");
}

TEST(Units, Counts) {
  EXPECT_EQ(format_count(831), "831");
  EXPECT_EQ(format_count(12.4e6), "12.4M");
  EXPECT_EQ(format_count(671026419200.0), "671.03B");
  EXPECT_EQ(format_count(14.8e12), "14.80T");
  EXPECT_EQ(format_count(12345), "12.3k");
  EXPECT_EQ(format_count(999.9e3), "1.00M");
  EXPECT_EQ(format_count(0.0342), "0.034");
  EXPECT_EQ(format_count(2.5), "2.5");
}

TEST(Units, EnergyAndPowerBySize) {
  EXPECT_EQ(format_energy(0), "0 J");
  EXPECT_EQ(format_energy(0.25), "250 mJ");
  EXPECT_EQ(format_energy(3.5e6), "3.50 MJ");
  EXPECT_EQ(format_energy(3.6e6), "1.00 kWh");
  EXPECT_EQ(format_energy(8.856e15), "2.46 TWh");
  EXPECT_EQ(format_watts(7480), "7.48 kW");
  EXPECT_EQ(format_watts(1.91e6), "1.91 MW");
  EXPECT_EQ(format_watts(0.0004), "400 uW");
}

TEST(Units, Seconds) {
  EXPECT_EQ(format_seconds(0), "0 ms");
  EXPECT_EQ(format_seconds(3.2e-6), "3.20 us");
  EXPECT_EQ(format_seconds(0.85), "850 ms");
  EXPECT_EQ(format_seconds(12.34), "12.3 s");
  EXPECT_EQ(format_seconds(59.97), "1 min 00 s");
  EXPECT_EQ(format_seconds(245), "4 min 05 s");
  EXPECT_EQ(format_seconds(3599.7), "1 h 00 min");
  EXPECT_EQ(format_seconds(2 * 3600 + 10 * 60), "2 h 10 min");
  EXPECT_EQ(format_seconds(86400 * 3.25), "3.2 days");
}

TEST(Units, MoneyIsNeverRoundedToNothing) {
  EXPECT_EQ(format_usd(0), "0 USD");
  EXPECT_EQ(format_usd(0.0031), "0.0031 USD");
  EXPECT_EQ(format_usd(0.00000123), "0.0000012 USD");
  EXPECT_EQ(format_usd(0.05), "0.050 USD");
  EXPECT_EQ(format_usd(12.345), "12.35 USD");
  EXPECT_EQ(format_usd(5.576e6), "5.576 million USD");
  EXPECT_EQ(format_usd(1.5e9), "1.50 billion USD");
  EXPECT_EQ(format_usd(-0.0031), "-0.0031 USD");
}

TEST(Units, Rates) {
  EXPECT_EQ(format_rate(12.34), "12.3");
  EXPECT_EQ(format_rate(12345), "12.3k");
  EXPECT_EQ(format_rate(2.5e6), "2.50M");
}

TEST(Units, WhatIsNotANumberReadsAsUnknown) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {infinity, -infinity, std::nan("")}) {
    EXPECT_EQ(format_bytes(value), "unknown");
    EXPECT_EQ(format_count(value), "unknown");
    EXPECT_EQ(format_seconds(value), "unknown");
    EXPECT_EQ(format_usd(value), "unknown");
    EXPECT_EQ(format_rate(value), "unknown");
  }
}

TEST(Units, QuantitiesSplitIntoValueAndUnit) {
  const auto expect = [](const char* text, double value, const char* unit) {
    const Quantity quantity = parse_quantity(text, "--until");
    EXPECT_EQ(quantity.value, value) << text;
    EXPECT_EQ(quantity.unit, unit) << text;
  };
  expect("500steps", 500, "steps");
  expect("2e6tok", 2e6, "tok");
  expect(" 2 h ", 2, "h");
  expect("0.50usd", 0.5, "usd");
  expect("-1", -1, "");
}

TEST(Units, DollarsMayStandInFront) {
  EXPECT_DOUBLE_EQ(parse_as("$1", Dimension::kUsd, "--budget"), 1);
  EXPECT_DOUBLE_EQ(parse_as("$300k", Dimension::kUsd, "--budget"), 3e5);
  EXPECT_THROW(parse_as("$", Dimension::kUsd, "--budget"), Error);
  EXPECT_THROW(parse_as("$5M", Dimension::kSeconds, "--deadline"), Error);
}

TEST(Units, WhatIsNotAQuantityIsBadInput) {
  for (const char* text : {"", "h", "inf", "nan", "1e999tok", "+5", "two"}) {
    try {
      parse_quantity(text, "--until");
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      EXPECT_EQ(error.message.rfind("--until: ", 0), 0u) << error.message;
    }
  }
}

}  // namespace
}  // namespace farthing
