// budget_price_test.cpp - a budget's hours are the planner's, and what is said of prices is whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "economics/budget.h"
#include "economics/budget_testing.h"

namespace farthing {
namespace {

using namespace budget_testing;

// Text is folded.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// One model of interruptions: what a budget buys, farthing plan prices alike.
TEST(BudgetPrice, ThePlannerPricesTheFinalRunAlike) {
  PlanRequest asked = usual().best.plan.request;
  asked.tokens = usual().best.tokens;
  asked.n_runs = 300;
  const Plan plan = make_plan(asked);
  EXPECT_NEAR(usual().best.final_hours / plan.gpu_hours, 1, 0.02);
  // The market is some tenths of a percent of it, hardware the same in both ways.
  EXPECT_GT(usual().calm_share, 0.98);
  EXPECT_LT(plan.gpu_hours / plan.compute_gpu_hours, 1.05);
}

TEST(BudgetPrice, AnOpenModelIsPricedAsThePlannerDoes) {
  BudgetRequest asked = request();
  asked.model = budget_ladder()[7];
  const BudgetPlan budget = plan_budget(asked);
  const Json open = to_json(budget)["open_model"];
  ASSERT_TRUE(open.contains("precision")) << open;
  PlanRequest alone;
  alone.model = load_model_shape(open["name"].get<std::string>());
  alone.cluster = with_devices(asked.cluster, open["devices"].get<int>());
  alone.tokens = 1e11;
  alone.precision = budget.open->precision;
  alone.batch = budget.open->batch;
  EXPECT_NEAR(open["continue_100b_usd"].get<double>(),
              make_plan(alone).gpu_hours * asked.price.value, 1);
  const std::string said = verdict_with(budget, "To continue it");
  EXPECT_NE(said.find("100 billion tokens " + budget.open->how()), std::string::npos) << said;
  // It does not hang on the devices of the chosen run.
  asked.deadline_seconds /= 4;
  asked.usd *= 3;
  const BudgetPlan sooner = plan_budget(asked);
  ASSERT_NE(sooner.best.devices, budget.best.devices);
  if (sooner.open->name == budget.open->name) {
    EXPECT_NEAR(sooner.open->continue_usd / budget.open->continue_usd, 1, 0.05);
  }
}

TEST(BudgetPrice, SpotWithoutReclaimingIsNoPlainCheapest) {
  BudgetRequest asked = request();
  asked.cluster = load_cluster("h100-512");
  const PriceEntry rent = price(3, 3, 3), spot = price(2.5, 2, 3);
  asked.on_demand = &rent, asked.spot = &spot;
  const BudgetPlan plan = plan_budget(asked);
  const std::string said = verdict_with(plan, "Cheapest by the hour");
  EXPECT_NE(said.find("spot, reclaiming not counted"), std::string::npos) << said;
  EXPECT_NE(one_line(to_text(plan)).find("count no stop by the market"), std::string::npos);
  EXPECT_NE(to_html(budget_page(plan)).find("count no stop by the market"), std::string::npos);
  EXPECT_EQ(to_text(usual()).find("reclaiming not counted"), std::string::npos);
}

TEST(BudgetPrice, TheRuleOfThePrecisionIsSaid) {
  const std::string rule = "FP8 is taken where it trains 1.1 times the tokens";
  EXPECT_NE(one_line(to_text(usual())).find(rule), std::string::npos);
  EXPECT_NE(to_html(budget_page(usual())).find(rule), std::string::npos);
}

TEST(BudgetPrice, AConfidenceUnderAHalfIsRefused) {
  BudgetRequest asked = request();
  asked.confidence = 0.05;
  try {
    plan_budget(asked);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kUsage) << error.message;
  }
}

TEST(BudgetPrice, APrecisionThatTheDeviceLacksIsOneMessage) {
  BudgetRequest asked = request();
  asked.precision = NumberFormat::kNvfp4;
  try {
    plan_budget(asked);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput) << error.message;
    EXPECT_NE(error.message.find("--precision: h100 has no such products"), std::string::npos)
        << error.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
  }
}

TEST(BudgetPrice, AnOwnedHourNamesItsWattsAndPue) {
  BudgetRequest asked = request();
  const PriceList list = load_price_list();
  asked.own = own_device_hour("h100", "us", list, list);
  const std::string note = plan_budget(asked).ways.back().note;
  EXPECT_NE(note.find("685 W a device before cooling at PUE 1.45"), std::string::npos) << note;
}

}  // namespace
}  // namespace farthing
