// plan_drawings.cpp - bars, a timeline and a calendar as SVG that the page's style colours.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/units.h"
#include "plan/constants.h"
#include "plan/memory.h"
#include "simulate/plan_page.h"

namespace farthing {
namespace {

constexpr double kWide = 900;

std::string svg_open(double height, const char* label) {
  return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", kWide,
                     height, label);
}

std::string rect(const char* style, double x, double y, double width, double height,
                 const std::string& title) {
  if (!(width > 0)) return "";
  return fmt::format(
      "<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\">"
      "<title>{}</title></rect>",
      style, x, y, width, height, escape_html(title));
}

std::string words_at(double x, double y, const std::string& words, const char* anchor = "start") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", x, y, anchor,
                     escape_html(words));
}

std::string rule(double x, double top, double bottom, const char* style) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                     style, x, x, top, bottom);
}

const char* op_style(const ScheduleOp& op) {
  if (op.overlaps_next) return "c3";
  switch (op.kind) {
    case PhaseKind::kForward:
      return "c2";
    case PhaseKind::kBackward:
    case PhaseKind::kBackwardInput:
      return "c0";
    case PhaseKind::kBackwardWeight:
      return "c1";
  }
  return "c4";
}

}  // namespace

std::string memory_drawing(const Plan& plan) {
  const Candidate& best = plan.best();
  const int stages = best.layout.schedule == PipelineSchedule::kDualPipe && best.layout.pp > 1
                         ? best.layout.pp / 2
                         : best.layout.pp;
  const std::vector<MemoryUse> uses =
      memory_of_stages(plan.request.model, best.layout, best.batch, *plan.request.software);
  double most = plan.usable_memory_bytes;
  for (const MemoryUse& use : uses) most = std::max(most, use.total());
  const double row = 20, left = 70, width = kWide - left - 90, bottom = row * stages + 8;
  std::string svg = svg_open(bottom + 24, "memory of every stage by component");
  for (int stage = 0; stage < stages; ++stage) {
    const MemoryUse& use = uses[static_cast<std::size_t>(stage)];
    const double y = row * stage + 4;
    double x = left;
    svg += words_at(left - 8, y + 13, fmt::format("{}", stage), "end");
    const std::array<std::pair<const char*, double>, 5> parts = {{{"weights", use.weights},
                                                                  {"gradients", use.gradients},
                                                                  {"optimizer", use.optimizer},
                                                                  {"activations", use.activations},
                                                                  {"transient", use.transient}}};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const double length = width * parts[i].second / most;
      svg += rect(
          fmt::format("c{}", i).c_str(), x, y, length, row - 4,
          fmt::format("stage {}, {}: {}", stage, parts[i].first, format_bytes(parts[i].second)));
      x += length;
    }
    svg += words_at(x + 6, y + 13, format_bytes(use.total()));
  }
  const double limit = left + width * plan.usable_memory_bytes / most;
  svg += rule(limit, 0, bottom, "cursor");
  svg += words_at(limit, bottom + 16, "usable " + format_bytes(plan.usable_memory_bytes), "end");
  return svg + "</svg>";
}

std::string timeline_drawing(const Simulation& s) {
  const StepTimeline& timeline = s.timeline;
  std::size_t count = 0;
  for (const auto& rank : timeline.ranks) count += rank.size();
  const double shown = timeline.pipeline_seconds *
                       std::min(1.0, static_cast<double>(kMostDrawnOps) /
                                         static_cast<double>(std::max<std::size_t>(1, count)));
  const auto n_ranks = static_cast<double>(timeline.ranks.size());
  const double row = std::clamp(360 / n_ranks, 4.0, 22.0), left = 40, width = kWide - left - 4;
  std::string svg = svg_open(row * n_ranks + 26, "operations of a step, rank by rank");
  for (std::size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
    const double y = row * static_cast<double>(rank);
    std::map<const char*, std::string> paths;
    for (const TimedOp& op : timeline.ranks[rank]) {
      if (op.begin > shown) continue;
      const double x = left + width * op.begin / shown;
      const double length = width * (std::min(op.end, shown) - op.begin) / shown;
      paths[op_style(op.op)] +=
          fmt::format("M{:.1f} {:.1f}h{:.2f}v{:.1f}h-{:.2f}z", x, y + 0.5, length, row - 1, length);
    }
    for (const auto& [style, path] : paths) {
      svg += fmt::format("<path class=\"{}\" d=\"{}\"/>", style, path);
    }
    if (row >= 10 || rank % 4 == 0) {
      svg += words_at(left - 6, y + std::min(row, 14.0) - 2, fmt::format("{}", rank), "end");
    }
  }
  svg += words_at(left, row * n_ranks + 18, "0 s");
  svg += words_at(kWide - 4, row * n_ranks + 18, fmt::format("{:.2f} s", shown), "end");
  return svg + "</svg>";
}

