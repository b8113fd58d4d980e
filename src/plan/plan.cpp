// plan.cpp - fills a request, searches, and turns step time into days, hours, joules and ranges.
#include "plan/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/units.h"
#include "plan/accounting.h"
#include "plan/changes.h"
#include "plan/run_range.h"
#include "plan/search.h"

namespace farthing {
namespace {

constexpr double kHour = 3600, kDay = 86400;
constexpr double kNormalP90 = 1.2815515655446004;
// Two releases of one vendor's software, same configuration: median 6 % apart.
constexpr double kSoftwareSd = 0.06;
constexpr int kKept = 40;
constexpr double kMostStops = 20000, kMostEvents = 2e6;  // of a run that is acted out; of all
constexpr std::uint64_t kSeed = 1;                       // of what is acted out

double sane_tokens(const PlanRequest& request) {
  const double active = static_cast<double>(count_active_parameters(request.model).main());
  return request.tokens > 0 ? request.tokens : 20 * active;
}

// Tokens of a step where nobody said: 16 M at 15 T, smaller with the square root of the run.
std::int64_t usual_batch(const PlanRequest& request) {
  const double tokens = 16e6 * std::sqrt(sane_tokens(request) / 15e12);
  const double sequences = std::max(1.0, tokens / request.batch.sequence_length);
  double batch = std::pow(2.0, std::round(std::log2(sequences)));
  while (batch < request.cluster.n_devices() / 64.0) batch *= 2;
  return static_cast<std::int64_t>(batch);
}

void refuse_absurd(const PlanRequest& request) {
  const auto need = [](bool fine, const char* what, double found, const char* wanted) {
    if (!fine) throw_bad_input({"plan", what, fmt::format("{:g}", found), wanted, ""});
  };
  need(request.tokens >= 0 && request.tokens <= kMostTokens, "tokens", request.tokens,
       "up to 1e17");
  need(request.batch.sequence_length >= 1 && request.batch.sequence_length <= (1 << 24),
       "sequence length", request.batch.sequence_length, "1 to 16,777,216 tokens");
  need(request.batch.global_batch >= 0 && request.batch.global_batch <= kMostGlobalBatch,
       "global batch", static_cast<double>(request.batch.global_batch),
       "1 to 100,000,000 sequences");
  need(request.deadline_seconds >= 0 && request.deadline_seconds <= kMostDeadlineSeconds,
       "deadline", request.deadline_seconds, "up to 300 years");
}

PlanRequest filled(PlanRequest request) {
  refuse_absurd(request);
  if (request.tokens == 0) request.tokens = sane_tokens(request);
  if (!request.precision) request.precision = NumberFormat::kBf16;
  if (request.batch.global_batch == 0) request.batch.global_batch = usual_batch(request);
  if (const double step = request.batch.tokens(); request.tokens < step) {
    throw_bad_input(
        {"plan", "tokens", fmt::format("{:g}", request.tokens),
         fmt::format("at least one step: {} sequences of {} tokens = {}",
                     request.batch.global_batch, request.batch.sequence_length, format_count(step)),
         "--global-batch makes a step smaller"});
  }
  if (!request.software) {
    request.software = software_of(2026.0, Framework::kMegatron, request.cluster.device);
  }
  if (request.layout) request.precision = request.layout->precision;
  return request;
}

ExpectedGoodput goodput_of(const PlanRequest& request, const Layout& layout) {
  const double bytes = checkpoint_bytes(request.model, layout);
  return expected_goodput(exposure_of(request.cluster, layout.n_devices(), bytes),
                          reliability_of(request.cluster));
}

Quantiles quantiles(double median, double sd) {
  const double factor = std::exp(kNormalP90 * sd);
  return {median / factor, median, median * factor};
}

// d log step / d log constant by a step of 2 %.
std::vector<Sensitivity> sensitivities_of(const PlanRequest& request, const Candidate& best) {
  std::vector<Sensitivity> found;
  Constants constants = constants_for(request.cluster);
  const auto seconds = [&] {
    return step_time({.model = request.model,
                      .cluster = request.cluster,
                      .layout = best.layout,
                      .batch = best.batch,
                      .software = *request.software,
                      .constants = constants})
        .step_seconds;
  };
  visit_constants(constants, [&](const ConstantRule& rule, double& field) {
    const double kept = field;
    field = kept * 1.02;
    const double up = seconds();
    field = kept / 1.02;
    const double down = seconds();
    field = kept;
    found.push_back({rule.name, rule.relative_sd, std::log(up / down) / (2 * std::log(1.02))});
  });
  std::sort(found.begin(), found.end(), [](const Sensitivity& a, const Sensitivity& b) {
    return std::abs(a.elasticity * a.relative_sd) > std::abs(b.elasticity * b.relative_sd);
  });
  return found;
}

double spread_of_step(const std::vector<Sensitivity>& sensitivities) {
  double variance = kSoftwareSd * kSoftwareSd;
  for (const auto& each : sensitivities) {
    variance += each.elasticity * each.elasticity * each.relative_sd * each.relative_sd;
  }
  return std::sqrt(variance);
}

[[noreturn]] void refuse_endless(const SimulatedJob& job, const ReliabilityModel& model) {
  throw_bad_input({"plan", "a run that never ends",
                   fmt::format("an interruption every {}", format_seconds(job_mtbf(job, model))),
                   "more seldom ones, fewer devices or faster checkpoints", ""});
}

// Runs too long to act out: the usual one, its range that of the step.
void take_closed_form(Plan& plan, const SimulatedJob& job, const ReliabilityModel& model,
                      const ExpectedGoodput& closed) {
  const PlanRequest& request = plan.request;
  const Quantiles& step = plan.range.step_seconds;
  const auto of_steps = [&](double share, double unit) {
    const double each = plan.n_steps / share / unit;  // for each second of a step
    return Quantiles{step.p10 * each, step.p50 * each, step.p90 * each};
  };
  plan.range.days = of_steps(closed.share, kDay);
  plan.range.gpu_hours = of_steps(closed.held / job.n_devices, kHour);
  plan.failures_expected =
      model.failures_per_device_hour * job.n_devices * 24 * plan.range.days.p50;
  plan.checkpoint_every_seconds = closed.checkpoint_seconds;
  if (!(request.deadline_seconds > 0)) return;
  const double sd = std::log(plan.range.days.p90 / plan.range.days.p10) / (2 * kNormalP90);
  const double sigmas = std::log(request.deadline_seconds / (plan.range.days.p50 * kDay)) / sd;
  plan.p_deadline = 0.5 * std::erfc(-sigmas / std::sqrt(2.0));
}

// `scale` holds the drawn steps to their median: no figure hangs on which steps were drawn.
Quantiles quantiles_of(std::vector<double>& draws, double scale) {
  for (double& each : draws) each *= scale;
  const Spread spread = spread_of(draws);
  return {spread.p10, spread.p50, spread.p90, quantile_error(draws, 0.1) / spread.p10,
          quantile_error(draws, 0.9) / spread.p90};
}

// Days, hours held and P(by the deadline), with every uncertain input drawn.
void act_out(Plan& plan) {
  const PlanRequest& request = plan.request;
  const Candidate& best = plan.best();
  const ReliabilityModel model = reliability_of(request.cluster);
  const SimulatedJob job = job_of(request.cluster, best.layout.n_devices(), plan.checkpoint_bytes,
                                  plan.n_steps, best.time.step_seconds);
  // Runs of many stops are fewer; centuries of them, and what does not fit, none.
  const ExpectedGoodput closed = expected_goodput(job, model);
  const double stops = job.n_steps * job.step_seconds / closed.share *
                       (closed.interruptions + model.planned_per_day / kDay);
  const bool is_long = stops > kMostStops;
  if (plan.fits && is_long && !simulate_run(job, model, kSeed).finished) refuse_endless(job, model);
  if (!plan.fits || is_long || request.n_runs == 0) {
    take_closed_form(plan, job, model, closed);
    return;
  }
  const int n_runs = std::clamp(static_cast<int>(kMostEvents / std::max(1.0, stops)), 50,
                                std::max(50, request.n_runs));
  const Quantiles& step = plan.range.step_seconds;
  const std::vector<UncertainInput> inputs =
      run_inputs(request.cluster, job, model, {step.p10, step.p50, step.p90});
  std::vector<double> hours, steps;
  double failures = 0, n_finished = 0;
  const auto days_of = [&](std::span<const double> values, std::uint64_t seed) {
    const SimulatedOutcome outcome = drawn_run(job, model, values, seed);
    steps.push_back(values[0]);
    hours.push_back(outcome.held_seconds() / kHour * job.n_devices);
    failures += outcome.n_failures;
    n_finished += outcome.finished ? 1 : 0;
    return outcome.wall_seconds / kDay;
  };
  std::vector<double> days = draw_outputs(inputs, days_of, {.n_draws = n_runs, .seed = kSeed});
  if (2 * n_finished <= n_runs) refuse_endless(job, model);
  const double scale = step.p50 / spread_of(std::move(steps)).p50;
  plan.range.days = quantiles_of(days, scale);
  plan.range.gpu_hours = quantiles_of(hours, scale);
  plan.failures_expected = failures / n_runs;
  plan.checkpoint_every_seconds = simulate_run(job, model, kSeed).checkpoint_interval;
  if (request.deadline_seconds > 0) {
    const auto in_time = std::count_if(days.begin(), days.end(), [&](double each) {
      return each * kDay <= request.deadline_seconds;
    });
    plan.p_deadline = static_cast<double>(in_time) / static_cast<double>(days.size());
  }
}

void add_run(Plan& plan) {
  const PlanRequest& request = plan.request;
  const Candidate& best = plan.best();
  plan.checkpoint_bytes = checkpoint_bytes(request.model, best.layout);
  plan.n_steps = request.tokens / best.batch.tokens();
  if (request.wants_range) plan.sensitivities = sensitivities_of(request, best);
  const double sd = request.wants_range ? spread_of_step(plan.sensitivities) : 0;
  plan.range.step_seconds = quantiles(best.time.step_seconds, sd);
  plan.range.tokens_per_second = quantiles(best.time.tokens_per_second, sd);
  plan.range.mfu = quantiles(best.time.mfu, sd);
  act_out(plan);
  const double devices = best.layout.n_devices();
  const double compute_seconds = plan.n_steps * best.time.step_seconds;
  plan.compute_gpu_hours = compute_seconds * devices / kHour;
  plan.gpu_hours = plan.range.gpu_hours.p50;
  plan.days = plan.range.days.p50;
  const double seconds = plan.days * kDay;
  plan.goodput = compute_seconds / seconds;
  plan.waiting_gpu_hours = std::max(0.0, seconds * devices / kHour - plan.gpu_hours);
  const Cluster& cluster = request.cluster;
  const double node =
      cluster.node.devices.value * cluster.device.power.value + cluster.node.host_power.value;
  const double load = cluster.facility.load.is_known() ? cluster.facility.load.value : 0.8;
  const double pue = cluster.facility.pue.is_known() ? cluster.facility.pue.value : kUsualPue;
  plan.power_watts = node * devices / cluster.node.devices.value * load * pue;
  plan.energy_joules = plan.power_watts * plan.gpu_hours / devices * kHour;
  plan.meets_deadline = request.deadline_seconds == 0 || seconds <= request.deadline_seconds;
}

Plan plan_given(const PlanRequest& request) {
  Plan plan;
  plan.request = request;
  plan.usable_memory_bytes = usable_memory(request.cluster.device);
  const auto faults = validate(*request.layout, request.model, request.cluster, request.batch);
  if (!faults.empty()) {
    std::string message = "this layout cannot exist:";
    for (const auto& fault : faults) message += "\n  " + fault;
    throw Error(ErrorCode::kBadInput, message);
  }
  plan.n_layouts_tried = 1;
  const Candidate candidate = evaluate(request, *request.layout);
  plan.fits = candidate.memory.total() <= plan.usable_memory_bytes;
  plan.best_layouts = {candidate};
  if (!plan.fits) plan.shortfall = shortfall_of(request, candidate);
  return plan;
}

// The search continued steady states; the best are timed micro-batch by micro-batch.
void time_whole(const PlanRequest& request, std::vector<Candidate>& ranked) {
  const std::size_t n =
      std::min(ranked.size(), static_cast<std::size_t>(std::max(1, request.n_best)));
  for (std::size_t i = 0; i < n; ++i) ranked[i] = evaluate(request, ranked[i].layout);
  std::sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(n),
            [](const auto& a, const auto& b) { return a.time.step_seconds < b.time.step_seconds; });
}

Plan plan_searched(const PlanRequest& request) {
  Plan plan;
  plan.request = request;
  plan.usable_memory_bytes = usable_memory(request.cluster.device);
  SearchResult found = search_layouts(request, kKept);
  plan.n_layouts_tried = found.n_tried;
  plan.rejections = std::move(found.rejections);
  plan.fits = !found.ranked.empty();
  plan.best_layouts = std::move(found.ranked);
  if (plan.fits) {
    time_whole(request, plan.best_layouts);
    return plan;
  }
  if (found.too_large.empty()) {
    const std::string pins = describe(request.pins);
    std::string message =
        fmt::format("no layout of {} devices{} can exist:", request.cluster.n_devices(),
                    pins.empty() ? "" : " with " + pins);
    for (std::size_t i = 0; i < std::min<std::size_t>(3, plan.rejections.size()); ++i) {
      message += "\n  " + plan.rejections[i].reason;
    }
    throw Error(ErrorCode::kBadInput, message);
  }
  plan.shortfall = shortfall_of(request, found.too_large.front());
  plan.best_layouts = {evaluate(request, found.too_large.front().layout)};
  return plan;
}

// The smallest number of nodes whose plan meets the deadline: doubling, then halving.
PlanRequest with_enough_devices(PlanRequest request) {
  if (request.deadline_seconds <= 0) {
    throw_bad_input({"--device", "a number of devices cannot be chosen", "", "--deadline", ""});
  }
  const int per_node = request.cluster.devices_per_node();
  const auto meets = [&](int nodes) {
    PlanRequest tried = request;
    tried.cluster = with_devices(request.cluster, nodes * per_node);
    const SearchResult found = search_layouts(tried, 1);
    if (found.ranked.empty()) return false;
    const Candidate& best = found.ranked.front();
    const double seconds =
        tried.tokens / best.time.tokens_per_second / goodput_of(tried, best.layout).share;
    return seconds <= request.deadline_seconds;
  };
  constexpr int kMostNodes = 1 << 14;
  int enough = 1;
  while (enough <= kMostNodes && !meets(enough)) enough *= 2;
  if (enough > kMostNodes) {
    throw_bad_input({"--deadline", "no number of devices up to 131,072 meets it",
                     format_seconds(request.deadline_seconds), "",
                     "a longer deadline, fewer tokens or a larger global batch"});
  }
  int few = enough / 2;
  while (enough - few > std::max(1, enough / 16)) {
    const int middle = (few + enough) / 2;
    (meets(middle) ? enough : few) = middle;
  }
  request.cluster = with_devices(request.cluster, enough * per_node);
  return request;
}

}  // namespace

