// generate_test.cpp - continuations against a loop over the training forward, and why they end.
#include "infer/generate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "model/test_model.h"

namespace farthing {
namespace {

using test::small_config;
using test::TestModel;
using Ids = std::vector<std::int32_t>;

// Greedy, the whole text through the training forward for every token.
Ids continue_slowly(const TestModel<float>& m, Ids ids, int count) {
  Ids written;
  while (static_cast<int>(written.size()) < count) {
    Ids row = ids;
    row.push_back(0);
    const std::vector<float> logits = test::logits_of(m, make_batch({row}));
    const auto last = std::span(logits).last(static_cast<std::size_t>(m.config.vocab_size));
    const auto id = static_cast<std::int32_t>(std::ranges::max_element(last) - last.begin());
    ids.push_back(id);
    written.push_back(id);
  }
  return written;
}

TEST(Generate, GreedyEqualsTheTrainingForwardTokenByToken) {
  const TestModel<float> m(small_config());
  const std::vector<Ids> prompts = {{1, 2, 3, 4, 5}, {7}, {9, 9}};
  const auto written =
      generate(m.model, prompts, {.sampling = {.temperature = 0}, .max_tokens = 20});
  ASSERT_EQ(written.size(), 3u);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(written[i].ids, continue_slowly(m, prompts[i], 20)) << i;
    EXPECT_EQ(written[i].reason, StopReason::kMaxTokens);
  }
}

TEST(Generate, StopIdsEndASequenceAndAreNotPartOfIt) {
  const TestModel<float> m(small_config());
  const std::vector<Ids> prompts = {{1, 2, 3, 4, 5}, {7}};
  const GenerateSettings free = {.sampling = {.seed = 4}, .max_tokens = 30};
  const auto whole = generate(m.model, prompts, free);
  GenerateSettings stopping = free;
  stopping.stop_ids = {whole[0].ids[6]};
  const auto cut = generate(m.model, prompts, stopping);
  const auto expected_end = [&](const Ids& ids) {
    return std::ranges::find(ids, stopping.stop_ids[0]);
  };
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto end = expected_end(whole[i].ids);
    EXPECT_EQ(cut[i].ids, Ids(whole[i].ids.begin(), end));
    const bool stopped = end != whole[i].ids.end();
    EXPECT_EQ(cut[i].reason, stopped ? StopReason::kStopId : StopReason::kMaxTokens);
  }
  EXPECT_EQ(cut[0].reason, StopReason::kStopId);
}

TEST(Generate, StopsWhereTheContextEnds) {
  ModelConfig config = small_config();
  config.max_position_embeddings = 16;
  const TestModel<float> m(config);
  const auto written = generate(m.model, {Ids(10, 1), Ids(16, 1)}, {.max_tokens = 100});
  EXPECT_EQ(written[0].ids.size(), 7u);  // the last one has no position of its own
  EXPECT_EQ(written[0].reason, StopReason::kContext);
  EXPECT_EQ(written[1].ids.size(), 1u);
  EXPECT_THROW(generate(m.model, {Ids(17, 1)}, {}), Error);
}

TEST(Generate, TheCallerHearsEveryTokenAndMayEndASequence) {
  const TestModel<float> m(small_config());
  std::vector<Ids> heard(2);
  GenerateSettings settings = {.max_tokens = 10};
  settings.on_token = [&](int sequence, std::int32_t id) {
    auto& ids = heard[static_cast<std::size_t>(sequence)];
    ids.push_back(id);
    return sequence == 0 || ids.size() < 4;
  };
  const auto written = generate(m.model, {{1}, {2}}, settings);
  EXPECT_EQ(written[0].ids, heard[0]);
  EXPECT_EQ(written[1].ids, heard[1]);
  EXPECT_EQ(heard[0].size(), 10u);
  EXPECT_EQ(heard[1].size(), 4u);
  EXPECT_EQ(written[1].reason, StopReason::kCaller);
}

TEST(Generate, TheSeedDecides) {
  const TestModel<float> m(small_config());
  const auto with_seed = [&](std::uint64_t seed) {
    return generate(m.model, {{1, 2}, {1, 2}}, {.sampling = {.seed = seed}, .max_tokens = 40});
  };
  const auto a = with_seed(1), b = with_seed(1), c = with_seed(2);
  EXPECT_EQ(a[0].ids, b[0].ids);
  EXPECT_NE(a[0].ids, c[0].ids);
  EXPECT_NE(a[0].ids, a[1].ids);  // sequences draw apart
}

TEST(Generate, RefusesWhatItCannotRead) {
  const TestModel<float> m(small_config());
  EXPECT_THROW(generate(m.model, {Ids{}}, {}), Error);
  EXPECT_THROW(generate(m.model, {Ids{29}}, {}), Error);
  EXPECT_THROW(generate(m.model, {Ids{1}}, {.sampling = {.top_p = 2}}), Error);
  EXPECT_TRUE(generate(m.model, {}, {}).empty());
  EXPECT_TRUE(generate(m.model, {Ids{1}}, {.max_tokens = 0})[0].ids.empty());
}

}  // namespace
}  // namespace farthing
