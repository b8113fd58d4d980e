// limits.h - when a run ends: "500steps,2e6tok,2h,0.50usd", the first reached.
//
// Units: steps; tok; s, min, h, d; usd.  A count may carry k, M, B or T: 2Mtok, 10ksteps.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace farthing {

struct Limits {
  std::optional<std::int64_t> steps;
  std::optional<std::int64_t> tokens;
  std::optional<double> seconds;
  std::optional<double> usd;

  bool any() const { return steps || tokens || seconds || usd; }
  bool operator==(const Limits&) const = default;
};

// Empty text has no limit.  Errors: Error{kBadInput} naming `where`: an unknown unit, a value that
// is not positive, the same kind twice.
Limits parse_limits(const std::string& text, const std::string& where);
// parse_limits(to_string(limits)) == limits.
std::string to_string(const Limits& limits);

}  // namespace farthing
