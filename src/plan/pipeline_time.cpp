// pipeline_time.cpp - a schedule acted out, whole or by its steady state.
#include "plan/pipeline_time.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace farthing {
namespace {

constexpr double kMostOps = 2e5;

PipelineTime act_out(const Layout& layout, std::int64_t count, const StepCosts& costs,
                     const std::vector<double>& slowdown) {
  const Schedule schedule =
      make_schedule(schedule_kind(layout.schedule), layout.pp, static_cast<int>(count), layout.vp);
  const StepTimeline line = simulate_step(schedule, costs, {.rank_slowdown = slowdown});
  return {line.pipeline_seconds, line.pipeline_seconds - line.bubble_seconds};
}

bool can_act(const Layout& layout, std::int64_t count) {
  return 3.0 * layout.pp * layout.vp * static_cast<double>(count) <= kMostOps &&
         why_not(schedule_kind(layout.schedule), layout.pp, static_cast<int>(count), layout.vp)
             .empty();
}

}  // namespace

ScheduleKind schedule_kind(PipelineSchedule schedule) {
  switch (schedule) {
    case PipelineSchedule::kGpipe:
      return ScheduleKind::kGpipe;
    case PipelineSchedule::kInterleaved:
      return ScheduleKind::kInterleaved;
    case PipelineSchedule::kZb1p:
      return ScheduleKind::kZb1p;
    case PipelineSchedule::kDualPipe:
      return ScheduleKind::kDualPipe;
    case PipelineSchedule::kDualPipeV:
      return ScheduleKind::kDualPipeV;
    case PipelineSchedule::kNone:
    case PipelineSchedule::kOneFOneB:
      break;
  }
  return ScheduleKind::kOneFOneB;
}

// Neighbours must not be neighbours in speed: ranks are dealt by the golden ratio.
std::vector<double> even_slowdown(int n_ranks, double jitter) {
  const auto n = static_cast<std::size_t>(n_ranks);
  std::vector<double> place(n), factor(n, 1);
  for (std::size_t rank = 0; rank < n; ++rank) {
    double whole = 0;
    place[rank] = std::modf(0.6180339887498949 * (static_cast<double>(rank) + 1), &whole);
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return place[a] < place[b]; });
  for (std::size_t i = 0; i < n; ++i) {
    const double even = (2 * static_cast<double>(i) + 1) / static_cast<double>(n) - 1;
    factor[order[i]] = 1 + std::sqrt(3.0) * jitter * even;
  }
  return factor;
}

PipelineTime pipeline_time(const Layout& layout, std::int64_t n_micro_batches,
                           const StepCosts& costs, double jitter, bool whole) {
  const std::vector<double> slowdown = even_slowdown(layout.pp, jitter);
  // Unequal stages of a short pipeline take some twenty micro-batches to settle.
  const std::int64_t p = layout.pp, few = p * std::max<std::int64_t>(3, (23 + p) / p);
  const std::int64_t many = few + p;  // DualPipe's p is even
  if ((whole || n_micro_batches <= many) && can_act(layout, n_micro_batches)) {
    return act_out(layout, n_micro_batches, costs, slowdown);
  }
  const PipelineTime filled = act_out(layout, few, costs, slowdown);
  const PipelineTime next = act_out(layout, many, costs, slowdown);
  const double steps = static_cast<double>(n_micro_batches - few) / static_cast<double>(many - few);
  return {filled.seconds + steps * (next.seconds - filled.seconds),
          filled.busy + steps * (next.busy - filled.busy)};
}

}  // namespace farthing
