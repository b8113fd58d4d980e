// chart.h - line charts, heat maps and a stacked bar as values, drawn as inline SVG.
//
// Colours are CSS classes (s0 s1 ..., h0 .. h9), so that one drawing serves light and dark pages.
#pragma once
#include <string>
#include <vector>

#include "report/series.h"

namespace farthing {

// One line, or dots, of a data set's column.
struct Line {
  std::string data;  // "steps", "evals"
  std::string column;
  std::string name;
  std::string style;  // "line", "faint", "dots"
};

struct Chart {
  std::string id;
  std::string title;
  std::string unit;  // of y
  std::vector<Line> lines;
  bool from_zero = false;  // y begins at 0
};

// An axis that all charts can share: its column, its words and what divides its values.
struct Axis {
  std::string column;  // steps, tokens, seconds, usd
  std::string label;   // "time (min)"
  double divisor = 1;
};

// 4 to 7 round numbers from the first at or above low to the last at or below high.
std::vector<double> round_ticks(double low, double high);
// "1.2k", "0.003", "3e-05".
std::string tick_text(double value);

std::string to_svg(const Chart& chart, const RunSeries& series, const Axis& axis);
std::string to_svg(const HeatMap& map);

struct BarPart {
  std::string name;
  double value = 0;
  std::string note;  // "12.3 s, 4 %"
};
std::string bar_to_svg(const std::vector<BarPart>& parts);

}  // namespace farthing
