// budget_test.cpp - money to model: conservation, chances, verdicts, refusals.
#include "economics/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/error.h"
#include "economics/budget_sheet.h"
#include "economics/budget_testing.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

using namespace budget_testing;

TEST(Budget, EveryDollarIsInOneLine) {
  BudgetRequest asked = request();
  asked.other_usd = 10000;
  const BudgetPlan plan = plan_budget(asked);
  EXPECT_DOUBLE_EQ(plan.experiments_usd, 0.5 * 240000);
  EXPECT_DOUBLE_EQ(plan.purse_usd, 120000);
  const BudgetChoice& best = plan.best;
  EXPECT_LE(best.final_usd + best.failed_usd, plan.purse_usd);
  EXPECT_GT(best.final_usd, 0.5 * plan.purse_usd);
  EXPECT_DOUBLE_EQ(best.final_usd, best.final_hours * 2.5);
}

TEST(Budget, WhatNobodyStatedIsNotZero) {
  BudgetPlan plan = usual();
  EXPECT_NE(to_text(plan).find("not stated (--other"), std::string::npos);
  EXPECT_TRUE(to_json(plan)["other_usd"].is_null());
  EXPECT_NE(to_html(budget_page(plan)).find("not stated (--other"), std::string::npos);
  plan.request.other_stated = true;
  EXPECT_EQ(to_text(plan).find("not stated (--other"), std::string::npos);
  EXPECT_EQ(to_json(plan)["other_usd"], 0);
  EXPECT_EQ(to_html(budget_page(plan)).find("not stated (--other"), std::string::npos);
}

TEST(Budget, OldPricesAreWarnedOf) {
  BudgetPlan plan = usual();
  EXPECT_TRUE(to_json(plan)["warnings"].empty());  // of no day
  plan.request.price.item = "h100", plan.request.price.kind = "spot";
  plan.request.price.date = "2025-01", plan.request.today = "2026-11-25";
  EXPECT_EQ(to_json(plan)["warnings"][0], "h100 spot: price of 2025-01, 22 months old");
  EXPECT_NE(to_text(plan).find("Warning: h100 spot: price of 2025-01"), std::string::npos);
  EXPECT_NE(to_html(budget_page(plan)).find("Warning: h100 spot: price of 2025-01"),
            std::string::npos);
  plan.request.today = "2025-06-25";
  EXPECT_TRUE(to_json(plan)["warnings"].empty());
  plan.request.own = own_device_hour("h100", "", load_price_list(), load_price_list());
  plan.request.today = "2035-01-01";
  EXPECT_NE(to_text(plan).find("owned: a bare device: price of 20"), std::string::npos);
}

TEST(Budget, ChancesAreWhatWasAskedFor) {
  const BudgetPlan& sure = usual();
  for (const BudgetChoice& rung : sure.ladder) EXPECT_NEAR(rung.p_budget, 0.8, 0.005);
  EXPECT_NE(to_text(sure).find("precision"), std::string::npos);
  EXPECT_GE(sure.best.p_budget, 0.78);
  EXPECT_GE(sure.best.p_deadline, 0.78);
  EXPECT_LE(sure.best.days * 86400, request().deadline_seconds);
  BudgetRequest bold = request();
  bold.confidence = 0.5;
  const BudgetPlan risky = plan_budget(bold);
  EXPECT_LT(risky.best.p_budget, sure.best.p_budget);
  EXPECT_GT(risky.best.tokens, sure.best.tokens);
}

TEST(Budget, TokensAreTheHoursOfThePlan) {
  const BudgetPlan& plan = usual();
  const BudgetChoice& best = plan.best;
  // At the MFU that the plan states, before interruptions.
  const double flops = model_flops_per_token(best.shape, 4096).total() * best.tokens;
  const double mfu = flops / (best.final_hours * 3600 * request().cluster.device.bf16_peak.value);
  EXPECT_LE(mfu, best.plan.best().time.mfu * 1.001);
  EXPECT_GT(mfu, best.plan.best().time.mfu * 0.8);
}

