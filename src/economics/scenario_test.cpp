// scenario_test.cpp - the shipped scenarios, the reader's complaints, cash and ranges.
#include "economics/scenario.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/share.h"
#include "economics/budget.h"
#include "economics/claims.h"
#include "economics/scenario_device.h"

namespace farthing {
namespace {

const PriceList& prices() {
  static const PriceList list =
      load_price_list(std::string(FARTHING_SOURCE_DIR) + "/prices/default.toml");
  return list;
}

Scenario shipped(const std::string& name, const std::vector<ScenarioChange>& changes = {},
                 const std::vector<std::string>& absent = {}) {
  set_share_folder(FARTHING_SOURCE_DIR);  // the articles' figures
  return load_scenario(std::string(FARTHING_SOURCE_DIR) + "/scenarios/" + name + ".toml", prices(),
                       changes, absent);
}

std::string complaint_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.message;
  }
  return "no complaint";
}

const std::string kHead = "[scenario]\ntitle = \"T\"\nabout = \"A\"\nanswers = [\"total\"]\n";
const std::string kHours =
    "[[given]]\nid = \"hours\"\nlabel = \"hours\"\nunit = \"h\"\nvalue = 10\nlow = 5\nhigh = 20\n"
    "source = \"s\"\n";
const std::string kRent =
    "[[given]]\nid = \"rent\"\nlabel = \"rent\"\nunit = \"USD/h\"\nvalue = 2\ndate = \"2024-01\"\n"
    "source = \"s\"\n";
const std::string kTotal =
    "[[formula]]\nid = \"total\"\nlabel = \"total\"\nunit = \"USD\"\nis = \"hours * rent\"\n";

Scenario parse(const std::string& toml, const std::vector<ScenarioChange>& changes = {}) {
  return parse_scenario(toml, "t.toml", prices(), changes);
}

std::string complaint(const std::string& toml, const std::vector<ScenarioChange>& changes = {}) {
  try {
    parse(toml, changes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, changes.empty() ? ErrorCode::kBadInput : ErrorCode::kUsage);
    return error.message;
  }
  return "no complaint";
}

void expect_complaint(const std::string& toml, const std::string& words) {
  const std::string message = complaint(toml);
  EXPECT_NE(message.find(words), std::string::npos) << message;
}

// What a source published of a quantity stands as it was published; whether the sum holds is told.
TEST(Scenario, EveryShippedOneStandsBesideThePublishedFigures) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const auto names = list_shared("scenarios", ".toml");
  ASSERT_GE(names.size(), 13u);
  for (const auto& name : names) {
    const Scenario scenario = shipped(name);
    EXPECT_FALSE(scenario.checks.empty()) << name;
    for (const CheckResult& result : run_checks(scenario)) {
      EXPECT_TRUE(std::isfinite(result.off)) << name << " " << result.figure->of;
      EXPECT_FALSE(result.figure->source.empty()) << name << " " << result.figure->of;
    }
    for (const auto& id : scenario.answers) {
      EXPECT_TRUE(std::isfinite(scenario.sheet.value(id))) << name << " " << id;
    }
    EXPECT_FALSE(scenario_text(scenario, "2026-11").empty());
  }
}

// Its verdict is that of cost claims, where the scenario has the claim's own inputs.
TEST(Scenario, AnArticlesFigureStandsAsStatedAndIsJudgedAsAClaim) {
  set_share_folder(FARTHING_SOURCE_DIR);
  std::map<std::string, std::string> verdicts;  // by line
  for (const char* name : {"own-or-rent", "indie-year", "own-cluster-us", "preemptible"}) {
    const Scenario scenario = shipped(name);
    for (const CheckResult& result : run_checks(scenario)) {
      verdicts[std::string(name) + "/" + result.figure->of] =
          format_figure(result.figure->stated, "") + ": " + sum_words(result.off);
    }
  }
  EXPECT_EQ(verdicts.at("own-or-rent/breakeven_device"), "40: off by 32 %");
  EXPECT_EQ(verdicts.at("own-or-rent/useful_months"), "2: off by 7 %");
  EXPECT_EQ(verdicts.at("own-or-rent/reference_run"), "5.576M: exact");
  EXPECT_EQ(verdicts.at("indie-year/half_pay"), "670,000: off by 11 %");
  EXPECT_EQ(verdicts.at("indie-year/stated_low"), "5.5M to 7M: off by 9 %");
  EXPECT_EQ(verdicts.at("indie-year/funds_low"), "5M to 7M: off by 20 %");
  EXPECT_EQ(verdicts.at("own-cluster-us/kwh_usd"), "0.15: off by 45 %");
  EXPECT_EQ(verdicts.at("preemptible/least_usd"), "5M to 6M: off by 16 %");
  expect_complaint(
      kHead + kHours + kRent + kTotal + "[[check]]\nof = \"total\"\nclaim = \"no.such\"\n",
      "a row of claims/article_costs.csv");
}

