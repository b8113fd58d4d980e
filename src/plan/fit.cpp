// fit.cpp - coordinate descent over the fitted constants.
#include "plan/fit.h"

#include <cmath>
#include <map>
#include <set>
#include <string_view>

namespace farthing {
namespace {

constexpr double kKnee = 0.10;  // beyond it an error counts linearly
constexpr double kPull = 0.002;

struct Fit {
  std::vector<PublishedRun> runs;
  std::vector<double> weights;
  Constants start;
};

double robust(double error) {
  const double size = std::abs(error);
  return size < kKnee ? size * size / (2 * kKnee) : size - kKnee / 2;
}

double distance(const Constants& constants, const Constants& start) {
  std::vector<double> first;
  visit_constants(start, [&](const ConstantRule&, const double& field) { first.push_back(field); });
  std::size_t i = 0;
  double sum = 0;
  visit_constants(constants, [&](const ConstantRule& rule, const double& field) {
    const double moved = std::log(field / first[i++]) / (2 * rule.relative_sd);
    sum += moved * moved;
  });
  return sum;
}

double loss_of(const Fit& fit, const Constants& constants) {
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < fit.runs.size(); ++i) {
    const double error = std::log(predict(fit.runs[i], constants) / fit.runs[i].measured);
    sum += fit.weights[i] * robust(error);
    weight += fit.weights[i];
  }
  return weight > 0 ? sum / weight + kPull * distance(constants, fit.start) : 0;
}

Fit fit_of(const std::vector<PublishedRun>& runs, const Constants& start,
           const std::string& left_out) {
  Fit fit;
  fit.start = start;
  std::map<std::string, int> sizes;
  for (const auto& run : runs) sizes[run.family] += 1;
  for (const auto& run : runs) {
    if (!run.skipped.empty() || run.is_held_out || run.group == left_out || !run.has_layout)
      continue;
    fit.runs.push_back(run);
    fit.runs.back().request.whole_pipeline = false;
    fit.weights.push_back((run.is_complete ? 2 : 1) / std::sqrt(double(sizes[run.family])));
  }
  return fit;
}

}  // namespace

bool is_fitted(const ConstantRule& rule) {
  return std::string_view(rule.source).find("fitted") != std::string_view::npos;
}

Constants fit_constants(const std::vector<PublishedRun>& runs, const Constants& start,
                        const FitOptions& options) {
  const Fit fit = fit_of(runs, start, options.left_out);
  Constants constants = start;
  double best = loss_of(fit, constants);
  std::map<std::string, double> steps;
  for (int round = 0; round < options.n_rounds; ++round) {
    const double before = best;
    visit_constants(constants, [&](const ConstantRule& rule, double& field) {
      if (!is_fitted(rule)) return;
      const auto step = steps.try_emplace(rule.name, rule.relative_sd).first;
      const double kept = field;
      const bool is_share = kept < 1;
      for (const double sign : {1.0, -1.0}) {
        field = kept * std::exp(sign * step->second);
        if (is_share && field > 0.95) field = 0.95;
        const double now = loss_of(fit, constants);
        if (now < best - 1e-7) {
          best = now;
          step->second *= 1.3;
          return;
        }
      }
      field = kept;
      step->second *= 0.5;
    });
    if (options.report) options.report(round, best);
    if (before - best < 1e-6) break;
  }
  return constants;
}

std::vector<LeftOut> leave_groups_out(const std::vector<PublishedRun>& runs, const Constants& start,
                                      const std::function<void(int, int)>& report) {
  constexpr int kRounds = 3;
  std::set<std::string> groups;
  for (const auto& run : runs) {
    if (run.skipped.empty() && run.has_layout && !run.is_held_out) groups.insert(run.group);
  }
  std::vector<LeftOut> found;
  for (const auto& group : groups) {
    const Constants fitted =
        fit_constants(runs, start, {.n_rounds = kRounds, .left_out = group, .report = {}});
    std::vector<PublishedRun> own;
    for (const auto& run : runs) {
      if (run.group == group) own.push_back(run);
    }
    LeftOut left;
    left.error = bench_plan(own, fitted).groups.front();
    std::vector<double> first;
    visit_constants(start,
                    [&](const ConstantRule&, const double& field) { first.push_back(field); });
    std::size_t i = 0;
    visit_constants(fitted, [&](const ConstantRule& rule, const double& field) {
      const double moved = field / first[i++] - 1;
      if (std::abs(moved) <= std::abs(left.moved_by)) return;
      left.moved_by = moved;
      left.moved_most = rule.name;
    });
    found.push_back(std::move(left));
    report(static_cast<int>(found.size()), static_cast<int>(groups.size()));
  }
  return found;
}

}  // namespace farthing
