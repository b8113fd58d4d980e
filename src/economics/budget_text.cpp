// budget_text.cpp - a budget's plan as text, JSON and a page.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "economics/budget.h"
#include "economics/scenario.h"
#include "plan/accounting.h"
#include "report/table.h"

namespace farthing {
namespace {

constexpr std::size_t kMostRungs = 8;

double active_of(const ModelShape& shape) {
  return static_cast<double>(count_active_parameters(shape).total());
}

std::string loss_words(const LossBand& loss) {
  return fmt::format("{:.3f} ({:.2f} to {:.2f})", loss.mid, loss.low, loss.high);
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

// What the days hold beside the final run's own hours.
std::string days_words(const BudgetPlan& plan) {
  const Figure& availability = plan.request.cluster.spot.availability;
  const bool waits = availability.is_known() && availability.value < 1;
  const double hours = plan.best.final_hours / plan.best.devices;
  return fmt::format(
      "{:.1f} of the final run and {} of it for failed attempts{}", hours / 24,
      percent(plan.request.failed),
      waits ? "; capacity is there " + percent(availability.value) + " of the time" : "");
}

Table choice_table(const BudgetPlan& plan) {
  const BudgetChoice& best = plan.best;
  const BatchShape& batch = best.plan.best().batch;
  Table table{.headings = {}, .rows = {}};
  const auto add = [&](const char* what, const std::string& value) {
    table.rows.push_back({what, value});
  };
  add("model", best.shape.name + ": " + describe(best.shape));
  add("tokens", fmt::format("{} ({:.0f} per active parameter)", format_figure(best.tokens, ""),
                            best.tokens / active_of(best.shape)));
  add("global batch", fmt::format("{} sequences of {}, {} tokens", batch.global_batch,
                                  batch.sequence_length, format_figure(batch.tokens(), "")));
  add("devices", fmt::format("{} of {}", best.devices, plan.request.cluster.name));
  add("layout", describe(best.plan.best().layout));
  add("checkpoint every", best.plan.checkpoint_every_seconds > 0
                              ? format_seconds(best.plan.checkpoint_every_seconds)
                              : "not needed");
  add("device-hours", format_figure(best.final_hours, "h"));
  add("days", fmt::format("{:.1f}, {}", best.days, days_words(plan)));
  add("MFU", fmt::format("{:.1f} %", 100 * best.plan.best().time.mfu));
  add("expected loss, nats per token", loss_words(best.loss));
  add("P(inside the budget)", percent(best.p_budget));
  add("P(by the deadline)",
      plan.request.deadline_seconds > 0 ? percent(best.p_deadline) : "no deadline");
  add("such final runs a year, if nothing else is paid", fmt::format("{:.1f}", plan.runs_a_year));
  return table;
}

Table purse_table(const BudgetPlan& plan) {
  const BudgetChoice& best = plan.best;
  const double rest = plan.request.usd - plan.request.other_usd - plan.experiments_usd -
                      best.final_usd - best.failed_usd;
  const auto row = [&](const std::string& what, double usd) {
    return std::vector<std::string>{what, format_dollars(usd), percent(usd / plan.request.usd)};
  };
  return {.headings = {"where the money goes", "", "of the budget"},
          .rows = {row("data, storage, people", plan.request.other_usd),
                   row("experiments", plan.experiments_usd),
                   row("final run, interruptions included", best.final_usd),
                   row("failed attempts", best.failed_usd),
                   row("reserve for " + percent(plan.request.confidence) + " confidence", rest)}};
}

Table ladder_table(const BudgetPlan& plan) {
  Table table{.headings = {"for the same money", "active", "tokens", "devices", "days", "loss"},
              .rows = {}};
  for (const BudgetChoice& choice : plan.ladder) {
    if (table.rows.size() == kMostRungs) break;
    table.rows.push_back({choice.shape.name, format_figure(active_of(choice.shape), ""),
                          format_figure(choice.tokens, ""), std::to_string(choice.devices),
                          fmt::format("{:.1f}", choice.days), loss_words(choice.loss)});
  }
  return table;
}

Table ways_table(const BudgetPlan& plan) {
  Table table{.headings = {"the final run's hours", "a device-hour", "together"}, .rows = {}};
  for (const WayToPay& way : plan.ways) {
    table.rows.push_back(
        {way.name, format_figure(way.usd_per_hour, "USD/h"), format_figure(way.final_usd, "USD")});
  }
  return table;
}

const char* const kLossNote =
    "Losses are those of one published law on its own corpus and tokenizer: they rank the choices, "
    "they "
    "do not predict your loss.  A mixture counts as a dense model of sqrt(active x all) "
    "parameters, a "
    "rule of thumb; its band goes from active to all.";

}  // namespace

std::string to_text(const BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  std::string text = fmt::format("{} on {}, {} a device-hour\n\n", format_dollars(request.usd),
                                 request.cluster.name, format_dollars(request.price.value));
  text += to_text(choice_table(plan)) + "\n" + to_text(purse_table(plan)) + "\n" +
          to_text(ways_table(plan)) + "\n" + to_text(ladder_table(plan)) + "\n";
  for (const auto& line : plan.verdicts) text += folded(line);
  text += "\n";
  text += folded("Price: " + describe(request.price)) + folded(kLossNote);
  text += folded(fmt::format(
      "Experiments take {} of the compute: OLMo's development took a third of all, Olmo 3's 82 % "
      "(--experiments).",
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
            {"precision", choice.is_fp8 ? "fp8_block" : "bf16"},
            {"expected_loss",
             {{"low", choice.loss.low}, {"mid", choice.loss.mid}, {"high", choice.loss.high}}},
            {"p_inside_budget", choice.p_budget},
            {"p_by_deadline", choice.p_deadline}};
  };
  Json json = choice_json(plan.best);
  json["budget_usd"] = plan.request.usd;
  json["experiments_usd"] = plan.experiments_usd;
  json["other_usd"] = plan.request.other_usd;
  json["deadline_seconds"] = plan.request.deadline_seconds;
  json["usd_per_device_hour"] = plan.request.price.value;
  json["layout"] = to_json(plan.best.plan.best().layout);
  json["global_batch_tokens"] = plan.best.plan.best().batch.tokens();
  json["checkpoint_every_seconds"] = plan.best.plan.checkpoint_every_seconds;
  json["usd"] = {{"total", plan.request.usd}, {"final_run", plan.best.final_usd}};
  json["fp8_speedup"] = plan.fp8_speedup > 0 ? Json(plan.fp8_speedup) : Json(nullptr);
  json["runs_a_year"] = plan.runs_a_year;
  json["ladder"] = Json::array();
  for (const auto& choice : plan.ladder) json["ladder"].push_back(choice_json(choice));
  json["ways_to_pay"] = Json::array();
  for (const auto& way : plan.ways) {
    json["ways_to_pay"].push_back({{"name", way.name},
                                   {"usd_per_hour", or_null(way.usd_per_hour)},
                                   {"final_usd", or_null(way.final_usd)},
                                   {"note", way.note}});
  }
  json["open_model"] = nullptr;
  if (plan.open) {
    json["open_model"] = {{"name", plan.open->name},
                          {"tokens", plan.open->tokens},
                          {"expected_loss", plan.open->loss.mid},
                          {"continue_100b_usd", plan.open->continue_usd},
                          {"tune_1b_usd", plan.open->tune_usd}};
  }
  json["verdicts"] = plan.verdicts;
  return json;
}

static std::string sheet_label(const Sheet& sheet, const std::string& id) {
  for (const SheetLine& line : sheet.lines()) {
    if (line.id == id) return line.label;
  }
  return id;
}

MoneyPage budget_page(const BudgetPlan& plan, const std::string& today) {
  const BudgetRequest& request = plan.request;
  const BudgetChoice& best = plan.best;
  MoneyPage page;
  page.title =
      fmt::format("What {} trains on {}", format_dollars(request.usd), request.cluster.name);
  page.made_on = today;
  page.command =
      fmt::format("farthing plan --budget {}USD --cluster {}", request.usd, request.cluster.name);
  page.answer = fmt::format("As asked: {} on {} tokens in {:.0f} days; {} inside the budget.",
                            best.shape.name, format_figure(best.tokens, ""), best.days,
                            percent(best.p_budget));
  page.says = {
      {"{budget} at {price} a device-hour, {experiments} of the rest for experiments: the "
       "final run is {final_usd} for {hours} and {tokens} tokens."}};
  Sheet& sheet = page.sheet;
  sheet.add({.id = "budget",
             .label = "budget",
             .unit = "USD",
             .value = request.usd,
             .source = "as asked",
             .slider = true});
  sheet.add({.id = "other",
             .label = "data, storage, people",
             .unit = "USD",
             .value = request.other_usd,
             .source = "as asked",
             .slider = true});
  sheet.add({.id = "experiments",
             .label = "experiments, of the rest",
             .unit = "%",
             .value = 100 * request.experiments,
             .low = std::min(33.3, 100 * request.experiments),
             .high = std::max(82.2, 100 * request.experiments),
             .source = "OLMo (arXiv:2503.05804), Olmo 3 (arXiv:2605.01158)",
             .slider = true});
  sheet.add({.id = "failed",
             .label = "failed attempts, of the final run",
             .unit = "%",
             .value = 100 * request.failed,
             .low = 0.0,
             .high = 250 * request.failed,
             .source = "assumption",
             .slider = true});
  const PriceEntry& price = request.price;
  sheet.add({.id = "price",
             .label = "device-hour",
             .unit = "USD/h",
             .value = price.value,
             .low = price.low,
             .high = price.high,
             .source = price.source,
             .date = price.date,
             .confidence = price.confidence,
             .slider = true});
  const Quantiles& hours = best.plan.range.gpu_hours;
  const double rate = best.tokens / best.final_hours;
  sheet.add({.id = "rate",
             .label = "tokens of a paid device-hour",
             .unit = "",
             .value = rate,
             .low = rate * hours.p50 / hours.p90,
             .high = rate * hours.p50 / hours.p10,
             .source = "the plan of " + best.shape.name + ", P10 to P90",
             .slider = true});
  sheet.add({.id = "reserve",
             .label = "reserve, of the purse",
             .unit = "%",
             .value = 100 * (1 - (best.final_usd + best.failed_usd) / plan.purse_usd),
             .source = percent(request.confidence) + " confidence",
             .slider = true});
  sheet.add({.id = "purse",
             .label = "for the final run and its failures",
             .unit = "USD",
             .formula = "(budget - other) * (1 - experiments / 100)"});
  sheet.add({.id = "hours",
             .label = "device-hours of the final run",
             .unit = "h",
             .formula = "purse * (1 - reserve / 100) / (1 + failed / 100) / price"});
  sheet.add({.id = "final_usd", .label = "final run", .unit = "USD", .formula = "hours * price"});
  sheet.add({.id = "experiments_usd",
             .label = "experiments",
             .unit = "USD",
             .formula = "(budget - other) * experiments / 100"});
  sheet.add(
      {.id = "tokens", .label = "tokens that it trains", .unit = "", .formula = "hours * rate"});
  sheet.add({.id = "failed_usd",
             .label = "failed attempts",
             .unit = "USD",
             .formula = "final_usd * failed / 100"});
  sheet.add({.id = "reserve_usd",
             .label = "reserve",
             .unit = "USD",
             .formula = "budget - other - experiments_usd - final_usd - failed_usd"});
  for (const char* part : {"other", "experiments_usd", "final_usd", "failed_usd", "reserve_usd"}) {
    sheet.add({.id = std::string("share_") + part,
               .label = sheet_label(sheet, part) + ", of the budget",
               .unit = "%",
               .formula = fmt::format("100 * {} / budget", part)});
  }
  sheet.finish("budget");
  page.tiles = {"tokens", "hours", "final_usd", "experiments_usd"};
  const auto plain = [](const char* heading, const Table& table, const std::string& note) {
    PageTable out{.heading = heading, .headings = table.headings, .rows = {}, .note = note};
    for (const auto& row : table.rows) {
      out.rows.emplace_back();
      for (const auto& cell : row) out.rows.back().push_back({.text = cell});
    }
    return out;
  };
  const std::string fixed =
      "As the planner chose it for what was asked; another budget or price needs a search of its "
      "own, which a page cannot do.";
  PageTable purse{
      .heading = "Where the money goes", .headings = {"", "", "of the budget"}, .rows = {}};
  for (const char* part : {"other", "experiments_usd", "final_usd", "failed_usd", "reserve_usd"}) {
    purse.rows.push_back({{.text = sheet.at(part).label},
                          figure_cell(part),
                          figure_cell(std::string("share_") + part)});
  }
  page.add(std::move(purse));
  PageTable choice = plain("The choice, as asked", choice_table(plan), fixed);
  choice.is_prose = true;
  page.add(std::move(choice));
  page.add(PageText{"What to know of the choice, as asked", plan.verdicts});
  page.add(PageChart{.kind = "curve",
                     .heading = "Tokens by the share of experiments, %",
                     .items = {{.id = "tokens"}},
                     .x = "experiments",
                     .x_low = 0,
                     .x_high = 90});
  page.add(PageChart{
      .kind = "tornado", .heading = "What moves the tokens most", .items = {}, .target = "tokens"});
  page.add(plain("The ladder, as asked", ladder_table(plan), kLossNote));
  page.add(plain("Ways to pay, as asked", ways_table(plan), fixed));
  page.sources = {"device-hour: " + describe(price)};
  for (const auto& way : plan.ways) page.sources.push_back(way.name + ": " + way.note);
  return page;
}

}  // namespace farthing