TEST(Scenario, APagesSlidersKeepToWhatCanBe) {
  const std::string html = to_html(scenario_page(shipped("own-or-rent"), "2026-11-25"));
  const auto slider = [&](const std::string& id) {
    const std::size_t at = html.find("data-slider=\"" + id + "\"");
    return html.substr(at, html.find('>', at) - at);
  };
  EXPECT_NE(slider("devices").find("step=\"1\""), std::string::npos) << slider("devices");
  EXPECT_NE(slider("server_factor").find("min=\"1\""), std::string::npos);
  EXPECT_NE(slider("rent").find("step=\"any\""), std::string::npos);
}

// The number of an attribute of a slider.
double attribute(const std::string& slider, const std::string& name) {
  const std::size_t at = slider.find(" " + name + "=\"");
  return at == std::string::npos ? NAN : std::stod(slider.substr(at + name.size() + 3));
}

TEST(Scenario, NoEndOfASliderTakesANumberAway) {
  set_share_folder(FARTHING_SOURCE_DIR);
  int n_sliders = 0;
  for (const auto& name : list_shared("scenarios", ".toml")) {
    const Scenario scenario = shipped(name);
    const std::string html = to_html(scenario_page(scenario, "2026-11-25"));
    for (const SheetLine& line : scenario.sheet.lines()) {
      const std::size_t at = html.find("data-slider=\"" + line.id + "\"");
      if (at == std::string::npos) continue;
      const std::string slider = html.substr(at, html.find('>', at) - at);
      ++n_sliders;
      for (const char* end : {"min", "max"}) {
        const double value = attribute(slider, end);
        for (const auto& [id, found] : scenario.sheet.values_with({{line.id, value}})) {
          EXPECT_TRUE(std::isfinite(found) || !std::isfinite(scenario.sheet.value(id)))
              << name << ": " << line.id << " = " << value << " for " << id;
        }
      }
    }
  }
  EXPECT_GT(n_sliders, 100);
  const auto most = [](const char* name, const char* change) {
    return complaint_of([&] { shipped(name, {parse_change(change)}); });
  };
  EXPECT_NE(most("own-or-rent", "network_share=100").find("0 to 90 %"), std::string::npos);
}

TEST(Scenario, AZeroOfSpotIsRefusedAsOneOfRent) {
  for (const char* change : {"spot=0", "rent=0"}) {
    const std::string words = complaint_of([&] { shipped("own-or-rent", {parse_change(change)}); });
    EXPECT_NE(words.find("found 0, wanted above 0"), std::string::npos) << change << words;
  }
}

TEST(Scenario, ADeviceBringsItsOwnDrawAndNoOthersSpotPrice) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const auto with = [](const std::string& device) {
    const DeviceCase found = device_case(device, "", prices(), prices(), false);
    Scenario scenario = shipped("own-or-rent", found.changes, found.absent);
    scenario.remarks = found.remarks;
    scenario.remarks.push_back(still_of_h100(scenario, device, found.changes));
    return scenario;
  };
  const Scenario gaming = with("rtx-4090");
  // 450 W x 0.76 x 1.15 / (0.94 x 0.95), as the owned hour of a budget.
  EXPECT_NEAR(gaming.sheet.value("kilowatts"), 0.44042, 1e-4);
  EXPECT_EQ(gaming.sheet.find("spot"), nullptr);
  EXPECT_EQ(gaming.sheet.find("spot_run"), nullptr);
  const std::string text = scenario_text(gaming, "2026-11");
  EXPECT_EQ(text.find("2.46"), std::string::npos);
  EXPECT_EQ(text.find("the run on spot"), std::string::npos);
  EXPECT_NE(text.find("No spot price of rtx-4090 in the list"), std::string::npos);
  EXPECT_NE(text.find("Still of nodes of eight H100 or H800, not of rtx-4090: server"),
            std::string::npos);
  const std::string html = to_html(scenario_page(gaming, "2026-11-25"));
  EXPECT_NE(html.find("No spot price of rtx-4090 in the list"), std::string::npos);
  const Scenario amd = with("mi300x");
  EXPECT_NEAR(amd.sheet.value("kilowatts"), 0.44042 * 750 / 450, 1e-4);
  EXPECT_EQ(amd.sheet.value("spot"), prices().at({.item = "mi300x", .kind = "spot"}).value);
  EXPECT_GT(amd.sheet.value("spot_run"), 0);
  EXPECT_TRUE(with("h100-sxm").remarks.back().empty());
}