TEST(Budget, AShortDeadlineBindsInsteadOfTheMoney) {
  BudgetRequest asked = request();
  asked.usd = 5e6;
  asked.deadline_seconds = 7 * 86400.0;
  const BudgetPlan plan = plan_budget(asked);
  EXPECT_TRUE(plan.best.limited_by_deadline);
  EXPECT_EQ(plan.best.devices, asked.cluster.n_devices());
  EXPECT_GT(plan.best.p_budget, 0.99);
  EXPECT_NE(plan.verdicts.front().find("deadline binds"), std::string::npos);
}

TEST(Budget, LossFallsWithTokensAndItsBandOpensForMixtures) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const auto ladder = budget_ladder();
  for (const ModelShape& shape : ladder) {
    EXPECT_TRUE(validate(shape).empty()) << shape.name << ": " << validate(shape).front();
    const LossBand few = expected_loss(shape, 1e10), many = expected_loss(shape, 1e12);
    EXPECT_LT(many.mid, few.mid) << shape.name;
    EXPECT_LT(few.low, few.mid);
    EXPECT_LT(few.mid, few.high);
  }
}

// The message with which a budget is refused, and the first figure after "wanted ".
std::string refusal(const BudgetRequest& asked) {
  try {
    plan_budget(asked);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource) << error.message;
    return error.message;
  }
  ADD_FAILURE() << "a plan for " << asked.usd << " USD, " << asked.deadline_seconds << " s";
  return "";
}
double wanted(const std::string& message) {
  const auto at = message.find("wanted ");
  return at == std::string::npos
             ? 0
             : std::stod(message.substr(message.find_first_of("0123456789", at)));
}

TEST(Budget, ACentLessThanTheLeastThatIsPrintedBuysNoRun) {
  BudgetRequest asked = request();
  asked.model.reset();
  asked.usd = 1;
  const double least = wanted(refusal(asked));
  asked.usd = least;
  EXPECT_NO_THROW(plan_budget(asked)) << least;
  asked.usd = least - (least < 1000 ? 0.01 : 1);
  EXPECT_EQ(wanted(refusal(asked)), least);
}

TEST(Budget, WhatBuysNoRunSaysTheLeastThatDoes) {
  BudgetRequest asked = request();
  asked.model.reset();
  asked.usd = 1;
  const std::string message = refusal(asked);
  EXPECT_NE(message.find("dense-96m on"), std::string::npos) << message;
  asked.usd = wanted(message);
  EXPECT_GT(asked.usd, 1);
  EXPECT_LT(asked.usd, 100);
  const BudgetPlan least = plan_budget(asked);
  EXPECT_LT(least.best.loss.high, std::log(least.best.shape.vocab_size));
  asked.usd *= 0.9;
  refusal(asked);
}

TEST(Budget, ADeadlineThatLeavesNoRunSaysTheLeastThatDoes) {
  BudgetRequest asked = request();
  asked.model.reset();
  asked.deadline_seconds = 1;
  const std::string message = refusal(asked);
  EXPECT_NE(message.find("--deadline"), std::string::npos) << message;
  asked.deadline_seconds = 60 * wanted(message);
  EXPECT_LT(asked.deadline_seconds, 3600);
  EXPECT_TRUE(plan_budget(asked).best.limited_by_deadline);
  asked.deadline_seconds *= 0.8;
  refusal(asked);
  asked.cluster = load_cluster("h100-512");  // 512 devices split no batch of 8 sequences
  refusal(asked);
}

TEST(SlowBudget, NoPlanHasLearntNothing) {
  BudgetRequest asked = request();
  asked.precision = NumberFormat::kBf16;
  asked.cluster.device.bf16_peak.value /= 3000;  // so slow that a start-up is soon over
  asked.deadline_seconds = 0;
  int n_plans = 0, n_refused = 0;
  for (asked.usd = 20; asked.usd < 1000; asked.usd *= 1.2) {
    try {
      const BudgetPlan plan = plan_budget(asked);
      EXPECT_LT(plan.best.loss.high, std::log(plan.best.shape.vocab_size)) << asked.usd;
      ++n_plans;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kOutOfResource) << error.message;
      ++n_refused;
    }
  }
  EXPECT_GT(n_plans, 0);
  EXPECT_GT(n_refused, 0);
}

