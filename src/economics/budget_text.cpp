// budget_text.cpp - a budget's plan as text, JSON and a page.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/calendar.h"
#include "base/units.h"
#include "economics/budget_choice.h"
#include "economics/scenario.h"
#include "plan/accounting.h"
#include "report/table.h"

namespace farthing {
namespace {

constexpr double kSecondsOfADay = 86400;

double active_of(const ModelShape& shape) {
  return static_cast<double>(count_active_parameters(shape).total());
}

std::string loss_words(const LossBand& loss) {
  return fmt::format("{:.3f} ({:.2f} to {:.2f})", loss.mid, loss.low, loss.high);
}

// What kBudgetDraws cases support.
double hundredths(double chance) { return std::round(100 * chance) / 100; }

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

// What the days hold beside the final run's own hours.
std::string days_words(const BudgetPlan& plan) {
  const Figure& availability = plan.request.cluster.spot.availability;
  const bool waits = availability.is_known() && availability.value < 1;
  const double hours = plan.best.final_hours / plan.best.devices;
  return fmt::format(
      "{} of the final run and {} of it for failed attempts{}", format_seconds(hours * 3600),
      percent(plan.request.failed),
      waits ? "; capacity is there " + percent(availability.value) + " of the time" : "");
}

Table answer_table(const BudgetPlan& plan) {
  const BudgetChoice& best = plan.best;
  return {.headings = {},
          .rows = {{"model", best.shape.name + ": " + describe(best.shape)},
                   {"precision", precision_words(best)},
                   {"tokens",
                    fmt::format("{} ({:.0f} per active parameter)", format_figure(best.tokens, ""),
                                best.tokens / active_of(best.shape))},
                   {"device-hours", format_figure(best.final_hours, "h")},
                   {"time", span_words(best.days) + ": " + days_words(plan)},
                   {"expected loss, nats per token", loss_words(best.loss)},
                   {"such final runs for the whole budget, within a year",
                    fmt::format("{:.1f}", plan.runs_a_year)}}};
}

Table purse_table(const BudgetPlan& plan) {
  const BudgetChoice& best = plan.best;
  const auto row = [&](const std::string& what, double usd) {
    return std::vector<std::string>{what, format_dollars(usd), percent(usd / plan.request.usd)};
  };
  return {.headings = {"where the money goes", "", "of the budget"},
          .rows = {states_other(plan.request)
                       ? row("data, storage, people", plan.request.other_usd)
                       : std::vector<std::string>{"data, storage, people", kOtherNotStated, ""},
                   row("experiments", plan.experiments_usd),
                   row("final run, interruptions included", best.final_usd),
                   row("failed attempts", best.failed_usd),
                   row("reserve for " + percent(plan.request.confidence) + " confidence",
                       plan.reserve_usd),
                   row("not spent", plan.not_spent_usd)}};
}

// The best few, and whatever a verdict speaks of.
std::vector<const BudgetRung*> rungs_to_show(const BudgetPlan& plan) {
  std::vector<const BudgetRung*> shown;
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const BudgetRung& rung = plan.ladder[k];
    const auto is = [&](const auto& choice) { return choice.shape.name == rung.shape.name; };
    const bool is_named = is(plan.best) || (plan.best_dense && is(*plan.best_dense)) ||
                          (plan.best_moe && is(*plan.best_moe));
    if (k < kMostRungs || is_named) shown.push_back(&rung);
  }
  return shown;
}

Table ladder_table(const BudgetPlan& plan) {
  Table table{.headings = {"for the same money", "active", "precision", "tokens", "devices", "time",
                           "loss"},
              .rows = {}};
  const bool has_others = precisions_of(plan.request).size() > 1;
  if (has_others) table.headings.push_back("other precision");
  for (const BudgetRung* rung : rungs_to_show(plan)) {
    const bool is_best = rung->shape.name == plan.best.shape.name;
    table.rows.push_back({rung->shape.name + (is_best ? ", chosen" : ""),
                          format_figure(active_of(rung->shape), ""), precision_words(*rung),
                          format_figure(rung->tokens, ""), std::to_string(rung->devices),
                          span_words(rung->days), loss_words(rung->loss)});
    if (!has_others) continue;
    const auto& other = rung->other;
    table.rows.back().push_back(
        other ? fmt::format("{} {:.3f}", precision_words(*other), other->loss.mid) : "no layout");
  }
  return table;
}

Table ways_table(const BudgetPlan& plan) {
  Table table{.headings = {"the final run's hours", "hours", "a device-hour", "together"},
              .rows = {}};
  for (const WayToPay& way : plan.ways) {
    table.rows.push_back({way.label(), format_figure(way.hours, "h"),
                          format_figure(way.usd_per_hour, "USD/h"),
                          format_figure(way.final_usd, "USD")});
  }
  return table;
}

}  // namespace

