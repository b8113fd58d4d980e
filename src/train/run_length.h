// run_length.h - limits in steps, tokens, time and money, turned into recorded decisions.
//
//   "500steps,2h,0.50usd"  ->  Limits (config/limits.h)  ->  RunLength decisions (lr_schedule.h)
//
// A limit in steps or tokens fixes the run's end before its first step.  One in time or money is
// an estimate from the pace so far; it is revised while the run goes on, so that the decay ends
// inside the limit.  Money is time at a fixed rate: both become seconds.
// Errors   Error{kBadInput} naming the limit.
#pragma once
#include <cstdint>
#include <optional>

#include "config/limits.h"
#include "train/lr_schedule.h"

namespace farthing {

// The tighter of the time limit and the money limit at this price; nullopt: neither.
// Errors   a money limit when nothing costs anything.
std::optional<double> seconds_limit(const Limits& limits, double usd_per_second);

// Where a run stands; seconds count every attempt from its start, waste included.
struct Pace {
  std::int64_t step = 0;    // steps done
  std::int64_t tokens = 0;  // tokens seen
  double elapsed_seconds = 0;
  double step_seconds = 0;  // mean of the recent steps, their share of saving and eval included
  double tail_seconds = 0;  // what evaluation, the last save and the export will take
};

// What decides a run's length besides its pace.
struct RunPlan {
  Recipe recipe;
  int granularity = 1;  // sequences of a micro-batch
  Limits limits;
  std::optional<double> seconds;  // of seconds_limit()
};

// The decision before the first step, or when a resume asks for other limits: exact where steps or
// tokens limit the run, open (end_tokens -1) where only time does.
RunLength first_length(const RunPlan& plan, std::int64_t step, std::int64_t tokens);

// A new decision when the time limit calls for one; nullopt: the present one stands.
std::optional<RunLength> revised_length(const RunPlan& plan, const RunLength& present,
                                        const Pace& pace, double seconds_since_decision);

}  // namespace farthing
