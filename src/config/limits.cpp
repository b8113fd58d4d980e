// limits.cpp - limits of a run, parsed and written.
#include "config/limits.h"

#include <fmt/core.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace farthing {
namespace {

enum class Kind { kSteps, kTokens, kSeconds, kUsd };

struct Unit {
  const char* name;
  Kind kind;
  double factor;
};

constexpr Unit kUnits[] = {
    {"steps", Kind::kSteps, 1},      {"step", Kind::kSteps, 1},       {"tok", Kind::kTokens, 1},
    {"tokens", Kind::kTokens, 1},    {"token", Kind::kTokens, 1},     {"s", Kind::kSeconds, 1},
    {"sec", Kind::kSeconds, 1},      {"seconds", Kind::kSeconds, 1},  {"min", Kind::kSeconds, 60},
    {"h", Kind::kSeconds, 3600},     {"hours", Kind::kSeconds, 3600}, {"d", Kind::kSeconds, 86400},
    {"days", Kind::kSeconds, 86400}, {"usd", Kind::kUsd, 1},
};

double magnitude(char letter) {
  switch (letter) {
    case 'k':
      return 1e3;
    case 'M':
      return 1e6;
    case 'B':
      return 1e9;
    case 'T':
      return 1e12;
    default:
      return 0;
  }
}

std::optional<Unit> find_unit(std::string_view text) {
  for (const Unit& unit : kUnits) {
    if (text == unit.name) return unit;
  }
  if (text.size() < 2 || magnitude(text.front()) == 0) return std::nullopt;
  auto unit = find_unit(text.substr(1));
  const bool counts = unit && (unit->kind == Kind::kSteps || unit->kind == Kind::kTokens);
  if (!counts || unit->factor != 1) return std::nullopt;
  unit->factor = magnitude(text.front());
  return unit;
}

template <class T>
void set_once(std::optional<T>& limit, T value, const std::string& part, const std::string& where) {
  if (limit) throw_bad_input({where, "two limits of one kind", "\"" + part + "\"", "one", ""});
  limit = value;
}

void add_limit(Limits& limits, const std::string& part, const std::string& where) {
  const Quantity quantity = parse_quantity(part, where);
  const auto unit = find_unit(quantity.unit);
  if (!unit) {
    throw_bad_input({where, "a limit's unit", "\"" + part + "\"", "steps, tok, s, min, h, d or usd",
                     "500steps, 2Mtok, 90min, 0.50usd"});
  }
  const double value = quantity.value * unit->factor;
  const bool is_count = unit->kind == Kind::kSteps || unit->kind == Kind::kTokens;
  if (!(value > 0) || value > 1e18 || (is_count && value < 1)) {
    throw_bad_input({where, "a limit", "\"" + part + "\"",
                     is_count ? "1 or more, at most 1e18" : "more than 0, at most 1e18", ""});
  }
  const auto count = static_cast<std::int64_t>(std::llround(value));
  switch (unit->kind) {
    case Kind::kSteps:
      return set_once(limits.steps, count, part, where);
    case Kind::kTokens:
      return set_once(limits.tokens, count, part, where);
    case Kind::kSeconds:
      return set_once(limits.seconds, value, part, where);
    case Kind::kUsd:
      return set_once(limits.usd, value, part, where);
  }
}

}  // namespace

Limits parse_limits(const std::string& text, const std::string& where) {
  Limits limits;
  if (text.find_first_not_of(' ') == std::string::npos) return limits;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    add_limit(limits, text.substr(begin, end - begin), where);
    begin = end + 1;
  }
  return limits;
}

std::string to_string(const Limits& limits) {
  std::string text;
  const auto put = [&](const auto& limit, const char* unit) {
    if (limit) text += fmt::format("{}{}{}", text.empty() ? "" : ",", *limit, unit);
  };
  put(limits.steps, "steps");
  put(limits.tokens, "tok");
  put(limits.seconds, "s");
  put(limits.usd, "usd");
  return text;
}

}  // namespace farthing
