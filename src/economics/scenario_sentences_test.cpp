// scenario_sentences_test.cpp - what the shipped scenarios say holds at the ends of their inputs.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "config/share.h"
#include "economics/scenario.h"

namespace farthing {
namespace {

const PriceList& prices() {
  static const PriceList list =
      load_price_list(std::string(FARTHING_SOURCE_DIR) + "/prices/default.toml");
  return list;
}

Scenario shipped(const std::string& name, const std::vector<std::string>& changes = {}) {
  set_share_folder(FARTHING_SOURCE_DIR);
  std::vector<ScenarioChange> parsed;
  for (const auto& change : changes) parsed.push_back(parse_change(change));
  return load_scenario(std::string(FARTHING_SOURCE_DIR) + "/scenarios/" + name + ".toml", prices(),
                       parsed);
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

}  // namespace
}  // namespace farthing
