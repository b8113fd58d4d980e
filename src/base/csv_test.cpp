// csv_test.cpp - quotes, line ends and what is refused.
#include "base/csv.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace farthing {
namespace {

std::string fault_of(const std::string& text) {
  try {
    parse_csv(text, "t.csv");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "";
}

TEST(Csv, ReadsQuotedFieldsAndEitherLineEnd) {
  const Csv csv =
      parse_csv("\xEF\xBB\xBFid,text\r\na,\"x, \"\"y\"\"\nz\"\r\n\nb,\r\nc,last", "t.csv");
  ASSERT_EQ(csv.rows.size(), 3u);
  EXPECT_EQ(csv.rows[0].at("text"), "x, \"y\"\nz");
  EXPECT_EQ(csv.rows[1].at("text"), "");
  EXPECT_EQ(csv.rows[1].where, "t.csv:5");
  EXPECT_EQ(csv.rows[2].at("text"), "last");
  EXPECT_EQ(csv.rows[2].at("nothing"), "");
}

TEST(Csv, RefusesWhatIsNotATable) {
  EXPECT_EQ(fault_of("a,b\n1,2,3\n"),
            "t.csv:2: CSV row: found 3 fields, wanted 2 as in the heading");
  EXPECT_EQ(fault_of("a,b\n1,\"2\n\n"),
            "t.csv:2: CSV: found a quote that never closes, wanted a closing quote");
  EXPECT_NE(fault_of("a,b\n1,\"2\"x\n"), "");
  EXPECT_NE(fault_of("a,a\n1,2\n"), "");
  EXPECT_NE(fault_of("\n"), "");
  EXPECT_NE(fault_of(""), "");
}

}  // namespace
}  // namespace farthing
