// budget_page.cpp - a budget's plan as a page: what the money buys and which model it chooses, by
// formulas that the sliders move; what the planner's search found for each model stands beside it.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "economics/budget_sheet.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

std::string precision_of(const BudgetChoice& choice) {
  return name(choice.plan.request.precision.value_or(NumberFormat::kBf16));
}

PageCell band_cell(const std::string& at) {
  PageCell cell = figure_cell("loss_low" + at);
  cell.to = "loss_high" + at;
  return cell;
}

PageCell when_chosen(const std::string& words, std::size_t k) {
  return {.text = "", .sentences = {{words, "chosen" + BudgetSheet::of_model(k)}}};
}

PageTable purse_cells(const Sheet& sheet) {
  PageTable purse{
      .heading = "Where the money goes", .headings = {"", "", "of the budget"}, .rows = {}};
  for (const char* part : {"other", "experiments_usd", "final_usd", "failed_usd", "reserve_usd"}) {
    purse.rows.push_back({{.text = sheet.at(part).label},
                          figure_cell(part),
                          figure_cell(std::string("share_") + part)});
  }
  return purse;
}

PageTable answer_cells(const BudgetPlan& plan, const BudgetSheet& made) {
  const Sheet& sheet = made.sheet();
  PageTable table{.heading = "What it buys", .headings = {}, .rows = {}};
  PageCell model;
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    model.sentences.push_back({plan.ladder[k].shape.name + ", " + precision_of(made.chosen(k)),
                               "chosen" + BudgetSheet::of_model(k)});
  }
  table.rows.push_back({{.text = "model"}, model});
  for (const char* id : {"tokens", "per_active", "hours", "time", "loss", "runs_a_year"}) {
    table.rows.push_back({{.text = sheet.at(id).label}, figure_cell(id)});
    if (std::string_view(id) == "loss") {
      table.rows.push_back({{.text = "the law's band of it"}, band_cell("")});
    }
  }
  table.rows.push_back(
      {{.text = "P(inside the budget)"}, chance_cell("inside", chance_words(plan.best.p_budget))});
  table.rows.push_back({{.text = "P(by the deadline)"},
                        sheet.find("in_time") == nullptr
                            ? PageCell{.text = "no deadline"}
                            : chance_cell("in_time", chance_words(plan.best.p_deadline))});
  table.note = fmt::format(
      "Chances are shares of {} cases drawn over hours, price, failures and "
      "experiments.",
      kBudgetDraws);
  return table;
}

PageTable ladder_cells(const BudgetPlan& plan, const BudgetSheet& made) {
  PageTable table{.heading = "The ladder: other models for the same money",
                  .headings = {"", "", "active", "tokens", "devices", made.time_unit(),
                               "loss, nats per token", "its band"},
                  .rows = {},
                  .note = std::string("Each on the devices and at the speed of its own plan, in ") +
                          precision_of(plan.ladder.front()) + ". " + kBudgetLossNote};
  table.stacks = true;
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const std::string at = BudgetSheet::of_model(k);
    table.rows.push_back({{.text = plan.ladder[k].shape.name},
                          when_chosen("chosen", k),
                          figure_cell("active" + at),
                          figure_cell("tokens" + at),
                          {.text = std::to_string(plan.ladder[k].devices)},
                          figure_cell("time" + at),
                          figure_cell("loss" + at),
                          band_cell(at)});
  }
  return table;
}

PageTable ways_cells(const BudgetPlan& plan) {
  PageTable table{.heading = "Ways to pay for the final run's hours",
                  .headings = {"", "hours", "a device-hour", "together"},
                  .rows = {}};
  if (plan.calm_share != 1) table.note = kCalmNote;
  for (std::size_t i = 0; i < plan.ways.size(); ++i) {
    table.rows.push_back({{.text = plan.ways[i].name},
                          figure_cell(BudgetSheet::numbered("way_hours", i + 1)),
                          figure_cell(BudgetSheet::numbered("way", i + 1)),
                          figure_cell(BudgetSheet::numbered("way_usd", i + 1))});
  }
  return table;
}

