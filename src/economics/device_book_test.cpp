// device_book_test.cpp - devices are priced as devices, cores as cores.
#include "economics/device_book.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "config/share.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

TEST(DeviceBook, ADeviceHasItsOwnRentMachinePowerAndElectricity) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const PriceBook h800 = load_run_book({.device = "h800"});
  EXPECT_EQ(h800.rent.unit, "USD per h800-hour");
  EXPECT_DOUBLE_EQ(h800.rent.value, 3.42);
  EXPECT_DOUBLE_EQ(h800.power.value, 700);
  EXPECT_EQ(h800.machine_cores, 1);
  EXPECT_TRUE(std::isnan(h800.machine.value));  // own-or-rent counts what owning takes
  EXPECT_DOUBLE_EQ(h800.electricity.value, 0.0826);
  EXPECT_DOUBLE_EQ(load_run_book({.device = "h800", .rent = 2.0}).rent.value, 2);
  EXPECT_DOUBLE_EQ(load_run_book({}).rent.value, 0.04);
  EXPECT_TRUE(std::isnan(load_run_book({.device = "not stated"}).rent.value));  // not a core's
  EXPECT_DOUBLE_EQ(load_run_book({.device = "not stated", .rent = 2.0}).rent.value, 2);
}

TEST(DeviceBook, TheSitesPueAndRegionAreTakenAndSaid) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const RunSite site{.cluster = "theirs",
                     .region = "china",
                     .pue = 1.1,
                     .pue_date = "2025-01",
                     .pue_source = "their meter",
                     .pue_confidence = "measured"};
  const PriceBook there = load_run_book({.device = "h800", .site = site});
  EXPECT_DOUBLE_EQ(there.electricity.value, 0.08);
  EXPECT_NE(there.electricity.source.find("region: china"), std::string::npos);
  EXPECT_DOUBLE_EQ(there.cooling.value, 1.1);
  EXPECT_EQ(there.cooling.source, "site theirs: their meter");
  const PriceBook nowhere = load_run_book({.device = "h800"});
  EXPECT_DOUBLE_EQ(nowhere.cooling.value, load_price_book("default").cooling.value);
  EXPECT_NE(nowhere.cooling.source.find("states none"), std::string::npos);
  EXPECT_NE(nowhere.electricity.source.find("not stated"), std::string::npos);
}

TEST(DeviceBook, AListWithoutABookServesDevicesAndWhatItLacksIsSaid) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const TestFolder folder;
  write_file_atomically(folder.file("p.toml"),
                        "[[price]]\nitem = \"h800-sxm\"\nkind = \"on-demand\"\nvalue = 1.5\n"
                        "unit = \"USD/h\"\ndate = \"2026-11\"\nsource = \"an offer\"\n");
  const PriceBook mine = load_run_book({.prices = folder.file("p.toml"), .device = "h800"});
  EXPECT_DOUBLE_EQ(mine.rent.value, 1.5);
  EXPECT_DOUBLE_EQ(mine.power.value, 700);  // watts and electricity are not that list's matter
  EXPECT_DOUBLE_EQ(mine.electricity.value, 0.0826);
  EXPECT_DOUBLE_EQ(mine.cooling.value, load_price_book("default").cooling.value);
  EXPECT_THROW(load_run_book({.prices = folder.file("p.toml"), .device = "b200"}), Error);
}

TEST(DeviceBook, WhatWattsOfABookGaveIsNoMeasurement) {
  const Json from_watts = {{"origin", "trained"}, {"joules", 5}, {"joules_estimated", true}};
  EXPECT_EQ(kept_joules(from_watts), std::nullopt);
  EXPECT_EQ(kept_joules({{"joules", 5}, {"joules_estimated", false}}), 5);
  EXPECT_EQ(kept_joules({{"origin", "simulated"}, {"joules", 5}, {"joules_estimated", true}}), 5);
  EXPECT_EQ(kept_joules(Json::parse(R"({"energy": {"kwh": 2, "basis": "estimated"}})")), 7.2e6);
  EXPECT_EQ(kept_joules(Json::parse(R"({"energy": {"kwh": "not stated"}})")), std::nullopt);
}

TEST(DeviceBook, AListAloneIsRefusedForCoresInOneLine) {
  const std::string list =
      "[[price]]\nitem = \"h100\"\nkind = \"spot\"\nvalue = 2\nunit = \"USD/h\"\n"
      "date = \"2026-06\"\nsource = \"s\"\n";
  try {
    parse_price_book(list, "list.toml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("list.toml: no price of a core-hour: found [[price]] entries "
                                 "alone"),
              std::string::npos)
        << error.message;
  }
}

}  // namespace
}  // namespace farthing
