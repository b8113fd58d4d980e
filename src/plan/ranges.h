// ranges.h - inputs that are distributions, pushed through a function: P10, P50, P90 and a tornado.
//
//   RangeResult result = sample_range(inputs, days_of_run, {.n_draws = 10'000});
//
// An input is stated as low, median, high. Lognormal: low and high are its P10 and P90, each side
// with its own width, so that all three are met exactly.  Triangular: low and high are its ends,
// median its mode.  Fixed: the median.  Inputs are independent: each is drawn from a stream of its
// own, by its name, so that another beside it changes none of its draws.
//
// Tornado: the function at an input's P10 and at its P90, others at their medians; where the
// function is itself random (failures), the mean of n_repeats of it with common random numbers.
//
// Exact    a function of inputs and seed.   Cost n_draws calls of the function.
// Errors   Error{kBadInput} for low > median, median > high, a lognormal that is not positive.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "plan/run_simulation.h"

namespace farthing {

enum class InputShape { kFixed, kTriangular, kLognormal };

struct UncertainInput {
  std::string name;
  InputShape shape = InputShape::kLognormal;
  double low = 0, median = 0, high = 0;
  std::string unit;
  std::string source;
};

// At a probability in (0, 1).
double quantile(const UncertainInput& input, double probability);
// phi^-1, Acklam's rational approximation: relative error under 1.2e-9.
double normal_quantile(double probability);

// Of a factor that is drawn: its n-th draw is the stream's uniform(n).
Rng factor_stream(std::uint64_t seed, std::string_view factor);

// To the nearest multiple of the least 1, 2 or 5 of a decade that is no finer than `error`; as it
// is where that is 0.
double rounded_to_error(double value, double error);
// The standard error of a quantile of independent draws: half the distance of those at ranks
// n p +- sqrt(n p (1 - p)).
double quantile_error(std::vector<double> draws, double probability);

struct RangeOptions {
  int n_draws = 10'000;
  int n_repeats = 50;  // of a random function, for each bar of the tornado
  std::uint64_t seed = 1;
};

struct TornadoBar {
  std::string name;
  double input_low = 0, input_high = 0;    // P10, P90
  double output_low = 0, output_high = 0;  // at them
  double swing() const {
    return output_high > output_low ? output_high - output_low : output_low - output_high;
  }
};

struct RangeResult {
  Spread output;
  double at_medians = 0;
  std::vector<TornadoBar> tornado;  // widest first; fixed inputs left out
};

// `seed` of each call makes a random function repeatable.
using RangeFunction = std::function<double(std::span<const double> values, std::uint64_t seed)>;
std::vector<double> draw_outputs(const std::vector<UncertainInput>& inputs,
                                 const RangeFunction& function, const RangeOptions& options);
RangeResult sample_range(const std::vector<UncertainInput>& inputs, const RangeFunction& function,
                         const RangeOptions& options);

}  // namespace farthing
