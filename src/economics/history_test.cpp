// history_test.cpp - two runs' costs taken apart into factors that multiply exactly.
#include "economics/history.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "config/share.h"

namespace farthing {
namespace {

History history() {
  set_share_folder(FARTHING_SOURCE_DIR);
  return load_history();
}

TEST(History, HasTheTwelveModelsEachWithBasisAndSource) {
  const History all = history();
  EXPECT_EQ(all.models.size(), 12u);
  for (const auto& model : all.models) {
    EXPECT_FALSE(model.source.empty()) << model.id;
    EXPECT_TRUE(model.is_disclosed() || model.basis.starts_with("estimate by")) << model.id;
    if (model.hours && model.usd_per_hour && model.is_disclosed() && model.usd_low) {
      // The published hours at the stated price are the low end, in published digits.
      EXPECT_NEAR(*model.hours * *model.usd_per_hour / *model.usd_low, 1,
                  model.id == "nanochat" ? 2.3 : 0.01)
          << model.id;
    }
  }
}

TEST(History, FactorsMultiplyToTheRatioOfTheCosts) {
  const History all = history();
  for (const auto& [a, b] : {std::pair{"gpt-4", "deepseek-v3"},
                             {"llama3.1-405b", "deepseek-v3"},
                             {"deepseek-v3", "deepseek-v2"}}) {
    const Comparison comparison = compare_costs(all.at(a), all.at(b));
    double product = 1;
    for (const auto& id : comparison.factors) product *= comparison.sheet.value(id);
    const double ratio = comparison.sheet.value("a_usd") / comparison.sheet.value("b_usd");
    EXPECT_NEAR(product / ratio, 1, 1e-12) << a;
    EXPECT_NEAR(comparison.sheet.value("ratio") / ratio, 1, 1e-12) << a;
  }
  const Comparison v3 = compare_costs(all.at("llama3.1-405b"), all.at("deepseek-v3"));
  EXPECT_NEAR(v3.sheet.value("b_usd"), 5.576e6, 1);
  EXPECT_NEAR(v3.sheet.value("a_usd"), 61.68e6, 1e3);
  EXPECT_EQ(v3.sheet.at("b_peak").source, "data sheet of the H800, dense");  // not the report
  EXPECT_LE(v3.sheet.value("a_outside"), 0);
  EXPECT_LE(v3.sheet.value("b_outside"), 0);
  const Comparison gpt = compare_costs(all.at("gpt-4"), all.at("deepseek-v3"));
  EXPECT_NEAR(gpt.sheet.value("a_usd_about"), 120e6, 1);  // of 117.8M, from rumours
  EXPECT_NEAR(gpt.sheet.value("ratio_about"), 21, 1e-9);  // of 21.13
  EXPECT_NE(gpt.sheet.at("ratio_about").label.find("rumoured inputs"), std::string::npos);
  EXPECT_EQ(gpt.sheet.find("b_usd_about"), nullptr);
  EXPECT_EQ(v3.sheet.find("ratio_about"), nullptr);
  EXPECT_GT(gpt.sheet.value("a_outside"), 0);  // 117.8M against at most 78.6M
  EXPECT_LT(gpt.sheet.value_with("a_outside", {{"a_price", 1.0}}), 0);  // 58.9M
}

TEST(History, SaysWhoseHoursTheUseOfThePeakIsOver) {
  const History all = history();
  const std::string words = phase_words(all.at("deepseek-v3"));
  EXPECT_NE(words.find("33.1 % of the BF16 peak, over the 2.664M of pre-training 34.6 %"),
            std::string::npos)
      << words;
  EXPECT_EQ(phase_words(all.at("gpt-4")), "");
}

TEST(History, TheArticlesChainDoesNotMultiplyToWhatItSays) {
  const History all = history();
  const ArticleChain* chain = all.chain("gpt-4", "deepseek-v3");
  ASSERT_NE(chain, nullptr);
  EXPECT_NEAR(chain->product(), 283.5, 1e-9);
  EXPECT_EQ(chain->stated, 253);
}

TEST(History, SaysWhatNobodyPublished) {
  const History all = history();
  try {
    compare_costs(all.at("claude-3-opus"), all.at("deepseek-v3"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("apart without active parameters, tokens"), std::string::npos);
  }
  try {
    all.at("deepseek-v4");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("did you mean deepseek-v"), std::string::npos);
  }
  EXPECT_THROW(parse_history_file("[[model]]\nid = \"a\"\n", "h"), Error);
  EXPECT_THROW(
      parse_history_file(
          "[[model]]\nid = \"a\"\nname=\"a\"\nbasis=\"b\"\nsource=\"s\"\ntokens=-1\n", "h"),
      Error);
}

}  // namespace
}  // namespace farthing
