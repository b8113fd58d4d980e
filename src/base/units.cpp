// units.cpp - formatting and parsing of quantities.
#include "base/units.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace farthing {
namespace {

constexpr const char* kUnknown = "unknown";  // what infinity and NaN read as

// Three significant digits: 1.23, 12.3, 123.
std::string three_digits(double value) {
  const double size = std::abs(value);
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

// "8.40 kW": three significant digits behind the largest of these prefixes that leaves 1 or more.
std::string with_prefix(double value, const char* unit) {
  static constexpr std::array<const char*, 9> kPrefixes = {"n", "u", "m", "", "k",
                                                           "M", "G", "T", "P"};
  std::size_t prefix = 3;
  while (std::abs(value) >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  while (value != 0 && std::abs(value) < 0.9995 && prefix > 0) {
    value *= 1000;
    --prefix;
  }
  return (value == 0 ? "0" : three_digits(value)) + " " + kPrefixes[prefix] + unit;
}

}  // namespace

std::string format_energy(double joules) {
  if (!std::isfinite(joules)) return kUnknown;
  constexpr double kWattHour = 3600;
  return std::abs(joules) < 1000 * kWattHour ? with_prefix(joules, "J")
                                             : with_prefix(joules / kWattHour, "Wh");
}

std::string format_watts(double watts) {
  return std::isfinite(watts) ? with_prefix(watts, "W") : kUnknown;
}

std::string format_bytes(double bytes) {
  if (!std::isfinite(bytes)) return kUnknown;
  static constexpr std::array<const char*, 6> kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (std::abs(bytes) >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return (unit == 0 ? fmt::format("{:.0f}", bytes) : three_digits(bytes)) + " " + kUnits[unit];
}

std::string format_count(double count) {
  if (!std::isfinite(count)) return kUnknown;
  if (std::abs(count) < 9.95 && count != std::round(count)) return fmt::format("{:.2g}", count);
  if (std::abs(count) < 1e4) return fmt::format("{:.0f}", count);
  if (std::abs(count) < 9.995e5) return three_digits(count / 1e3) + "k";
  if (std::abs(count) < 9.995e8) return three_digits(count / 1e6) + "M";
  if (std::abs(count) < 1e12) return fmt::format("{:.2f}B", count / 1e9);
  return fmt::format("{:.2f}T", count / 1e12);
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds)) return kUnknown;
  if (seconds > 0 && seconds < 0.9995e-3) return with_prefix(seconds, "s");
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{:.1f} days", seconds / 86400);
}

std::string format_usd(double usd) {
  if (!std::isfinite(usd)) return kUnknown;
  const double size = std::abs(usd);
  if (size == 0) return "0 USD";
  if (size >= 1e9) return fmt::format("{:.2f} billion USD", usd / 1e9);
  if (size >= 1e6) return fmt::format("{:.3f} million USD", usd / 1e6);
  if (size >= 0.1) return fmt::format("{:.2f} USD", usd);
  const int digits = 1 - static_cast<int>(std::floor(std::log10(size)));
  return fmt::format("{:.{}f} USD", usd, digits);
}

std::string format_rate(double per_second) {
  if (!std::isfinite(per_second)) return kUnknown;
  if (per_second < 1e3) return three_digits(per_second);
  if (per_second < 999.5e3) return three_digits(per_second / 1e3) + "k";
  return three_digits(per_second / 1e6) + "M";
}

Quantity parse_quantity(std::string_view text, const std::string& where) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  Quantity quantity;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), quantity.value);
  if (fault != std::errc{} || !std::isfinite(quantity.value)) {
    throw_bad_input({where, "not a number with a unit", "\"" + std::string(text) + "\"", "", ""});
  }
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  quantity.unit = std::string(unit);
  return quantity;
}

}  // namespace farthing
