// plan.h - a training run planned: the layouts that are best and why others fail, time, memory,
// energy.
//
//   Plan plan = make_plan({.model = load_model_shape("deepseek-v3"),
//                          .cluster = load_cluster("h800-2048"), .tokens = 14.8e12});
//   plan.best().time.step_seconds      medians; plan.range has P10, P50, P90
//   plan.gpu_hours                     what is paid for: interruptions included
//
// Pure: no clock, no file, no global.  Cost: a search of some thousand layouts, well under 2 s.
// Errors   Error{kBadInput} for a given layout that cannot exist, with what would work;
//          nothing fits: Plan.fits is false and `shortfall` says by how much and where.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "plan/memory.h"
#include "plan/step_time.h"
#include "report/table.h"

namespace farthing {

// More is a slip of the pen.
inline constexpr double kMostTokens = 1e17, kMostDeadlineSeconds = 1e10;
inline constexpr std::int64_t kMostGlobalBatch = 100'000'000;

struct PlanRequest {
  ModelShape model;
  Cluster cluster;
  BatchShape batch{.sequence_length = 4096,
                   .global_batch = 0};    // 0: chosen from tokens and devices
  double tokens = 0;                      // 0: 20 per active parameter
  double deadline_seconds = 0;            // 0: none
  std::optional<Layout> layout;           // absent: searched
  LayoutPins pins;                        // of the search
  std::optional<NumberFormat> precision;  // absent: bf16
  std::optional<Software> software;       // absent: software_of(2026)
  std::string routing;                    // the run whose routing was measured; empty: assumed
  bool choose_devices = false;            // smallest count that meets the deadline
  int n_best = 5;
  int n_runs = 1000;          // acted out for goodput and the range of days; 0: the closed form
  bool wants_range = true;    // else medians alone
  bool wants_changes = true;  // what other inputs would do
};

struct Candidate {
  Layout layout;
  BatchShape batch;
  StepTime time;
  MemoryUse memory;
};

// Layouts that were set aside for one reason.
struct Rejection {
  std::string reason;  // "does not fit in memory", "TP leaves the node", ...
  int count = 0;
  std::string nearest;  // the one that came nearest, and by how much
};

// A change of the inputs and what it would do.
struct Change {
  std::string what;
  double step_seconds = 0;
  double tokens_per_second = 0;
  double speedup = 1;
  Layout layout;
};

// When nothing fits.
struct Shortfall {
  Candidate nearest;
  double missing_bytes = 0;
  std::string cheapest_change;
};

struct Quantiles {
  double p10 = 0, p50 = 0, p90 = 0;
  double p10_error = 0, p90_error = 0;  // standard errors over their value; 0: no draws
};
// P10 and P90 no finer than their error, on their sides of the median.
Quantiles as_printed(Quantiles quantiles);

struct PlanRange {
  Quantiles step_seconds, tokens_per_second, mfu, gpu_hours, days;
};

struct Sensitivity {
  std::string constant;
  double relative_sd = 0;
  double elasticity = 0;  // d log(step_seconds) / d log(constant)
};

struct Plan {
  PlanRequest request;  // with everything that was derived
  bool fits = false;
  std::vector<Candidate> best_layouts;  // fastest first
  std::vector<Rejection> rejections;
  std::vector<Change> changes;
  std::optional<Shortfall> shortfall;
  int n_layouts_tried = 0;
  double usable_memory_bytes = 0;
  // Of the best layout.
  double n_steps = 0;
  double goodput = 1;  // useful share of the wall clock of the median run of n_runs acted out
  double checkpoint_every_seconds = 0, checkpoint_bytes = 0;
  double failures_expected = 0;  // mean, without preemptions
  double compute_gpu_hours = 0;  // tokens x rate, no interruption: what reports usually state
  // In which devices are held and paid: lost work, restarts and repairs too, at the median.
  double gpu_hours = 0;
  double waiting_gpu_hours = 0;  // for capacity, nothing held: what `days` have beyond gpu_hours
  double days = 0;               // with that waiting
  double energy_joules = 0;      // at the wall of the site
  double power_watts = 0;
  bool meets_deadline = true;  // at the median
  double p_deadline = 1;       // share of the drawn runs that are done by then
  PlanRange range;
  std::vector<Sensitivity> sensitivities;  // largest effect first

  const Candidate& best() const { return best_layouts.front(); }
};

Plan make_plan(const PlanRequest& request);
// One layout timed and weighed; no search.  Its pipeline's steady state alone unless `whole`.
Candidate evaluate(const PlanRequest& request, const Layout& layout, bool whole_pipeline = true);

// Keys of docs/formats.md: layout, step_seconds, tokens_per_second, mfu, memory_bytes, gpu_hours,
// days, range, where_time_goes, rejections, changes, ...  `usd` is added by whoever knows prices.
Json to_json(const Plan& plan);
Json to_json(const Layout& layout);
std::string to_text(const Plan& plan);
Table step_parts_table(const Plan& plan);  // where a step's time goes, for text and page

}  // namespace farthing