// What the owned hour of a budget counts, at its PUE, electricity and years, is this sheet's part.
TEST(Scenario, TheNarrowOwnedHourIsThatOfABudget) {
  set_share_folder(FARTHING_SOURCE_DIR);
  for (const char* device : {"rtx-4090", "h100-sxm", "mi300x"}) {
    Sheet own;
    for (auto& line : own_device_hour(device, "us", prices(), prices())) own.add(line);
    own.finish("own");
    const DeviceCase found = device_case(device, "us", prices(), prices(), false);
    std::vector<ScenarioChange> changes = found.changes;
    for (const auto& [id, of] : {std::pair{"pue", "own_pue"},
                                 {"kwh_usd", "own_kwh"},
                                 {"years", "own_life"},
                                 {"maintenance", "own_repairs"},
                                 {"busy", "own_busy"},
                                 {"server_factor", "own_server"}}) {
      changes.push_back({.id = id, .value = own.value(of)});
    }
    const Scenario scenario = shipped("own-or-rent", changes, found.absent);
    EXPECT_NEAR(scenario.sheet.value("narrow_hour"), own.value("own_hour"), 1e-9) << device;
  }
}

// 35,400 is a 72nd of a rack, its servers in it: the network alone is to be added.
TEST(Scenario, APriceThatIncludesTheServerIsNotMultipliedByIt) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const double cluster = 35400 / (1 - 0.19);
  Sheet own;
  for (auto& line : own_device_hour("gb200-nvl72", "us", prices(), prices())) own.add(line);
  own.finish("own");
  EXPECT_NEAR(own.value("own_cluster"), cluster, 1e-6);
  EXPECT_EQ(own.at("own_device").label, "owned: a device and its server");
  EXPECT_EQ(own.find("own_server"), nullptr);
  const DeviceCase rack = device_case("gb200-nvl72", "us", prices(), prices(), false);
  const Scenario scenario = shipped("own-or-rent", rack.changes, rack.absent);
  EXPECT_NEAR(scenario.sheet.value("cluster_usd") / 2048, cluster, 1e-6);
  const std::string text = scenario_text(scenario, "2026-11");
  EXPECT_NE(text.find("device_usd: device and its server"), std::string::npos);
  EXPECT_NE(text.find("The price of a device includes its server"), std::string::npos);
  EXPECT_EQ(text.find("Of the bare device alone"), std::string::npos);
}

TEST(Scenario, WhatNoClusterIsIsRefusedOrWarnedOf) {
  const auto refused = [](const char* change) {
    try {
      shipped("own-or-rent", {parse_change(change)});
    } catch (const Error& error) {
      return error.message;
    }
    return std::string();
  };
  EXPECT_NE(refused("devices=0.5").find("a whole number, 1 to"), std::string::npos);
  EXPECT_NE(refused("busy=0.7").find("70 % is written 70"), std::string::npos);
  EXPECT_NE(refused("years=500").find("0.5 to 20 years"), std::string::npos);
  EXPECT_NE(refused("server_factor=0.1").find("1 to 10"), std::string::npos);
  const auto says = [](const char* change, const char* words) {
    std::string all;
    for (const auto& line : spoken(shipped("own-or-rent", {parse_change(change)}))) all += line;
    return all.find(words) != std::string::npos;
  };
  EXPECT_TRUE(says("spot=50", "Warning: spot at $50.00/h is dearer"));
  EXPECT_TRUE(says("useful_hours=7e8", "Warning: the run takes"));
  EXPECT_FALSE(says("rent=3.4", "Warning"));
}

