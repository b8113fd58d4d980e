// budget_page.cpp - a budget's plan as a page: what the money buys and which model it chooses, by
// formulas that the sliders move; what the planner's search found for each model stands beside it.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "economics/budget_choice.h"
#include "economics/budget_sheet.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

PageCell band_cell(const std::string& at) {
  PageCell cell = figure_cell("loss_low" + at);
  cell.to = "loss_high" + at;
  return cell;
}

PageCell when_chosen(const std::string& words, std::size_t k) {
  return {.text = "", .sentences = {{words, "chosen" + BudgetSheet::of_model(k)}}};
}

PageTable purse_cells(const Sheet& sheet, bool states_other) {
  PageTable purse{
      .heading = "Where the money goes", .headings = {"", "", "of the budget"}, .rows = {}};
  for (const char* part :
       {"other", "experiments_usd", "final_usd", "failed_usd", "reserve_usd", "not_spent_usd"}) {
    purse.rows.push_back({{.text = sheet.at(part).label},
                          figure_cell(part),
                          figure_cell(std::string("share_") + part)});
  }
  if (states_other) return purse;
  auto& cells = purse.rows.front();  // until the reader's slider states it
  cells[1] = {.text = "",
              .sentences = {{kOtherNotStated, "other_unknown"}, {"{other}", "other_known"}}};
  cells[2] = {.text = "", .sentences = {{"{share_other}", "other_known"}}};
  return purse;
}

PageTable answer_cells(const BudgetPlan& plan, const BudgetSheet& made) {
  const Sheet& sheet = made.sheet();
  PageTable table{.heading = "What it buys", .headings = {}, .rows = {}};
  PageCell model;
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    model.sentences.push_back({plan.ladder[k].shape.name + ", " + precision_words(plan.ladder[k]),
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
  table.rows.push_back({{.text = "P(by the deadline), of the final run alone"},
                        sheet.find("in_time") == nullptr
                            ? PageCell{.text = "no deadline"}
                            : chance_cell("in_time", chance_words(plan.best.p_deadline))});
  table.rows.push_back(
      {{.text = sheet.at("experiments_time").label}, figure_cell("experiments_time")});
  table.note = fmt::format(
      "Chances are shares of {} cases drawn over hours, price, failures and "
      "experiments.",
      kBudgetDraws);
  return table;
}

PageTable ladder_cells(const BudgetPlan& plan, const BudgetSheet& made) {
  const bool has_others = precisions_of(plan.request).size() > 1;
  PageTable table{.heading = "The ladder: other models for the same money",
                  .headings = {"", "", "active", "precision", "tokens", "devices", made.time_unit(),
                               "loss", "its band"},
                  .rows = {},
                  .note = fmt::format(
                      "Losses in nats per token. Each model on the devices, in the precision and "
                      "at the speed of its own plan. Chosen, of those within {:g} of the least "
                      "loss and {:g} times its time, is the model with the fewest active "
                      "parameters. {}",
                      kLevelLoss, kLevelTime, kBudgetLossNote)};
  if (has_others) {
    table.headings.push_back("other precision");
    table.note.append(" ").append(kPrecisionRule);
  }
  table.stacks = true;
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const BudgetRung& rung = plan.ladder[k];
    const std::string at = BudgetSheet::of_model(k);
    PageCell marks = when_chosen("chosen", k);
    if (made.sheet().find("is_least" + at) != nullptr) {
      marks.sentences.push_back(
          {rung.shape.is_moe() ? " best mixture" : " best dense", "is_least" + at});
    }
    table.rows.push_back({{.text = rung.shape.name},
                          marks,
                          figure_cell("active" + at),
                          {.text = precision_words(rung)},
                          figure_cell("tokens" + at),
                          {.text = std::to_string(rung.devices)},
                          figure_cell("time" + at),
                          figure_cell("loss" + at),
                          band_cell(at)});
    if (!has_others) continue;
    table.rows.back().push_back(rung.other ? figure_cell("loss" + BudgetSheet::of_other(k))
                                           : PageCell{.text = "no layout"});
  }
  return table;
}

PageTable ways_cells(const BudgetPlan& plan) {
  PageTable table{.heading = "Ways to pay for the final run's hours",
                  .headings = {"", "hours", "a device-hour", "together"},
                  .rows = {}};
  if (plan.calm_share != 1) table.note = kCalmNote;
  for (const WayToPay& way : plan.ways) {
    if (way.lacks_reclaiming) table.note = kNoReclaimingNote;
  }
  for (std::size_t i = 0; i < plan.ways.size(); ++i) {
    table.rows.push_back({{.text = plan.ways[i].label()},
                          figure_cell(BudgetSheet::numbered("way_hours", i + 1)),
                          figure_cell(BudgetSheet::numbered("way", i + 1)),
                          figure_cell(BudgetSheet::numbered("way_usd", i + 1))});
  }
  return table;
}

// Of the chosen model; the page has all of them.
PageTable found_cells(const BudgetPlan& plan) {
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
    const BudgetChoice& choice = plan.ladder[k];
    add(k, "model", choice.shape.name + ": " + describe(choice.shape));
    for (const auto& row : layout_rows(choice, plan.request.cluster.name)) add(k, row[0], row[1]);
  }
  return table;
}

