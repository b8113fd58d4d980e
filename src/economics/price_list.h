// price_list.h - dated prices of devices, power, people, data and storage, each with its source.
//
// The [[price]] entries of a price file (prices/NAME.toml), whose other sections are the core-hour
// book of ledger/price_book.h:
//
//   [[price]]
//   item = "h100-sxm"   what
//   kind = "on-demand"  a device's: on-demand committed-1y committed-3y spot buy tdp;
//                       air or liquid of pue; a role of salary; ...
//   region = "us"       us, china or absent
//   value = 3.62        with low and high where more than one was seen
//   low = 2.45
//   high = 12.29
//   unit = "USD/h"      USD, USD/h, USD/core-h, USD/kWh, USD/month, USD/year, USD/GB-month, USD/GB,
//                       USD/TB, USD/Mtoken, W, x, share, years, GB, TFLOPS, count;
//                       another currency needs an entry item = "exchange", unit = "CNY/USD"
//   date = "2025-06"    of the source
//   source = "..."
//   confidence = "published"   or rounded, secondary, derived, assumed
//   note = "..."
//   includes = "server"   of kind "buy": the price holds a share of the server, a rack's for one
//
// Errors   Error{kBadInput}, every fault with its line: a price without unit, date or source; a
//          negative or absurd value; low > value or value > high; two entries for the same thing
//          and date; a currency that cannot be turned into dollars.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/calendar.h"

namespace farthing {

struct PriceEntry {
  std::string item, kind, region;
  double value = 0, low = 0, high = 0;  // low and high are value where the file has none
  std::string unit;                     // in dollars, whatever the file had
  std::string date;                     // YYYY, YYYY-MM or YYYY-MM-DD, of the source
  std::string source, confidence, note;
  std::string includes;  // "server" or empty
  std::string where;     // file:line
  bool includes_server() const { return includes == "server"; }
};

struct PriceQuery {
  std::string item;
  std::string kind = {};
  std::string region = {};  // an entry without region serves any
  std::string as_of = {};   // the latest not after it; empty: the latest
};

// "item/kind/region", the last two optional: how scenarios and case files name a price.
PriceQuery parse_price_query(const std::string& words);

struct PriceList {
  std::string name;  // of the file
  std::vector<PriceEntry> entries;

  // Null where there is none.  An entry of the region wins over one without; if all are later than
  // as_of, the earliest is taken.
  const PriceEntry* find(const PriceQuery& query) const;
  // Errors: Error{kBadInput}: what is missing and what the list has that is near it.
  const PriceEntry& at(const PriceQuery& query) const;
  // Of a device: the entries of that kind in order of date.
  std::vector<const PriceEntry*> history(const std::string& item, const std::string& kind) const;
  // Items that have an entry of that kind, sorted, each once.
  std::vector<std::string> items(const std::string& kind) const;
};

// `name`: a file, or a name under prices/.
PriceList load_price_list(const std::string& name = "default");
PriceList parse_price_list(const std::string& toml, const std::string& where);

inline constexpr int kStaleMonths = 18;
// "2024-06, 29 months old", or "2030-01, a date to come"; nothing where a date is neither.
std::optional<std::string> date_warning(const std::string& date, const std::string& today);
// "h800-sxm on-demand: price of 2024-06, 29 months old", or dated after today; else nothing. Prices
// in money only.
std::optional<std::string> staleness(const PriceEntry& entry, const std::string& today);
// From the middle of what the dates leave open; negative when b is before a.
double months_between(const std::string& a, const std::string& b);

// "$3.62/h (2.45 to 12.29), 2025-06, source"
std::string describe(const PriceEntry& entry);

}  // namespace farthing
