// calendar_test.cpp - dates that there are and dates that there are not.
#include "base/calendar.h"

#include <gtest/gtest.h>

namespace farthing {
namespace {

TEST(Calendar, KnowsHowLongAMonthIs) {
  for (const char* date : {"2026", "2026-02", "2026-02-28", "2024-02-29", "2000-02-29",
                           "2026-12-31", "1900-01-01", "2199-12-31"}) {
    EXPECT_TRUE(is_date(date)) << date;
  }
  for (const char* date :
       {"2026-02-29", "2026-02-30", "2100-02-29", "2026-04-31", "2026-01-32", "2026-01-00",
        "2026-00", "2026-13", "1899", "2200", "26-01-01", "2026-1-1", "2026/01/01", "", "June"}) {
    EXPECT_FALSE(is_date(date)) << date;
  }
}

}  // namespace
}  // namespace farthing
