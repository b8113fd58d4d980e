// settings_test.cpp - arrays of tables and of values, read element by element.
#include "config/settings.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace farthing {
namespace {

constexpr const char* kBook =
    "[[price]]\nitem = \"h100\"\nusd = 2\n\n[[price]]\nitem = \"h800\"\nyears = [3, 4]\n";

std::string fault_of(Settings& settings) {
  try {
    settings.finish();
  } catch (const Error& error) {
    return error.message;
  }
  return "";
}

TEST(Settings, ReadsAnArrayOfTablesElementByElement) {
  Settings settings(kBook, "book.toml");
  ASSERT_EQ(settings.count("price"), 2u);
  std::string first, second;
  double usd = 0, years = 0;
  settings.read("price.0.item", first, {});
  settings.read("price.0.usd", usd, {});
  settings.read("price.1.item", second, {});
  ASSERT_EQ(settings.count("price.1.years"), 2u);
  settings.read("price.1.years.0", years, {});
  settings.read("price.1.years.1", years, {});
  EXPECT_EQ(first + second, "h100h800");
  EXPECT_EQ(usd, 2);
  EXPECT_EQ(years, 4);
  EXPECT_EQ(fault_of(settings), "");
}

TEST(Settings, AnUnreadElementIsAFaultWithItsLine) {
  Settings settings(kBook, "book.toml");
  settings.count("price");
  std::string item;
  settings.read("price.0.item", item, {});
  settings.read("price.1.item", item, {});
  settings.skip_section("price.1.years");
  const std::string fault = fault_of(settings);
  EXPECT_NE(fault.find("book.toml:3: unknown key price.0.usd"), std::string::npos) << fault;
  EXPECT_EQ(fault.find('\n'), std::string::npos) << fault;
}

TEST(Settings, AnArrayThatNobodyKnowsIsOneFault) {
  Settings settings(kBook, "book.toml");
  EXPECT_EQ(fault_of(settings), "book.toml:1: unknown key price");
}

TEST(Settings, AnArrayIsNotANumberAndANumberIsNotAnArray) {
  Settings settings("a = [1, 2]\nb = 3\n", "book.toml");
  double a = 0;
  settings.read("a", a, {});
  EXPECT_EQ(settings.count("b"), 0u);
  EXPECT_EQ(settings.count("c"), 0u);
  EXPECT_EQ(
      fault_of(settings),
      "book.toml:1: a: found an array, wanted a number\nbook.toml:2: b: found 3, wanted an array");
}

}  // namespace
}  // namespace farthing
