// sheet_test.cpp - order, ranges and formats of a sheet; the pages' script gives the same numbers.
#include "economics/sheet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "economics/page.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

Sheet run_sheet() {
  Sheet sheet;
  sheet.add({.id = "usd", .label = "run", .unit = "USD", .formula = "hours * price + extra"});
  sheet.add({.id = "hours", .label = "hours", .unit = "GPU-h", .value = 2788000});
  sheet.add({.id = "price", .label = "rent", .unit = "USD/h", .value = 2, .low = 1.5, .high = 3.5});
  sheet.add({.id = "extra", .label = "extra", .unit = "USD", .value = 0, .low = -1000, .high = 0});
  sheet.add({.id = "per_hour", .label = "back", .unit = "USD/h", .formula = "usd / hours"});
  sheet.add({.id = "unknown", .label = "staff", .unit = "USD"});
  sheet.add({.id = "part", .label = "part", .unit = "share", .value = 0.19});
  sheet.add({.id = "all", .label = "all", .unit = "USD", .formula = "usd + unknown"});
  sheet.add({.id = "life",
             .label = "odd",
             .unit = "x",
             .formula = "if(price - 1, max(price, 3) ^ 1.7 / sqrt(7), 0) - ln(hours) + "
                        "log10(price) * exp(-price)"});
  sheet.add({.id = "read",
             .label = "read off",
             .unit = "",
             .formula = "price * known(unknown, 2)",
             .curve = {{0.5, 3}, {2, 2.5}, {4, 2}, {4, 1.5}, {9, 1}}});
  sheet.finish("test");
  return sheet;
}

std::string fault_of(std::vector<SheetLine> lines) {
  Sheet sheet;
  for (auto& line : lines) sheet.add(std::move(line));
  try {
    sheet.finish("s");
  } catch (const Error& error) {
    return error.message;
  }
  return "";
}

TEST(Sheet, EvaluatesInAnyOrderAndLeavesTheUnknownUnknown) {
  const Sheet sheet = run_sheet();
  EXPECT_EQ(sheet.value("usd"), 5.576e6);
  EXPECT_EQ(sheet.value("per_hour"), 2);
  EXPECT_TRUE(std::isnan(sheet.value("all")));
  EXPECT_EQ(sheet.value_with("usd", {{"price", 3.5}}), 9.758e6);
  EXPECT_FALSE(sheet.range("all"));
}

TEST(Sheet, ALineIsReadOffACurve) {
  const Sheet sheet = run_sheet();
  EXPECT_EQ(sheet.value("read"), 1.5);  // the later of two at 4
  EXPECT_EQ(sheet.value_with("read", {{"price", std::sqrt(2.0)}}), 2.25);
  EXPECT_TRUE(std::isnan(sheet.value_with("read", {{"price", 0.2}})));
  EXPECT_TRUE(std::isnan(sheet.value_with("read", {{"price", 5}})));
}

TEST(Sheet, RangeIsExactForAMonotoneFormula) {
  const Sheet sheet = run_sheet();
  EXPECT_EQ(sheet.range("usd")->low, 2788000 * 1.5 - 1000);
  EXPECT_EQ(sheet.range("usd")->high, 2788000 * 3.5);
  const auto swings = sheet.swings("usd");
  ASSERT_EQ(swings.size(), 2u);
  EXPECT_EQ(swings[0].id, "price");
  EXPECT_EQ(sheet.parts_of("per_hour").size(), 5u);
}

TEST(Sheet, RefusesWhatCannotBeCalculated) {
  EXPECT_NE(fault_of({{.id = "a", .label = "", .unit = "", .formula = "b"},
                      {.id = "b", .label = "", .unit = "", .formula = "a"}})
                .find("circle"),
            std::string::npos);
  EXPECT_NE(fault_of({{.id = "price", .label = "", .unit = "", .value = 1},
                      {.id = "b", .label = "", .unit = "", .formula = "prise"}})
                .find("did you mean price"),
            std::string::npos);
  EXPECT_NE(fault_of({{.id = "a", .label = "", .unit = "", .value = 1, .low = 2}}), "");
  EXPECT_NE(fault_of({{.id = "a b", .label = "", .unit = "", .value = 1}}), "");
  EXPECT_NE(fault_of({{.id = "a", .label = "", .unit = ""}, {.id = "a", .label = "", .unit = ""}}),
            "");
}