TEST(Budget, AModelThatTheUsualDevicesDoNotHoldGetsMore) {
  BudgetRequest asked = request();
  asked.model = load_model_shape("deepseek-v3");
  asked.cluster = load_cluster("h800-2048");
  asked.deadline_seconds = 0;
  asked.usd = 20000;  // eight devices would do for the time, and hold a tenth of it
  EXPECT_GE(plan_budget(asked).best.devices, 64);
}

TEST(Budget, MoneyThatTheClusterCannotSpendIsSaid) {
  BudgetRequest asked = request();
  asked.deadline_seconds = 0;
  asked.usd = 1e9;
  const std::string verdict = plan_budget(asked).verdicts.front();
  EXPECT_NE(verdict.find("years"), std::string::npos) << verdict;
  asked.usd = 1e12;
  try {
    plan_budget(asked);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_NE(error.message.find("in a century"), std::string::npos) << error.message;
  }
}

TEST(SlowBudget, ExperimentsThatTakeAllAreNamed) {
  BudgetRequest asked = request();
  asked.experiments = 0.99;
  const std::string message = refusal(asked);
  EXPECT_NE(message.find("--experiments"), std::string::npos) << message;
  asked.experiments = wanted(message);
  EXPECT_GT(asked.experiments, 0.5);
  EXPECT_FALSE(plan_budget(asked).ladder.empty());
  asked.experiments += 0.01;
  refusal(asked);
}

// A ladder of both kinds where a few devices are searched quickly.
const BudgetPlan& small() {
  static const BudgetPlan plan = [] {
    BudgetRequest asked = request();
    asked.model.reset();
    asked.usd = 3000;
    asked.deadline_seconds = 0;
    return plan_budget(asked);
  }();
  return plan;
}

TEST(SlowBudget, EveryRungIsTriedInEveryPrecision) {
  for (const NumberFormat precision : {NumberFormat::kBf16, NumberFormat::kFp8Block}) {
    BudgetRequest asked = small().request;
    asked.precision = precision;
    const BudgetPlan alone = plan_budget(asked);
    EXPECT_LE(small().ladder.front().loss.mid, alone.ladder.front().loss.mid + 0.5 * kLevelLoss);
    for (const BudgetRung& rung : small().ladder) {
      const BudgetChoice& choice = rung.is_fp8 == is_fp8(precision) ? rung : rung.other.value();
      const auto same =
          std::find_if(alone.ladder.begin(), alone.ladder.end(),
                       [&](const auto& each) { return each.shape.name == rung.shape.name; });
      ASSERT_NE(same, alone.ladder.end()) << rung.shape.name;
      EXPECT_EQ(same->loss.mid, choice.loss.mid) << rung.shape.name;
      EXPECT_EQ(rung.is_fp8, rung.fp8_speedup() >= kWorthwhileFp8) << rung.shape.name;
    }
  }
}

TEST(SlowBudget, VerdictsCompareWhatTheTablePrints) {
  const std::string text = to_text(small());
  const std::string table = text.substr(text.find("for the same money"));
  const std::string rows = table.substr(0, table.find("\n\n"));
  int n_figures = 0;
  for (const std::string& line : small().verdicts) {
    if (line.find(" pay") == std::string::npos && line.find(" would have ") == std::string::npos) {
      continue;
    }
    static const std::regex kLoss("[0-9]\\.[0-9]{3}(?!x)");
    for (std::sregex_iterator it(line.begin(), line.end(), kLoss), end; it != end; ++it) {
      EXPECT_NE(rows.find(it->str()), std::string::npos) << line << "\n" << rows;
      ++n_figures;
    }
  }
  EXPECT_GE(n_figures, 4);
  EXPECT_NE(rows.find(small().best.shape.name + ", chosen"), std::string::npos) << rows;
}

