// budget_sheet.cpp - the lines of a budget's page, from the request to the chosen model.
#include "economics/budget_sheet.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/calendar.h"
#include "base/check.h"
#include "plan/accounting.h"
#include "simulate/scaling_laws.h"

namespace farthing {
namespace {

// "@" stands for the model.
std::string with(std::string text, const std::string& at) {
  for (std::size_t i = text.find('@'); i != std::string::npos; i = text.find('@', i)) {
    text.replace(i, 1, at);
  }
  return text;
}

// Of a triangular variate between low and high around 1, from the uniform `u`.
std::string triangular_words(double low, double high, const std::string& u) {
  if (!(high > low)) return "1";
  const double share = (1 - low) / (high - low);
  return fmt::format("if({} - {}, {} + sqrt({} * {}), {} - sqrt((1 - {}) * {}))", share, u, low, u,
                     (high - low) * (1 - low), high, u, (high - low) * (high - 1));
}

std::string least_of(const std::vector<std::string>& ids) {
  return ids.size() == 1 ? ids[0] : fmt::format("min({})", fmt::join(ids, ", "));
}

}  // namespace

BudgetSheet::BudgetSheet(const BudgetPlan& plan)
    : plan_(plan), unit_(time_unit_of(plan.best.days)) {
  add_request();
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    add_run(of_model(k), plan_.ladder[k], false);
    if (plan_.ladder[k].other) add_run(of_other(k), *plan_.ladder[k].other, true);
  }
  add_choice();
  add_chosen();
  add_purse();
  add_draws();
  add_mixture();
  add_precisions();
  add_ways();
  add_open();
  sheet_.finish("budget");
}

std::string BudgetSheet::numbered(const char* what, std::size_t i) {
  return fmt::format("{}_{}", what, i);
}

BudgetSheet::TimeUnit BudgetSheet::time_unit_of(double days) {
  if (days >= 2) return {"days", 1};
  if (days * 24 >= 2) return {"hours", 24};
  if (days * 1440 >= 2) return {"minutes", 1440};
  return {"seconds", 86400};
}

std::size_t BudgetSheet::as_asked() const {
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    if (plan_.ladder[k].shape.hidden_size == plan_.best.shape.hidden_size &&
        plan_.ladder[k].shape.name == plan_.best.shape.name) {
      return k;
    }
  }
  CHECK(plan_.ladder.empty());  // the choice is one of them
  return 0;
}

PageDraws BudgetSheet::draws() const {
  PageDraws draws{{"draw_hours", "draw_price", "draw_failed", "draw_experiments"}, {}};
  for (const BudgetVariates& drawn : budget_variates()) {
    draws.rows.push_back({drawn.hours, drawn.price, drawn.failed, drawn.experiments});
  }
  return draws;
}

SheetLine& BudgetSheet::input(const std::string& id, const std::string& label,
                              const std::string& unit, double value, const std::string& source,
                              bool slider) {
  line_ = {.id = id, .label = label, .unit = unit, .value = value, .source = source};
  line_.slider = slider;
  return line_;
}

void BudgetSheet::formula(const std::string& id, const std::string& label, const std::string& unit,
                          const std::string& text, bool condition) {
  sheet_.add({.id = id, .label = label, .unit = unit, .formula = text, .condition = condition});
}

// A line of the chosen model.
void BudgetSheet::select(const std::string& id, const std::string& label, const std::string& unit) {
  std::vector<std::string> terms;
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    terms.push_back("chosen" + of_model(k) + " * " + id + of_model(k));
  }
  formula(id, label, unit, fmt::format("{}", fmt::join(terms, " + ")));
}

