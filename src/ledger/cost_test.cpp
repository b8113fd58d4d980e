// cost_test.cpp - money by hand, and price books that say where their numbers come from.
#include "ledger/cost.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "config/share.h"

namespace farthing {
namespace {

std::string default_text() { return read_file(FARTHING_SOURCE_DIR "/prices/default.toml"); }
PriceBook default_book() { return parse_price_book(default_text(), "prices/default.toml"); }

std::string refusal(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  try {
    parse_price_book(text, "p.toml");
  } catch (const Error& error) {
    return error.message;
  }
  return "accepted";
}

TEST(PriceBook, DefaultNamesEverySource) {
  const PriceBook book = default_book();
  EXPECT_FALSE(book.is_owned);
  EXPECT_EQ(book.rent.value, 0.04);
  EXPECT_EQ(book.name, "default");
  for (const Price* price :
       {&book.rent, &book.machine, &book.power, &book.cooling, &book.electricity, &book.sterling}) {
    EXPECT_FALSE(price->date.empty());
    EXPECT_GT(price->source.size(), 10u);
  }
  EXPECT_TRUE(describe(book).starts_with("0.04 USD per core-hour, rented, typical on-demand"));
}

TEST(PriceBook, FoundByName) {
  set_share_folder(FARTHING_SOURCE_DIR);
  EXPECT_EQ(load_price_book("default").rent.value, 0.04);
  EXPECT_THROW(load_price_book("defalt"), Error);
  set_share_folder("");
}

TEST(PriceBook, GivenRentOverridesTheBook) {
  std::string text = default_text();
  text.replace(text.find("\"rent\""), 6, "\"own\"");
  EXPECT_TRUE(parse_price_book(text, "p.toml").is_owned);
  const PriceBook book = parse_price_book(text, "p.toml", 0.5);
  EXPECT_FALSE(book.is_owned);
  EXPECT_EQ(book.rent.value, 0.5);
}

TEST(PriceBook, RefusesUnknownMissingAndAbsurd) {
  EXPECT_EQ(refusal(default_text(), "usd_per_kwh = 0.17", "usd_per_kw = 0.17"),
            "p.toml:33: unknown key electricity.usd_per_kw (did you mean electricity.usd_per_kwh?)"
            "\np.toml: electricity.usd_per_kwh: found nothing, wanted a number");
  EXPECT_NE(refusal(default_text(), "pue = 1.58", "pue = 0.5"), "accepted");
  EXPECT_NE(refusal(default_text(), "date = \"2023\"", "confidence = \"rounded\""), "accepted");
  EXPECT_NE(refusal(default_text(), "basis = \"rent\"", "basis = \"stolen\""), "accepted");
  EXPECT_NE(refusal(default_text(), "cores = 16", "cores = 0"), "accepted");
}

TEST(Cost, RentedByTheCoreHour) {
  const Cost cost = cost_of({.seconds = 1800, .cores = 2, .joules = {}}, default_book());
  EXPECT_DOUBLE_EQ(cost.usd, 0.04);
  EXPECT_DOUBLE_EQ(cost.rented_usd, 0.04);
}

TEST(Cost, ElectricityAloneOfMeasuredJoules) {
  const Cost cost = cost_of({.seconds = 10, .cores = 2, .joules = 3.6e6}, default_book());
  EXPECT_DOUBLE_EQ(cost.electricity_usd, 1.58 * 0.17);
  EXPECT_FALSE(cost.joules_estimated);
}

TEST(Cost, UnmeasuredJoulesAreTheMachinesShare) {
  const Cost cost = cost_of({.seconds = 100, .cores = 4, .joules = {}}, default_book());
  EXPECT_TRUE(cost.joules_estimated);
  EXPECT_DOUBLE_EQ(cost.joules, 100 * 160.0 * 4 / 16);
}

TEST(Cost, OwnedIsDepreciationAndElectricity) {
  PriceBook book = default_book();
  book.is_owned = true;
  book.machine.value = 8766;
  book.machine_years = 1;
  book.machine_busy_share = 0.5;
  book.machine_cores = 1;
  const Cost cost = cost_of({.seconds = 3600, .cores = 1, .joules = 3.6e6}, book);
  EXPECT_DOUBLE_EQ(cost.depreciation_usd, 2.0);
  EXPECT_DOUBLE_EQ(cost.usd, 2.0 + 1.58 * 0.17);
  EXPECT_DOUBLE_EQ(cost.owned_usd, cost.usd);
}

TEST(Cost, FarthingsInAPound) { EXPECT_DOUBLE_EQ(usd_to_farthings(1.33, default_book()), 960); }

}  // namespace
}  // namespace farthing
