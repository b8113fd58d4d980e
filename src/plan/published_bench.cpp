// published_bench.cpp - predictions for published runs, and the statistics of their errors.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "plan/accounting.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "plan/published.h"
#include "plan/search.h"

namespace farthing {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) rank[order[i]] = (begin + end - 1) / 2.0;
    begin = end;
  }
  return rank;
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double n = static_cast<double>(x.size());
  const double mean = (n - 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double six_nd(const PublishedRun& run) {
  return 6 * static_cast<double>(count_active_parameters(run.request.model).main());
}

// One model on one device: does the model order its configurations?
double mean_family_correlation(const std::vector<BenchRow>& rows) {
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> families;
  for (const BenchRow& row : rows) {
    families[row.family].first.push_back(row.predicted);
    families[row.family].second.push_back(row.measured);
  }
  double sum = 0, weight = 0;
  for (const auto& [name, family] : families) {
    if (family.first.size() < 5) continue;
    sum += spearman(family.first, family.second) * static_cast<double>(family.first.size());
    weight += static_cast<double>(family.first.size());
  }
  return weight > 0 ? sum / weight : 0;
}

std::vector<GroupBias> biases(const std::vector<BenchRow>& rows) {
  std::map<std::string, std::vector<double>> errors;
  for (const BenchRow& row : rows) errors[row.group].push_back(row.error);
  std::vector<GroupBias> found;
  for (const auto& [group, each] : errors) {
    std::vector<double> sizes;
    for (const double error : each) sizes.push_back(std::abs(error));
    found.push_back({group, static_cast<int>(each.size()), median(each), median(sizes)});
  }
  return found;
}

void add_baseline(BenchResult& result, const std::vector<const PublishedRun*>& used) {
  std::vector<double> shares;
  shares.reserve(used.size());
  for (const PublishedRun* run : used) {
    shares.push_back(run->measured * six_nd(*run) / run->request.cluster.device.bf16_peak.value);
  }
  result.baseline_mfu = median(shares);
  std::vector<double> errors;
  for (std::size_t i = 0; i < used.size(); ++i) {
    BenchRow& row = result.rows[i];
    row.baseline =
        result.baseline_mfu * used[i]->request.cluster.device.bf16_peak.value / six_nd(*used[i]);
    errors.push_back(row.baseline / row.measured - 1);
  }
  result.baseline = summarise(errors);
}

}  // namespace

ErrorSummary summarise(std::vector<double> errors) {
  for (double& error : errors) error = std::abs(error);
  std::sort(errors.begin(), errors.end());
  if (errors.empty()) return {};
  const double position = 0.9 * static_cast<double>(errors.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, errors.size() - 1);
  const double share = position - static_cast<double>(below);
  return {static_cast<int>(errors.size()), median(errors),
          errors[below] * (1 - share) + errors[above] * share};
}

double predict(const PublishedRun& run, const Constants& constants) {
  StepTimeRequest request = run.request;
  request.constants = constants;
  if (run.has_layout) return step_time(request).tokens_per_second_per_device;
  PlanRequest plan;
  plan.model = request.model;
  plan.cluster = request.cluster;
  visit_constants(constants, [&](const ConstantRule& rule, const double& value) {
    plan.cluster.efficiency[rule.name] = value;
  });
  plan.batch = request.batch;
  plan.precision = request.layout.precision;
  plan.software = request.software;
  const SearchResult found = search_layouts(plan, 1);
  if (!found.ranked.empty()) return found.ranked.front().time.tokens_per_second_per_device;
  return step_time(request).tokens_per_second_per_device;
}

BenchResult bench_plan(const std::vector<PublishedRun>& runs, const Constants& constants) {
  BenchResult result;
  std::vector<const PublishedRun*> used;
  std::vector<double> all, complete, predicted, measured;
  for (const PublishedRun& run : runs) {
    if (!run.skipped.empty()) {
      result.skipped[run.skipped] += 1;
      continue;
    }
    BenchRow row{run.id,       run.group, run.family, run.is_complete, predict(run, constants),
                 run.measured, 0,         0};
    row.error = row.predicted / row.measured - 1;
    all.push_back(row.error);
    if (row.is_complete) complete.push_back(row.error);
    predicted.push_back(row.predicted);
    measured.push_back(row.measured);
    result.rows.push_back(row);
    used.push_back(&run);
  }
  result.all = summarise(all);
  result.complete = summarise(complete);
  result.rank_correlation = spearman(predicted, measured);
  result.configuration_rank_correlation = mean_family_correlation(result.rows);
  result.groups = biases(result.rows);
  add_baseline(result, used);
  return result;
}

}  // namespace farthing