TEST(Sheet, FiguresReadAsPeopleWriteThem) {
  EXPECT_EQ(format_figure(5.576e6, "USD"), "$5.576M");
  EXPECT_EQ(format_figure(87072, "USD"), "$87,072");
  EXPECT_EQ(format_figure(0.0031, "USD"), "$0.0031");
  EXPECT_EQ(format_figure(7.42e-5, "USD"), "$0.0000742");
  EXPECT_EQ(format_figure(1e-5, "USD"), "$0.00001");
  EXPECT_EQ(format_figure(0.0826, "USD/kWh"), "$0.0826/kWh");
  EXPECT_EQ(format_figure(0.5, "USD"), "$0.50");
  EXPECT_EQ(format_figure(0.9996, "USD"), "$1.00");
  EXPECT_EQ(format_figure(2, "USD/h"), "$2.00/h");
  EXPECT_EQ(format_figure(2788000, "GPU-h"), "2.788M GPU-h");
  EXPECT_EQ(format_figure(3.69, "bits/byte"), "3.6900");
  EXPECT_EQ(format_figure(18.1351, "x"), "18.14x");
  EXPECT_EQ(format_figure(0.19, "share"), "19 %");
  EXPECT_EQ(format_figure(NAN, "USD"), "not stated");
  EXPECT_EQ(format_figure(1.3e9, "USD"), "$1.3B");
}

// The same numbers and words in the browser, where a JavaScript engine is at hand.  Only an exact
// tie in the fifth digit may be rounded the other way.
TEST(Sheet, ScriptAgreesWithTheProgram) {
  if (std::system("node --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no node here";
  const TestFolder folder;
  const Sheet sheet = run_sheet();
  std::string script = money_parts::kSheetScript;
  script +=
      "\nconst lines = " + sheet.to_json().dump() +
      ";\nconst out = {};\n"
      "for (const i of [{}, {price: 0.5}, {price: 3.25, hours: 1e5}]) {\n"
      "const v = farthingSheet.evaluate(lines, i);\n"
      "for (const l of lines) console.log(v[l.id], farthingSheet.format(v[l.id], l.unit));}\n"
      "console.log(...farthingSheet.range(lines, 'usd'));\n"
      "console.log(...farthingSheet.range(lines, 'usd', {price: 4}));\n"
      "for (const v of [0, 0.00001234, 0.0000999, 0.0031, 0.5, 1.005, 12.345, 999.996, 1234.6, "
      "87072, 999949, 999951, 5.576e6, 1.5e9, 2.3e13, 3.3e17, -42.5, -5e6])\n"
      "for (const u of ['USD', 'USD/h', 'x', '', 'GPU-h']) "
      "console.log(farthingSheet.format(v, "
      "u));";
  write_file_atomically(folder.file("s.js"), script);
  FILE* pipe = popen(("node " + folder.file("s.js")).c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  char line[256];
  for (const std::map<std::string, double>& inputs : std::vector<std::map<std::string, double>>{
           {}, {{"price", 0.5}}, {{"price", 3.25}, {"hours", 1e5}}}) {
    for (const auto& id : sheet.order()) {
      ASSERT_NE(fgets(line, sizeof line, pipe), nullptr);
      const double expected = sheet.value_with(id, inputs);
      const std::string text(line);
      const double found = std::strtod(line, nullptr);
      // pow, exp and ln may differ between libraries in the last bit of two; sums of three of them.
      if (std::isnan(expected))
        EXPECT_TRUE(std::isnan(found)) << id << text;
      else
        EXPECT_NEAR(found, expected, 8 * 2.3e-16 * std::max(1.0, std::abs(expected))) << id;
      EXPECT_EQ(text.substr(text.find(' ') + 1), format_figure(expected, sheet.at(id).unit) + "\n")
          << id;
    }
  }
  double low = 0, high = 0;
  ASSERT_EQ(fscanf(pipe, "%lf %lf\n", &low, &high), 2);
  EXPECT_EQ(low, sheet.range("usd")->low);
  EXPECT_EQ(high, sheet.range("usd")->high);
  ASSERT_EQ(fscanf(pipe, "%lf %lf\n", &low, &high), 2);  // a moved input has no range
  EXPECT_EQ(low, 2788000 * 4.0 - 1000);
  EXPECT_EQ(high, 2788000 * 4.0);
  for (const double v :
       {0.0, 0.00001234, 0.0000999, 0.0031, 0.5, 1.005, 12.345, 999.996, 1234.6, 87072.0, 999949.0,
        999951.0, 5.576e6, 1.5e9, 2.3e13, 3.3e17, -42.5, -5e6}) {
    for (const char* unit : {"USD", "USD/h", "x", "", "GPU-h"}) {
      ASSERT_NE(fgets(line, sizeof line, pipe), nullptr);
      EXPECT_EQ(line, format_figure(v, unit) + "\n") << v << unit;
    }
  }
  pclose(pipe);
}

}  // namespace
}  // namespace farthing