void BudgetSheet::add_request() {
  const BudgetRequest& request = plan_.request;
  const std::string asked = "as asked";
  input("budget", "budget", "USD", request.usd, asked), keep();
  const bool has_other = states_other(request);
  input("other", "data, storage, people", "USD", request.other_usd,
        has_other ? asked : "not stated, counted as nothing")
      .most = request.usd,
     keep();
  if (!has_other) {
    formula("other_known", "", "", "if(other, 1, 0)", true);
    formula("other_unknown", "", "", "1 - other_known", true);
  }
  SheetLine& share =
      input("experiments", "experiments, of the rest", "%", 100 * request.experiments,
            "OLMo (arXiv:2503.05804), Olmo 3 (arXiv:2605.01158)");
  share.low = std::min(33.3, share.value), share.high = std::max(82.2, share.value), keep();
  SheetLine& failed =
      input("failed", "failed attempts, of the final run", "%", 100 * request.failed, "assumption");
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
  const Quantiles& hours = plan_.best.plan.range.gpu_hours;
  SheetLine& pace = input("pace", "speed, of the plan's", "x", 1,
                          "P10 to P90 of the plan of " + plan_.best.shape.name);
  if (hours.p10 > 0 && hours.p90 > 0) {
    pace.low = std::min(1.0, hours.p50 / hours.p90);
    pace.high = std::max(1.0, hours.p50 / hours.p10);
  }
  keep();
  const BudgetChoice& best = plan_.best;
  input("reserve", "reserve, of the purse", "%",
        100 * (1 - best.money_hours * request.price.value * (1 + request.failed) / plan_.purse_usd),
        fmt::format("{:.0f} % confidence", 100 * request.confidence)),
      keep();
  if (request.deadline_seconds > 0) {
    input("deadline", fmt::format("deadline, {}", unit_.name), "",
          request.deadline_seconds / 86400 * unit_.of_a_day, asked),
        keep();
  }
  const FittedLaw law = replicated_law();
  const std::string source = "Besiroglu 2024 (arXiv:2404.10102), table 1";
  input("law_B", "the loss law's B, of tokens", "", law.B, source, false), keep();
  input("law_beta", "the loss law's beta", "", law.beta, source, false), keep();
}

std::string BudgetSheet::hours_formula(const std::string& at) const {
  std::string money = with("max(purse * (1 - kept@ / 100), 0) / (1 + failed / 100) / price", at);
  if (!(plan_.request.deadline_seconds > 0)) return money;
  return fmt::format(
      "min({}, {})", money,
      with(fmt::format("devices@ * deadline * {} * available / 100 / (1 + failed / 100) / slow@",
                       24 / unit_.of_a_day),
           at));
}

// Hours, tokens, time and loss of a model; `at` is "_3" for the third, "_3_other" for it in the
// other precision.
void BudgetSheet::add_run(const std::string& at, const BudgetChoice& choice, bool is_other) {
  const std::string name = choice.shape.name + (choice.is_fp8 ? " in FP8: " : ": ");
  const double price = plan_.request.price.value, failed = 1 + plan_.request.failed;
  const auto active = static_cast<double>(count_active_parameters(choice.shape).total());
  input("speed" + at, name + "tokens of a paid device-hour", "", choice.tokens / choice.final_hours,
        "its plan", false),
      keep();
  input("devices" + at, name + "devices", "", choice.devices, "its plan", false), keep();
  if (!is_other) {
    input("active" + at, name + "active parameters", "", active, "its layers counted", false);
    keep();
  }
  const double reserve = 100 * (1 - choice.money_hours * price * failed / plan_.purse_usd) -
                         100 * (1 - plan_.best.money_hours * price * failed / plan_.purse_usd);
  formula("kept" + at, "", "%", fmt::format("reserve + {}", reserve), true);
  line_ = {.id = "slow" + at, .label = "", .unit = "", .value = choice.slow / failed};
  line_.condition = true, keep();
  line_ = {.id = "hours_sd" + at, .label = "", .unit = "", .value = choice.hours_sd};
  line_.condition = true, keep();
  const FittedLaw law = replicated_law();
  input("endless" + at, name + "loss after tokens without end", "",
        choice.loss.mid - law.B / std::pow(choice.tokens, law.beta),
        "the loss law's E + A / N ** alpha", false),
      keep();
  formula("rate" + at, name + "the same at the speed assumed", "", with("speed@ * pace", at), true);
  // The same four formulas for every model: the list of numbers has them once.
  const bool brief = is_other || at != of_model(as_asked());
  formula("hours" + at, name + "device-hours of the final run", "h", hours_formula(at), brief);
  formula("tokens" + at, name + "tokens that it trains", "", with("hours@ * rate@", at), brief);
  formula("time" + at, name + unit_.name + ", failed attempts included", "",
          with(fmt::format("hours@ * (1 + failed / 100) / devices@ / {} / (available / 100)",
                           24 / unit_.of_a_day),
               at),
          brief);
  formula("loss" + at, name + "expected loss, nats per token", "",
          with("endless@ + law_B / tokens@ ** law_beta", at), brief);
  formula("loss_low" + at, "", "",
          with(fmt::format("loss@ - {:.6g}", choice.loss.mid - choice.loss.low), at), true);
  formula("loss_high" + at, "", "",
          with(fmt::format("loss@ + {:.6g}", choice.loss.high - choice.loss.mid), at), true);
}