TEST(SlowBudget, ThePageHasBothPrecisions) {
  const BudgetSheet made(small());
  const auto values = made.sheet().values_with({});
  for (std::size_t k = 0; k < small().ladder.size(); ++k) {
    const BudgetRung& rung = small().ladder[k];
    EXPECT_NEAR(values.at("loss" + BudgetSheet::of_model(k)), rung.loss.mid, 1e-9);
    EXPECT_NEAR(values.at("loss" + BudgetSheet::of_other(k)), rung.other->loss.mid, 1e-9);
    const bool is_best = k == made.as_asked();
    EXPECT_EQ(values.at("fp8_pays" + BudgetSheet::of_model(k)) > 0, is_best && rung.is_fp8);
    EXPECT_EQ(values.at("fp8_loses" + BudgetSheet::of_model(k)) > 0, is_best && !rung.is_fp8);
  }
  EXPECT_NEAR(values.at("tokens"), small().best.tokens, 1e-6 * small().best.tokens);
}

TEST(Budget, AbsurdRequestsAreRefused) {
  for (double BudgetRequest::*field :
       {&BudgetRequest::usd, &BudgetRequest::deadline_seconds, &BudgetRequest::experiments,
        &BudgetRequest::failed, &BudgetRequest::other_usd, &BudgetRequest::confidence}) {
    BudgetRequest bad = request();
    bad.*field = -1;
    EXPECT_THROW(plan_budget(bad), Error);
    bad.*field = std::nan("");
    EXPECT_THROW(plan_budget(bad), Error);
  }
  BudgetRequest bad = request();
  bad.other_usd = bad.usd;
  EXPECT_THROW(plan_budget(bad), Error);
}

TEST(Budget, TextJsonAndPageSayTheSame) {
  const BudgetPlan& plan = usual();
  EXPECT_NEAR(to_json(plan)["final_usd"].get<double>(), plan.best.final_usd, 1e-6);
  EXPECT_NE(to_text(plan).find(plan.best.shape.name), std::string::npos);
  const MoneyPage page = budget_page(plan);
  static const std::regex kOther("data-slider=\"other\" min=\"0\" max=\"(2.5e\\+05|250000)");
  EXPECT_TRUE(std::regex_search(to_html(page), kOther));
  EXPECT_NEAR(page.sheet.value("tokens"), plan.best.tokens, 1e-6 * plan.best.tokens);
}

TEST(SlowBudget, MoreTimeGivesNoWorseModel) {
  BudgetRequest asked = request();
  asked.model.reset();
  asked.usd = 300000;
  asked.precision = NumberFormat::kFp8Block;
  asked.price = price(2.46, 2.46, 2.46);
  double least = HUGE_VAL, last = 0;
  for (const double weeks : {2, 8, 520, 0}) {  // 0: no deadline
    asked.deadline_seconds = weeks * 7 * 86400;
    const BudgetPlan plan = plan_budget(asked);
    least = std::min(least, plan.ladder.front().loss.mid);
    EXPECT_LE(plan.best.loss.mid, least + kLevelLoss) << weeks;
    EXPECT_LE(plan.best.days, kLevelTime * plan.ladder.front().days) << weeks;
    if (weeks == 0) {
      EXPECT_EQ(plan.best.loss.mid, last);
    }
    last = plan.best.loss.mid;
  }
}

