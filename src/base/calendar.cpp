// calendar.cpp - the one parser of dates.
#include "base/calendar.h"

#include <chrono>
#include <cstdlib>

namespace farthing {

bool is_date(const std::string& text) {
  const std::string shape = "dddd-dd-dd";
  if (text.size() != 4 && text.size() != 7 && text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != '-') return false;
  }
  const int year = std::atoi(text.c_str());
  const int month = text.size() < 7 ? 1 : std::atoi(text.c_str() + 5);
  const int day = text.size() < 10 ? 1 : std::atoi(text.c_str() + 8);
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  return year >= 1900 && year < 2200 && date.ok();
}

}  // namespace farthing
