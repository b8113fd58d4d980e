// price_list_test.cpp - prices by date and place; what a hostile list is told.
#include "economics/price_list.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ledger/price_book.h"

namespace farthing {
namespace {

std::string price(const std::string& body) {
  return "[[price]]\nitem = \"h100\"\nkind = \"spot\"\ndate = \"2025-06\"\nsource = \"s\"\n" +
         body + "\n";
}

std::string fault_of_list(const std::string& toml) {
  try {
    parse_price_list(toml, "p.toml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "";
}

TEST(PriceList, TheShippedListAndItsCoreHourBookAreOneFile) {
  const std::string path = std::string(FARTHING_SOURCE_DIR) + "/prices/default.toml";
  const PriceList list = load_price_list(path);
  EXPECT_GT(list.entries.size(), 60u);
  EXPECT_EQ(list.at({"h100-sxm", "on-demand", "", "2025-06"}).value, 3.62);
  EXPECT_EQ(list.at({"h100-sxm", "on-demand"}).value, 2.95);
  EXPECT_EQ(list.at({"h100-sxm", "on-demand", "", "2020"}).value, 4.76);  // the earliest there is
  EXPECT_EQ(list.at({"electricity", "industrial", "us"}).value, 0.0826);
  EXPECT_EQ(list.at({"electricity", "industrial", "china"}).value, 0.08);
  EXPECT_NEAR(list.at({"a800-sxm", "on-demand", "china"}).value, 2 / 7.2, 1e-12);
  EXPECT_EQ(list.at({"a800-sxm", "on-demand", "us"}).value, 0.87);
  EXPECT_EQ(list.history("h100-sxm", "on-demand").size(), 4u);
  EXPECT_EQ(load_price_book(path).rent.value, 0.04);
}

TEST(PriceList, OnlyPricesInMoneyGrowStale) {
  const PriceList list = parse_price_list(price("value = 2.4\nunit = \"USD/h\""), "p.toml");
  EXPECT_FALSE(staleness(list.entries[0], "2026-11-25"));
  EXPECT_EQ(*staleness(list.entries[0], "2027-06-15"),
            "h100 spot: price of 2025-06, 24 months old");
  EXPECT_EQ(*staleness(list.entries[0], "2024-01"), "h100 spot: price of 2025-06, a date to come");
  std::string watts = price("value = 700\nunit = \"W\"");
  watts.replace(watts.find("spot"), 4, "tdp");
  EXPECT_FALSE(staleness(parse_price_list(watts, "p.toml").entries[0], "2040"));
}

TEST(PriceList, APurchaseMayIncludeTheServer) {
  std::string rack = price("value = 35400\nunit = \"USD\"\nincludes = \"server\"");
  rack.replace(rack.find("spot"), 4, "buy");
  const PriceEntry entry = parse_price_list(rack, "p.toml").entries[0];
  EXPECT_TRUE(entry.includes_server());
  EXPECT_NE(describe(entry).find("server included"), std::string::npos);
  rack.replace(rack.find("server"), 6, "people");
  EXPECT_NE(fault_of_list(rack).find("includes"), std::string::npos);
  EXPECT_NE(fault_of_list(price("value = 2\nunit = \"USD/h\"\nincludes = \"server\""))
                .find("a price of kind \"buy\""),
            std::string::npos);
}

TEST(PriceList, AKindOfPriceHasItsUnit) {
  EXPECT_NE(fault_of_list(price("value = 20\nunit = \"USD/month\""))
                .find("found \"USD/month\", wanted USD/h for a price of kind spot"),
            std::string::npos);
  EXPECT_NE(fault_of_list(price("value = 20\nunit = \"USD\"")).find("wanted USD/h"),
            std::string::npos);
  EXPECT_EQ(fault_of_list(price("value = 20\nunit = \"USD/xyz\"")).find("unknown key"),
            std::string::npos);
}

TEST(PriceList, HostileListsAreToldOneClearThing) {
  EXPECT_EQ(fault_of_list(price("value = -1\nunit = \"USD/h\"")),
            "p.toml:6: price.0.value: found -1, wanted 0 to 1000");
  EXPECT_EQ(fault_of_list(price("value = 1e9\nunit = \"USD/h\"")),
            "p.toml:6: price.0.value: found 1000000000, wanted 0 to 1000");
  EXPECT_EQ(fault_of_list(price("value = 14\nunit = \"CNY/h\"")),
            "p.toml:2: mixed currencies: found CNY/h, wanted USD (or a [[price]] with item = "
            "\"exchange\" "
            "and unit = \"CNY/USD\")");
  EXPECT_EQ(fault_of_list(price("value = 2\nlow = 3\nunit = \"USD/h\"")),
            "p.toml:6: price.0.value: found 2 outside 3 to 2, wanted low <= value <= high");
  EXPECT_NE(fault_of_list(price("value = 2\nunit = \"USD/fortnight\"")).find("USD/kWh"),
            std::string::npos);
  EXPECT_EQ(
      fault_of_list(price("value = 2\nunit = \"USD/h\"") + price("value = 3\nunit = \"USD/h\"")),
      "p.toml:9: price of h100 spot: found it twice for 2025-06, wanted it once (p.toml:2)");
  EXPECT_NE(fault_of_list("[[price]]\nitem = \"a\"\nvalue = 1\n"), "");
  EXPECT_NE(fault_of_list(price("value = nan\nunit = \"USD/h\"")), "");
  EXPECT_NE(
      fault_of_list(
          "[[price]]\nitem = \"a\"\ndate = \"June\"\nsource = \"s\"\nvalue = 1\nunit = \"USD\"\n")
          .find("YYYY"),
      std::string::npos);
  EXPECT_NE(fault_of_list("price = 3\n").find("wanted an array"), std::string::npos);
  EXPECT_NE(fault_of_list(price("value = 0.5\nunit = \"x\"\nconfidence = \"sure\"")), "");
}

TEST(PriceList, WhatIsSaidToBeEighteenMonthsOldIsNotOlder) {
  EXPECT_EQ(date_warning("2025-05", "2026-11-25"), std::nullopt);  // 18.3, shown as 18
  EXPECT_EQ(date_warning("2025-04", "2026-11-25"), "2025-04, 19 months old");
}

TEST(PriceList, AMissingPriceNamesWhatIsNear) {
  const PriceList list = parse_price_list(price("value = 2.4\nunit = \"USD/h\""), "p.toml");
  try {
    list.at({"h10", "spot"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message, "p: no price of h10 spot (did you mean h100?)");
  }
  EXPECT_THROW(list.at({"h100", "buy"}), Error);
}

}  // namespace
}  // namespace farthing