template <class Say>
void say_precision(const BudgetPlan& plan, const Say& say) {
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const BudgetRung& rung = plan.ladder[k];
    const std::string own = BudgetSheet::of_model(k), other = BudgetSheet::of_other(k);
    const std::string& fp8 = rung.is_fp8 ? own : other;
    const std::string& bf16 = rung.is_fp8 ? other : own;
    const std::string pair = fmt::format(
        ": {{loss{}}} nats for {} in FP8, {{loss{}}} in BF16, {{fp8_speedup{}}} the tokens", fp8,
        rung.shape.name, bf16, own);
    say(fmt::format("FP8 pays here{}. {}", pair, kFp8Note), "fp8_pays" + own);
    say("FP8 does not pay here" + pair +
            fmt::format("; under {:g} times its software costs more.", kWorthwhileFp8),
        "fp8_loses" + own);
  }
}

PageText live_verdicts(const BudgetPlan& plan, const BudgetSheet& made) {
  PageText text{"What to know", {}};
  const Sheet& sheet = made.sheet();
  const auto say = [&](const std::string& words, const std::string& when) {
    if (sheet.find(when) != nullptr) text.sentences.push_back({words, when});
  };
  say("The deadline binds, not the money: more devices, or more time, would spend the rest.",
      "deadline_binds");
  say(fmt::format("The experiments and the final run do not both fit the deadline: the experiments "
                  "alone keep all {} devices busy for {{experiments_time}} {}, the final run "
                  "{{devices}} of them for {{time}}.",
                  plan.request.cluster.n_devices(), made.time_unit()),
      "experiments_late");
  for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
    const double batch = plan.ladder[k].plan.best().batch.tokens();
    say("The money does not buy one step: {tokens} tokens of a batch of " +
            format_figure(batch, "") + ".",
        "no_step" + BudgetSheet::of_model(k));
    say(fmt::format("So few tokens are out of the law's range: a model that has learnt nothing has "
                    "{:.2f} nats per token.",
                    std::log(plan.ladder[k].shape.vocab_size)),
        "untrained" + BudgetSheet::of_model(k));
  }
  const std::string pair =
      "{moe_loss} nats for the best of them, {dense_loss} for the best dense model";
  say("A mixture of experts does not pay at this scale: " + pair + ".", "moe_loses");
  say("A mixture of experts may pay: " + pair +
          ", within the band, so only if its parameters count as hoped.",
      "moe_may_pay");
  say("A mixture of experts pays: " + pair + ".", "moe_pays");
  if (precisions_of(plan.request).size() == 1) {
    text.sentences.push_back({only_precision_words(plan.request)});
  }
  say_precision(plan, say);
  for (std::size_t i = 0; i < plan.ways.size(); ++i) {
    const bool is_dearer = plan.request.is_own_price && !plan.ways[i].is_paid;
    say("Cheapest by the hour: " + plan.ways[i].label() + ", {" +
            BudgetSheet::numbered("way", i + 1) +
            (is_dearer ? "}, against {price} of your own." : "}."),
        BudgetSheet::numbered("is_cheapest", i + 1));
  }
  if (plan.open) {
    text.sentences.push_back(
        {plan.open->name + " has seen " + format_figure(plan.open->tokens, "") +
         " tokens; the law gives it {open_loss} nats against {loss} here. To continue it for 100 "
         "billion tokens " +
         plan.open->how() + " costs about {open_continue} and takes {open_time} " +
         made.time_unit() + fmt::format(" on {} devices", plan.open->devices) +
         ", to fine-tune it on one billion about {open_tune}."});
    say("To continue it so takes longer than the deadline.", "open_late");
    say("It is the cheaper way to a better model, unless your data or licence need a new one.",
        "open_better");
  } else {
    text.sentences.push_back({no_open_words(plan)});
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
  page.add(purse_cells(page.sheet, states_other(request)));
  page.add(answer_cells(plan, made));
  page.add(live_verdicts(plan, made));
  page.add(ladder_cells(plan, made));
  const std::string tokens = "tokens" + BudgetSheet::of_model(made.as_asked());
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
  page.add(found_cells(plan));
  page.sources = {"device-hour: " + describe(request.price)};
  for (const auto& way : plan.ways) page.sources.push_back(way.name + ": " + way.note);
  for (const auto& line : stale_prices(request)) page.sources.push_back("Warning: " + line);
  return page;
}

}  // namespace farthing
