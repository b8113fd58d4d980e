// budget_least.cpp - the purse, and what the smallest run wants where one was refused.
#include <fmt/core.h>

#include <cmath>

#include "base/error.h"
#include "base/units.h"
#include "economics/budget_choice.h"

namespace farthing {
namespace {

constexpr double kMostUsd = 1e12, kMostMinutes = 1e8;
constexpr int kPerDecade = 90;

// 1.0, 1.1 .. 9.9, 10, 11 .. 99, 100, 110 ..: what two digits can say.
double two_digits(int index) {
  const int place = index % kPerDecade;
  return (10 + place) * std::pow(10.0, index / kPerDecade - 1);
}

// The least two-digit number that is `enough`, from the decade of `from` on; NaN: none to `most`.
double least_that_does(double from, double most, const std::function<bool(double)>& enough) {
  const int decade = std::max(0, static_cast<int>(std::floor(std::log10(std::max(from, 1.0)))));
  int low = decade * kPerDecade - 1, high = low + 1;  // `high` may do, `low` does not
  while (!enough(two_digits(high))) {
    low = high;
    high += kPerDecade;
    if (two_digits(high) > most) return std::nan("");
  }
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (enough(two_digits(middle)) ? high : low) = middle;
  }
  return two_digits(high);
}

// The least that format_dollars() prints and that is `enough`: `usd` does, and of two digits no
// less does.
double printed_least(double usd, const std::function<bool(double)>& enough) {
  const double decade = std::pow(10.0, std::floor(std::log10(usd) + 1e-9));
  const double step = usd >= 1e6 ? decade / 1000 : usd >= 1000 ? 1 : 0.01;
  double high = std::round(usd / step);  // in steps; `high` does, `low` does not
  double low = usd > 1 ? high - std::round(decade / 10 / step) : 0;
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (enough(middle * step) ? high : low) = middle;
  }
  return high * step;
}

std::string run_words(const BudgetRequest& request, const ModelShape& shape) {
  const auto rung = choose_rung(with_purse(request), shape);
  return fmt::format("{} on {} tokens in {}, on {} devices", rung->shape.name,
                     format_figure(rung->tokens, ""), span_words(rung->days), rung->devices);
}

// What all devices of the cluster lack for `shape`.
std::string why_not(const BudgetRequest& request, const ModelShape& shape) {
  PlanRequest plan;
  plan.model = shape;
  plan.cluster = request.cluster;
  plan.precision = precisions_of(request).front();
  plan.tokens = 1e13;  // a batch that any number of devices can split
  plan.wants_range = plan.wants_changes = false;
  try {
    const Plan found = make_plan(plan);
    if (!found.fits) return found.shortfall->cheapest_change;
  } catch (const Error& error) {
    return error.message;
  }
  return "fewer experiments: where they overrun they take all of it";
}

[[noreturn]] void refuse(const std::string& flag, const std::string& found,
                         const std::string& wanted, const BudgetRequest& least,
                         const ModelShape& shape) {
  throw Error(ErrorCode::kOutOfResource, to_string({flag, "no run on " + least.cluster.name, found,
                                                    wanted + ": " + run_words(least, shape), ""}));
}

// Where fewer experiments leave a run, says the largest share, in hundredths, that does.
void refuse_experiments(const BudgetRequest& request, const ModelShape& shape) {
  BudgetRequest least = request;
  const auto is_run = [&](int hundredths) {
    least.experiments = hundredths / 100.0;
    return choose_rung(with_purse(least), shape).has_value();
  };
  int low = 0, high = static_cast<int>(std::ceil(100 * request.experiments - 1e-9));
  if (high == 0 || !is_run(0)) return;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (is_run(middle) ? low : high) = middle;
  }
  least.experiments = low / 100.0;
  refuse("--experiments",
         fmt::format("{:g}: where experiments overrun they take all", request.experiments),
         fmt::format("{:g} or less", least.experiments), least, shape);
}

}  // namespace

BudgetPlan with_purse(const BudgetRequest& request) {
  BudgetPlan plan;
  plan.request = request;
  plan.experiments_usd = request.experiments * (request.usd - request.other_usd);
  plan.purse_usd = request.usd - request.other_usd - plan.experiments_usd;
  plan.experiments_days = plan.experiments_usd / request.price.value / request.cluster.n_devices() /
                          24 / availability_of(request.cluster);
  return plan;
}

void refuse_budget(const BudgetPlan& plan, const ModelShape& shape) {
  BudgetRequest least = plan.request;
  least.deadline_seconds = 0;
  const auto is_run = [&] {
    return least.usd > least.other_usd && choose_rung(with_purse(least), shape).has_value();
  };
  if (is_run()) {  // but for the deadline
    const double minutes = least_that_does(1, kMostMinutes, [&](double each) {
      least.deadline_seconds = 60 * each;
      return is_run();
    });
    least.deadline_seconds = 60 * minutes;
    refuse("--deadline", format_seconds(plan.request.deadline_seconds),
           fmt::format("{:g} min or more", minutes), least, shape);
  }
  const auto is_enough = [&](double each) {
    least.usd = each;
    return is_run();
  };
  double usd = least_that_does(plan.request.usd, kMostUsd, is_enough);
  if (std::isnan(usd)) {
    refuse_experiments(plan.request, shape);
    throw Error(ErrorCode::kOutOfResource,
                to_string({"--budget", "no money trains " + shape.name + " on this cluster",
                           least.cluster.name, why_not(least, shape), ""}));
  }
  least.usd = usd = printed_least(usd, is_enough);
  refuse("--budget",
         fmt::format("{}, of it {} for the final run", format_dollars(plan.request.usd),
                     format_dollars(plan.purse_usd)),
         format_dollars(usd) + " or more", least, shape);
}

}  // namespace farthing
