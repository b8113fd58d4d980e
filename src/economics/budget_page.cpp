// budget_page.cpp - a budget's plan as a page: what the money buys, by formulas that the sliders
// move; what the planner's search found stands beside it "as asked".
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "economics/budget.h"
#include "plan/accounting.h"
#include "simulate/scaling_laws.h"

namespace farthing {
namespace {

std::string numbered(const char* what, std::size_t i) { return fmt::format("{}_{}", what, i); }

// Lines of the sheet, one call each.
class BudgetSheet {
 public:
  explicit BudgetSheet(const BudgetPlan& plan) : plan_(plan) {
    add_request();
    add_law();
    add_run("", plan.best);
    add_purse();
    for (const BudgetChoice* rung : rungs()) add_run(numbered("", ++n_), *rung);
    add_mixture();
    add_ways();
    add_open();
    sheet_.finish("budget");
  }

  const Sheet& sheet() const { return sheet_; }

  // The ladder's best, and the best of each kind whatever its place.
  std::vector<const BudgetChoice*> rungs() const {
    std::vector<const BudgetChoice*> found;
    std::set<bool> kinds;
    for (const BudgetChoice& choice : plan_.ladder) {
      const bool is_first_of_kind = kinds.insert(choice.shape.is_moe()).second;
      if (found.size() < kMostRungs || is_first_of_kind) found.push_back(&choice);
    }
    return found;
  }

 private:
  SheetLine& input(const std::string& id, const std::string& label, const std::string& unit,
                   double value, const std::string& source, bool slider = true) {
    line_ = {.id = id, .label = label, .unit = unit, .value = value, .source = source};
    line_.slider = slider;
    return line_;
  }
  void keep() { sheet_.add(line_); }
  void formula(const std::string& id, const std::string& label, const std::string& unit,
               const std::string& text, bool condition = false) {
    sheet_.add({.id = id, .label = label, .unit = unit, .formula = text, .condition = condition});
  }

  void add_request() {
    const BudgetRequest& request = plan_.request;
    const std::string asked = "as asked";
    input("budget", "budget", "USD", request.usd, asked), keep();
    input("other", "data, storage, people", "USD", request.other_usd, asked), keep();
    SheetLine& share =
        input("experiments", "experiments, of the rest", "%", 100 * request.experiments,
              "OLMo (arXiv:2503.05804), Olmo 3 (arXiv:2605.01158)");
    share.low = std::min(33.3, share.value), share.high = std::max(82.2, share.value), keep();
    SheetLine& failed = input("failed", "failed attempts, of the final run", "%",
                              100 * request.failed, "assumption");
    failed.low = 0.0, failed.high = 2.5 * failed.value, keep();
    const PriceEntry& price = request.price;
    SheetLine& hour = input("price", "device-hour", "USD/h", price.value, price.source);
    hour.low = price.low, hour.high = price.high;
    hour.date = price.date, hour.confidence = price.confidence, keep();
    formula("purse", "for the final run and its failures", "USD",
            "(budget - other) * (1 - experiments / 100)");
    const Figure& availability = request.cluster.spot.availability;
    input("available", "hours in which spot capacity is there, of all", "%",
          availability.is_known() ? 100 * availability.value : 100,
          availability.is_known() ? availability.source : "rented on demand",
          availability.is_known()),
        keep();
  }

  void add_law() {
    const FittedLaw law = replicated_law();
    const std::string source = "Besiroglu 2024 (arXiv:2404.10102), table 1";
    input("law_B", "the loss law's B, of tokens", "", law.B, source, false), keep();
    input("law_beta", "the loss law's beta", "", law.beta, source, false), keep();
  }