TEST(Budget, ExperimentsTakeTimeToo) {
  BudgetRequest asked = request();
  asked.model = budget_ladder()[2];
  asked.usd = 300000;
  const BudgetPlan rented = plan_budget(asked);
  EXPECT_NEAR(rented.experiments_days, 150000 / 2.5 / 512 / 24 / 0.85, 1e-9);
  EXPECT_EQ(verdict_with(rented, "both fit the deadline"), "");
  EXPECT_NE(to_text(rented).find("of the final run alone"), std::string::npos);
  asked.cluster = load_cluster("lab-4090");
  asked.price = price(0.5, 0.4, 0.6);
  const BudgetPlan lab = plan_budget(asked);
  EXPECT_NEAR(lab.experiments_days, 150000 / 0.5 / 4 / 24, 1e-6);
  const std::string verdict = verdict_with(lab, "both fit the deadline");
  EXPECT_NE(verdict.find("keep all 4 devices of lab-4090 busy for 8."), std::string::npos)
      << verdict;
  EXPECT_NEAR(to_json(lab)["experiments_days"].get<double>(), lab.experiments_days, 1e-9);
  const Sheet sheet = budget_page(lab).sheet;
  EXPECT_TRUE(sheet.value("experiments_late") > 0);
  EXPECT_FALSE(sheet.values_with({{"experiments", 0.1}, {"deadline", 400}}).at("experiments_late") >
               0);
}

TEST(Budget, WhatIsNotSpentIsNoReserve) {
  BudgetRequest asked = request();
  const BudgetPlan& plan = usual();
  EXPECT_EQ(plan.not_spent_usd, 0);  // the money binds
  EXPECT_NEAR(plan.reserve_usd,
              asked.usd - plan.experiments_usd - plan.best.final_usd - plan.best.failed_usd, 1e-6);
  asked.usd = 1e8;
  asked.deadline_seconds = 14 * 86400.0;
  const BudgetPlan rich = plan_budget(asked);
  ASSERT_TRUE(rich.best.limited_by_deadline);
  const double used = rich.experiments_usd + rich.best.final_usd + rich.best.failed_usd;
  EXPECT_NEAR(rich.reserve_usd + rich.not_spent_usd, 1e8 - used, 1e-3);
  EXPECT_LT(rich.reserve_usd, 0.2 * 1e8);  // of it the experiments' overrun, 30 % at most
  EXPECT_GT(rich.reserve_usd, 0.02 * 1e8);
  const Sheet sheet = budget_page(rich).sheet;
  EXPECT_NEAR(sheet.value("reserve_usd"), rich.reserve_usd, 1e-3 * rich.reserve_usd);
  EXPECT_NEAR(sheet.value("not_spent_usd"), rich.not_spent_usd, 1e-3 * rich.not_spent_usd);
}

TEST(Budget, AnOpenModelIsOneThatFits) {
  BudgetRequest asked = request();
  asked.cluster = load_cluster("lab-4090");
  asked.model = budget_ladder()[2];
  asked.price = price(0.5, 0.4, 0.6);
  const BudgetPlan lab = plan_budget(asked);
  EXPECT_FALSE(lab.open.has_value());
  EXPECT_NE(verdict_with(lab, "No open model"), "");
  EXPECT_EQ(to_text(lab).find("the cheaper way"), std::string::npos);
  asked.cluster = load_cluster("h100-spot");
  asked.model = budget_ladder()[7];
  const BudgetPlan rented = plan_budget(asked);
  ASSERT_TRUE(rented.open.has_value());
  EXPECT_NEAR(rented.open->continue_usd, 1e11 / rented.open->speed * 0.5, 1e-6);
  EXPECT_GT(rented.open->continue_days, 0);
  const Sheet sheet = budget_page(rented).sheet;
  EXPECT_NEAR(sheet.value("open_continue"), rented.open->continue_usd, 1e-3);
}

TEST(SlowBudget, Fp8ThatPaysSaysWhatItsLossLeavesOut) {
  EXPECT_EQ(verdict_with(small(), "FP8 pays").empty(), !small().best.is_fp8);
  const std::string line = verdict_with(small(), "FP8 pays");
  if (!line.empty()) {
    EXPECT_NE(line.find(kFp8Note), std::string::npos) << line;
  }
}

