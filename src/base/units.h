// units.h - numbers as people read them, and limits as people write them.
//
// Infinity and NaN read as "unknown".
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace farthing {

std::string format_bytes(double bytes);      // "5.35 GB" (powers of ten)
std::string format_count(double count);      // "671.03B", "12.4M", "831"; parts of one: "0.034"
std::string format_seconds(double seconds);  // "3.20 us", "850 ms", "12.3 s", "4 min 05 s", ...
std::string format_energy(double joules);    // "850 J", "120 kJ", from 1 kWh on "2.46 GWh"
std::string format_watts(double watts);      // "8.40 kW", "1.91 MW"
// Under a cent: two significant digits ("0.0031 USD"); never "0.00" for a positive amount.
std::string format_usd(double usd);
// "12.3k", with three significant digits and an SI suffix.
std::string format_rate(double per_second);

// A number with a unit behind it: {2e6, "tok"}.  Errors: Error{kBadInput} naming `where`.
struct Quantity {
  double value = 0;
  std::string unit;
};
Quantity parse_quantity(std::string_view text, const std::string& where);

// What a number measures, and the SI unit that parse_as returns it in.
enum class Dimension {
  kCount,           // 1; a suffix k M G B T multiplies by 10^3, 10^6, 10^9, 10^9, 10^12
  kShare,           // 1; "12 %" is 0.12
  kFlopsPerSecond,  // FLOP/s
  kBytes,           // B
  kBytesPerSecond,  // B/s; "400 Gbit/s" is 5e10
  kSeconds,         // s
  kWatts,           // W
  kPerSecond,       // 1/s; "0.02 1/h"
  kUsd,             // USD
  kUsdPerHour,      // USD/h
};
const char* unit_name(Dimension dimension);

// The value in SI.  A unit is required but for counts and shares, and "Gb/s" is refused because it
// is read as bits and as bytes; "$300k" is "300kUSD".  Errors: Error{kBadInput} that names the
// units which would do.
double parse_as(std::string_view text, Dimension dimension, const std::string& where);

}  // namespace farthing
