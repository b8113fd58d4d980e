// cost_case_test.cpp - published figures follow from the GPU-hours, or are said not to.
#include "economics/cost_case.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "config/share.h"
#include "ledger/test_folder.h"

namespace farthing {
namespace {

const std::string kClaims = std::string(FARTHING_SOURCE_DIR) + "/claims/";

Definitions definitions() {
  set_share_folder(FARTHING_SOURCE_DIR);
  return load_definitions();
}

TEST(Definitions, AreFiveAndEveryPartIsInOneOfThem) {
  const Definitions all = definitions();
  ASSERT_EQ(all.definitions.size(), 5u);
  for (const auto& part : all.parts) {
    bool used = false;
    for (const auto& definition : all.definitions) used |= definition.has(part.id);
    EXPECT_TRUE(used) << part.id;
  }
  // Machines are never counted twice, by price and by wear, or by rent and by ownership.
  for (const auto& definition : all.definitions) {
    const int ways = definition.has("hardware_bought") + definition.has("hardware_worn") +
                     definition.has("final_compute");
    EXPECT_EQ(ways, 1) << definition.id;
    EXPECT_FALSE(definition.has("final_compute") && definition.has("electricity"));
  }
  EXPECT_TRUE(all.at("all_runs").has("other_compute"));
}

TEST(CostCase, EveryFigureOfV3FollowsOrIsSaidNotTo) {
  const CostCase v3 = load_cost_case(kClaims + "deepseek-v3.toml", definitions());
  const auto agreement = [&](const std::string& stated, std::size_t nth = 0) {
    for (const auto& figure : v3.figures) {
      if (figure.stated == stated && nth-- == 0) return v3.agreement(figure);
    }
    return std::string("missing");
  };
  EXPECT_EQ(v3.sheet.value("official"), 5.576e6);
  EXPECT_EQ(v3.sheet.value("hours"), 2788000);
  EXPECT_EQ(agreement("$5.576M"), "follows");
  EXPECT_EQ(agreement("about $4.2M"), "follows");
  EXPECT_EQ(agreement("$4.26M"), "follows");
  EXPECT_EQ(agreement("$9.76M"), "follows");
  EXPECT_EQ(agreement("$7M"), "follows");
  EXPECT_EQ(agreement("$22-28M"), "follows, rounded");
  EXPECT_EQ(agreement("$10-15M"), "does not follow (off by 12 %)");
  EXPECT_EQ(agreement("$10-15M", 1), "does not follow (off by 30 %)");
  EXPECT_EQ(agreement("over $500M"), "quoted, not computed");
  EXPECT_NEAR(v3.sheet.value("implied_low"), 3.587, 1e-3);
  EXPECT_NEAR(v3.sheet.value("implied_high"), 5.380, 1e-3);
  // With servers, network and the run's own months an owner's hour costs about what was assumed.
  EXPECT_NEAR(v3.sheet.value("cluster_worn"), 5.366e6, 1e3);
  EXPECT_NEAR(v3.sheet.value("owned") / v3.sheet.value("hours"), 2, 0.1);
  EXPECT_LT(v3.sheet.value("fleet_share"), 0.01);
}

// Figures in prose stand by the lines that they are of.
TEST(CostCase, ProseSaysWhatTheLinesSay) {
  const CostCase v3 = load_cost_case(kClaims + "deepseek-v3.toml", definitions());
  const auto why = [&](const std::string& id) {
    for (const auto& figure : v3.figures) {
      if (figure.id == id) return figure.why;
    }
    return std::string("missing");
  };
  const SheetRange hour = *v3.sheet.range("owned_hour");
  EXPECT_NE(why("owned").find(fmt::format("${:.2f} to ${:.2f}", hour.low, hour.high)),
            std::string::npos);
  EXPECT_NEAR(v3.sheet.value("owned_hour"), 2, 0.1);
  EXPECT_EQ(v3.sheet.value("gpus"), 2048);
  EXPECT_NE(v3.answer.find("2,048 GPUs"), std::string::npos);
  const PriceList list = load_price_list();
  int medians = 0;
  for (const PriceEntry& entry : list.entries) {
    if (entry.item != "h100-sxm" || entry.kind != "on-demand" || entry.date >= "2026") continue;
    const std::string words = format_dollars(entry.value) + " in " + entry.date.substr(0, 4);
    EXPECT_NE(why("us_from").find(words), std::string::npos) << words;
    ++medians;
  }
  EXPECT_EQ(medians, 3);
}

TEST(CostCase, ADefinitionWithAReplacedInputIsTheReaders) {
  const std::string path = kClaims + "deepseek-v3.toml";
  const CostCase asked =
      load_cost_case(path, definitions(), {.changes = {parse_change("price=4")}});
  const CostCase made = load_cost_case(path, definitions());
  for (std::size_t i = 0; i < made.by_definition.size(); ++i) {
    const CaseDefinition& each = asked.by_definition[i];
    const bool has_price = each.definition == "final_run" || each.definition == "all_runs";
    EXPECT_EQ(asked.words_of(each).starts_with("with your values"), has_price) << each.definition;
    EXPECT_EQ(made.words_of(made.by_definition[i]), made.by_definition[i].words);
  }
  const auto sliders = made.sliders_of("official", "");
  EXPECT_EQ(sliders, std::vector<std::string>{"price"});
}

TEST(CostCase, NoTrainingCostOfV32WasPublished) {
  const CostCase v32 = load_cost_case(kClaims + "deepseek-v3.2.toml", definitions());
  EXPECT_TRUE(std::isnan(v32.sheet.value("total")));
  EXPECT_EQ(v32.agreement(v32.figures[0]), "not stated");
  EXPECT_EQ(v32.agreement(v32.figures[1]), "quoted, not computed");
  EXPECT_NEAR(v32.sheet.value("warm_up_tokens") + v32.sheet.value("sparse_tokens"), 0.9458, 1e-4);
  EXPECT_NEAR(v32.sheet.value("continued"), 0.34e6, 0.005e6);
  for (const auto& each : v32.by_definition) EXPECT_EQ(each.words, "not stated");
  for (const auto& figure : v32.figures) {  // a range around it: no bound
    EXPECT_EQ(figure.who.find("lower bound"), std::string::npos) << figure.id;
  }
}

std::string fault_of(const std::string& toml, const CaseChanges& changes = {}) {
  try {
    parse_cost_case(toml, "c.toml", definitions(), changes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, changes.changes.empty() ? ErrorCode::kBadInput : ErrorCode::kUsage);
    return error.message;
  }
  return "";
}

TEST(CostCase, ALowEndOverItsHighEndIsRefused) {
  const auto with = [](const std::vector<std::string>& changes) -> std::string {
    CaseChanges parsed;
    for (const auto& change : changes) parsed.changes.push_back(parse_change(change));
    try {
      load_cost_case(kClaims + "deepseek-v3.toml", definitions(), parsed);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kUsage);
      return error.message;
    }
    return "taken";
  };
  EXPECT_NE(with({"retail_low=12"}).find("--set retail_low"), std::string::npos);
  EXPECT_NE(with({"retail_high=7"}).find("--set retail_high"), std::string::npos);
  EXPECT_EQ(with({"retail_low=12", "retail_high=15"}), "taken");
}

TEST(CostCase, AFigureOfWhichTheSourceSaysMoreIsOver) {
  const CostCase v32 = load_cost_case(kClaims + "deepseek-v3.2.toml", definitions());
  for (const auto& figure : v32.figures) {
    EXPECT_EQ(figure.is_over, figure.id == "post_training") << figure.id;
  }
}

TEST(CostCase, InputsAndPriceListsCanBeReplaced) {
  const TestFolder folder;
  write_file_atomically(folder.file("p.toml"),
                        "[[price]]\nitem = \"h800-sxm\"\nkind = \"on-demand\"\nvalue = 1.25\n"
                        "unit = \"USD/h\"\ndate = \"2026-11\"\nsource = \"an offer\"\n");
  const CostCase v3 =
      load_cost_case(kClaims + "deepseek-v3.toml", definitions(),
                     {.prices = folder.file("p.toml"), .changes = {parse_change("price=3")}});
  EXPECT_DOUBLE_EQ(v3.sheet.value("list_rented"), 2788000 * 1.25);
  EXPECT_EQ(v3.sheet.at("list_price").source, "an offer");
  EXPECT_TRUE(std::isfinite(v3.sheet.value("list_substituted")));  // the default list's H100
  EXPECT_NE(v3.sheet.at("list_substitute").source, "an offer");
  const auto says = [](const std::vector<std::string>& lines, const std::string& words) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line == "rent of an H800 in the price list: a price of " + words;
    });
  };
  EXPECT_FALSE(says(v3.stale_prices("2026-12"), "2026-11"));
  EXPECT_TRUE(says(v3.stale_prices("2029-11"), "2026-11, 36 months old"));
  EXPECT_TRUE(says(v3.stale_prices("2025-11"), "2026-11, a date to come"));
  EXPECT_DOUBLE_EQ(v3.sheet.value("official"), 2788000 * 3.0);
  EXPECT_FALSE(v3.sheet.at("price").low);
  EXPECT_EQ(v3.agreement(v3.figures[0]), "with your values");
  EXPECT_NE(v3.changed_words().find("$3.00/h instead of $2.00/h"), std::string::npos);
  bool others = false;  // a figure without the price is its source's still
  for (const auto& figure : v3.figures) others |= v3.agreement(figure).starts_with("follows");
  EXPECT_TRUE(others);
  EXPECT_EQ(load_cost_case(kClaims + "deepseek-v3.toml", definitions()).changed_words(), "");
  const std::string file =
      "title = \"t\"\nanswer = \"a\"\n[[line]]\nid = \"a\"\nlabel = \"a\"\n"
      "unit = \"USD\"\nvalue = 1\nsource = \"s\"\n[[figure]]\nid = \"a\"\n"
      "who = \"w\"\ndefinition = \"final_run\"\nwhy = \"y\"\n";
  EXPECT_NE(fault_of(file, {.changes = {parse_change("b=1")}}).find("not an input"),
            std::string::npos);
  EXPECT_NE(fault_of(file, {.changes = {parse_change("a=-1")}}).find("0 to 1e+30"),
            std::string::npos);
}