// 2 % of the nodes an hour stretch the run by 2.5 %: only spot hours pay for that.
TEST(Budget, TheMarketInterruptsSpotAlone) {
  BudgetRequest asked = request();
  const PriceList list = load_price_list();
  asked.own = own_device_hour("h100", "us", list, list);
  const PriceEntry rent = price(3, 3, 3), spot = price(2.5, 2, 3);
  asked.on_demand = &rent, asked.spot = &spot;
  asked.cluster.spot = {};
  const BudgetPlan owned = plan_budget(asked);
  for (const WayToPay& way : owned.ways) EXPECT_EQ(way.hours, owned.best.final_hours) << way.name;
  asked.cluster.spot.preemptions.value = 0.02 / 3600;
  asked.cluster.spot.preemptions.text = "0.02/h";
  const BudgetPlan plan = plan_budget(asked);
  EXPECT_LT(plan.calm_share, 0.99);
  for (const WayToPay& way : plan.ways) {
    const double share = way.name == "spot" ? 1 : plan.calm_share;
    EXPECT_NEAR(way.hours, share * plan.best.final_hours, 1e-6) << way.name;
    EXPECT_NEAR(way.final_usd, way.hours * way.usd_per_hour, 1e-6);
  }
  const Sheet sheet = budget_page(plan).sheet;
  EXPECT_NEAR(sheet.value("way_usd_1"), plan.ways.at(0).final_usd, 1e-6);
  EXPECT_NEAR(sheet.value("way_usd_2"), plan.ways.at(1).final_usd, 1e-6);
  EXPECT_TRUE(sheet.at("own_repairs").slider);
}

TEST(Budget, AnOwnPriceIsAWayToPay) {
  BudgetRequest asked = request();
  const PriceEntry spot = price(2.46, 2, 3);
  asked.spot = &spot, asked.on_demand = &spot;
  asked.price = price(1, 1, 1), asked.price.source = "your own (--rent)", asked.price.date = "";
  asked.price.confidence = "";
  asked.is_own_price = true;
  const auto verdict_of = [](const BudgetPlan& plan) {
    for (const std::string& line : plan.verdicts) {
      if (line.find("Cheapest by the hour") != std::string::npos) return line;
    }
    return std::string();
  };
  const BudgetPlan plan = plan_budget(asked);
  EXPECT_DOUBLE_EQ(plan.ways.at(0).final_usd, plan.best.final_usd);
  EXPECT_EQ(plan.ways.at(0).hours, plan.best.final_hours);
  EXPECT_NE(verdict_of(plan).find("your own price (--rent), $1.00/h"), std::string::npos)
      << verdict_of(plan);
  EXPECT_NE(to_text(plan).find("Price: $1.00/h, your own (--rent)\n"), std::string::npos);
  const auto values = budget_page(plan).sheet.values_with({{"price", 3}});
  EXPECT_EQ(values.at("way_1"), 3);
  EXPECT_TRUE(values.at("is_cheapest_3") > 0);
  EXPECT_FALSE(values.at("is_cheapest_1") > 0);
  asked.price = price(5, 5, 5);
  const std::string dear = verdict_of(plan_budget(asked));
  EXPECT_NE(dear.find("against $5.00/h of your own"), std::string::npos) << dear;
}

