// series.h - a run's history as columns of numbers short enough to draw.
//
// Steps that were done again are left out; long runs are averaged over kMostPoints stretches.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "report/receipt.h"

namespace farthing {

inline constexpr std::size_t kMostPoints = 400;
inline constexpr std::size_t kMostHeatColumns = 80;

// Equally long columns by name; every data set has steps, tokens, seconds and usd.
using Columns = std::map<std::string, std::vector<double>>;

// values[row][column], each cell one colour from low to high.
struct HeatMap {
  std::string id;
  std::string title;
  std::string row_name;               // "layer"
  std::string column_name;            // "step", "expert"
  std::vector<double> column_values;  // what a column stands for
  std::vector<std::vector<double>> values;
  double low = 0;
  double high = 1;
};

struct RunSeries {
  // "steps": loss, smooth_loss, mtp_loss, tokens_per_second, learning_rate, grad_norm, max_vio.
  // "evals": bits_per_byte, eval_loss, eval_bytes.
  std::map<std::string, Columns> data;
  std::vector<HeatMap> heat_maps;  // MaxVio by layer over steps; expert load by layer
};

RunSeries make_series(const RunHistory& history, const Receipt& receipt);

}  // namespace farthing
