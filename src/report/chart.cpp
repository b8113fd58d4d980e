// chart.cpp - SVG by hand: scales, ticks, paths.
#include "report/chart.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/table.h"

namespace farthing {
namespace {

// Of a line chart, in the units of its viewBox; the script of the page has the same numbers.
constexpr double kWidth = 640, kHeight = 280, kLeft = 78, kRight = 14, kTop = 12, kBottom = 40;
constexpr int kHeatLevels = 10;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  // A little room, so that no curve lies on the frame.
  void pad(double share) {
    if (empty()) *this = {0, 1};
    const double room = high > low ? (high - low) * share : std::max(std::abs(high), 1e-9) * 0.5;
    low -= room;
    high += room;
  }
};

const std::vector<double>* column_of(const RunSeries& series, const std::string& data,
                                     const std::string& column) {
  const auto found = series.data.find(data);
  if (found == series.data.end()) return nullptr;
  const auto values = found->second.find(column);
  return values == found->second.end() ? nullptr : &values->second;
}

double to_x(double value, const Range& range) {
  return kLeft + (value - range.low) / (range.high - range.low) * (kWidth - kLeft - kRight);
}
double to_y(double value, const Range& range) {
  return kHeight - kBottom -
         (value - range.low) / (range.high - range.low) * (kHeight - kTop - kBottom);
}

std::string line_path(const std::vector<double>& x, const std::vector<double>& y,
                      const Range& x_range, const Range& y_range) {
  std::string path;
  bool pen_down = false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) {
      pen_down = false;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", to_x(x[i], x_range),
                        to_y(y[i], y_range));
    pen_down = true;
  }
  return path;
}

std::string axes(const Range& x_range, const Range& y_range, const std::string& x_label) {
  std::string svg;
  for (const double tick : round_ticks(y_range.low, y_range.high)) {
    const double y = to_y(tick, y_range);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
        "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
        kLeft, kWidth - kRight, y, y, kLeft - 7, y + 4, tick_text(tick));
  }
  for (const double tick : round_ticks(x_range.low, x_range.high)) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       to_x(tick, x_range), kHeight - kBottom + 17, tick_text(tick));
  }
  return svg + fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kWidth - kRight,
                           kHeight - 4, escape_html(x_label));
}

std::string draw_line(const Line& line, std::size_t index, const std::vector<double>& x,
                      const std::vector<double>& y, const Range& x_range, const Range& y_range) {
  if (line.style != "dots") {
    return fmt::format("<path class=\"s{} {}\" d=\"{}\"/>", index, line.style,
                       line_path(x, y, x_range, y_range));
  }
  std::string svg;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
    svg += fmt::format("<circle class=\"s{} dots\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>", index,
                       to_x(x[i], x_range), to_y(y[i], y_range));
  }
  return svg;
}

}  // namespace

std::vector<double> round_ticks(double low, double high) {
  if (!(high > low) || !std::isfinite(high - low)) return {};
  const double rough = (high - low) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double share = rough / power;
  const double step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + 1e-9 * step && ticks.size() < 20; ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

std::string tick_text(double value) {
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size >= 1e12) return fmt::format("{:.3g}T", value / 1e12);
  if (size >= 1e9) return fmt::format("{:.3g}B", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::string to_svg(const Chart& chart, const RunSeries& series, const Axis& axis) {
  Range x_range, y_range;
  if (chart.from_zero) y_range.include(0);
  struct Drawn {
    std::vector<double> x;
    const std::vector<double>* y;
  };
  std::vector<Drawn> drawn;
  for (const Line& line : chart.lines) {
    const auto* x = column_of(series, line.data, axis.column);
    const auto* y = column_of(series, line.data, line.column);
    drawn.push_back({{}, x == nullptr ? nullptr : y});
    if (x == nullptr || y == nullptr) continue;
    for (const double value : *x) {
      drawn.back().x.push_back(value / axis.divisor);
      x_range.include(value / axis.divisor);
    }
    for (const double value : *y) y_range.include(value);
  }
  x_range.pad(0.01);
  y_range.pad(0.05);
  if (chart.from_zero) y_range.low = 0;
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
                                kWidth, kHeight, escape_html(chart.title));
  svg += axes(x_range, y_range, axis.label) + "<g class=\"lines\">";
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i].y == nullptr) continue;
    svg += draw_line(chart.lines[i], i, drawn[i].x, *drawn[i].y, x_range, y_range);
  }
  return svg + "</g></svg>";
}

std::string to_svg(const HeatMap& map) {
  const auto n_rows = static_cast<double>(map.values.size());
  const auto n_columns = static_cast<double>(map.column_values.size());
  const double height = std::clamp(n_rows * 18, 36.0, 360.0);
  const double cell_width = (kWidth - kLeft - kRight) / n_columns, cell_height = height / n_rows;
  std::vector<std::string> paths(kHeatLevels);
  for (std::size_t row = 0; row < map.values.size(); ++row) {
    for (std::size_t column = 0; column < map.values[row].size(); ++column) {
      const double share = (map.values[row][column] - map.low) / (map.high - map.low);
      if (!std::isfinite(share)) continue;
      const int level = std::clamp(static_cast<int>(share * kHeatLevels), 0, kHeatLevels - 1);
      paths[static_cast<std::size_t>(level)] += fmt::format(
          "M{:.2f} {:.2f}h{:.2f}v{:.2f}h-{:.2f}z", kLeft + static_cast<double>(column) * cell_width,
          kTop + static_cast<double>(row) * cell_height, cell_width, cell_height, cell_width);
    }
  }
  std::string svg = fmt::format(
      "<svg class=\"heat\" viewBox=\"0 0 {} {:.0f}\" role=\"img\" "
      "aria-label=\"{}\" data-height=\"{:.2f}\">",
      kWidth, kTop + height + kBottom, escape_html(map.title), height);
  for (int level = 0; level < kHeatLevels; ++level) {
    svg += fmt::format("<path class=\"h{}\" d=\"{}\"/>", level,
                       paths[static_cast<std::size_t>(level)]);
  }
  const int every_row = std::max(1, static_cast<int>(std::ceil(14 / cell_height)));
  for (int row = 0; row < static_cast<int>(map.values.size()); row += every_row) {
    svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", kLeft - 7,
                       kTop + (row + 0.5) * cell_height + 4, row);
  }
  const std::size_t every = std::max<std::size_t>(1, map.column_values.size() / 8);
  for (std::size_t column = 0; column < map.column_values.size(); column += every) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
                       kLeft + (static_cast<double>(column) + 0.5) * cell_width, kTop + height + 16,
                       tick_text(map.column_values[column]));
  }
  return svg + fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text></svg>",
                           kWidth - kRight, kTop + height + kBottom - 6,
                           escape_html(map.column_name));
}

std::string bar_to_svg(const std::vector<BarPart>& parts) {
  double total = 0;
  for (const BarPart& part : parts) total += part.value;
  std::string svg =
      "<svg class=\"bar\" viewBox=\"0 0 640 34\" role=\"img\" "
      "preserveAspectRatio=\"none\" aria-label=\"where the time went\">";
  double x = 0;
  for (std::size_t i = 0; total > 0 && i < parts.size(); ++i) {
    const double width = 640 * parts[i].value / total;
    if (width <= 0) continue;
    svg += fmt::format(
        "<rect class=\"c{}\" x=\"{:.2f}\" width=\"{:.2f}\" height=\"34\"><title>{}: "
        "{}</title></rect>",
        i, x, width, escape_html(parts[i].name), escape_html(parts[i].note));
    x += width;
  }
  return svg + "</svg>";
}

}  // namespace farthing