std::string precision_words(const BudgetChoice& choice) {
  return name(choice.plan.request.precision.value_or(NumberFormat::kBf16));
}

std::string OpenModel::how() const {
  return fmt::format("in {}, {} sequences of {} a step", farthing::name(precision),
                     batch.global_batch, batch.sequence_length);
}

std::string span_words(double days) {
  if (days == 0) return "none";
  return days < 730 ? format_seconds(days * kSecondsOfADay)
                    : fmt::format("{:.1f} years", days / kDaysPerYear);
}

std::string chance_words(double share) {
  return share > 0.995 ? "over 99 %" : share < 0.005 ? "under 1 %" : percent(share);
}

std::vector<std::vector<std::string>> layout_rows(const BudgetChoice& choice,
                                                  const std::string& cluster) {
  const BatchShape& batch = choice.plan.best().batch;
  return {{"devices", fmt::format("{} of {}", choice.devices, cluster)},
          {"layout", describe(choice.plan.best().layout)},
          {"global batch", fmt::format("{} sequences of {}, {} tokens", batch.global_batch,
                                       batch.sequence_length, format_figure(batch.tokens(), ""))},
          {"checkpoint every", choice.plan.checkpoint_every_seconds > 0
                                   ? format_seconds(choice.plan.checkpoint_every_seconds)
                                   : "not needed"},
          {"MFU, of the BF16 peak", fmt::format("{:.1f} %", 100 * choice.plan.best().time.mfu)}};
}

const char* const kBudgetLossNote =
    "Losses are those of one published law on its own corpus and tokenizer: they rank the choices, "
    "they "
    "do not predict your loss.  A mixture counts as a dense model of sqrt(active x all) "
    "parameters, a "
    "rule of thumb; its band goes from active to all.";

std::string to_text(const BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  std::string text = fmt::format("{} on {}, {} a device-hour\n\n", format_dollars(request.usd),
                                 request.cluster.name, format_dollars(request.price.value));
  Table answer = answer_table(plan);
  answer.rows.push_back({"P(inside the budget)", chance_words(plan.best.p_budget)});
  answer.rows.push_back(
      {"P(by the deadline), of the final run alone",
       request.deadline_seconds > 0 ? chance_words(plan.best.p_deadline) : "no deadline"});
  answer.rows.push_back({"experiments before it, on all devices",
                         fmt::format("{} on {} devices", span_words(plan.experiments_days),
                                     request.cluster.n_devices())});
  const auto how = layout_rows(plan.best, request.cluster.name);
  answer.rows.insert(answer.rows.end(), how.begin(), how.end());
  text += to_text(answer) + "\n" + to_text(purse_table(plan)) + "\n" + to_text(ways_table(plan)) +
          "\n" + to_text(ladder_table(plan)) + "\n";
  for (const auto& line : plan.verdicts) text += folded(line);
  text += "\n";
  text += folded("Price: " + describe(request.price));
  for (const auto& line : stale_prices(request)) text += folded("Warning: " + line + ".");
  if (precisions_of(request).size() > 1) text += folded(kPrecisionRule);
  if (plan.calm_share != 1) text += folded(kCalmNote);
  for (const WayToPay& way : plan.ways) {
    text += folded(way.name + ": " + way.note);
    if (way.lacks_reclaiming) text += folded(kNoReclaimingNote);
  }
  text += folded(kBudgetLossNote);
  text += folded(fmt::format(
      "Experiments take {} of the compute: OLMo's development took half of its final run, a third "
      "of all, Olmo 3's 82 % of all (--experiments).",
      percent(request.experiments)));
  return text;
}