  // Hours, tokens, days and loss of a model; `at` is "" for the choice, "_3" for a rung.
  void add_run(const std::string& at, const BudgetChoice& choice) {
    const std::string name = at.empty() ? "" : choice.shape.name + ": ";
    const Quantiles& hours = choice.plan.range.gpu_hours;
    const double rate = choice.tokens / choice.final_hours;
    SheetLine& speed = input("rate" + at, name + "tokens of a paid device-hour", "", rate,
                             "the plan of " + choice.shape.name + ", P10 to P90", at.empty());
    speed.low = std::min(rate, rate * hours.p50 / hours.p90);
    speed.high = std::max(rate, rate * hours.p50 / hours.p10), keep();
    input("reserve" + at, name + "reserve, of the purse", "%",
          100 * (1 - (choice.final_usd + choice.failed_usd) / plan_.purse_usd),
          fmt::format("{:.0f} % confidence", 100 * plan_.request.confidence), at.empty()),
        keep();
    input("devices" + at, name + "devices", "", choice.devices, "the plan", false), keep();
    const FittedLaw law = replicated_law();
    input("endless" + at, name + "loss after tokens without end", "",
          choice.loss.mid - law.B / std::pow(choice.tokens, law.beta),
          "the loss law's E + A / N ** alpha", false),
        keep();
    const auto with = [&](std::string text) {  // "@" stands for `at`
      for (std::size_t i = text.find('@'); i != std::string::npos; i = text.find('@', i)) {
        text.replace(i, 1, at);
      }
      return text;
    };
    formula("hours" + at, name + "device-hours of the final run", "h",
            with("purse * (1 - reserve@ / 100) / (1 + failed / 100) / price"));
    formula("tokens" + at, name + "tokens that it trains", "", with("hours@ * rate@"));
    formula("days" + at, name + "days, failed attempts included", "",
            with("hours@ * (1 + failed / 100) / devices@ / 24 / (available / 100)"));
    formula("loss" + at, name + "expected loss, nats per token", "",
            with("endless@ + law_B / tokens@ ** law_beta"));
    formula("loss_low" + at, name + "its band, low", "",
            with(fmt::format("loss@ - {:.6g}", choice.loss.mid - choice.loss.low)));
    formula("loss_high" + at, name + "its band, high", "",
            with(fmt::format("loss@ + {:.6g}", choice.loss.high - choice.loss.mid)));
  }

  void add_purse() {
    formula("final_usd", "final run, interruptions included", "USD", "hours * price");
    formula("failed_usd", "failed attempts", "USD", "final_usd * failed / 100");
    formula("experiments_usd", "experiments", "USD", "(budget - other) * experiments / 100");
    formula("reserve_usd", "reserve", "USD",
            "budget - other - experiments_usd - final_usd - failed_usd");
    for (const auto& [part, label] : {std::pair{"other", "data, storage, people"},
                                      {"experiments_usd", "experiments"},
                                      {"final_usd", "final run"},
                                      {"failed_usd", "failed attempts"},
                                      {"reserve_usd", "reserve"}}) {
      formula(std::string("share_") + part, std::string(label) + ", of the budget", "%",
              fmt::format("100 * {} / budget", part));
    }
    input("active", "active parameters", "",
          static_cast<double>(count_active_parameters(plan_.best.shape).total()),
          "its layers counted", false),
        keep();
    formula("per_active", "tokens per active parameter", "", "tokens / active");
    formula("runs_a_year", "such final runs for the whole budget, within a year", "",
            "min(budget / (final_usd + failed_usd), 365 / days)");
    if (!(plan_.request.deadline_seconds > 0)) return;
    input("deadline", "deadline, days", "", plan_.request.deadline_seconds / 86400, "as asked"),
        keep();
    formula("too_late", "", "", "if(days - deadline, 1, 0)", true);
  }

  // The least loss of each kind, and of all.
  void add_mixture() {
    std::string least[2], all;
    const auto ladder = rungs();
    for (std::size_t i = 0; i < ladder.size(); ++i) {
      std::string& kind = least[ladder[i]->shape.is_moe() ? 1 : 0];
      const std::string id = numbered("loss", i + 1);
      kind = kind.empty() ? id : fmt::format("min({}, {})", kind, id);
      all = all.empty() ? id : fmt::format("min({}, {})", all, id);
    }
    formula("least_loss", "least loss of the ladder", "", all);
    for (std::size_t i = 0; i < ladder.size(); ++i) {
      formula(numbered("is_least", i + 1), "", "",
              fmt::format("if({} - least_loss, 0, 1)", numbered("loss", i + 1)), true);
    }
    if (!plan_.best_dense || !plan_.best_moe) return;
    const LossBand& band = plan_.best_moe->loss;
    formula("dense_loss", "least loss of a dense model", "", least[0]);
    formula("moe_loss", "least loss of a mixture of experts", "", least[1]);
    formula("moe_gain", "what a mixture of experts gains, nats", "", "dense_loss - moe_loss");
    formula("moe_loses", "", "", "if(moe_gain, 0, 1)", true);
    formula("moe_pays", "", "", fmt::format("if(moe_gain - {}, 1, 0)", band.high - band.mid), true);
    formula("moe_may_pay", "", "", "1 - moe_loses - moe_pays", true);
  }