// Only spot capacity is taken back by the market; failing hardware costs every way.
TEST(Scenario, OnDemandAndOwnedHoursDoNotPayForSpotsInterruptions) {
  const Sheet calm = shipped("own-or-rent", {{.id = "reclaim", .value = 5}}).sheet;
  const Sheet wild = shipped("own-or-rent", {{.id = "reclaim", .value = 60}}).sheet;
  for (const char* way : {"own_run", "rent_run", "committed_run"}) {
    EXPECT_EQ(calm.value(way), wild.value(way)) << way;
  }
  EXPECT_LT(calm.value("spot_run"), wild.value("spot_run"));
  const Sheet frail = shipped("own-or-rent", {{.id = "failed_share", .value = 10}}).sheet;
  const Sheet sound = shipped("own-or-rent", {{.id = "failed_share", .value = 0}}).sheet;
  for (const char* way : {"own_run", "rent_run", "committed_run", "spot_run"}) {
    EXPECT_NEAR(sound.value(way) / frail.value(way), 0.9, 1e-9) << way;
  }
}

// The levers, one at a time, that would bring V3 to a million.
TEST(Scenario, OneMillionIsReachedByWhatItSaysWouldDo) {
  const Sheet sheet = shipped("one-million").sheet;
  for (const auto& [lever, wanted] : {std::pair{"yearly", "yearly_needed"},
                                      {"years", "years_needed"},
                                      {"recipe", "recipe_needed"},
                                      {"int4", "int4_needed"}}) {
    EXPECT_NEAR(sheet.value_with("run_usd", {{lever, sheet.value(wanted)}}), 1e6, 1) << lever;
  }
}

TEST(Scenario, TheStartUpsIncomeIsItsRevenueAndServingIsPaid) {
  const Scenario scenario = shipped("start-up");
  const auto months = cash_months(scenario);
  double revenue = 0, serving = 0;
  for (const CashMonth& month : months) revenue += month.flows[0], serving -= month.flows[1];
  EXPECT_EQ(scenario.flows[0].label, "revenue");
  EXPECT_EQ(scenario.flows[1].label, "serving");
  EXPECT_NEAR(100 * (1 - serving / revenue), scenario.sheet.value("gross_margin"), 1e-9);
  EXPECT_NE(answers_table(scenario).rows[3][2].find("under the value"), std::string::npos);
  const auto lines = least_words(cash_months(shipped("indie-year")));
  EXPECT_EQ(lines.at(0), "At the end of a month the purse holds at least -$540,000.");
  EXPECT_EQ(lines.at(1), "It is empty first in month 9.");
}

TEST(Scenario, BreakEvenOfBareDevicesServersAndNetwork) {
  const Sheet& sheet = shipped("own-or-rent").sheet;
  EXPECT_EQ(std::lround(sheet.value("breakeven_device")), 27);
  EXPECT_EQ(std::lround(sheet.value("breakeven_server")), 45);
  EXPECT_EQ(std::lround(sheet.value("breakeven_cluster")), 55);
  EXPECT_EQ(std::lround(sheet.value("breakeven_reference")), 96);
  // At the break-even utilisation an owned hour costs what a rented one does.
  const double even = sheet.value("break_even");
  EXPECT_NEAR(sheet.value_with("own_busy_hour", {{"busy", even}}), sheet.value("rent"), 1e-9);
}

TEST(Scenario, StoragePeopleAndCoolingAreOfTheClustersSize) {
  const Sheet whole = shipped("own-or-rent").sheet;
  const Sheet part = shipped("own-or-rent", {{.id = "devices", .value = 256}}).sheet;
  EXPECT_NEAR(part.value("people_hour"), whole.value("people_hour"), 1e-12);
  EXPECT_NEAR(part.value("depreciation_hour"), whole.value("depreciation_hour"), 1e-12);
  EXPECT_NEAR(part.value("liquid_saving"), whole.value("liquid_saving"), 1e-6);
  EXPECT_NEAR(part.value("runs_to_repay_liquid"), whole.value("runs_to_repay_liquid") / 8, 1e-9);
}

TEST(Scenario, ACommittedPriceOfTheListStandsBeforeADiscount) {
  const Sheet& discount = shipped("own-or-rent").sheet;
  EXPECT_NEAR(discount.value("committed_hour"), 3.5 * 0.44 / 0.7, 1e-9);
  const Sheet listed = shipped("own-or-rent", {{.id = "committed", .value = 2.59}}).sheet;
  EXPECT_NEAR(listed.value("committed_hour"), 2.59 / 0.7, 1e-9);
}

