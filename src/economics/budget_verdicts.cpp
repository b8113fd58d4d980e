// budget_verdicts.cpp - what is worth saying of a budget's choice, in figures of its ladder alone.
#include <fmt/core.h>

#include <cmath>

#include "base/calendar.h"
#include "base/units.h"
#include "economics/budget_choice.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

std::string in_precision(const BudgetChoice& choice) {
  return choice.shape.name + " in " + precision_words(choice);
}

// One after the other, on all devices.
bool experiments_are_late(const BudgetPlan& plan) {
  const double share = 1.0 * plan.best.devices / plan.request.cluster.n_devices();
  const double deadline = plan.request.deadline_seconds / 86400;
  return deadline > 0 && plan.experiments_days + plan.best.days * share > deadline;
}

void add_limits(const BudgetPlan& plan, std::vector<std::string>& say) {
  const BudgetChoice& best = plan.best;
  if (best.limited_by_deadline) {
    const bool is_all = best.devices == plan.request.cluster.n_devices();
    say.push_back(fmt::format("The deadline binds, not the money: {} devices are all that {} {}.",
                              best.devices, plan.request.cluster.name,
                              is_all ? "has" : "has use for on one run"));
  }
  if (experiments_are_late(plan)) {
    const int all = plan.request.cluster.n_devices();
    say.push_back(fmt::format(
        "The experiments and the final run do not both fit the deadline: the experiments alone "
        "keep all {} devices of {} busy for {}, the final run {} of them for {}.",
        all, plan.request.cluster.name, span_words(plan.experiments_days), best.devices,
        span_words(best.days)));
  }
  if (plan.request.deadline_seconds == 0 && best.days > kDaysPerYear) {
    say.push_back(fmt::format(
        "Without a deadline the money keeps {} devices of {} busy for {:.1f} years: a larger "
        "cluster, or --deadline, says what is of use.",
        best.devices, plan.request.cluster.name, best.days / kDaysPerYear));
  }
  const BudgetChoice& leader = plan.ladder.front();
  if (leader.shape.name == best.shape.name) return;
  say.push_back(
      fmt::format("{} would have {:.3f} nats against {:.3f}: within {:g} and {:g} times its time, "
                  "the model with the fewest active parameters is chosen, which serves for less.",
                  leader.shape.name, leader.loss.mid, best.loss.mid, kLevelLoss, kLevelTime));
}

void add_mixture(const BudgetPlan& plan, std::vector<std::string>& say) {
  if (!plan.best_dense || !plan.best_moe) return;
  const BudgetChoice &dense = *plan.best_dense, &moe = *plan.best_moe;
  const std::string pair = fmt::format("{:.3f} nats for {}, {:.3f} for {}", moe.loss.mid,
                                       in_precision(moe), dense.loss.mid, in_precision(dense));
  if (moe.loss.mid >= dense.loss.mid) {
    say.push_back("A mixture of experts does not pay at this scale: " + pair + ".");
  } else if (moe.loss.high > dense.loss.mid) {
    say.push_back("A mixture of experts may pay: " + pair +
                  ", within the band, so only if its parameters count as hoped.");
  } else {
    say.push_back("A mixture of experts pays: " + pair + ".");
  }
}

void add_precision(const BudgetPlan& plan, std::vector<std::string>& say) {
  const BudgetRung& best = plan.best;
  if (precisions_of(plan.request).size() == 1) {
    say.push_back(only_precision_words(plan.request));
  } else if (!best.other) {
    say.push_back(fmt::format("{} fits no layout in the other precision.", in_precision(best)));
  } else {
    const BudgetChoice& fp8 = best.is_fp8 ? best : *best.other;
    const BudgetChoice& bf16 = best.is_fp8 ? *best.other : best;
    say.push_back(fmt::format(
        "FP8 {} here: {:.3f} nats for {} in FP8, {:.3f} in BF16, {} the tokens{}.{}",
        best.is_fp8 ? "pays" : "does not pay", fp8.loss.mid, fp8.shape.name, bf16.loss.mid,
        format_figure(best.fp8_speedup(), "x"),
        best.is_fp8 ? ""
                    : fmt::format("; under {:g} times its software costs more", kWorthwhileFp8),
        best.is_fp8 ? std::string(" ").append(kFp8Note) : ""));
  }
}

void add_cheapest(const BudgetPlan& plan, std::vector<std::string>& say) {
  const WayToPay* cheapest = nullptr;
  for (const WayToPay& way : plan.ways) {
    const bool known = std::isfinite(way.usd_per_hour);
    if (known && (cheapest == nullptr || way.usd_per_hour < cheapest->usd_per_hour))
      cheapest = &way;
  }
  if (cheapest == nullptr) return;
  const bool is_dearer = plan.request.is_own_price && !cheapest->is_paid;
  say.push_back(fmt::format(
      "Cheapest by the hour: {}, {}{}.", cheapest->label(),
      format_figure(cheapest->usd_per_hour, "USD/h"),
      is_dearer ? ", against " + format_figure(plan.request.price.value, "USD/h") + " of your own"
                : ""));
}

void add_open(const BudgetPlan& plan, std::vector<std::string>& say) {
  if (!plan.open) {
    say.push_back(no_open_words(plan));
    return;
  }
  const OpenModel& open = *plan.open;
  const BudgetChoice& best = plan.best;
  const bool better = open.loss.mid < best.loss.mid && open.tune_usd <= best.final_usd;
  const double deadline = plan.request.deadline_seconds / 86400;
  const bool is_late = deadline > 0 && open.continue_days > deadline;
  say.push_back(fmt::format(
      "{} has seen {} tokens; the law gives it {:.3f} nats against {:.3f} here. To continue it for "
      "100 billion tokens {} costs about {} and takes {} on {} devices{}, to fine-tune it on one "
      "billion about {}{}",
      open.name, format_figure(open.tokens, ""), open.loss.mid, best.loss.mid, open.how(),
      format_dollars(open.continue_usd), span_words(open.continue_days), open.devices,
      is_late ? ", past the deadline" : "", format_dollars(open.tune_usd),
      better ? ": the cheaper way to a better model, unless your data or licence need a new one."
             : "."));
}

}  // namespace

std::string no_open_words(const BudgetPlan& plan) {
  return "No open model of its size that is known here fits " + plan.request.cluster.name +
         " to be continued or fine-tuned in full.";
}

std::string only_precision_words(const BudgetRequest& request) {
  return request.precision ? "The precision is as asked for; whether another pays was not searched."
                           : "The device has no FP8 products.";
}

std::vector<std::string> budget_verdicts(const BudgetPlan& plan) {
  std::vector<std::string> say;
  add_limits(plan, say);
  add_mixture(plan, say);
  add_precision(plan, say);
  add_cheapest(plan, say);
  add_open(plan, say);
  return say;
}

}  // namespace farthing