// The least loss, and of those level with it the fewest active parameters.
void BudgetSheet::add_choice() {
  std::vector<std::string> losses, leads, sizes;
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    const std::string at = of_model(k);
    losses.push_back("loss" + at);
    formula("level" + at, "", "",
            with(fmt::format("if(loss@ - least_loss - {}, 0, if(time@ - {} * lead_time, 0, 1))",
                             kLevelLoss, kLevelTime),
                 at),
            true);
    formula("lead" + at, "", "", with("if(loss@ - least_loss, 9e99, time@)", at), true);
    leads.push_back("lead" + at);
    // Of two equally large the better.
    formula("size" + at, "", "", with(fmt::format("if(level@, active@ + {}, 9e99)", k * 1e-3), at),
            true);
    sizes.push_back("size" + at);
  }
  formula("least_loss", "least loss of the ladder", "", least_of(losses));
  formula("lead_time", "", "", least_of(leads), true);
  formula("least_size", "", "", least_of(sizes), true);
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    formula("chosen" + of_model(k), "", "",
            with("level@ * if(size@ - least_size, 0, 1)", of_model(k)), true);
  }
}

void BudgetSheet::add_chosen() {
  select("rate", "tokens of a paid device-hour", "");
  select("devices", "devices", "");
  select("active", "active parameters", "");
  select("hours", "device-hours of the final run", "h");
  select("tokens", "tokens", "");
  select("time", std::string(unit_.name) + ", failed attempts included", "");
  select("loss", "expected loss, nats per token", "");
  select("loss_low", "its band, low", "");
  select("loss_high", "its band, high", "");
  select("hours_sd", "spread of its hours, of the logarithm", "");
  select("kept", "its reserve, of the purse", "%");
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    const double batch = plan_.ladder[k].plan.best().batch.tokens();
    formula("no_step" + of_model(k), "", "",
            fmt::format("chosen{} * if({} - tokens{}, 1, 0)", of_model(k), batch, of_model(k)),
            true);
    formula("untrained" + of_model(k), "", "",
            fmt::format("chosen{} * if(loss_high - {}, 1, 0)", of_model(k),
                        std::log(plan_.ladder[k].shape.vocab_size)),
            true);
  }
}

