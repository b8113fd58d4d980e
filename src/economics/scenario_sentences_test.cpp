// scenario_sentences_test.cpp - what the shipped scenarios say holds at the ends of their inputs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "config/share.h"
#include "economics/scenario.h"

namespace farthing::sentences {
namespace {

const PriceList& prices() {
  static const PriceList list =
      load_price_list(std::string(FARTHING_SOURCE_DIR) + "/prices/default.toml");
  return list;
}

Scenario shipped(const std::string& name, const std::vector<std::string>& changes = {}) {
  set_share_folder(FARTHING_SOURCE_DIR);
  std::vector<ScenarioChange> parsed;
  parsed.reserve(changes.size());
  for (const auto& change : changes) parsed.push_back(parse_change(change));
  return load_scenario(std::string(FARTHING_SOURCE_DIR) + "/scenarios/" + name + ".toml", prices(),
                       parsed);
}

std::string said(const std::string& name, const std::vector<std::string>& changes = {}) {
  std::string all;
  for (const auto& line : spoken(shipped(name, changes))) all += line + "\n";
  return all;
}

bool says(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

Error fault_of(const std::string& name, const std::vector<std::string>& changes) {
  try {
    shipped(name, changes);
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::kFailed, "no fault"};
}

// Every figure of a sentence that is said at an end of an input has a value, below zero where that
// is the sentence's point alone.
TEST(ScenarioSentences, HoldAtTheEndsOfEveryInput) {
  set_share_folder(FARTHING_SOURCE_DIR);
  const std::set<std::string> signed_ids = {"end_balance", "gross_margin", "full_load_margin"};
  int n_said = 0;
  for (const auto& name : list_shared("scenarios", ".toml")) {
    const Scenario scenario = shipped(name);
    for (const SheetLine& line : scenario.sheet.lines()) {
      if (!line.formula.empty()) continue;
      for (const double end : {line.low.value_or(line.value), line.high.value_or(line.value),
                               line.value / 10, line.value * 10, 0.0, 1.0}) {
        if (end < line.least.value_or(end) || end > line.most.value_or(end)) continue;
        const auto values = scenario.sheet.values_with({{line.id, end}});
        const auto is_broken = [&](const auto& each) {
          return std::isnan(each.second) ||
                 (std::isinf(each.second) && std::isfinite(scenario.sheet.value(each.first)));
        };
        if (std::any_of(values.begin(), values.end(), is_broken)) continue;  // refused
        const auto is_over = [&](const Requirement& wanted) {
          return values.at(wanted.id) > values.at(wanted.at_most);
        };
        const auto& wanted = scenario.requirements;
        if (std::any_of(wanted.begin(), wanted.end(), is_over)) continue;
        const auto value_of = [&](const std::string& id) { return values.at(id); };
        for (const Sentence& each : scenario.sentences) {
          if (!each.when.empty() && !(each.when.evaluate(value_of) > 0)) continue;
          ++n_said;
          for (std::size_t at = 0; (at = each.text.find('{', at)) != std::string::npos; ++at) {
            const std::size_t stop = each.text.find_first_of(":}", at);
            const std::string id = each.text.substr(at + 1, stop - at - 1);
            EXPECT_TRUE(std::isfinite(values.at(id)) &&
                        (values.at(id) >= 0 || signed_ids.contains(id)))
                << name << " " << line.id << "=" << end << ": " << id << " in " << each.text;
          }
        }
      }
    }
  }
  EXPECT_GT(n_said, 1000);
}

// V3's step: 85.5 % of the FLOPs in FP8 at twice the rate of the 12.3 % attention and 2.2 % rest.
TEST(ScenarioSentences, Int4AndSparseAttentionShareOneTime) {
  const double whole = 85.5 / 2 + 12.3 + 2.2;
  const auto seconds = [&](double int4, double saved) {
    return (85.5 / 2 / int4 + 12.3 * (1 - saved) + 2.2) / whole;
  };
  const Sheet& sheet = shipped("one-million").sheet;
  EXPECT_NEAR(sheet.value("attention_time"), 100 * 12.3 / whole, 1e-9);
  EXPECT_NEAR(sheet.value("int4_factor"), 1 / seconds(1.3, 0), 1e-12);
  EXPECT_NEAR(sheet.value("sparse_factor"), 1 / seconds(1, 0.4), 1e-12);
  EXPECT_NEAR(sheet.value("step_factor"), 1 / seconds(1.3, 0.4), 1e-12);
  EXPECT_NEAR(sheet.value("run_usd"),
              5.576e6 * seconds(1.3, 0.4) / std::pow(1.38, 2.5) / 1.1 / 1.15, 1e-3);
  const double without = sheet.value_with("run_usd", {{"sparse", 0}});
  EXPECT_NEAR(sheet.value("without_sparse"), without, 1e-3);
  EXPECT_NEAR(sheet.value("without_int4"), sheet.value_with("run_usd", {{"int4", 1}}), 1e-3);
  EXPECT_TRUE(says(said("one-million"), "of the time of a step, 74.67 % are FP8 products"));
  EXPECT_EQ(fault_of("one-million", {"attention_share=20"}).code, ErrorCode::kUsage);
}

TEST(ScenarioSentences, OneMillionNamesWhatWouldDoAndNothingElse) {
  const std::string flat = said("one-million", {"yearly=1"});
  EXPECT_TRUE(says(flat, "At 1x a year no more years of hardware would do it."));
  EXPECT_TRUE(says(flat, "The price of hardware is not the largest lever here"));
  EXPECT_FALSE(says(flat, "is the lever that matters"));
  EXPECT_TRUE(says(said("one-million", {"yearly=1", "int4=1", "sparse=0", "goodput=1"}),
                   "4-bit products would not do it, however fast."));
  EXPECT_TRUE(says(said("one-million", {"years=6"}), "One million is reached."));
  EXPECT_FALSE(says(said("one-million", {"years=6"}), "would"));
}

TEST(ScenarioSentences, AFastLinkOrASingleSiteIsNotTooSlow) {
  EXPECT_TRUE(says(said("university-pool"), "too slow by 4241x"));
  const std::string fast = said("university-pool", {"wan_gbit=100000"});
  EXPECT_FALSE(says(fast, "too slow"));
  EXPECT_TRUE(says(fast, "which carries that"));
  const std::string single = said("university-pool", {"sites=1"});
  EXPECT_FALSE(says(single, "too slow"));
  EXPECT_FALSE(says(single, "exchange every"));
  EXPECT_TRUE(says(said("university-pool", {"kwh_usd=0.4"}), "do not even pay the $1.455M"));
}

TEST(ScenarioSentences, ACampusesEnergyIsThatOfItsPue) {
  const double as_made = shipped("university-pool").sheet.value("energy_usd");
  const double cooler = shipped("university-pool", {"pue=1.1"}).sheet.value("energy_usd");
  EXPECT_NEAR(cooler / as_made, 1.1 / 1.3, 1e-12);
}

TEST(ScenarioSentences, CoolingThatSavesNothingNeverRepays) {
  for (const char* change : {"air_kw=100", "air_kw=300", "kwh_usd=0"}) {
    const std::string text = said("own-or-rent", {change});
    EXPECT_TRUE(says(text, "saves no energy here and never repays")) << change;
    EXPECT_FALSE(says(text, "Liquid cooling repays after")) << change;
  }
}

// Exactly one verdict, whatever the rent.
TEST(ScenarioSentences, OwningEitherPaysOrDoesNot) {
  for (int cents = 1; cents < 600; ++cents) {
    const double rent = cents / 100.0;
    const std::string text = said("own-or-rent", {"rent=" + std::to_string(rent)});
    const int n = says(text, "Owning pays from") + says(text, "owning never pays");
    EXPECT_EQ(n, 1) << rent;
    EXPECT_FALSE(says(text, "Owning pays from") && says(text, "never pays")) << rent;
  }
}

TEST(ScenarioSentences, MoneyThatSufficesIsNotMissing) {
  EXPECT_TRUE(says(said("crowdfunding"), "there is $3.12M missing"));
  const std::string cheap = said("crowdfunding", {"market_rent=0.5", "rental=0"});
  EXPECT_FALSE(says(cheap, "missing"));
  EXPECT_TRUE(says(cheap, "$2.456M are left"));
}

TEST(ScenarioSentences, TheCacheHoldsNoMoreThanCameIn) {
  const Error fault = fault_of("deepseek-day", {"hits=700e9"});
  EXPECT_EQ(fault.code, ErrorCode::kUsage);
  EXPECT_TRUE(says(fault.message, "--set hits")) << fault.message;
  EXPECT_TRUE(says(fault.message, "found 700B, wanted at most 608B, tokens in")) << fault.message;
  EXPECT_TRUE(says(fault_of("deepseek-day", {"input=300e9"}).message, "--set input"));
  EXPECT_EQ(fault_of("deepseek-day", {"hits=700e9", "input=900e9"}).message, "no fault");
  const std::string html = to_html(scenario_page(shipped("deepseek-day"), "2026-11-25"));
  EXPECT_TRUE(says(html, "This cannot be: "));  // said where a slider goes too far
}

TEST(ScenarioSentences, LoadBelowBreakEvenIsNamed) {
  EXPECT_TRUE(
      says(said("start-up", {"load=10"}), "Below a load of 15.56 % every token sold loses money"));
  EXPECT_FALSE(says(said("start-up", {"load=16"}), "loses money"));
  EXPECT_TRUE(says(said("start-up", {"sold_usd=0.1"}), "loses money at any load"));
}

TEST(ScenarioSentences, APlansTextAndItsCheckAgree) {
  const Scenario plan = shipped("indie-year");
  const SheetRange pay = *plan.sheet.range("full_pay_total");
  EXPECT_NEAR(pay.low, plan.sheet.value("full_pay_low"), 1e-6);
  EXPECT_NEAR(pay.high, plan.sheet.value("full_pay_high"), 1e-6);
  const std::string text = said("indie-year");
  EXPECT_TRUE(says(text, "twelve months of pay $5.89M to $7.19M"));
  EXPECT_TRUE(says(text, "Benefits and taxes of 0 % to 30 % of pay"));
}

TEST(ScenarioSentences, APriceForSixMillionKnowsTheInterruptions) {
  const Scenario cheap = shipped("preemptible", {"spot=1.5"});
  const double price = cheap.sheet.value("price_for_6m_stopped");
  EXPECT_NEAR(cheap.sheet.value_with("run_usd", {{"spot", price}}), 6e6, 1e-3);
  const std::string text = said("preemptible", {"spot=1.5"});
  EXPECT_FALSE(says(text, "no interruption at all"));
  EXPECT_FALSE(says(text, "no care for interruptions"));
  EXPECT_TRUE(says(said("preemptible"), "no care for interruptions brings it to 6 million"));
}

TEST(ScenarioSentences, OneSpotPriceHasOneDate) {
  const PriceEntry& entry = prices().at({.item = "h100-sxm", .kind = "spot"});
  const SheetLine line = shipped("spot").sheet.at("spot");
  EXPECT_EQ(line.date, entry.date);
  EXPECT_TRUE(says(line.source, "2.46 in " + entry.date)) << line.source;
}

}  // namespace
}  // namespace farthing::sentences