Quantiles as_printed(Quantiles quantiles) {
  const auto rounded = [](double value, double error) {
    return rounded_to_error(value, value * error);
  };
  quantiles.p10 = std::min(rounded(quantiles.p10, quantiles.p10_error), quantiles.p50);
  quantiles.p90 = std::max(rounded(quantiles.p90, quantiles.p90_error), quantiles.p50);
  return quantiles;
}

Candidate evaluate(const PlanRequest& request, const Layout& layout, bool whole_pipeline) {
  const PlanRequest whole = filled(request);
  Candidate candidate{.layout = layout, .batch = whole.batch, .time = {}, .memory = {}};
  candidate.memory = memory_use(whole.model, layout, whole.batch, *whole.software);
  candidate.time = step_time({.model = whole.model,
                              .cluster = whole.cluster,
                              .layout = layout,
                              .batch = whole.batch,
                              .software = *whole.software,
                              .constants = constants_for(whole.cluster),
                              .whole_pipeline = whole_pipeline});
  return candidate;
}

Plan make_plan(const PlanRequest& request) {
  PlanRequest whole = filled(request);
  if (whole.choose_devices) whole = with_enough_devices(whole);
  Plan plan = whole.layout ? plan_given(whole) : plan_searched(whole);
  add_run(plan);
  if (plan.fits && whole.wants_changes)
    plan.changes = best_changes(plan.request, plan.best_layouts);
  if (static_cast<int>(plan.best_layouts.size()) > whole.n_best) {
    plan.best_layouts.resize(static_cast<std::size_t>(std::max(1, whole.n_best)));
  }
  return plan;
}

}  // namespace farthing
