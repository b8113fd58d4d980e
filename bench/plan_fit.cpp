// plan_fit.cpp - fits the planner's constants to published runs and prints them.
//
//   plan_fit bench/data/validation.csv      fitted constants and the error with them
//
// `farthing bench plan FILE --leave-out` refits them without one group at a time.
#include "plan/fit.h"

#include <cstdio>
#include <string>
#include <vector>

#include "base/file.h"
#include "config/share.h"

using namespace farthing;

namespace {

void print_constants(const Constants& constants, const Constants& start) {
  std::vector<double> first;
  visit_constants(start, [&](const ConstantRule&, const double& field) { first.push_back(field); });
  std::size_t i = 0;
  visit_constants(constants, [&](const ConstantRule& rule, const double& field) {
    const double from = first[i++];
    if (is_fitted(rule)) std::printf("%-26s %12.4g  from %12.4g\n", rule.name, field, from);
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
  if (count != 2) {
    std::fprintf(stderr, "usage: plan_fit FILE.csv\n");
    return 2;
  }
  set_share_folder(FARTHING_SOURCE_DIR);
  std::vector<PublishedRun> runs;
  for (const auto& row : read_published(read_file(arguments[1]), arguments[1])) {
    runs.push_back(to_run(row));
  }
  const auto report = [](int round, double loss) {
    std::fprintf(stderr, "round %d: loss %.5f\n", round, loss);
  };
  const Constants fitted =
      fit_constants(runs, Constants{}, {.n_rounds = 12, .left_out = "", .report = report});
  print_constants(fitted, Constants{});
  print_errors("start", bench_plan(runs, Constants{}));
  print_errors("fitted", bench_plan(runs, fitted));
  return 0;
}
