// calendar.h - the one year of every sum of money, and which dates there are.
#pragma once
#include <string>

namespace farthing {

// Julian: 8,766 hours.
inline constexpr double kDaysPerYear = 365.25;
inline constexpr double kHoursPerYear = 24 * kDaysPerYear;

// YYYY, YYYY-MM or YYYY-MM-DD of 1900 to 2199, and such a day there is: no 30 February.
bool is_date(const std::string& text);
// What a message says was wanted where is_date() is false.
inline constexpr const char* kDateWanted = "a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD";

}  // namespace farthing