void BudgetSheet::add_purse() {
  formula("final_usd", "final run, interruptions included", "USD", "hours * price");
  formula("failed_usd", "failed attempts", "USD", "final_usd * failed / 100");
  formula("experiments_usd", "experiments", "USD", "(budget - other) * experiments / 100");
  const std::string devices = std::to_string(plan_.request.cluster.n_devices());
  formula("experiments_time",
          fmt::format("experiments before it, on all {} devices, {}", devices, unit_.name), "",
          fmt::format("experiments_usd / price / {} / {} / (available / 100)", devices,
                      24 / unit_.of_a_day));
  const bool has_deadline = plan_.request.deadline_seconds > 0;
  if (has_deadline) {
    formula("experiments_late", "", "",
            fmt::format("if(experiments_time + time * devices / {} - deadline, 1, 0)", devices),
            true);
  }
  const double used = plan_.experiments_usd + plan_.best.final_usd + plan_.best.failed_usd;
  const std::string rest = "budget - other - experiments_usd - final_usd - failed_usd";
  formula("reserve_usd", "reserve that the confidence needs", "USD",
          has_deadline
              ? fmt::format("if(deadline_binds, min({0}, {1} * (experiments_usd + final_usd + "
                            "failed_usd)), {0})",
                            rest, plan_.reserve_usd / used)
              : rest);
  formula("not_spent_usd", "not spent", "USD", rest + " - reserve_usd");
  for (const auto& [part, label] : {std::pair{"other", "data, storage, people"},
                                    {"experiments_usd", "experiments"},
                                    {"final_usd", "final run"},
                                    {"failed_usd", "failed attempts"},
                                    {"reserve_usd", "reserve"},
                                    {"not_spent_usd", "not spent"}}) {
    formula(std::string("share_") + part, std::string(label) + ", of the budget", "%",
            fmt::format("100 * {} / budget", part));
  }
  formula("per_active", "tokens per active parameter", "", "tokens / active");
  formula("runs_a_year", "such final runs for the whole budget, within a year", "",
          fmt::format("min(budget / (final_usd + failed_usd), {} / time)",
                      kDaysPerYear * unit_.of_a_day));
}

// What a case of draws() makes of the plan.
void BudgetSheet::add_draws() {
  const BudgetRequest& request = plan_.request;
  for (const char* id : {"draw_hours", "draw_price", "draw_failed", "draw_experiments"}) {
    line_ = {.id = id, .label = "", .unit = "", .value = id[5] == 'h' ? 0.0 : 0.5};
    line_.condition = true, keep();
  }
  const PriceEntry& price = request.price;
  formula("price_drawn", "", "",
          "price * (" +
              triangular_words(price.low / price.value, price.high / price.value, "draw_price") +
              ")",
          true);
  formula("failed_drawn", "", "",
          "1 + failed / 100 * (" + triangular_words(0, 2.5, "draw_failed") + ")", true);
  formula("experiments_drawn", "", "", triangular_words(0.8, 1.3, "draw_experiments"), true);
  formula("hours_drawn", "", "", "hours * exp(hours_sd * draw_hours) * failed_drawn", true);
  formula("inside", "", "",
          "if(budget * 1.000000001 - hours_drawn * price_drawn - experiments_usd * "
          "experiments_drawn - other, 1, 0)",
          true);
  if (!(request.deadline_seconds > 0)) return;
  formula("in_time", "", "",
          fmt::format("if(deadline * {} * available / 100 * 1.000000001 - hours_drawn / devices, "
                      "1, 0)",
                      24 / unit_.of_a_day),
          true);
  formula("deadline_binds", "", "",
          "if(purse * (1 - kept / 100) / (1 + failed / 100) / price - hours * 1.000001, 1, 0)",
          true);
}

// The least loss of each kind.
void BudgetSheet::add_mixture() {
  std::vector<std::string> least[2];
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    least[plan_.ladder[k].shape.is_moe() ? 1 : 0].push_back("loss" + of_model(k));
  }
  if (!plan_.best_dense || !plan_.best_moe) return;
  const LossBand& band = plan_.best_moe->loss;
  formula("dense_loss", "least loss of a dense model", "", least_of(least[0]));
  formula("moe_loss", "least loss of a mixture of experts", "", least_of(least[1]));
  formula("moe_gain", "what a mixture of experts gains, nats", "", "dense_loss - moe_loss");
  formula("moe_loses", "", "", "if(moe_gain, 0, 1)", true);
  formula("moe_pays", "", "", fmt::format("if(moe_gain - {}, 1, 0)", band.high - band.mid), true);
  formula("moe_may_pay", "", "", "1 - moe_loses - moe_pays", true);
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    const std::string least_of_kind = plan_.ladder[k].shape.is_moe() ? "moe_loss" : "dense_loss";
    formula("is_least" + of_model(k), "", "",
            "if(loss" + of_model(k) + " - " + least_of_kind + ", 0, 1)", true);
  }
}