std::string weeks_drawing(const Simulation& s) {
  constexpr double kWeek = 7 * 86400.0;
  const int weeks = std::max(1, static_cast<int>(std::ceil(s.outcome.wall_seconds / kWeek)));
  const int drawn = std::min(weeks, 60);
  const double row = 20, left = 70, width = kWide - left - 4;
  std::string svg = svg_open(row * drawn + 24, "weeks of the run with its interruptions");
  const auto span = [&](double begin, double end, const char* style, const std::string& title) {
    while (begin < end) {
      const double week = std::floor(begin / kWeek);
      if (week >= drawn) return;
      const double until = std::min(end, (week + 1) * kWeek);
      svg += rect(style, left + width * (begin - week * kWeek) / kWeek, row * week + 2,
                  std::max(0.4, width * (until - begin) / kWeek), row - 4, title);
      begin = until;
    }
  };
  for (const SimulatedAttempt& each : s.outcome.attempts) {
    const double begun = each.begin + each.start_up, stop = begun + each.run_seconds;
    const double lost = std::max(0.0, each.reached - each.saved);
    const bool loses = each.reason == AttemptEnd::kFailure;
    span(each.begin, begun, "c4", "restarting, " + format_seconds(each.start_up));
    span(begun, stop - (loses ? std::min(lost, each.run_seconds) : 0), "c0",
         "steps, " + format_seconds(each.run_seconds));
    if (loses) {
      span(stop - std::min(lost, each.run_seconds), stop, "c5",
           "lost and done again, " + format_seconds(lost));
    }
    const std::string cause = each.cause < 0
                                  ? to_string(each.reason)
                                  : failure_causes()[static_cast<std::size_t>(each.cause)].name;
    span(stop, stop + each.detect + each.wait, "c6",
         fmt::format("{}: noticed after {}, waited {}", cause, format_seconds(each.detect),
                     format_seconds(each.wait)));
  }
  for (int week = 0; week < drawn; ++week) {
    svg += words_at(left - 8, row * week + 15, fmt::format("week {}", week + 1), "end");
  }
  for (int day = 0; day <= 7; ++day) {
    svg += rule(left + width * day / 7, 0, row * drawn, "grid");
  }
  svg +=
      words_at(left, row * drawn + 18,
               drawn < weeks ? fmt::format("the first {} of {} weeks; 7 days a row", drawn, weeks)
                             : "7 days a row");
  return svg + "</svg>";
}

std::string tornado_drawing(const RangeResult& range) {
  double low = range.at_medians, high = range.at_medians;
  for (const TornadoBar& bar : range.tornado) {
    low = std::min({low, bar.output_low, bar.output_high});
    high = std::max({high, bar.output_low, bar.output_high});
  }
  const double row = 24, left = 190, width = kWide - left - 70;
  const double scale = high > low ? width / (high - low) : 0;
  const auto at = [&](double days) { return left + (days - low) * scale; };
  std::string svg = svg_open(row * static_cast<double>(range.tornado.size()) + 26,
                             "days at the P10 and P90 of each input");
  double y = 0;
  for (const TornadoBar& bar : range.tornado) {
    const double from = std::min(bar.output_low, bar.output_high);
    const double to = std::max(bar.output_low, bar.output_high);
    svg += words_at(left - 8, y + 16, bar.name, "end");
    svg += rect("c2", at(from), y + 4, std::max(1.0, at(to) - at(from)), row - 8,
                fmt::format("{}: {:.4g} to {:.4g}, {:.2f} to {:.2f} days", bar.name, bar.input_low,
                            bar.input_high, bar.output_low, bar.output_high));
    svg += words_at(at(to) + 5, y + 16, fmt::format("{:.1f}", to));
    y += row;
  }
  svg += rule(at(range.at_medians), 0, y, "cursor");
  svg += words_at(at(range.at_medians), y + 18, fmt::format("{:.1f} days", range.at_medians),
                  "middle");
  return svg + "</svg>";
}

std::string changes_drawing(const Plan& plan) {
  double most = 0.01;
  for (const Change& change : plan.changes) most = std::max(most, std::abs(change.speedup - 1));
  const double row = 24, left = 270, width = kWide - left - 80;
  std::string svg = svg_open(row * static_cast<double>(plan.changes.size()) + 4,
                             "what other inputs would do to tokens per second");
  double y = 0;
  for (const Change& change : plan.changes) {
    const double length = width * std::abs(change.speedup - 1) / most;
    svg += words_at(left - 8, y + 16, change.what, "end");
    svg += rect(change.speedup >= 1 ? "c0" : "c6", left, y + 4, std::max(1.0, length), row - 8,
                describe(change.layout));
    svg +=
        words_at(left + length + 6, y + 16, fmt::format("{:+.1f} %", 100 * (change.speedup - 1)));
    y += row;
  }
  return svg + "</svg>";
}

Table sensitivity_table(const Plan& plan) {
  struct Known {
    double value;
    ConstantRule rule;
  };
  std::map<std::string, Known> known;
  Constants constants = constants_for(plan.request.cluster);
  visit_constants(constants, [&](const ConstantRule& rule_of, double& field) {
    known.insert({rule_of.name, Known{field, rule_of}});
  });
  Table table{{"constant", "value", "uncertain by", "1 % of it moves the step by",
               "its uncertainty moves the step by", "meaning", "source"},
              {}};
  for (const Sensitivity& each : plan.sensitivities) {
    const Known& constant = known.at(each.constant);
    table.rows.push_back(
        {each.constant, fmt::format("{:.4g}", constant.value),
         fmt::format("{:.0f} %", 100 * each.relative_sd), fmt::format("{:+.3f} %", each.elasticity),
         fmt::format("{:.2f} %", 100 * std::abs(each.elasticity * each.relative_sd)),
         constant.rule.meaning, constant.rule.source});
  }
  return table;
}

}  // namespace farthing