TEST(Budget, ThePagesFormulasGiveThePlanAndFollowTheMoney) {
  BudgetRequest asked = request();
  const PriceList list = load_price_list();
  asked.own = own_device_hour("h100", "us", list, list);
  const BudgetPlan plan = plan_budget(asked);
  const Sheet sheet = budget_page(plan).sheet;
  const BudgetChoice& rung = plan.ladder.front();
  EXPECT_NEAR(sheet.value("time"), plan.best.days, 1e-9 * plan.best.days);
  EXPECT_NEAR(sheet.value("loss"), plan.best.loss.mid, 1e-9);
  EXPECT_NEAR(sheet.value("loss_high"), plan.best.loss.high, 1e-6);
  EXPECT_NEAR(sheet.value("tokens_1"), rung.tokens, 1e-9 * rung.tokens);
  EXPECT_NEAR(sheet.value("runs_a_year"), plan.runs_a_year, 1e-9 * plan.runs_a_year);
  EXPECT_NEAR(sheet.value("way_usd_3"), plan.ways.at(2).final_usd, 1e-6);
  // Twice the price: half the tokens, and the law's loss of these.
  const auto dear = sheet.values_with({{"price", asked.price.value * 2}});
  EXPECT_NEAR(dear.at("tokens"), plan.best.tokens / 2, 1e-6 * plan.best.tokens);
  EXPECT_NEAR(dear.at("loss"), expected_loss(plan.best.shape, plan.best.tokens / 2).mid, 1e-9);
  EXPECT_FALSE(dear.at("deadline_binds") > 0);
  // At a tenth of it the devices of the search are busy until the deadline.
  const auto cheap = sheet.values_with({{"price", asked.price.value / 10}});
  EXPECT_TRUE(cheap.at("deadline_binds") > 0);
  EXPECT_LE(cheap.at("time") * 86400, asked.deadline_seconds);
  EXPECT_GT(cheap.at("not_spent_usd"), 0.2 * asked.usd);
}

TEST(Budget, ThePagesDrawsGiveTheChances) {
  const BudgetPlan& plan = usual();
  const BudgetSheet made(plan);
  const PageDraws draws = made.draws();
  const Sheet& sheet = made.sheet();
  int inside = 0, in_time = 0;
  for (const auto& row : draws.rows) {
    std::map<std::string, double> inputs;
    for (std::size_t i = 0; i < row.size(); ++i) inputs[draws.ids[i]] = row[i];
    const auto values = sheet.values_with(inputs);
    inside += values.at("inside") > 0 ? 1 : 0;
    in_time += values.at("in_time") > 0 ? 1 : 0;
  }
  const auto n = static_cast<double>(draws.rows.size());
  EXPECT_NEAR(inside / n, plan.best.p_budget, 1e-9);
  EXPECT_NEAR(in_time / n, plan.best.p_deadline, 1e-9);
}

TEST(SlowBudget, ThePagesChoiceFollowsTheMoney) {
  const BudgetRequest& asked = small().request;
  const BudgetPlan& plan = small();
  const BudgetSheet made(plan);
  const auto active_at = [&](double budget) {
    const auto values = made.sheet().values_with({{"budget", budget}});
    int n_chosen = 0;
    for (std::size_t k = 0; k < plan.ladder.size(); ++k) {
      n_chosen += values.at("chosen" + BudgetSheet::of_model(k)) > 0 ? 1 : 0;
    }
    EXPECT_EQ(n_chosen, 1) << budget;
    EXPECT_LE(values.at("loss"), values.at("least_loss") + kLevelLoss);
    return values.at("active");
  };
  const auto active = static_cast<double>(count_active_parameters(plan.best.shape).total());
  EXPECT_EQ(active_at(asked.usd), active);
  EXPECT_GT(active_at(20 * asked.usd), active);
  EXPECT_LT(active_at(asked.usd / 20), active);
}

// 33,800 with server and network is 68,434; a third and 3 % of it over 8,766 h, 70 % of them used;
// 700 W at 0.76, with the host and through PSU and UPS 685 W, PUE 1.45, 8.26 cents.
TEST(Budget, AnOwnedHourIsDepreciationAndPower) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const PriceList list = load_price_list();
  Sheet own;
  for (const SheetLine& line : own_device_hour("h100", "", list, list)) own.add(line);
  own.finish("own");
  EXPECT_NEAR(own.value("own_hour"), 68434.6 * (1 / 3.0 + 0.03) / 8766 / 0.7 + 0.0821, 2e-3);
  EXPECT_TRUE(own_device_hour("nothing", "", list, list).empty());
  Sheet china;
  for (const SheetLine& line : own_device_hour("h100", "china", list, list)) china.add(line);
  china.finish("own");
  EXPECT_EQ(china.value("own_kwh"), 0.08);
}

}  // namespace
}  // namespace farthing