TEST(CostCase, HostileFilesAreToldWhere) {
  const std::string head = "title = \"t\"\nanswer = \"a\"\n";
  const std::string line = "[[line]]\nid = \"a\"\nlabel = \"a\"\nunit = \"USD\"\n";
  const std::string figure =
      "[[figure]]\nid = \"a\"\nwho = \"w\"\ndefinition = \"final_run\"\nwhy = \"y\"\n";
  EXPECT_EQ(fault_of(head + line + "value = 1\nsource = \"s\"\n" + figure), "");
  EXPECT_NE(fault_of(head + line + "value = 1\n" + figure).find("without a source"),
            std::string::npos);
  EXPECT_NE(fault_of(head + line + "formula = \"b\"\n" + figure).find("the name b"),
            std::string::npos);
  EXPECT_NE(fault_of(head + line + "formula = \"a\"\n" + figure).find("circle"), std::string::npos);
  EXPECT_NE(fault_of(head + line + "value = 1\nformula = \"2\"\n" + figure).find("one of them"),
            std::string::npos);
  EXPECT_NE(
      fault_of(head + line + "value = 1\nsource = \"s\"\n" + figure + "to = \"z\"\n").find("\"z\""),
      std::string::npos);
  EXPECT_NE(
      fault_of(head + line + "value = 1\nsource = \"s\"\nprize = 3\n" + figure).find("unknown key"),
      std::string::npos);
  EXPECT_NE(fault_of("").find("title"), std::string::npos);
}

}  // namespace
}  // namespace farthing