// What FP8 does for each model, said of the chosen one.
void BudgetSheet::add_precisions() {
  for (std::size_t k = 0; k < plan_.ladder.size(); ++k) {
    const BudgetRung& rung = plan_.ladder[k];
    if (!rung.other) continue;
    const std::string own = "tokens" + of_model(k), other = "tokens" + of_other(k);
    formula("fp8_speedup" + of_model(k), rung.shape.name + ": tokens in FP8 over those in BF16",
            "x", fmt::format("{} / {}", rung.is_fp8 ? own : other, rung.is_fp8 ? other : own),
            true);
    formula("fp8_loses" + of_model(k), "", "",
            with(fmt::format("chosen@ * if({} - fp8_speedup@, 1, 0)", kWorthwhileFp8), of_model(k)),
            true);
    formula("fp8_pays" + of_model(k), "", "", with("chosen@ - fp8_loses@", of_model(k)), true);
  }
}

void BudgetSheet::add_ways() {
  for (const SheetLine& line : plan_.request.own) sheet_.add(line);
  std::vector<std::string> hours;
  input("calm_share", "hours where no market takes devices back, over spot's", "x",
        plan_.calm_share, "the plan with and without preemptions", false),
      keep();
  for (std::size_t i = 0; i < plan_.ways.size(); ++i) {
    const WayToPay& way = plan_.ways[i];
    const std::string id = numbered("way", i + 1);
    if (way.name == "own" && !plan_.request.own.empty()) {
      formula(id, way.name, "USD/h", "own_hour");
    } else if (way.is_paid) {
      formula(id, way.name, "USD/h", "price");
    } else {
      input(id, way.name, "USD/h", way.usd_per_hour, way.note, std::isfinite(way.usd_per_hour)),
          keep();
    }
    const std::string its_hours = numbered("way_hours", i + 1);
    formula(its_hours, way.name + ", device-hours", "h",
            way.hours == plan_.best.final_hours ? "hours" : "hours * calm_share");
    formula(numbered("way_usd", i + 1), way.name + ", the final run", "USD",
            fmt::format("{} * {}", its_hours, id));
    if (std::isfinite(way.usd_per_hour)) hours.push_back(id);
  }
  if (hours.empty()) return;
  formula("least_hour", "the cheapest device-hour", "USD/h", least_of(hours));
  for (std::size_t i = 0; i < plan_.ways.size(); ++i) {
    if (!std::isfinite(plan_.ways[i].usd_per_hour)) continue;
    formula(numbered("is_cheapest", i + 1), "", "",
            fmt::format("if({} - least_hour, 0, 1)", numbered("way", i + 1)), true);
  }
}

void BudgetSheet::add_open() {
  if (!plan_.open) return;
  input("open_loss", plan_.open->name + ": the law's loss", "", plan_.open->loss.mid,
        "its parameters and tokens", false),
      keep();
  input("open_speed", plan_.open->name + ": tokens of a paid device-hour", "", plan_.open->speed,
        "its plan", false),
      keep();
  formula("open_continue", plan_.open->name + ": 100 billion tokens more", "USD",
          "10 ** 11 * price / open_speed / pace");
  formula("open_time", plan_.open->name + ": the same, " + unit_.name, "",
          fmt::format("10 ** 11 / open_speed / pace / {} / {} / (available / 100)",
                      plan_.open->devices, 24 / unit_.of_a_day));
  if (plan_.request.deadline_seconds > 0) {
    formula("open_late", "", "", "if(open_time - deadline, 1, 0)", true);
  }
  formula("open_tune", plan_.open->name + ": one billion tokens", "USD", "open_continue / 100");
  formula("open_better", "", "", "if(loss - open_loss, if(final_usd - open_tune, 1, 0), 0)", true);
}

}  // namespace farthing
