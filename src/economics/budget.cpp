// budget.cpp - the purse, the ladder, the choice, and what else the money could do.
#include "economics/budget.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/calendar.h"
#include "base/error.h"
#include "economics/budget_choice.h"
#include "plan/accounting.h"
#include "simulate/scaling_laws.h"

namespace farthing {
namespace {

constexpr double kContinued = 100e9;  // tokens
constexpr double kContinueDays = 30, kTooLate = 1e12;
constexpr double kSecondsOfDay = 86400, kMostDays = 100 * kDaysPerYear;

double active_parameters(const ModelShape& shape) {
  return static_cast<double>(count_active_parameters(shape).total());
}

void check(const char* what, double value, double low, double high) {
  if (value >= low && value <= high) return;
  const bool is_flag = std::string_view(what).starts_with("--");
  throw Error(is_flag ? ErrorCode::kUsage : ErrorCode::kBadInput,
              to_string({what, "out of range", fmt::format("{:g}", value),
                         fmt::format("{:g} to {:g}", low, high), ""}));
}

void check(const BudgetRequest& request) {
  check("--budget", request.usd, 1, 1e12);
  check("--deadline", request.deadline_seconds, 0, kMostDays * kSecondsOfDay);
  check("--experiments", request.experiments, 0, 0.99);
  check("--failed", request.failed, 0, 2);
  check("--other", request.other_usd, 0, 1e12);
  check("--confidence", request.confidence, 0.5, 0.99);
  check("price of a device-hour", request.price.value, 1e-6, 1e6);
  const Device& device = request.cluster.device;
  if (request.precision && !has_products(device, *request.precision)) {
    throw_bad_input({"--precision", device.name + " has no such products", name(*request.precision),
                     device.fp8_peak.is_known() ? "bf16, fp8" : "bf16", ""});
  }
  if (request.other_usd >= request.usd) {
    throw_wrong_use({"--other", "nothing is left for compute", fmt::format("{}", request.other_usd),
                     fmt::format("under the budget, {}", request.usd), ""});
  }
}

// Hours for the same tokens on devices that no market takes back, over those of spot capacity;
// failures of hardware hit both.
double calm_share(const BudgetRequest& request, const BudgetChoice& choice) {
  if (!request.cluster.spot.preemptions.is_known()) return 1;
  BudgetRequest calm = request;
  calm.cluster.spot.preemptions.value = 0, calm.cluster.spot.availability.value = 1;
  const auto plan = try_plan(calm, choice.shape, choice.tokens, choice.devices,
                             choice.plan.best().layout.precision);
  if (!plan || !plan->fits) return 1;
  return useful_share(choice.plan) / useful_share(*plan);
}

void add_ways(BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  plan.calm_share = calm_share(request, plan.best);
  const auto add = [&](const char* name, double price, const std::string& note) {
    const bool is_spot = std::string_view(name) == "spot";
    const double hours = plan.best.final_hours * (is_spot ? 1 : plan.calm_share);
    const bool is_paid = !request.is_own_price && price == request.price.value;
    plan.ways.push_back({name, price, hours * price, note, hours, is_paid});
    plan.ways.back().lacks_reclaiming =
        is_spot && std::isfinite(price) && !request.cluster.spot.preemptions.is_known();
  };
  if (request.is_own_price) {
    const double hours = plan.best.final_hours;
    plan.ways.push_back({"your own price (--rent)", request.price.value, plan.best.final_usd,
                         describe(request.price), hours, true});
  }
  const auto price_of = [](const PriceEntry* entry) {
    return entry == nullptr ? kNotStated : entry->value;
  };
  const auto note_of = [](const PriceEntry* entry) {
    return entry == nullptr ? std::string("not stated in the price list") : describe(*entry);
  };
  add("rent on demand", price_of(request.on_demand), note_of(request.on_demand));
  add("spot", price_of(request.spot), note_of(request.spot));
  if (request.own.empty()) {
    add("own", kNotStated, "no price of the device in the list");
    return;
  }
  Sheet own;
  for (const SheetLine& line : request.own) own.add(line);
  own.finish("own device-hour");
  add("own", own.value("own_hour"),
      fmt::format(
          "{} for {} device{} at {} ({}, {}), {} network ({:.0f} % of "
          "all), "
          "used {:.0f} % of {:g} years, repairs {:g} % a year, {:.0f} W a device before cooling at "
          "PUE {:g}, electricity at {}; no people, "
          "storage or hall, nor power "
          "while idle, "
          "which farthing cost own-or-rent counts",
          format_dollars(own.value("own_cluster") * plan.best.devices), plan.best.devices,
          plan.best.devices == 1 ? "" : "s", format_dollars(own.value("own_device")),
          own.at("own_device").date, own.at("own_device").source,
          own.find("own_server") == nullptr
              ? "server included, with"
              : fmt::format("with servers ({:g} times) and", own.value("own_server")),
          100 * own.value("own_network"), own.value("own_busy"), own.value("own_life"),
          own.value("own_repairs"), own.value("own_watts"), own.value("own_pue"),
          format_figure(own.value("own_kwh"), "USD/kWh")));
}

double elapsed_days(const Plan& plan) {
  return plan.gpu_hours / plan.best().layout.n_devices() / 24 /
         availability_of(plan.request.cluster);
}

// The cheapest that is done by the deadline, or in 30 days, else the quickest; nullopt: it fits on
// no number of devices.  FP8 where it saves what kWorthwhileFp8 asks.
std::optional<Plan> plan_of_open(const BudgetRequest& request, const ModelShape& shape) {
  const double most =
      request.deadline_seconds > 0 ? request.deadline_seconds / kSecondsOfDay : kContinueDays;
  std::optional<Plan> best;
  double least = 0;
  const int all = request.cluster.n_devices();
  for (int devices = std::min(all, request.cluster.devices_per_node());;
       devices = std::min(2 * devices, all)) {
    bool is_cheaper = false;
    for (const NumberFormat precision : precisions_of(request)) {
      auto found = try_plan(request, shape, kContinued, devices, precision, false);
      if (!found) continue;
      const double days = elapsed_days(*found);
      const double hours = found->gpu_hours * (is_fp8(precision) ? kWorthwhileFp8 : 1);
      const double cost = days <= most ? hours : kTooLate * days;
      if (best && cost >= least) continue;
      best = std::move(found), least = cost, is_cheaper = true;
    }
    if (devices == all || (best && least < kTooLate && !is_cheaper)) return best;
  }
}

// As farthing plan would, failures acted out.
Plan acted_out(const Plan& found) {
  PlanRequest request = found.request;
  request.layout = found.best().layout;
  request.n_runs = PlanRequest{}.n_runs;
  request.wants_range = true;
  return make_plan(request);
}

bool fits_somewhere(const BudgetRequest& request, const ModelShape& shape) {
  const NumberFormat precision = precisions_of(request).back();
  return try_plan(request, shape, kContinued, request.cluster.n_devices(), precision, false)
      .has_value();
}

// Of those that fit, the open model whose active size is nearest.
void add_open_model(BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  const double wanted = active_parameters(plan.best.shape);
  double best_distance = 3;  // e^3: no kin
  for (const char* name : {"llama3.1-8b", "llama3.1-70b", "deepseek-v2-lite", "qwen3-30b-a3b",
                           "qwen3-235b-a22b", "deepseek-v3"}) {
    const ModelShape shape = load_model_shape(name);
    const double tokens = training_defaults(name).tokens;
    const double distance = std::abs(std::log(active_parameters(shape) / wanted));
    if (!(tokens > 0) || distance >= best_distance) continue;
    if (!fits_somewhere(request, shape)) continue;
    best_distance = distance;
    plan.open = OpenModel();
    plan.open->name = name, plan.open->active = active_parameters(shape);
    plan.open->tokens = tokens;
  }
  if (!plan.open) return;
  OpenModel& open = *plan.open;
  const ModelShape shape = load_model_shape(open.name);
  const Plan found = acted_out(plan_of_open(request, shape).value());
  open.loss = expected_loss(shape, open.tokens);
  open.devices = found.best().layout.n_devices();
  open.batch = found.best().batch;
  open.precision = found.best().layout.precision;
  open.speed = kContinued / found.gpu_hours;
  open.continue_usd = found.gpu_hours * request.price.value;
  open.continue_days = elapsed_days(found);
  open.tune_usd = open.continue_usd / 100;
}

}  // namespace

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

namespace {

void choose_best(BudgetPlan& plan) {
  std::stable_sort(plan.ladder.begin(), plan.ladder.end(),
                   [](const auto& a, const auto& b) { return a.loss.mid < b.loss.mid; });
  plan.best = plan.ladder.front();
  for (const BudgetRung& rung : plan.ladder) {
    auto& slot = rung.shape.is_moe() ? plan.best_moe : plan.best_dense;
    if (!slot) slot = rung;
    const BudgetRung& leader = plan.ladder.front();
    const bool is_level =
        rung.loss.mid <= leader.loss.mid + kLevelLoss && rung.days <= kLevelTime * leader.days;
    if (is_level && active_parameters(rung.shape) < active_parameters(plan.best.shape)) {
      plan.best = rung;
    }
  }
}

void check_end(const BudgetPlan& plan) {
  const double share = kMostDays / plan.best.days;
  if (plan.request.deadline_seconds > 0 || share >= 1) return;
  throw_bad_input({"--budget", "more than " + plan.request.cluster.name + " spends in a century",
                   format_dollars(plan.request.usd),
                   format_dollars(plan.request.usd * share) + " or less, a larger cluster",
                   "--deadline leaves the rest unspent"});
}

}  // namespace

BudgetPlan plan_budget(const BudgetRequest& request,
                       const std::function<void(int, int)>& progress) {
  check(request);
  BudgetPlan plan = with_purse(request);
  const auto shapes = request.model ? std::vector<ModelShape>{*request.model} : budget_ladder();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (auto rung = choose_rung(plan, shapes[i])) plan.ladder.push_back(std::move(*rung));
    if (progress) progress(static_cast<int>(i) + 1, static_cast<int>(shapes.size()));
  }
  if (plan.ladder.empty()) refuse_budget(plan, shapes.front());
  choose_best(plan);
  check_end(plan);
  const double run_usd = plan.best.final_usd + plan.best.failed_usd;
  plan.runs_a_year = std::min(request.usd / run_usd, kDaysPerYear / plan.best.days);
  add_reserve(plan);
  add_ways(plan);
  add_open_model(plan);
  plan.verdicts = budget_verdicts(plan);
  return plan;
}

}  // namespace farthing
