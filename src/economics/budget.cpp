// budget.cpp - the purse, the draws, the ladder, and what is worth saying of the choice.
#include "economics/budget.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/rng.h"
#include "base/units.h"
#include "plan/accounting.h"
#include "simulate/scaling_laws.h"

namespace farthing {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kNormalP90 = 1.2815515655446004;
constexpr double kSecondsOfDay = 86400, kHour = 3600;
constexpr double kUsualDays = 30;
constexpr double kWorthwhileFp8 = 1.1;  // below it the software costs more than it saves

double active_parameters(const ModelShape& shape) {
  return static_cast<double>(count_active_parameters(shape).total());
}

void check(const char* what, double value, double low, double high) {
  if (value >= low && value <= high) return;
  const bool is_flag = std::string_view(what).starts_with("--");
  throw Error(is_flag ? ErrorCode::kUsage : ErrorCode::kBadInput,
              to_string({what, "out of range", fmt::format("{}", value),
                         fmt::format("{} to {}", low, high), ""}));
}

void check(const BudgetRequest& request) {
  check("--budget", request.usd, 1, 1e12);
  check("--deadline", request.deadline_seconds, 0, 100 * 365 * kSecondsOfDay);
  check("--experiments", request.experiments, 0, 0.99);
  check("--failed", request.failed, 0, 2);
  check("--other", request.other_usd, 0, 1e12);
  check("--confidence", request.confidence, 0.05, 0.99);
  check("price of a device-hour", request.price.value, 1e-6, 1e6);
  if (request.other_usd >= request.usd) {
    throw_bad_input({"--other", "nothing is left for compute", fmt::format("{}", request.other_usd),
                     fmt::format("under the budget, {}", request.usd), ""});
  }
}

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
double spread_of(const Quantiles& gpu_hours) {
  return gpu_hours.p50 > 0 ? std::log(gpu_hours.p90 / gpu_hours.p50) / kNormalP90 : 0.2;
}

Draws draw(const BudgetRequest& request, const Quantiles& gpu_hours) {
  const double sd = spread_of(gpu_hours);
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

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const auto index = static_cast<std::size_t>(q * static_cast<double>(values.size()));
  return values[std::min(index, values.size() - 1)];
}

double availability_of(const Cluster& cluster) {
  return cluster.spot.availability.is_known() ? cluster.spot.availability.value : 1;
}

// The deadline's hours of one device that can be had.
double hours_in_time(const BudgetRequest& request) {
  const double seconds =
      request.deadline_seconds > 0 ? request.deadline_seconds : kUsualDays * kSecondsOfDay;
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
  return {std::max(0.0, quantile(by_money, 1 - request.confidence)),
          quantile(stretch, request.confidence)};
}

struct Sized {
  double hours = 0;  // of the final run at the median
  int devices = 0;
  bool limited = false;
};

Sized size_run(const BudgetPlan& plan, const Draws& draws) {
  const BudgetRequest& request = plan.request;
  const HoursHeld held = hours_held(plan, draws);
  const double slow = held.slow;
  Sized sized;
  sized.hours = held.by_money;
  const int node = request.cluster.devices_per_node();
  const double nodes = std::ceil(sized.hours * slow / hours_in_time(request) / node - 1e-9);
  const double even = std::pow(2, std::ceil(std::log2(std::max(1.0, nodes))));  // layouts want it
  const double most = request.cluster.nodes.value;
  sized.devices = static_cast<int>(std::min(even, most)) * node;
  const double fits = sized.devices * hours_in_time(request) / slow;
  if (request.deadline_seconds > 0 && sized.hours > fits) {
    sized.hours = fits;
    sized.limited = true;
  }
  return sized;
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

Plan plan_of(const BudgetRequest& request, const ModelShape& shape, double tokens, int devices,
             NumberFormat precision) {
  PlanRequest plan;
  plan.model = shape;
  plan.cluster = with_devices(request.cluster, devices);
  plan.tokens = tokens;
  plan.precision = precision;
  plan.n_best = 1;
  plan.n_runs = 0;  // the ladder tries many, and draws its own chances
  return make_plan(plan);
}

// A batch that money or deadline leaves too small for the devices is no fault of the reader's.
std::optional<Plan> try_plan(const BudgetRequest& request, const ModelShape& shape, double tokens,
                             int devices, NumberFormat precision) {
  try {
    return plan_of(request, shape, tokens, devices, precision);
  } catch (const Error& error) {
    if (error.code != ErrorCode::kBadInput || request.model) throw;
    return std::nullopt;
  }
}

// What waits for capacity is not paid.
double useful_share(const Plan& plan, const Cluster& cluster) {
  return std::min(1.0, plan.goodput / availability_of(cluster));
}
double tokens_per_paid_hour(const Plan& plan, const Cluster& cluster) {
  return plan.best().time.tokens_per_second / plan.best().layout.n_devices() * kHour *
         useful_share(plan, cluster);
}

// Hours for the same tokens on devices that no market takes back, over those of spot capacity;
// failures of hardware hit both.
double calm_share(const BudgetRequest& request, const BudgetChoice& choice) {
  if (!request.cluster.spot.preemptions.is_known()) return 1;
  BudgetRequest calm = request;
  calm.cluster.spot = {};
  const auto plan = try_plan(calm, choice.shape, choice.tokens, choice.devices,
                             choice.plan.best().layout.precision);
  if (!plan || !plan->fits) return 1;
  return useful_share(choice.plan, request.cluster) / useful_share(*plan, calm.cluster);
}

std::optional<BudgetChoice> choose(const BudgetPlan& budget, const ModelShape& shape,
                                   NumberFormat precision) {
  const BudgetRequest& request = budget.request;
  const double flops = model_flops_per_token(shape, 4096).total();
  double rate = 0.35 * request.cluster.device.bf16_peak.value / flops * kHour;
  Draws draws = draw(request, {0.8, 1, 1.25});
  BudgetChoice choice;
  choice.shape = shape;
  for (int pass = 0; pass < 2; ++pass) {
    const Sized sized = size_run(budget, draws);
    const double tokens = sized.hours * rate;
    if (!(tokens > 1e6)) return std::nullopt;
    auto plan = try_plan(request, shape, tokens, sized.devices, precision);
    if (!plan || !plan->fits) return std::nullopt;
    choice.plan = std::move(*plan);
    choice.devices = choice.plan.best().layout.n_devices();
    choice.limited_by_deadline = sized.limited;
    choice.final_hours = sized.hours;
    rate = tokens_per_paid_hour(choice.plan, request.cluster);
    choice.tokens = sized.hours * rate;
    draws = draw(request, choice.plan.range.gpu_hours);
  }
  // The plan's own spread is known only now: the hours that hold with it, on its devices.
  const HoursHeld held = hours_held(budget, draws);
  choice.money_hours = held.by_money, choice.slow = held.slow;
  choice.hours_sd = spread_of(choice.plan.range.gpu_hours);
  const double in_time = choice.devices * hours_in_time(request) / held.slow;
  choice.final_hours = held.by_money;
  if (request.deadline_seconds > 0) choice.final_hours = std::min(choice.final_hours, in_time);
  choice.tokens = choice.final_hours * rate;
  choice.is_fp8 = is_fp8(precision);
  choice.final_usd = choice.final_hours * request.price.value;
  choice.failed_usd = choice.final_usd * request.failed;
  choice.days = choice.final_hours * (1 + request.failed) / choice.devices / 24 /
                availability_of(request.cluster);
  choice.loss = expected_loss(shape, choice.tokens);
  add_chances(choice, budget, draws);
  return choice;
}

// What the device gains from FP8 on this run; 0 where it has none.
double fp8_speedup(const BudgetPlan& budget, const BudgetChoice& choice) {
  if (!budget.request.cluster.device.fp8_peak.is_known()) return 0;
  const Plan fp8 =
      plan_of(budget.request, choice.shape, choice.tokens, choice.devices, NumberFormat::kFp8Block);
  if (!fp8.fits) return 0;
  return fp8.best().time.tokens_per_second / choice.plan.best().time.tokens_per_second;
}

void add_ways(BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  plan.calm_share = calm_share(request, plan.best);
  const auto add = [&](const char* name, double price, const std::string& note) {
    const bool is_spot = std::string_view(name) == "spot";
    const double hours = plan.best.final_hours * (is_spot ? 1 : plan.calm_share);
    plan.ways.push_back({name, price, hours * price, note, hours});
  };
  const auto price_of = [](const PriceEntry* entry) {
    return entry == nullptr ? kNone : entry->value;
  };
  const auto note_of = [](const PriceEntry* entry) {
    return entry == nullptr ? std::string("not stated in the price list") : describe(*entry);
  };
  add("rent on demand", price_of(request.on_demand), note_of(request.on_demand));
  add("spot", price_of(request.spot), note_of(request.spot));
  if (request.own.empty()) {
    add("own", kNone, "no price of the device in the list");
    return;
  }
  Sheet own;
  for (const SheetLine& line : request.own) own.add(line);
  own.finish("own device-hour");
  add("own", own.value("own_hour"),
      fmt::format(
          "{} for {} devices at {}, with servers ({:g} times) and network ({:.0f} % of all), "
          "used {:.0f} % of {:g} years, repairs {:g} % a year, electricity at {}; no people, "
          "storage or hall, nor power "
          "while idle, "
          "which farthing cost own-or-rent counts",
          format_dollars(own.value("own_cluster") * plan.best.devices), plan.best.devices,
          format_dollars(own.value("own_device")), own.value("own_server"),
          100 * own.value("own_network"), own.value("own_busy"), own.value("own_life"),
          own.value("own_repairs"), format_figure(own.value("own_kwh"), "USD/kWh")));
}

// The open model whose active size is nearest.
void add_open_model(BudgetPlan& plan) {
  const double wanted = active_parameters(plan.best.shape);
  double best_distance = 3;  // e^3: no kin
  for (const char* name : {"llama3.1-8b", "llama3.1-70b", "deepseek-v2-lite", "qwen3-30b-a3b",
                           "qwen3-235b-a22b", "deepseek-v3"}) {
    const ModelShape shape = load_model_shape(name);
    const double tokens = training_defaults(name).tokens;
    const double distance = std::abs(std::log(active_parameters(shape) / wanted));
    if (!(tokens > 0) || distance >= best_distance) continue;
    best_distance = distance;
    const double flops = model_flops_per_token(shape, 4096).total();
    const double own_flops = model_flops_per_token(plan.best.shape, 4096).total();
    const double usd_per_token =
        plan.best.final_usd / plan.best.tokens * flops / own_flops;  // at the same MFU
    plan.open_flops_ratio = flops / own_flops;
    plan.open = OpenModel{name,
                          active_parameters(shape),
                          tokens,
                          expected_loss(shape, tokens),
                          100e9 * usd_per_token,
                          1e9 * usd_per_token};
  }
}

void add_verdicts(BudgetPlan& plan) {
  const BudgetChoice& best = plan.best;
  auto& say = plan.verdicts;
  if (const double batch = best.plan.best().batch.tokens(); best.tokens < batch) {
    say.push_back(fmt::format("The money does not buy one step: {} tokens of a batch of {}.",
                              format_figure(best.tokens, ""), format_figure(batch, "")));
  }
  if (const double untrained = std::log(best.shape.vocab_size); best.loss.high >= untrained) {
    say.push_back(
        fmt::format("So few tokens are out of the law's range: a model that has learnt nothing "
                    "has {:.2f} nats per token.",
                    untrained));
  }
  if (best.limited_by_deadline) {
    say.push_back(fmt::format("The deadline binds, not the money: {} devices are all that {} has.",
                              best.devices, plan.request.cluster.name));
  }
  for (const BudgetChoice& choice : plan.ladder) {
    const BudgetChoice& leader = plan.ladder.front();
    if (choice.shape.name != best.shape.name || leader.shape.name == best.shape.name) continue;
    say.push_back(fmt::format(
        "{} would have {:.3f} nats less at one precision: within {:g}, the model with the fewest "
        "active parameters is chosen, which serves for less.",
        leader.shape.name, choice.loss.mid - leader.loss.mid, kLevelLoss));
  }
  if (plan.best_dense && plan.best_moe) {
    const BudgetChoice &dense = *plan.best_dense, &moe = *plan.best_moe;
    const double gain = dense.loss.mid - moe.loss.mid;
    if (gain <= 0) {
      say.push_back(
          fmt::format("A mixture of experts does not pay at this scale: {:.3f} against {:.3f} "
                      "nats for the dense model.",
                      moe.loss.mid, dense.loss.mid));
    } else if (moe.loss.high > dense.loss.mid) {
      say.push_back(
          fmt::format("A mixture of experts gains {:.3f} nats over the dense model, within the "
                      "band: it pays only if its parameters count as hoped.",
                      gain));
    } else {
      say.push_back(
          fmt::format("A mixture of experts pays: {:.3f} nats under the best dense model.", gain));
    }
  }
  if (plan.request.precision) {
    say.push_back("The precision is as asked for; whether FP8 pays was not searched.");
  } else if (plan.fp8_speedup == 0) {
    say.push_back("The device has no FP8 products, or no layout fits with them.");
  } else {
    say.push_back(fmt::format("FP8 {} here: {:.2f} times the BF16 speed.",
                              plan.fp8_speedup >= kWorthwhileFp8 ? "pays" : "does not pay",
                              plan.fp8_speedup));
  }
  const WayToPay* cheapest = nullptr;
  for (const WayToPay& way : plan.ways) {
    const bool known = std::isfinite(way.usd_per_hour);
    if (known && (cheapest == nullptr || way.usd_per_hour < cheapest->usd_per_hour))
      cheapest = &way;
  }
  if (cheapest != nullptr) {
    say.push_back(fmt::format("Cheapest by the hour: {}, {}.", cheapest->name,
                              format_figure(cheapest->usd_per_hour, "USD/h")));
  }
  if (plan.open) {
    const bool better = plan.open->loss.mid < best.loss.mid;
    say.push_back(fmt::format(
        "{} has seen {} tokens; the law gives it {:.3f} nats against {:.3f} here. To continue it "
        "for 100 billion tokens costs about {}, to fine-tune it on one billion about {}{}",
        plan.open->name, format_figure(plan.open->tokens, ""), plan.open->loss.mid, best.loss.mid,
        format_dollars(plan.open->continue_usd), format_dollars(plan.open->tune_usd),
        better ? ": the cheaper way to a better model, unless your data or licence need a new one."
               : "."));
  }
}

}  // namespace

const std::vector<BudgetVariates>& budget_variates() {
  static const std::vector<BudgetVariates> kVariates = [] {
    const Rng rng(20261102, RngStream::kSampling);
    const auto five = [](double value) { return std::round(value * 1e5) / 1e5; };
    std::vector<BudgetVariates> all;
    for (std::uint64_t i = 0; i < kBudgetDraws; ++i) {
      all.push_back({five(rng.normal(8 * i)), five(rng.uniform(8 * i + 2)),
                     five(rng.uniform(8 * i + 3)), five(rng.uniform(8 * i + 4))});
    }
    return all;
  }();
  return kVariates;
}

LossBand expected_loss(const ModelShape& shape, double tokens) {
  const auto without_embeddings = [](const ByPart<std::int64_t>& parts) {
    return static_cast<double>(parts.main() - parts.embedding - parts.head);
  };
  const double active = without_embeddings(count_active_parameters(shape));
  const double all = without_embeddings(count_parameters(shape));
  const auto law = [&](double parameters) {
    return expected_losses(
               {.active_parameters = parameters, .total_parameters = parameters, .tokens = tokens})
        .front();
  };
  const ExpectedLoss mid = law(std::sqrt(active * all));
  if (!shape.is_moe()) return {mid.low, mid.loss, mid.high};
  return {std::min(mid.low, law(all).loss), mid.loss, std::max(mid.high, law(active).loss)};
}

BudgetPlan plan_budget(const BudgetRequest& request,
                       const std::function<void(int, int)>& progress) {
  check(request);
  BudgetPlan plan;
  plan.request = request;
  plan.experiments_usd = request.experiments * (request.usd - request.other_usd);
  plan.purse_usd = request.usd - request.other_usd - plan.experiments_usd;
  const auto shapes = request.model ? std::vector<ModelShape>{*request.model} : budget_ladder();
  const NumberFormat precision = request.precision.value_or(NumberFormat::kBf16);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (auto choice = choose(plan, shapes[i], precision)) plan.ladder.push_back(std::move(*choice));
    if (progress) progress(static_cast<int>(i) + 1, static_cast<int>(shapes.size()));
  }
  if (plan.ladder.empty()) {
    const bool hurried = request.deadline_seconds > 0;
    throw Error(
        ErrorCode::kOutOfResource,
        to_string({"--budget", "trains nothing on " + request.cluster.name,
                   format_dollars(plan.purse_usd) + " for the final run" +
                       (hurried ? ", " + format_seconds(request.deadline_seconds) + " for it" : ""),
                   std::string(hurried ? "a later deadline, " : "") +
                       "more money, fewer experiments, or a cluster whose memory holds the model",
                   ""}));
  }
  std::stable_sort(
      plan.ladder.begin(), plan.ladder.end(),
      [](const BudgetChoice& a, const BudgetChoice& b) { return a.loss.mid < b.loss.mid; });
  for (const BudgetChoice& choice : plan.ladder) {
    auto& slot = choice.shape.is_moe() ? plan.best_moe : plan.best_dense;
    if (!slot) slot = choice;
  }
  plan.best = plan.ladder.front();
  for (const BudgetChoice& choice : plan.ladder) {
    const bool is_level = choice.loss.mid <= plan.ladder.front().loss.mid + kLevelLoss;
    if (is_level && active_parameters(choice.shape) < active_parameters(plan.best.shape)) {
      plan.best = choice;
    }
  }
  if (!request.precision) {
    plan.fp8_speedup = fp8_speedup(plan, plan.best);
    if (plan.fp8_speedup >= kWorthwhileFp8) {
      if (auto fp8 = choose(plan, plan.best.shape, NumberFormat::kFp8Block)) plan.best = *fp8;
    }
  }
  const double run_usd = plan.best.final_usd + plan.best.failed_usd;
  plan.runs_a_year = std::min(request.usd / run_usd, 365 / plan.best.days);
  add_ways(plan);
  if (!request.model) add_open_model(plan);
  add_verdicts(plan);
  return plan;
}

}  // namespace farthing
