// units_parse.cpp - the units that a quantity may carry, and their size in SI.
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/units.h"

namespace farthing {
namespace {

struct Unit {
  std::string_view name;
  double size;
};
struct DimensionUnits {
  Dimension dimension;
  const char* si;        // as unit_name says it
  const char* base;      // takes the prefixes k M G T P E; nullptr: none does
  double base_size;      // of one unprefixed base in SI
  const char* examples;  // for a message
};

constexpr DimensionUnits kDimensions[] = {
    {Dimension::kCount, "1", nullptr, 1, "no unit, or k, M, B, T"},
    {Dimension::kShare, "1", nullptr, 1, "no unit, or %"},
    {Dimension::kFlopsPerSecond, "FLOP/s", "FLOP/s", 1, "GFLOP/s, TFLOP/s, PFLOP/s"},
    {Dimension::kBytes, "B", "B", 1, "MB, GB, TB, GiB"},
    {Dimension::kBytesPerSecond, "B/s", "B/s", 1, "GB/s, TB/s, Gbit/s"},
    {Dimension::kSeconds, "s", nullptr, 1, "ns, us, ms, s, min, h, days"},
    {Dimension::kWatts, "W", "W", 1, "W, kW, MW"},
    {Dimension::kPerSecond, "1/s", nullptr, 1, "1/h, 1/day, 1/month, 1/year"},
    {Dimension::kUsd, "USD", nullptr, 1, "USD, kUSD, MUSD"},
    {Dimension::kUsdPerHour, "USD/h", nullptr, 1, "USD/h"},
};

constexpr double kHour = 3600, kDay = 86400, kYear = 365.25 * kDay;

// What is not a power of ten of the base.
constexpr std::pair<Dimension, Unit> kSpecial[] = {
    {Dimension::kCount, {"", 1}},
    {Dimension::kCount, {"k", 1e3}},
    {Dimension::kCount, {"K", 1e3}},
    {Dimension::kCount, {"M", 1e6}},
    {Dimension::kCount, {"G", 1e9}},
    {Dimension::kCount, {"B", 1e9}},
    {Dimension::kCount, {"T", 1e12}},
    {Dimension::kShare, {"", 1}},
    {Dimension::kShare, {"%", 0.01}},
    {Dimension::kBytes, {"KiB", 1024.0}},
    {Dimension::kBytes, {"MiB", 1048576.0}},
    {Dimension::kBytes, {"GiB", 1073741824.0}},
    {Dimension::kBytes, {"TiB", 1099511627776.0}},
    {Dimension::kBytesPerSecond, {"bit/s", 0.125}},
    {Dimension::kBytesPerSecond, {"kbit/s", 125}},
    {Dimension::kBytesPerSecond, {"Mbit/s", 125e3}},
    {Dimension::kBytesPerSecond, {"Gbit/s", 125e6}},
    {Dimension::kBytesPerSecond, {"Tbit/s", 125e9}},
    {Dimension::kSeconds, {"ns", 1e-9}},
    {Dimension::kSeconds, {"us", 1e-6}},
    {Dimension::kSeconds, {"ms", 1e-3}},
    {Dimension::kSeconds, {"s", 1}},
    {Dimension::kSeconds, {"min", 60}},
    {Dimension::kSeconds, {"h", kHour}},
    {Dimension::kSeconds, {"d", kDay}},
    {Dimension::kSeconds, {"day", kDay}},
    {Dimension::kSeconds, {"days", kDay}},
    {Dimension::kSeconds, {"w", 7 * kDay}},
    {Dimension::kSeconds, {"weeks", 7 * kDay}},
    {Dimension::kSeconds, {"months", kYear / 12}},
    {Dimension::kSeconds, {"years", kYear}},
    {Dimension::kPerSecond, {"1/s", 1}},
    {Dimension::kPerSecond, {"1/min", 1.0 / 60}},
    {Dimension::kPerSecond, {"1/h", 1 / kHour}},
    {Dimension::kPerSecond, {"1/day", 1 / kDay}},
    {Dimension::kPerSecond, {"1/month", 12 / kYear}},
    {Dimension::kPerSecond, {"1/year", 1 / kYear}},
    {Dimension::kUsd, {"USD", 1}},
    {Dimension::kUsd, {"kUSD", 1e3}},
    {Dimension::kUsd, {"MUSD", 1e6}},
    {Dimension::kUsdPerHour, {"USD/h", 1}},
};

const DimensionUnits& units_of(Dimension dimension) {
  for (const auto& entry : kDimensions) {
    if (entry.dimension == dimension) return entry;
  }
  return kDimensions[0];
}

// Size of "GB/s" given the base "B/s"; 0 when it is none.
double prefixed(std::string_view unit, std::string_view base, double base_size) {
  if (unit == base) return base_size;
  if (unit.size() != base.size() + 1 || !unit.ends_with(base)) return 0;
  constexpr std::string_view kPrefixes = "kMGTPE";
  const std::size_t found = kPrefixes.find(unit.front());
  if (found == std::string_view::npos) return 0;
  return base_size * std::pow(1000.0, static_cast<double>(found + 1));
}

double size_of(std::string_view unit, const DimensionUnits& units) {
  for (const auto& [dimension, special] : kSpecial) {
    if (dimension == units.dimension && special.name == unit) return special.size;
  }
  return units.base == nullptr ? 0 : prefixed(unit, units.base, units.base_size);
}

}  // namespace

const char* unit_name(Dimension dimension) { return units_of(dimension).si; }

double parse_as(std::string_view text, Dimension dimension, const std::string& where) {
  if (dimension == Dimension::kUsd && text.starts_with('$')) {
    std::string worded(text.substr(1));
    return parse_as(worded.append("USD"), dimension, where);
  }
  const Quantity quantity = parse_quantity(text, where);
  const DimensionUnits& units = units_of(dimension);
  const double size = size_of(quantity.unit, units);
  if (size > 0) return quantity.value * size;
  const bool bits_or_bytes =
      dimension == Dimension::kBytesPerSecond && quantity.unit.ends_with("b/s");
  throw_bad_input({where, quantity.unit.empty() ? "a number without a unit" : "unknown unit",
                   "\"" + std::string(text) + "\"", units.examples,
                   bits_or_bytes ? "Gbit/s for bits, GB/s for bytes" : ""});
}

}  // namespace farthing
