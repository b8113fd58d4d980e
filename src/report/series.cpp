// series.cpp - averaging over stretches, smoothing, heat maps.
#include "report/series.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace farthing {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

using Steps = std::vector<const StepRecord*>;

// The mean of the finite ones.
class Mean {
 public:
  void add(double value) {
    if (!std::isfinite(value)) return;
    sum_ += value;
    count_ += 1;
  }
  double value() const { return count_ > 0 ? sum_ / count_ : kNone; }

 private:
  double sum_ = 0;
  double count_ = 0;
};

Steps lasting_steps(const RunHistory& history) {
  Steps steps;
  for (const StepRecord& step : history.steps) {
    if (!step.recomputed) steps.push_back(&step);
  }
  return steps;
}

// Exponential mean whose memory grows with the run, so that it keeps up with the steep beginning.
std::vector<double> smooth_losses(const Steps& steps) {
  const double horizon = std::max(10.0, static_cast<double>(steps.size()) / 50);
  std::vector<double> smooth;
  double sum = 0, weight = 0;
  for (const StepRecord* step : steps) {
    const double age = static_cast<double>(smooth.size()) / 6;
    const double keep = 1 - 1 / std::min(horizon, 1 + age);
    if (std::isfinite(step->loss)) {
      sum = keep * sum + step->loss;
      weight = keep * weight + 1;
    }
    smooth.push_back(weight > 0 ? sum / weight : kNone);
  }
  return smooth;
}

double mean_of(const std::vector<double>& values) {
  Mean mean;
  for (const double value : values) mean.add(value);
  return mean.value();
}

Columns step_columns(const Steps& steps, double usd_per_second) {
  Columns columns;
  const std::vector<double> smooth = smooth_losses(steps);
  const std::size_t n_points = std::min(steps.size(), kMostPoints);
  for (std::size_t point = 0; point < n_points; ++point) {
    const std::size_t begin = point * steps.size() / n_points;
    const std::size_t end = (point + 1) * steps.size() / n_points;
    Mean loss, mtp_loss, norm, max_vio;
    double tokens = 0, seconds = 0;
    for (std::size_t i = begin; i < end; ++i) {
      loss.add(steps[i]->loss);
      mtp_loss.add(mean_of(steps[i]->mtp_loss));
      norm.add(steps[i]->grad_norm);
      max_vio.add(steps[i]->max_vio);
      tokens += static_cast<double>(steps[i]->step_tokens);
      seconds += steps[i]->step_seconds;
    }
    const StepRecord& last = *steps[end - 1];
    columns["steps"].push_back(static_cast<double>(last.step));
    columns["tokens"].push_back(static_cast<double>(last.tokens));
    columns["seconds"].push_back(last.run_seconds);
    columns["usd"].push_back(last.run_seconds * usd_per_second);
    columns["loss"].push_back(loss.value());
    columns["smooth_loss"].push_back(smooth[end - 1]);
    columns["mtp_loss"].push_back(mtp_loss.value());
    columns["tokens_per_second"].push_back(seconds > 0 ? tokens / seconds : kNone);
    columns["learning_rate"].push_back(last.learning_rate);
    columns["grad_norm"].push_back(norm.value());
    columns["max_vio"].push_back(max_vio.value());
  }
  return columns;
}

Columns eval_columns(const RunHistory& history, const Steps& steps, double usd_per_second) {
  Columns columns;
  for (const EvalRecord& eval : history.evals) {
    if (eval.recomputed) continue;
    double tokens = 0;
    for (const StepRecord* step : steps) {
      if (step->step <= eval.step) tokens = static_cast<double>(step->tokens);
    }
    columns["steps"].push_back(static_cast<double>(eval.step));
    columns["tokens"].push_back(tokens);
    columns["seconds"].push_back(eval.run_seconds);
    columns["usd"].push_back(eval.run_seconds * usd_per_second);
    columns["bits_per_byte"].push_back(eval.bits_per_byte);
    columns["eval_loss"].push_back(eval.loss);
    columns["eval_bytes"].push_back(eval.bytes);
  }
  return columns;
}

void add_violations(const Steps& all, std::vector<HeatMap>& maps) {
  Steps steps;
  std::size_t n_layers = 0;
  for (const StepRecord* step : all) {
    if (step->max_vio_by_layer.empty()) continue;
    steps.push_back(step);
    n_layers = std::max(n_layers, step->max_vio_by_layer.size());
  }
  if (steps.size() < 2) return;
  HeatMap map{.id = "max_vio_by_layer",
              .title = "MaxVio by MoE layer, over the run",
              .row_name = "MoE layer",
              .column_name = "step",
              .column_values = {},
              .values = {n_layers, std::vector<double>()},
              .low = 0,
              .high = 0};
  const std::size_t n_columns = std::min(steps.size(), kMostHeatColumns);
  for (std::size_t column = 0; column < n_columns; ++column) {
    const std::size_t begin = column * steps.size() / n_columns;
    const std::size_t end = (column + 1) * steps.size() / n_columns;
    map.column_values.push_back(static_cast<double>(steps[end - 1]->step));
    for (std::size_t layer = 0; layer < n_layers; ++layer) {
      Mean mean;
      for (std::size_t i = begin; i < end; ++i) {
        const auto& row = steps[i]->max_vio_by_layer;
        if (layer < row.size()) mean.add(row[layer]);
      }
      map.values[layer].push_back(mean.value());
      if (std::isfinite(mean.value())) map.high = std::max(map.high, mean.value());
    }
  }
  maps.push_back(std::move(map));
}

void add_expert_load(const Steps& steps, std::vector<HeatMap>& maps) {
  const auto found = std::find_if(steps.rbegin(), steps.rend(), [](const StepRecord* step) {
    return !step->expert_load.empty();
  });
  if (found == steps.rend()) return;
  HeatMap map{.id = "expert_load",
              .title = "Load of each expert at step " + std::to_string((*found)->step) +
                       " (1 = an even share)",
              .row_name = "MoE layer",
              .column_name = "expert",
              .column_values = {},
              .values = {},
              .low = 0,
              .high = 2};
  for (const auto& counts : (*found)->expert_load) {
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    std::vector<double> row;
    row.reserve(counts.size());
    for (const double count : counts) {
      row.push_back(total > 0 ? count * static_cast<double>(counts.size()) / total : kNone);
    }
    while (map.column_values.size() < row.size()) {
      map.column_values.push_back(static_cast<double>(map.column_values.size()));
    }
    map.values.push_back(std::move(row));
  }
  if (!map.column_values.empty()) maps.push_back(std::move(map));
}

}  // namespace

RunSeries make_series(const RunHistory& history, const Receipt& receipt) {
  const Steps steps = lasting_steps(history);
  const double wall = receipt.ledger.wall_seconds;
  const double usd_per_second = wall > 0 ? receipt.cost.usd / wall : 0;
  RunSeries series;
  if (!steps.empty()) series.data["steps"] = step_columns(steps, usd_per_second);
  Columns evals = eval_columns(history, steps, usd_per_second);
  if (!evals.empty()) series.data["evals"] = std::move(evals);
  add_violations(steps, series.heat_maps);
  add_expert_load(steps, series.heat_maps);
  return series;
}

}  // namespace farthing
