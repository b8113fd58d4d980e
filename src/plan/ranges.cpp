// ranges.cpp - quantile functions, draws, and one input at a time.
#include "plan/ranges.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"

namespace farthing {
namespace {

constexpr double kP90 = 1.2815515655446004;  // of the standard normal

void check(const UncertainInput& input) {
  const bool ordered = input.low <= input.median && input.median <= input.high;
  const bool positive = input.shape != InputShape::kLognormal || input.low > 0;
  if (ordered && positive && std::isfinite(input.high - input.low)) return;
  throw_bad_input({"range of " + input.name, "low, median, high",
                   std::to_string(input.low) + ", " + std::to_string(input.median) + ", " +
                       std::to_string(input.high),
                   positive ? "in this order" : "all above 0", ""});
}

double triangular(const UncertainInput& input, double probability) {
  const double width = input.high - input.low;
  if (!(width > 0)) return input.median;
  const double turn = (input.median - input.low) / width;
  if (probability < turn) {
    return input.low + std::sqrt(probability * width * (input.median - input.low));
  }
  return input.high - std::sqrt((1 - probability) * width * (input.high - input.median));
}

}  // namespace

double normal_quantile(double p) {
  constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                          1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                          6.680131188771972e+01, -1.328068155288572e+01};
  constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                          -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                          3.754408661907416e+00};
  constexpr double kTail = 0.02425;
  p = std::clamp(p, 1e-300, 1 - 1e-16);
  const auto tail = [&](double q) {
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
           ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
  };
  if (p < kTail) return tail(std::sqrt(-2 * std::log(p)));
  if (p > 1 - kTail) return -tail(std::sqrt(-2 * std::log1p(-p)));
  const double q = p - 0.5, r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

double quantile(const UncertainInput& input, double probability) {
  switch (input.shape) {
    case InputShape::kFixed:
      return input.median;
    case InputShape::kTriangular:
      return triangular(input, probability);
    case InputShape::kLognormal:
      break;
  }
  const double z = normal_quantile(probability);
  const double edge = z < 0 ? input.low : input.high;
  return input.median * std::exp(std::abs(z) / kP90 * std::log(edge / input.median));
}

Rng factor_stream(std::uint64_t seed, std::string_view factor) {
  return {seed, RngStream::kSampling, hash64(factor)};
}

double rounded_to_error(double value, double error) {
  if (!(error > 0) || !std::isfinite(value) || !std::isfinite(error)) return value;
  const double decade = std::pow(10, std::floor(std::log10(error)));
  const double lead = error / decade;
  const double unit = decade * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
  return std::round(value / unit) * unit;
}

double quantile_error(std::vector<double> draws, double probability) {
  std::sort(draws.begin(), draws.end());
  const auto n = static_cast<double>(draws.size());
  const double sd = std::sqrt(n * probability * (1 - probability));
  const auto at = [&](double rank) {
    return draws[static_cast<std::size_t>(std::clamp(std::round(rank), 0.0, n - 1))];
  };
  return draws.empty() ? 0 : (at(n * probability + sd) - at(n * probability - sd)) / 2;
}

std::vector<double> draw_outputs(const std::vector<UncertainInput>& inputs,
                                 const RangeFunction& function, const RangeOptions& options) {
  for (const UncertainInput& input : inputs) check(input);
  std::vector<Rng> streams;
  for (const UncertainInput& input : inputs) {
    streams.push_back(factor_stream(options.seed, input.name));
  }
  std::vector<double> values(inputs.size()), outputs;
  outputs.reserve(static_cast<std::size_t>(options.n_draws));
  for (int n = 0; n < options.n_draws; ++n) {
    const auto draw = static_cast<std::uint64_t>(n);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      values[i] = quantile(inputs[i], streams[i].uniform(draw));
    }
    outputs.push_back(function(values, options.seed + draw));
  }
  return outputs;
}

RangeResult sample_range(const std::vector<UncertainInput>& inputs, const RangeFunction& function,
                         const RangeOptions& options) {
  RangeResult result;
  result.output = spread_of(draw_outputs(inputs, function, options));
  std::vector<double> values(inputs.size());
  const auto mean_at = [&](const std::vector<double>& at) {
    double sum = 0;
    for (int i = 0; i < options.n_repeats; ++i) {
      sum += function(at, options.seed + static_cast<std::uint64_t>(i));
    }
    return sum / options.n_repeats;
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) values[i] = inputs[i].median;
  result.at_medians = mean_at(values);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].shape == InputShape::kFixed) continue;
    TornadoBar bar{inputs[i].name, quantile(inputs[i], 0.1), quantile(inputs[i], 0.9), 0, 0};
    values[i] = bar.input_low;
    bar.output_low = mean_at(values);
    values[i] = bar.input_high;
    bar.output_high = mean_at(values);
    values[i] = inputs[i].median;
    result.tornado.push_back(std::move(bar));
  }
  std::stable_sort(result.tornado.begin(), result.tornado.end(),
                   [](const TornadoBar& x, const TornadoBar& y) { return x.swing() > y.swing(); });
  return result;
}

}  // namespace farthing
