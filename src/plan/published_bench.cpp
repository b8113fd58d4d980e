// published_bench.cpp - predictions for published runs, and the statistics of their errors.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
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

struct Family {
  std::vector<double> predicted, measured;
};

// One model on one device: a configuration once, however often it was measured.
std::vector<Family> families_of(const std::vector<BenchRow>& rows) {
  std::map<std::string, std::map<std::string, Family>> repeats;
  for (const BenchRow& row : rows) {
    Family& each = repeats[row.family][row.configuration];
    each.predicted.push_back(row.predicted);
    each.measured.push_back(row.measured);
  }
  std::vector<Family> families;
  for (const auto& [name, configurations] : repeats) {
    Family family;
    for (const auto& [words, each] : configurations) {
      family.predicted.push_back(median(each.predicted));
      family.measured.push_back(median(each.measured));
    }
    if (family.measured.size() >= 5) families.push_back(std::move(family));
  }
  return families;
}

// Measured once more with noise: how well the truth itself would order the measurements.
double noisy_spearman(const std::vector<double>& truth) {
  constexpr int kDraws = 200;
  const Rng rng(1, RngStream::kSampling);
  std::uint64_t index = 0;
  double sum = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> measured;
    measured.reserve(truth.size());
    for (const double value : truth) {
      measured.push_back(value * std::exp(kReleaseNoise * rng.normal(index++)));
    }
    sum += spearman(truth, measured) / kDraws;
  }
  return sum;
}

void add_family_ranks(BenchResult& result) {
  double sum = 0, ceiling = 0;
  for (const Family& family : families_of(result.rows)) {
    const auto n = static_cast<double>(family.measured.size());
    sum += n * spearman(family.predicted, family.measured);
    ceiling += n * noisy_spearman(family.measured);
    result.n_configurations += static_cast<int>(family.measured.size());
  }
  if (result.n_configurations == 0) return;
  result.configuration_rank_correlation = sum / result.n_configurations;
  result.rank_ceiling = ceiling / result.n_configurations;
}

std::string configuration_of(const PublishedRun& run) {
  const StepTimeRequest& r = run.request;
  return fmt::format("{} devices, {} x {}, {}", r.layout.n_devices(), r.batch.global_batch,
                     r.batch.sequence_length, describe(r.layout));
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
  std::vector<double> all, complete, predicted, measured, memory;
  for (const PublishedRun& run : runs) {
    if (!run.skipped.empty()) {
      result.skipped[run.skipped] += 1;
      continue;
    }
    BenchRow row{.id = run.id,
                 .group = run.group,
                 .family = run.family,
                 .configuration = configuration_of(run),
                 .is_complete = run.is_complete,
                 .predicted = predict(run, constants),
                 .measured = run.measured};
    row.memory_bytes =
        memory_use(run.request.model, run.request.layout, run.request.batch, run.request.software)
            .total();
    row.measured_memory_bytes = run.measured_memory_bytes;
    if (run.has_layout && row.measured_memory_bytes > 0) {
      memory.push_back(row.memory_bytes / row.measured_memory_bytes - 1);
    }
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
  result.memory = summarise(memory);
  add_family_ranks(result);
  result.groups = biases(result.rows);
  add_baseline(result, used);
  return result;
}

}  // namespace farthing