// Of the chosen model; the page has all of them.
PageTable found_cells(const BudgetPlan& plan, const BudgetSheet& made) {
  PageTable table{.heading = "What the planner's search found for this model",
                  .headings = {},
                  .rows = {},
                  .whens = {},
                  .note =
                      "The sliders choose whose rows stand here. The rows themselves, and the "
                      "speed and reserve that the formulas start from, were searched for the "
                      "budget and deadline as asked: another number of devices wants a search "
                      "of its own, which a page cannot do (farthing plan --budget can)."};
  table.is_prose = true;
  const auto add = [&](std::size_t k, const std::string& what, const std::string& words) {
    table.rows.push_back({{.text = what}, {.text = words}});
    table.whens.push_back("chosen" + BudgetSheet::of_model(k));
  };
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const BudgetChoice& choice = made.chosen(k);
    add(k, "model", choice.shape.name + ": " + describe(choice.shape));
    for (const auto& row : layout_rows(choice, plan.request.cluster.name)) add(k, row[0], row[1]);
    if (k == made.as_asked() && plan.fp8_speedup > 0) {
      add(k, "FP8 beside BF16", fmt::format("{:.2f} times the speed", plan.fp8_speedup));
    } else if (k != made.as_asked() && !plan.request.precision &&
               plan.request.cluster.device.fp8_peak.is_known()) {
      add(k, "FP8 beside BF16", "not searched: the model as asked was another");
    }
  }
  return table;
}

PageText live_verdicts(const BudgetPlan& plan, const BudgetSheet& made) {
  PageText text{"What to know", {}};
  const Sheet& sheet = made.sheet();
  const auto say = [&](const std::string& words, const std::string& when) {
    if (sheet.find(when) != nullptr) text.sentences.push_back({words, when});
  };
  say("The deadline binds, not the money: more devices, or more time, would spend the rest.",
      "deadline_binds");
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const double batch = made.chosen(k).plan.best().batch.tokens();
    say("The money does not buy one step: {tokens} tokens of a batch of " +
            format_figure(batch, "") + ".",
        "no_step" + BudgetSheet::of_model(k));
    say(fmt::format("So few tokens are out of the law's range: a model that has learnt nothing has "
                    "{:.2f} nats per token.",
                    std::log(plan.ladder[k].shape.vocab_size)),
        "untrained" + BudgetSheet::of_model(k));
  }
  say("A mixture of experts does not pay at this scale: {moe_loss} against {dense_loss} nats for "
      "the dense model.",
      "moe_loses");
  say("A mixture of experts gains {moe_gain} nats over the dense model, within the band: it pays "
      "only if its parameters count as hoped.",
      "moe_may_pay");
  say("A mixture of experts pays: {moe_gain} nats under the best dense model.", "moe_pays");
  for (std::size_t i = 0; i < plan.ways.size(); ++i) {
    say("Cheapest by the hour: " + plan.ways[i].name + ", {" + BudgetSheet::numbered("way", i + 1) +
            "}.",
        BudgetSheet::numbered("is_cheapest", i + 1));
  }
  if (plan.open) {
    text.sentences.push_back(
        {plan.open->name + " has seen " + format_figure(plan.open->tokens, "") +
         " tokens; the law gives it {open_loss} nats against {loss} here. To continue it for 100 "
         "billion tokens costs about {open_continue}, to fine-tune it on one billion about "
         "{open_tune}."});
    say("That is the cheaper way to a better model, unless your data or licence need a new one.",
        "open_better");
  }
  return text;
}

}  // namespace

MoneyPage budget_page(const BudgetPlan& plan) {
  const BudgetRequest& request = plan.request;
  const BudgetSheet made(plan);
  MoneyPage page;
  page.title =
      fmt::format("What {} trains on {}", format_dollars(request.usd), request.cluster.name);
  page.heading = "What {budget} trains on " + request.cluster.name;
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    page.says.push_back(
        {"{budget} at {price} a device-hour, {experiments} of the rest for "
         "experiments: " +
             plan.ladder[k].shape.name + " on {tokens} tokens in {time} " + made.time_unit() +
             ", the final run {final_usd} for {hours}.",
         "chosen" + BudgetSheet::of_model(k)});
  }
  page.sheet = made.sheet();
  page.draws = made.draws();
  page.tiles = {"tokens", "loss", "time", "hours", "final_usd", "experiments_usd"};
  page.add(purse_cells(page.sheet));
  page.add(answer_cells(plan, made));
  page.add(live_verdicts(plan, made));
  page.add(ladder_cells(plan, made));
  const std::string tokens = "tokens" + made.of_chosen(made.as_asked());
  page.add(
      PageChart{.kind = "curve",
                .heading = "Tokens of " + plan.best.shape.name + " by the share of experiments, %",
                .items = {{.id = tokens}},
                .x = "experiments",
                .x_low = 0,
                .x_high = 90});
  page.add(PageChart{.kind = "tornado",
                     .heading = "What moves the tokens of " + plan.best.shape.name + " most",
                     .items = {},
                     .target = tokens});
  page.add(ways_cells(plan));
  page.add(found_cells(plan, made));
  page.sources = {"device-hour: " + describe(request.price)};
  for (const auto& way : plan.ways) page.sources.push_back(way.name + ": " + way.note);
  return page;
}

}  // namespace farthing
