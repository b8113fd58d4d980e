// run_length.cpp - estimate how far time reaches; revise only when it matters.
#include "train/run_length.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/error.h"

namespace farthing {
namespace {

constexpr std::int64_t kStepsBeforeEstimate = 3;
constexpr std::int64_t kUnknownWarmupSteps = 100;  // until the first estimate
constexpr double kReserve = 0.01;                  // of the limit, kept free
constexpr double kLateTolerance = 0.01;            // of the steps that remain
constexpr double kEarlyTolerance = 0.05;
constexpr double kDecisionSpacing = 0.02;     // of the limit, or ...
constexpr double kDecisionSpacingLeft = 0.1;  // ... of the time that is planned to remain

// Tokens at which the exact limits end the run; -1: none of them is set.
std::int64_t exact_end(const RunPlan& plan) {
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  if (plan.limits.steps) {
    end = std::min(end, tokens_after(plan.recipe, *plan.limits.steps, plan.granularity));
  }
  if (plan.limits.tokens) end = std::min(end, *plan.limits.tokens);
  return end == std::numeric_limits<std::int64_t>::max() ? -1 : end;
}

// Steps that a run to end_tokens takes; the ramp's early steps are counted one by one.
std::int64_t steps_to(const RunPlan& plan, std::int64_t end_tokens) {
  std::int64_t tokens = 0;
  for (std::int64_t step = 0;; ++step) {
    const std::int64_t batch =
        static_cast<std::int64_t>(batch_sequences(plan.recipe, tokens, plan.granularity)) *
        plan.recipe.data.sequence_length;
    if (tokens >= end_tokens) return step;
    if (batch == plan.recipe.train.batch_tokens) {
      return step + (end_tokens - tokens + batch - 1) / batch;
    }
    tokens += batch;
  }
}

}  // namespace

std::optional<double> seconds_limit(const Limits& limits, double usd_per_second) {
  std::optional<double> seconds = limits.seconds;
  if (limits.usd) {
    if (usd_per_second <= 0) {
      throw_bad_input({"until", "a limit in money, but this run costs nothing",
                       fmt::format("{} usd per second", usd_per_second), "a price above 0",
                       "set cost.price"});
    }
    const double bought = *limits.usd / usd_per_second;
    seconds = seconds ? std::min(*seconds, bought) : bought;
  }
  return seconds;
}

RunLength first_length(const RunPlan& plan, std::int64_t step, std::int64_t tokens) {
  RunLength length{.at_step = step,
                   .at_tokens = tokens,
                   .until = plan.recipe.train.until,
                   .reason = "limits of the recipe"};
  length.end_tokens = exact_end(plan);
  if (plan.seconds) {
    length.end_tokens = -1;
    length.warmup_steps =
        plan.recipe.train.warmup_steps > 0 ? plan.recipe.train.warmup_steps : kUnknownWarmupSteps;
    length.reason = "not known before the first steps are timed";
    return length;
  }
  CHECK(length.end_tokens >= 0, "a run without a limit");
  length.warmup_steps = warmup_steps(plan.recipe.train, steps_to(plan, length.end_tokens));
  if (tokens > 0) {
    length.progress =
        std::min(1.0, static_cast<double>(tokens) / static_cast<double>(length.end_tokens));
  }
  return length;
}

std::optional<RunLength> revised_length(const RunPlan& plan, const RunLength& present,
                                        const Pace& pace, double seconds_since_decision) {
  if (!plan.seconds || progress_at(present, pace.tokens) >= 1) return std::nullopt;
  const bool is_first = present.end_tokens < 0;
  const bool is_over = pace.elapsed_seconds >= *plan.seconds;
  if (is_first && pace.step - present.at_step < kStepsBeforeEstimate && !is_over) {
    return std::nullopt;
  }
  const double left = *plan.seconds * (1 - kReserve) - pace.elapsed_seconds - pace.tail_seconds;
  const std::int64_t n_steps =
      std::max<std::int64_t>(0, static_cast<std::int64_t>(left / pace.step_seconds));
  const std::int64_t batch =
      static_cast<std::int64_t>(batch_sequences(plan.recipe, pace.tokens, plan.granularity)) *
      plan.recipe.data.sequence_length;
  std::int64_t end = pace.tokens + n_steps * batch;
  const std::int64_t exact = exact_end(plan);
  if (exact >= 0) end = std::min(end, exact);

  const double planned = static_cast<double>(present.end_tokens - pace.tokens);
  const double change = static_cast<double>(end - present.end_tokens);
  const bool is_late = change < -kLateTolerance * planned;
  const bool is_early = change > kEarlyTolerance * planned;
  const double planned_seconds = planned / static_cast<double>(batch) * pace.step_seconds;
  const bool is_due = seconds_since_decision >= std::min(kDecisionSpacing * *plan.seconds,
                                                         kDecisionSpacingLeft * planned_seconds);
  if (!is_first && !is_over && !(is_due && (is_late || is_early))) return std::nullopt;

  RunLength length{.at_step = pace.step,
                   .at_tokens = pace.tokens,
                   .progress = progress_at(present, pace.tokens),
                   .end_tokens = end,
                   .warmup_steps = present.warmup_steps,
                   .until = present.until,
                   .reason = {}};
  if (is_first) {
    length.warmup_steps = warmup_steps(plan.recipe.train, pace.step + n_steps);
    length.progress =
        static_cast<double>(pace.tokens) / static_cast<double>(std::max(end, pace.tokens));
  }
  length.reason = fmt::format("{:.1f} s of {:.1f} s gone, {:.4g} s a step", pace.elapsed_seconds,
                              *plan.seconds, pace.step_seconds);
  return length;
}

}  // namespace farthing
