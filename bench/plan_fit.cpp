// plan_fit.cpp - fits the planner's constants to published runs, and leaves one group out at a
// time.
//
//   plan_fit bench/data/validation.csv             fitted constants and the error with them
//   plan_fit bench/data/validation.csv --leave-out  every group predicted by a fit without it
//
// Minimises a robust sum of log errors, rows of one family sharing one family's weight, plus the
// distance from the starting values in units of twice their stated uncertainty: what the runs say
// nothing about stays where its source put it.  DeepSeek-V3 on H800 is never fitted.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "config/share.h"
#include "plan/published.h"

using namespace farthing;

namespace {

constexpr double kKnee = 0.10;  // beyond it an error counts linearly

struct Fit {
  std::vector<const PublishedRun*> runs;
  std::vector<double> weights;
  Constants start;
};

double robust(double error) {
  const double size = std::abs(error);
  return size < kKnee ? size * size / (2 * kKnee) : size - kKnee / 2;
}

double distance_from_start(const Constants& constants, const Constants& start) {
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

double loss(const Fit& fit, const Constants& constants) {
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < fit.runs.size(); ++i) {
    const double error = std::log(predict(*fit.runs[i], constants) / fit.runs[i]->measured);
    sum += fit.weights[i] * robust(error);
    weight += fit.weights[i];
  }
  return sum / weight + 0.002 * distance_from_start(constants, fit.start);
}

Fit make_fit(const std::vector<PublishedRun>& runs, const std::string& left_out) {
  Fit fit;
  std::map<std::string, int> sizes;
  for (const auto& run : runs) sizes[run.family] += 1;
  for (const auto& run : runs) {
    if (!run.skipped.empty() || run.is_held_out || run.group == left_out || !run.has_layout)
      continue;
    fit.runs.push_back(&run);
    fit.weights.push_back((run.is_complete ? 2 : 1) / std::sqrt(double(sizes[run.family])));
  }
  return fit;
}

Constants descend(const Fit& fit) {
  Constants constants = fit.start;
  double best = loss(fit, constants);
  std::map<std::string, double> steps;
  for (int round = 0; round < 12; ++round) {
    const double before = best;
    visit_constants(constants, [&](const ConstantRule& rule, double& field) {
      auto [step, is_new] = steps.try_emplace(rule.name, rule.relative_sd);
      const double kept = field;
      const bool is_share = kept < 1;
      for (const double sign : {1.0, -1.0}) {
        field = kept * std::exp(sign * step->second);
        if (is_share && field > 0.95) field = 0.95;
        const double now = loss(fit, constants);
        if (now < best - 1e-7) {
          best = now;
          step->second *= 1.3;
          return;
        }
      }
      field = kept;
      step->second *= 0.5;
    });
    std::fprintf(stderr, "round %d: loss %.5f\n", round, best);
    if (before - best < 1e-6) break;
  }
  return constants;
}

void print_constants(const Constants& constants, const Constants& start) {
  std::vector<double> first;
  visit_constants(start, [&](const ConstantRule&, const double& field) { first.push_back(field); });
  std::size_t i = 0;
  visit_constants(constants, [&](const ConstantRule& rule, const double& field) {
    std::printf("%-26s %12.4g  from %12.4g\n", rule.name, field, first[i++]);
  });
}

void print_errors(const char* words, const BenchResult& result) {
  std::printf("%s: stated %.1f %% / %.1f %%, all %.1f %% / %.1f %%, ranks %.3f, %.3f\n", words,
              100 * result.complete.median_abs, 100 * result.complete.p90_abs,
              100 * result.all.median_abs, 100 * result.all.p90_abs, result.rank_correlation,
              result.configuration_rank_correlation);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: plan_fit FILE.csv [--leave-out]\n");
    return 2;
  }
  set_share_folder(FARTHING_SOURCE_DIR);
  std::vector<PublishedRun> runs;
  for (const auto& row : read_published(read_file(arguments[1]), arguments[1])) {
    runs.push_back(to_run(row));
  }
  if (count < 3 || std::strcmp(arguments[2], "--leave-out") != 0) {
    const Constants fitted = descend(make_fit(runs, ""));
    print_constants(fitted, Constants{});
    print_errors("start", bench_plan(runs, Constants{}));
    print_errors("fitted", bench_plan(runs, fitted));
    return 0;
  }
  std::set<std::string> groups;
  for (const auto& run : runs) {
    if (run.skipped.empty()) groups.insert(run.group);
  }
  for (const auto& group : groups) {
    const Constants fitted = descend(make_fit(runs, group));
    for (const GroupBias& bias : bench_plan(runs, fitted).groups) {
      if (bias.group == group) {
        std::printf("%-10s %4d rows  bias %+6.1f %%  median error %5.1f %%\n", group.c_str(),
                    bias.n_rows, 100 * bias.median_error, 100 * bias.median_abs_error);
      }
    }
  }
  return 0;
}
