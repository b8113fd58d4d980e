// run_length_test.cpp - limits in money and time, and runs that end inside them at any pace.
#include "train/run_length.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "base/error.h"

namespace farthing {
namespace {

RunPlan plan_until(const std::string& until, double usd_per_second = 1e-5) {
  RunPlan plan;
  plan.recipe.data.sequence_length = 64;
  plan.recipe.train.batch_tokens = 64 * 4;
  plan.recipe.train.lr_shape = LrShape::kWsd;
  plan.recipe.train.until = until;
  plan.limits = parse_limits(until, "until");
  plan.seconds = seconds_limit(plan.limits, usd_per_second);
  return plan;
}

struct Outcome {
  double seconds = 0;
  std::int64_t steps = 0;
  int n_decisions = 0;
  double last_factor = 1;   // of the shape, at the last step
  double largest_jump = 0;  // of progress, at a decision after the first
};

// A run whose step number s takes seconds_of(s).
Outcome act_out(const RunPlan& plan, double tail,
                const std::function<double(std::int64_t)>& seconds_of) {
  Outcome outcome;
  RunLength length = first_length(plan, 0, 0);
  Pace pace{.tail_seconds = tail};
  double decided_at = 0, recent = 0;
  while (progress_at(length, pace.tokens) < 1) {
    outcome.last_factor = shape_factor(plan.recipe.train, progress_at(length, pace.tokens));
    const double seconds = seconds_of(pace.step);
    pace.elapsed_seconds += seconds;
    pace.tokens += plan.recipe.train.batch_tokens;
    pace.step += 1;
    recent = pace.step == 1 ? seconds : 0.9 * recent + 0.1 * seconds;
    pace.step_seconds = recent;
    const auto revised = revised_length(plan, length, pace, pace.elapsed_seconds - decided_at);
    if (!revised) continue;
    if (outcome.n_decisions++ > 0) {
      outcome.largest_jump =
          std::max(outcome.largest_jump,
                   std::abs(progress_at(*revised, pace.tokens) - progress_at(length, pace.tokens)));
    }
    length = *revised;
    decided_at = pace.elapsed_seconds;
  }
  outcome.seconds = pace.elapsed_seconds + tail;
  outcome.steps = pace.step;
  return outcome;
}

TEST(SecondsLimit, MoneyIsTimeAtAPrice) {
  EXPECT_DOUBLE_EQ(*seconds_limit(parse_limits("1h,0.01usd", "until"), 1e-5), 1000);
  EXPECT_DOUBLE_EQ(*seconds_limit(parse_limits("10s,0.01usd", "until"), 1e-5), 10);
  EXPECT_FALSE(seconds_limit(parse_limits("10steps", "until"), 0));
  EXPECT_THROW(seconds_limit(parse_limits("1usd", "until"), 0), Error);
}

TEST(RunLength, StepsAndTokensFixTheEndBeforeTheFirstStep) {
  EXPECT_EQ(first_length(plan_until("500steps"), 0, 0).end_tokens, 500 * 256);
  EXPECT_EQ(first_length(plan_until("1000tok"), 0, 0).end_tokens, 1000);
  EXPECT_EQ(first_length(plan_until("500steps,1000tok"), 0, 0).end_tokens, 1000);
  EXPECT_EQ(first_length(plan_until("500steps"), 0, 0).warmup_steps, 10);
  const Outcome outcome = act_out(plan_until("500steps"), 0, [](std::int64_t) { return 1.0; });
  EXPECT_EQ(outcome.steps, 500);
  EXPECT_EQ(outcome.n_decisions, 0);
}

TEST(RunLength, ALimitIsAskedAnewOnResume) {
  const RunLength length = first_length(plan_until("1000steps"), 250, 250 * 256);
  EXPECT_DOUBLE_EQ(length.progress, 0.25);
  EXPECT_DOUBLE_EQ(progress_at(length, 500 * 256), 0.5);
}

TEST(RunLength, DecaysInsideATimeLimitAtASteadyPace) {
  const Outcome outcome = act_out(plan_until("100s"), 2, [](std::int64_t) { return 0.1; });
  EXPECT_LE(outcome.seconds, 100);
  EXPECT_GE(outcome.seconds, 97);
  EXPECT_LT(outcome.last_factor, 0.11);  // the decay is complete
  EXPECT_EQ(outcome.n_decisions, 1);
}

TEST(RunLength, DecaysInsideATimeLimitWhenThePaceChanges) {
  const std::vector<std::function<double(std::int64_t)>> paces = {
      [](std::int64_t s) { return s < 100 ? 0.1 : 0.2; },                    // halves early
      [](std::int64_t s) { return s < 400 ? 0.2 : 0.1; },                    // doubles
      [](std::int64_t s) { return 0.1 + 0.0001 * static_cast<double>(s); },  // ever slower
      [](std::int64_t s) { return s % 2 == 0 ? 0.05 : 0.15; },               // uneven
      [](std::int64_t s) { return s < 4 ? 3.0 : 0.1; },                      // slow start
  };
  for (std::size_t i = 0; i < paces.size(); ++i) {
    const Outcome outcome = act_out(plan_until("100s"), 2, paces[i]);
    EXPECT_LE(outcome.seconds, 100) << i;
    EXPECT_GE(outcome.seconds, 93) << i;
    EXPECT_LT(outcome.last_factor, 0.12) << i;
    EXPECT_LT(outcome.largest_jump, 1e-12) << i;
    EXPECT_LE(outcome.n_decisions, 90) << i;
  }
}

TEST(RunLength, MoneyEndsARunAsTimeDoes) {
  const Outcome outcome =
      act_out(plan_until("0.001usd"), 1, [](std::int64_t) { return 0.1; });  // 100 s at 1e-5
  EXPECT_LE(outcome.seconds, 100);
  EXPECT_GE(outcome.seconds, 97);
}

TEST(RunLength, TheTighterLimitWins) {
  const Outcome by_steps = act_out(plan_until("100s,50steps"), 1, [](std::int64_t) { return 0.1; });
  EXPECT_EQ(by_steps.steps, 50);
  EXPECT_LT(by_steps.last_factor, 0.2);
}

TEST(RunLength, ALimitAlreadyPassedEndsAtOnce) {
  const Outcome outcome = act_out(plan_until("1s"), 0, [](std::int64_t) { return 5.0; });
  EXPECT_EQ(outcome.steps, 1);
}

}  // namespace
}  // namespace farthing