  void add_ways() {
    for (const SheetLine& line : plan_.request.own) sheet_.add(line);
    std::string least;
    for (std::size_t i = 0; i < plan_.ways.size(); ++i) {
      const WayToPay& way = plan_.ways[i];
      const std::string id = numbered("way", i + 1);
      if (way.name == "own" && !plan_.request.own.empty()) {
        formula(id, way.name, "USD/h", "own_hour");
      } else if (way.usd_per_hour == plan_.request.price.value) {
        formula(id, way.name, "USD/h", "price");
      } else {
        input(id, way.name, "USD/h", way.usd_per_hour, way.note, std::isfinite(way.usd_per_hour)),
            keep();
      }
      formula(numbered("way_usd", i + 1), way.name + ", the final run", "USD", "hours * " + id);
      if (!std::isfinite(way.usd_per_hour)) continue;
      least = least.empty() ? id : fmt::format("min({}, {})", least, id);
    }
    if (least.empty()) return;
    formula("least_hour", "the cheapest device-hour", "USD/h", least);
    for (std::size_t i = 0; i < plan_.ways.size(); ++i) {
      if (!std::isfinite(plan_.ways[i].usd_per_hour)) continue;
      formula(numbered("is_cheapest", i + 1), "", "",
              fmt::format("if({} - least_hour, 0, 1)", numbered("way", i + 1)), true);
    }
  }

  void add_open() {
    if (!plan_.open) return;
    input("open_loss", plan_.open->name + ": the law's loss", "", plan_.open->loss.mid,
          "its parameters and tokens", false),
        keep();
    input("open_ratio", plan_.open->name + ": compute of a token over this model's", "x",
          plan_.open_flops_ratio, "the planner's count of operations, at the same MFU", false),
        keep();
    formula("open_continue", plan_.open->name + ": 100 billion tokens more", "USD",
            "10 ** 11 * price / rate * open_ratio");
    formula("open_tune", plan_.open->name + ": one billion tokens", "USD", "open_continue / 100");
    formula("open_better", "", "", "if(loss - open_loss, 1, 0)", true);
  }