Json to_json(const BudgetPlan& plan) {
  const auto choice_json = [](const BudgetChoice& choice) -> Json {
    return {{"model", choice.shape.name},
            {"parameters", count_parameters(choice.shape).total()},
            {"active_parameters", count_active_parameters(choice.shape).total()},
            {"is_moe", choice.shape.is_moe()},
            {"tokens", choice.tokens},
            {"devices", choice.devices},
            {"device_hours", choice.final_hours},
            {"days", choice.days},
            {"days_of_final_run", choice.final_hours / choice.devices / 24},
            {"final_usd", choice.final_usd},
            {"failed_usd", choice.failed_usd},
            {"precision", precision_words(choice)},
            {"expected_loss",
             {{"low", choice.loss.low}, {"mid", choice.loss.mid}, {"high", choice.loss.high}}},
            {"p_inside_budget", hundredths(choice.p_budget)},
            {"p_by_deadline", hundredths(choice.p_deadline)}};
  };
  const auto speedup_json = [](const BudgetRung& rung) {
    return rung.other ? Json(rung.fp8_speedup()) : Json(nullptr);
  };
  Json json = choice_json(plan.best);
  json["budget_usd"] = plan.request.usd;
  json["experiments_usd"] = plan.experiments_usd;
  json["experiments_days"] = plan.experiments_days;
  json["reserve_usd"] = plan.reserve_usd;
  json["not_spent_usd"] = plan.not_spent_usd;
  json["other_usd"] = states_other(plan.request) ? Json(plan.request.other_usd) : Json(nullptr);
  json["deadline_seconds"] = plan.request.deadline_seconds;
  json["usd_per_device_hour"] = plan.request.price.value;
  json["layout"] = to_json(plan.best.plan.best().layout);
  json["global_batch_tokens"] = plan.best.plan.best().batch.tokens();
  json["checkpoint_every_seconds"] = plan.best.plan.checkpoint_every_seconds;
  json["usd"] = {{"total", plan.request.usd}, {"final_run", plan.best.final_usd}};
  json["fp8_speedup"] = speedup_json(plan.best);
  json["runs_a_year"] = plan.runs_a_year;
  json["ladder"] = Json::array();
  for (const BudgetRung& rung : plan.ladder) {
    Json row = choice_json(rung);
    row["fp8_speedup"] = speedup_json(rung);
    row["other_precision"] = rung.other ? choice_json(*rung.other) : Json(nullptr);
    json["ladder"].push_back(std::move(row));
  }
  json["ways_to_pay"] = Json::array();
  for (const auto& way : plan.ways) {
    json["ways_to_pay"].push_back({{"name", way.name},
                                   {"device_hours", or_null(way.hours)},
                                   {"usd_per_hour", or_null(way.usd_per_hour)},
                                   {"final_usd", or_null(way.final_usd)},
                                   {"counts_reclaiming", !way.lacks_reclaiming},
                                   {"note", way.note}});
  }
  json["open_model"] = nullptr;
  if (plan.open) {
    json["open_model"] = {{"name", plan.open->name},
                          {"tokens", plan.open->tokens},
                          {"expected_loss", plan.open->loss.mid},
                          {"continue_100b_usd", plan.open->continue_usd},
                          {"continue_100b_days", plan.open->continue_days},
                          {"devices", plan.open->devices},
                          {"precision", name(plan.open->precision)},
                          {"global_batch", plan.open->batch.global_batch},
                          {"sequence_length", plan.open->batch.sequence_length},
                          {"tune_1b_usd", plan.open->tune_usd}};
  }
  json["verdicts"] = plan.verdicts;
  json["warnings"] = stale_prices(plan.request);
  return json;
}

}  // namespace farthing