TEST(Scenario, AnotherCaseIsNotHeldAgainstWhatWasPublished) {
  EXPECT_FALSE(run_checks(shipped("own-or-rent")).empty());
  const Scenario changed = shipped("own-or-rent", {{.id = "devices", .value = 256}});
  EXPECT_TRUE(run_checks(changed).empty());
  EXPECT_NE(scenario_text(changed, "2026-11").find(kNotTheirCase), std::string::npos);
  const std::string html = to_html(scenario_page(changed, "2026-11-25"));
  EXPECT_NE(html.find(kNotTheirCase), std::string::npos);
  EXPECT_EQ(html.find("off by {"), std::string::npos);
  EXPECT_THROW(shipped("own-or-rent", {{.id = "useful_hours", .value = 1e30}}), Error);
}

TEST(Scenario, NoRentBelowTheRunningCostsIsEverBeaten) {
  const Scenario scenario = shipped("own-or-rent", {{.id = "rent", .value = 0.05}});
  EXPECT_TRUE(std::isinf(scenario.sheet.value("break_even")));
  bool said = false;
  for (const auto& line : spoken(scenario)) said |= line.find("never pays") != std::string::npos;
  EXPECT_TRUE(said);
}

TEST(Scenario, InterruptionsStretchAsDalySays) {
  // Few interruptions: sqrt(2 c / M) + R / M to first order.
  const Sheet& sheet = shipped("spot", {{.id = "reclaim", .value = 0.5}}).sheet;
  const double between = sheet.value("between");
  const double first_order = std::sqrt(2 / 60.0 / between) + 0.5 / between;
  EXPECT_NEAR(sheet.value("stretch") - 1, first_order, 0.02 * first_order);
}

TEST(Scenario, CashFlowsByMonthAndEndsWhereTheSheetDoes) {
  for (const char* name : {"indie-year", "start-up"}) {
    const Scenario scenario = shipped(name);
    const auto months = cash_months(scenario);
    ASSERT_EQ(static_cast<int>(months.size()), scenario.n_months);
    double sum = months.front().balance - months.front().net;
    for (const CashMonth& month : months) {
      double flows = 0;
      for (const double flow : month.flows) flows += flow;
      EXPECT_DOUBLE_EQ(flows, month.net);
      sum += month.net;
      EXPECT_NEAR(month.balance, sum, 1e-6);
    }
    EXPECT_NEAR(months.back().balance, scenario.sheet.value("end_balance"), 1) << name;
  }
}

TEST(Scenario, LikelyRangesLieWithinTheExtremesAndRepeat) {
  const Scenario scenario = parse(kHead + kHours + kRent + kTotal);
  const auto likely = likely_ranges(scenario);
  const SheetRange extremes = *scenario.sheet.range("total");
  EXPECT_EQ(extremes.low, 10);
  EXPECT_EQ(extremes.high, 40);
  // Triangular on 5, 10, 20: P10 = 5 + sqrt(0.1 * 75), P90 = 20 - sqrt(0.1 * 150), in dollars * 2.
  EXPECT_NEAR(likely.at("total").low, 2 * (5 + std::sqrt(7.5)), 0.6);
  EXPECT_NEAR(likely.at("total").high, 2 * (20 - std::sqrt(15.0)), 0.9);
  EXPECT_EQ(likely_ranges(scenario).at("total").low, likely.at("total").low);
}

TEST(Scenario, APriceOfTheListBringsItsDateAndRange) {
  const Scenario scenario = parse(kHead + kHours +
                                  "[[given]]\nid = \"rent\"\nlabel = \"rent\"\nunit = \"USD/h\"\n"
                                  "price = \"h100-sxm/on-demand\"\n" +
                                  kTotal);
  const PriceEntry& entry = prices().at({.item = "h100-sxm", .kind = "on-demand"});
  EXPECT_EQ(scenario.sheet.value("rent"), entry.value);
  EXPECT_EQ(scenario.sheet.at("rent").date, entry.date);
  EXPECT_EQ(scenario.sheet.at("rent").high, entry.high);
}