  const BudgetPlan& plan_;
  Sheet sheet_;
  SheetLine line_;
  std::size_t n_ = 0;
};

PageCell band_cell(const std::string& at) {
  PageCell cell = figure_cell("loss_low" + at);
  cell.to = "loss_high" + at;
  return cell;
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

PageTable answer_cells(const Sheet& sheet) {
  PageTable table{.heading = "What it buys", .headings = {}, .rows = {}};
  for (const char* id : {"tokens", "per_active", "hours", "days", "loss", "runs_a_year"}) {
    table.rows.push_back({{.text = sheet.at(id).label}, figure_cell(id)});
    if (std::string_view(id) == "loss") {
      table.rows.push_back({{.text = "the law's band of it"}, band_cell("")});
    }
  }
  return table;
}

PageTable ladder_cells(const BudgetSheet& made) {
  PageTable table{
      .heading = "The ladder: other models for the same money",
      .headings = {"", "active", "tokens", "devices", "days", "loss, nats per token", "its band"},
      .rows = {},
      .note = std::string("In BF16, each on the devices and at the speed of its own plan. ") +
              kBudgetLossNote};
  table.stacks = true;
  std::size_t n = 0;
  for (const BudgetChoice* rung : made.rungs()) {
    const std::string at = numbered("", ++n);
    const auto active = static_cast<double>(count_active_parameters(rung->shape).total());
    table.rows.push_back({{.text = rung->shape.name},
                          {.text = format_figure(active, "")},
                          figure_cell("tokens" + at),
                          {.text = std::to_string(rung->devices)},
                          figure_cell("days" + at),
                          figure_cell("loss" + at),
                          band_cell(at)});
  }
  return table;
}

PageTable ways_cells(const BudgetPlan& plan) {
  PageTable table{.heading = "Ways to pay for the final run's hours",
                  .headings = {"", "a device-hour", "together"},
                  .rows = {}};
  for (std::size_t i = 0; i < plan.ways.size(); ++i) {
    table.rows.push_back({{.text = plan.ways[i].name},
                          figure_cell(numbered("way", i + 1)),
                          figure_cell(numbered("way_usd", i + 1))});
  }
  return table;
}

PageTable found_cells(const BudgetPlan& plan) {
  PageTable table{.heading = "What the planner's search found, for what was asked",
                  .headings = {},
                  .rows = {},
                  .note =
                      "The sliders do not move this table: another budget or price wants a "
                      "search of its own, which a page cannot do. The speed, the devices and "
                      "the reserve that the formulas start from are this search's."};
  table.is_prose = true;
  table.rows.push_back(
      {{.text = "model"}, {.text = plan.best.shape.name + ": " + describe(plan.best.shape)}});
  if (plan.fp8_speedup > 0) {
    table.rows.push_back({{.text = "FP8 beside BF16"},
                          {.text = fmt::format("{:.2f} times the speed", plan.fp8_speedup)}});
  }
  for (const auto& row : layout_table(plan).rows) {
    table.rows.push_back({{.text = row[0]}, {.text = row[1]}});
  }
  return table;
}

PageText live_verdicts(const BudgetPlan& plan, const BudgetSheet& made) {
  PageText text{"What to know", {}};
  const Sheet& sheet = made.sheet();
  const auto say = [&](const std::string& words, const std::string& when) {
    if (sheet.find(when) != nullptr) text.sentences.push_back({words, when});
  };
  say("{days} days are more than the {deadline} asked for: it needs more devices, or less money "
      "spent.",
      "too_late");
  std::size_t n = 0;
  for (const BudgetChoice* rung : made.rungs()) {
    ++n;
    say("Of the ladder, in " +
            std::string(name(rung->plan.request.precision.value_or(NumberFormat::kBf16))) + ", " +
            rung->shape.name + " has the least loss: {" + numbered("loss", n) + "} nats per token.",
        numbered("is_least", n));
  }
  say("A mixture of experts does not pay at this scale: {moe_loss} against {dense_loss} nats for "
      "the dense model.",
      "moe_loses");
  say("A mixture of experts gains {moe_gain} nats over the dense model, within the band: it pays "
      "only if its parameters count as hoped.",
      "moe_may_pay");
  say("A mixture of experts pays: {moe_gain} nats under the best dense model.", "moe_pays");
  for (std::size_t i = 0; i < plan.ways.size(); ++i) {
    say("Cheapest by the hour: " + plan.ways[i].name + ", {" + numbered("way", i + 1) + "}.",
        numbered("is_cheapest", i + 1));
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
  page.says = {{"{budget} at {price} a device-hour, {experiments} of the rest for experiments: " +
                plan.best.shape.name +
                " on {tokens} tokens in {days} days, the final run {final_usd} for {hours}."}};
  page.sheet = made.sheet();
  page.tiles = {"tokens", "loss", "days", "hours", "final_usd", "experiments_usd"};
  page.add(purse_cells(page.sheet));
  page.add(answer_cells(page.sheet));
  page.add(live_verdicts(plan, made));
  page.add(ladder_cells(made));
  page.add(PageChart{.kind = "curve",
                     .heading = "Tokens by the share of experiments, %",
                     .items = {{.id = "tokens"}},
                     .x = "experiments",
                     .x_low = 0,
                     .x_high = 90});
  page.add(PageChart{
      .kind = "tornado", .heading = "What moves the tokens most", .items = {}, .target = "tokens"});
  page.add(ways_cells(plan));
  page.add(found_cells(plan));
  page.sources = {"device-hour: " + describe(request.price)};
  for (const auto& way : plan.ways) page.sources.push_back(way.name + ": " + way.note);
  return page;
}

}  // namespace farthing
