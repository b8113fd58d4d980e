// budget_choice.cpp - the draws, and what a model trains for the money and by the deadline.
#include "economics/budget_choice.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "plan/accounting.h"
#include "plan/ranges.h"
#include "plan/reliability.h"

namespace farthing {
namespace {

constexpr double kNormalP90 = 1.2815515655446004;
constexpr double kHour = 3600;
constexpr double kUsualDays = 30;
constexpr double kUsualSpread = 0.174;  // of the logarithm of the hours: P90 a quarter over P50
constexpr double kLeastTokens = 1e6;

double triangular(double low, double mode, double high, double u) {
  if (!(high > low)) return mode;
  const double share = (mode - low) / (high - low);
  return u < share ? low + std::sqrt(u * (high - low) * (mode - low))
                   : high - std::sqrt((1 - u) * (high - low) * (high - mode));
}

struct Draws {
  std::vector<double> hours;  // of the run, over the median
  std::vector<double> price;
  std::vector<double> failed;       // 1 + share
  std::vector<double> experiments;  // over planned
};

// Of the logarithm.
double spread_of(const Quantiles& days) {
  return days.p50 > 0 ? std::log(days.p90 / days.p50) / kNormalP90 : kUsualSpread;
}

Draws draw(const BudgetRequest& request, double sd) {
  const PriceEntry& price = request.price;
  Draws draws;
  for (const BudgetVariates& drawn : budget_variates()) {
    draws.hours.push_back(std::exp(sd * drawn.hours));
    draws.price.push_back(triangular(price.low, price.value, price.high, drawn.price));
    draws.failed.push_back(1 + triangular(0, request.failed, 2.5 * request.failed, drawn.failed));
    draws.experiments.push_back(triangular(0.8, 1, 1.3, drawn.experiments));
  }
  return draws;
}

double value_at(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const auto index = static_cast<std::size_t>(q * static_cast<double>(values.size()));
  return values[std::min(index, values.size() - 1)];
}

// The deadline's hours of one device that can be had.
double hours_in_time(const BudgetRequest& request) {
  const double seconds =
      request.deadline_seconds > 0 ? request.deadline_seconds : kUsualDays * 24 * kHour;
  return seconds / kHour * availability_of(request.cluster);
}

struct HoursHeld {
  double by_money = 0;  // device-hours of the final run at the median
  double slow = 1;      // hours at the asked confidence over the median
};

HoursHeld hours_held(const BudgetPlan& plan, const Draws& draws) {
  const BudgetRequest& request = plan.request;
  std::vector<double> by_money, stretch;
  for (std::size_t i = 0; i < draws.hours.size(); ++i) {
    const double left =
        request.usd - request.other_usd - plan.experiments_usd * draws.experiments[i];
    by_money.push_back(left / (draws.hours[i] * draws.price[i] * draws.failed[i]));
    stretch.push_back(draws.hours[i] * draws.failed[i]);
  }
  return {std::max(0.0, value_at(by_money, 1 - request.confidence)),
          value_at(stretch, request.confidence)};
}

// The fewest that are worth a search: the money's hours in 30 days, or by a sooner deadline.
int least_devices(const BudgetRequest& request, const HoursHeld& held) {
  const double in_time =
      std::min(hours_in_time(request), kUsualDays * 24 * availability_of(request.cluster));
  const int node = request.cluster.devices_per_node();
  const double nodes = std::ceil(held.by_money * held.slow / in_time / node - 1e-9);
  const double even = std::pow(2, std::ceil(std::log2(std::max(1.0, nodes))));  // layouts want it
  return static_cast<int>(std::min(even, request.cluster.nodes.value)) * node;
}

// Of the final run at the median: by the money, and by the deadline.
double hours_on(int devices, const BudgetRequest& request, const HoursHeld& held) {
  if (!(request.deadline_seconds > 0)) return held.by_money;
  return std::min(held.by_money, devices * hours_in_time(request) / held.slow);
}

void add_chances(BudgetChoice& choice, const BudgetPlan& plan, const Draws& draws) {
  int in_budget = 0, in_time = 0;
  const BudgetRequest& request = plan.request;
  for (std::size_t i = 0; i < draws.hours.size(); ++i) {
    const double hours = choice.final_hours * draws.hours[i] * draws.failed[i];
    const double usd =
        hours * draws.price[i] + plan.experiments_usd * draws.experiments[i] + request.other_usd;
    in_budget += usd <= request.usd * (1 + 1e-9) ? 1 : 0;
    in_time += hours / choice.devices <= hours_in_time(request) * (1 + 1e-9) ? 1 : 0;
  }
  const auto n = static_cast<double>(draws.hours.size());
  choice.p_budget = in_budget / n;
  choice.p_deadline = request.deadline_seconds > 0 ? in_time / n : 1;
}

double start_up_seconds(const Cluster& cluster) { return reliability_of(cluster).restart_seconds; }

bool is_run(const BudgetChoice& choice, const Cluster& cluster) {
  const double seconds = choice.final_hours / choice.devices * kHour;
  return choice.tokens >= choice.plan.best().batch.tokens() &&
         seconds > start_up_seconds(cluster) &&
         choice.loss.high < std::log(choice.shape.vocab_size);
}

void settle_hours(BudgetChoice& choice, const BudgetPlan& budget, const Draws& draws) {
  const BudgetRequest& request = budget.request;
  const HoursHeld held = hours_held(budget, draws);
  choice.money_hours = held.by_money, choice.slow = held.slow;
  choice.final_hours = hours_on(choice.devices, request, held);
  choice.limited_by_deadline = choice.final_hours < held.by_money;
  choice.tokens = choice.final_hours * tokens_per_paid_hour(choice.plan);
  choice.final_usd = choice.final_hours * request.price.value;
  choice.failed_usd = choice.final_usd * request.failed;
  choice.days = choice.final_hours * (1 + request.failed) / choice.devices / 24 /
                availability_of(request.cluster);
  choice.loss = expected_loss(choice.shape, choice.tokens);
  add_chances(choice, budget, draws);
}

struct Tried {
  int devices = 0;
  double hours = 0, tokens = 0, loss = 0;
};

// Twice and twice again the fewest devices: what each would train.
std::vector<Tried> try_devices(const BudgetPlan& budget, const ModelShape& shape,
                               NumberFormat precision) {
  const BudgetRequest& request = budget.request;
  const HoursHeld held = hours_held(budget, draw(request, kUsualSpread));
  const double flops = model_flops_per_token(shape, 4096).total();
  double rate = 0.35 * request.cluster.device.bf16_peak.value / flops * kHour;
  const int all = request.cluster.n_devices();
  std::vector<Tried> tried;
  for (int devices = least_devices(request, held);; devices = std::min(2 * devices, all)) {
    const double hours = hours_on(devices, request, held);
    if (hours / devices * kHour <= start_up_seconds(request.cluster)) break;
    const double tokens = std::max(kLeastTokens, hours * rate);  // less is no run
    if (const auto plan = try_plan(request, shape, tokens, devices, precision, false)) {
      rate = tokens_per_paid_hour(*plan);
      tried.push_back({devices, hours, hours * rate, expected_loss(shape, hours * rate).mid});
    }
    if (devices == all) break;
  }
  return tried;
}

// The least loss; of those level with it the shortest.
const Tried& best_of(const std::vector<Tried>& tried) {
  const auto least = std::min_element(tried.begin(), tried.end(),
                                      [](const auto& a, const auto& b) { return a.loss < b.loss; });
  const auto time_of = [&](const Tried& each) {
    return each.loss <= least->loss + kLevelDevices ? each.hours / each.devices : HUGE_VAL;
  };
  return *std::min_element(tried.begin(), tried.end(),
                           [&](const auto& a, const auto& b) { return time_of(a) < time_of(b); });
}

std::optional<BudgetChoice> choose(const BudgetPlan& budget, const ModelShape& shape,
                                   NumberFormat precision) {
  const BudgetRequest& request = budget.request;
  const std::vector<Tried> tried = try_devices(budget, shape, precision);
  if (tried.empty()) return std::nullopt;
  const Tried& best = best_of(tried);
  auto plan =
      try_plan(request, shape, std::max(kLeastTokens, best.tokens), best.devices, precision);
  if (!plan) return std::nullopt;
  BudgetChoice choice;
  choice.shape = shape;
  choice.is_fp8 = is_fp8(precision);
  choice.plan = std::move(*plan);
  choice.devices = choice.plan.best().layout.n_devices();
  choice.hours_sd = spread_of(choice.plan.range.days);
  settle_hours(choice, budget, draw(request, choice.hours_sd));
  if (!is_run(choice, request.cluster)) return std::nullopt;
  return choice;
}

}  // namespace

double availability_of(const Cluster& cluster) {
  return cluster.spot.availability.is_known() ? cluster.spot.availability.value : 1;
}

std::optional<Plan> try_plan(const BudgetRequest& request, const ModelShape& shape, double tokens,
                             int devices, NumberFormat precision, bool wants_range) {
  PlanRequest plan;
  plan.model = shape;
  plan.cluster = with_devices(request.cluster, devices);
  plan.tokens = std::min(tokens, kMostTokens);
  plan.precision = precision;
  plan.n_best = 1;
  plan.n_runs = 0;  // the ladder tries many, and draws its own chances
  plan.wants_range = wants_range;
  plan.wants_changes = false;
  try {
    Plan found = make_plan(plan);
    return found.fits ? std::optional<Plan>(std::move(found)) : std::nullopt;
  } catch (const Error& error) {
    if (error.code != ErrorCode::kBadInput) throw;
    return std::nullopt;
  }
}

void add_reserve(BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  const BudgetChoice& best = plan.best;
  const Draws draws = draw(request, best.hours_sd);
  std::vector<double> usd;
  for (std::size_t i = 0; i < draws.hours.size(); ++i) {
    usd.push_back(best.final_hours * draws.hours[i] * draws.failed[i] * draws.price[i] +
                  plan.experiments_usd * draws.experiments[i]);
  }
  const double used = plan.experiments_usd + best.final_usd + best.failed_usd;
  const double rest = request.usd - request.other_usd - used;
  plan.reserve_usd = std::clamp(value_at(std::move(usd), request.confidence) - used, 0.0, rest);
  if (best.final_hours >= best.money_hours) plan.reserve_usd = rest;
  plan.not_spent_usd = rest - plan.reserve_usd;
}

double useful_share(const Plan& plan) { return plan.compute_gpu_hours / plan.gpu_hours; }

double tokens_per_paid_hour(const Plan& plan) {
  return plan.best().time.tokens_per_second / plan.best().layout.n_devices() * kHour *
         useful_share(plan);
}

std::vector<NumberFormat> precisions_of(const BudgetRequest& request) {
  if (request.precision) return {*request.precision};
  if (!request.cluster.device.fp8_peak.is_known()) return {NumberFormat::kBf16};
  return {NumberFormat::kBf16, NumberFormat::kFp8Block};
}

std::optional<BudgetRung> choose_rung(const BudgetPlan& budget, const ModelShape& shape) {
  std::optional<BudgetChoice> best, other;
  for (const NumberFormat precision : precisions_of(budget.request)) {
    auto choice = choose(budget, shape, precision);
    if (!choice) continue;
    const bool is_better = !best || choice->tokens >= kWorthwhileFp8 * best->tokens;
    if (is_better) std::swap(best, choice);
    if (choice) other = std::move(choice);
  }
  if (!best) return std::nullopt;
  BudgetRung rung{{std::move(*best)}, std::move(other)};
  return rung;
}

double BudgetRung::fp8_speedup() const {
  if (!other) return 0;
  return is_fp8 ? tokens / other->tokens : other->tokens / tokens;
}

const std::vector<BudgetVariates>& budget_variates() {
  static const std::vector<BudgetVariates> kVariates = [] {
    const auto of = [](const char* factor) { return factor_stream(20261102, factor); };
    const Rng hours = of("hours"), price = of("price"), failed = of("failed attempts"),
              experiments = of("experiments");
    const auto five = [](double value) { return std::round(value * 1e5) / 1e5; };
    std::vector<BudgetVariates> all;
    for (std::uint64_t i = 0; i < kBudgetDraws; ++i) {
      all.push_back({five(normal_quantile(hours.uniform(i))), five(price.uniform(i)),
                     five(failed.uniform(i)), five(experiments.uniform(i))});
    }
    return all;
  }();
  return kVariates;
}

}  // namespace farthing