TEST(Scenario, HostileFilesAreRefusedWithTheirLine) {
  expect_complaint(kHead + kHours + kTotal, "the name rent");
  expect_complaint(kHead + kHours + kRent + kTotal + "[[chart]]\nid = \"c\"\n", "chart.0.");
  expect_complaint(kHead + kHours + kRent +
                       "[[formula]]\nid = \"total\"\nlabel = \"t\"\n"
                       "is = \"hours * \"\n",
                   "total");
  expect_complaint(kHead + kHours + kRent + kTotal + "[oops]\nx = 1\n", "oops");
  std::string text = kHead + kHours + kRent + kTotal;
  text.replace(text.find("value = 10"), 10, "value = -1");
  expect_complaint(text, "t.toml:");
  text = kHead + kHours + kRent + kTotal;
  text.replace(text.find("date = \"2024-01\"\n"), 17, "");
  expect_complaint(text, "given.1.date");
  text = kHead + kHours + kRent + kTotal;
  text.replace(text.find("value = 2\n"), 10, "");
  expect_complaint(text, "a number, a price, or not_stated");
  expect_complaint(kHead + kHours +
                       "[[given]]\nid = \"rent\"\nlabel = \"rent\"\nunit = \"USD/h\"\n"
                       "price = \"h100-sxm/lottery\"\n" +
                       kTotal,
                   "h100-sxm");
  expect_complaint(kHead + kHours + kRent + kTotal + "[[say]]\ntext = \"{totl}\"\n",
                   "did you mean total?");
  expect_complaint(kHead + kHours + kRent + kTotal + "[[say]]\ntext = \"{\"\n", "the name");
}

TEST(Scenario, AShareAboveAHundredPercentIsAbsurd) {
  expect_complaint(kHead + kRent +
                       "[[given]]\nid = \"hours\"\nlabel = \"x\"\nunit = \"%\"\n"
                       "value = 120\nsource = \"s\"\n" +
                       kTotal,
                   "120");
}

TEST(Scenario, MixedCurrenciesNeedARate) {
  const std::string yuan =
      "[[given]]\nid = \"hours\"\nlabel = \"h\"\nunit = \"CNY/h\"\nvalue = 3\nsource = \"s\"\n";
  expect_complaint(kHead + yuan + kRent + kTotal, "mixed currencies");
  const std::string rate =
      "[[given]]\nid = \"rate\"\nlabel = \"r\"\nunit = \"CNY/USD\"\nvalue = 7\nsource = \"s\"\n";
  EXPECT_EQ(complaint(kHead + yuan + rate + kRent + kTotal), "no complaint");
}

TEST(Scenario, ChangesAreCheckedAndTakeTheRangeAway) {
  const Scenario scenario = parse(kHead + kHours + kRent + kTotal, {parse_change("hours=7")});
  EXPECT_EQ(scenario.sheet.value("total"), 14);
  EXPECT_EQ(scenario.sheet.range("total")->low, 14);
  for (const char* bad : {"hours=-1", "hours=1e40", "total=3", "huors=3"}) {
    EXPECT_NE(complaint(kHead + kHours + kRent + kTotal, {parse_change(bad)}), "no complaint")
        << bad;
  }
  for (const char* bad : {"hours", "hours=", "hours=x", "hours=nan", "=3 "}) {
    EXPECT_THROW(parse_change(bad), Error) << bad;
  }
}

TEST(Scenario, OldPricesAreNamed) {
  const Scenario scenario = parse(kHead + kHours + kRent + kTotal);
  EXPECT_TRUE(stale_prices(scenario, "2024-12").empty());
  ASSERT_EQ(stale_prices(scenario, "2026-11").size(), 1u);
  EXPECT_NE(stale_prices(scenario, "2026-11")[0].find("2024-01"), std::string::npos);
  ASSERT_EQ(stale_prices(scenario, "2022-11").size(), 1u);
  EXPECT_NE(stale_prices(scenario, "2022-11")[0].find("2024-01, a date to come"),
            std::string::npos);
}

TEST(Scenario, JsonAndPageCarryTheAnswers) {
  const Scenario scenario = shipped("indie-30b");
  const Json json = scenario_json(scenario, "2026-11");
  EXPECT_NEAR(json["answers"]["hours"]["value"].get<double>(), 50556, 1);
  EXPECT_LT(json["answers"]["hours"]["p10"], json["answers"]["hours"]["p90"]);
  const std::string html = to_html(scenario_page(scenario, "2026-11-25"));
  EXPECT_NE(html.find("data-slider=\"spot\""), std::string::npos);
  const std::string start_up = to_html(scenario_page(shipped("start-up"), "2026-11-25"));
  EXPECT_NE(start_up.find("545 %"), std::string::npos);
  EXPECT_NE(start_up.find("nine or more draws in ten"), std::string::npos);
}

}  // namespace
}  // namespace farthing
