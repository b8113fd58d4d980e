// score_test.cpp - scores against the logits themselves; windows, batches, MTP, bad input.
#include "eval/score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "model/test_model.h"

namespace farthing {
namespace {

using test::small_config;
using test::TestModel;
using Ids = std::vector<std::int32_t>;

Ids random_ids(int count, std::uint64_t seed) {
  return test::random_batch(small_config(), 1, count, seed).ids;
}

// log softmax of the float model's logits for every next token, in double.
std::vector<double> logprob_by_logits(const TestModel<float>& m, const Ids& ids) {
  const std::vector<float> logits = test::logits_of(m, make_batch({ids}));
  const auto vocab_size = static_cast<std::size_t>(m.config.vocab_size);
  std::vector<double> logprob = {0};
  for (std::size_t i = 1; i < ids.size(); ++i) {
    double total = 0;
    for (std::size_t v = 0; v < vocab_size; ++v) {
      total += std::exp(static_cast<double>(logits[(i - 1) * vocab_size + v]));
    }
    logprob.push_back(logits[(i - 1) * vocab_size + static_cast<std::size_t>(ids[i])] -
                      std::log(total));
  }
  return logprob;
}

TEST(Score, EqualsTheLogSoftmaxOfTheLogits) {
  const TestModel<float> m(small_config());
  const Ids ids = random_ids(50, 1);
  const TokenScores scores = score_sequences(m.model, {ids})[0];
  const std::vector<double> expected = logprob_by_logits(m, ids);
  ASSERT_EQ(scores.logprob.size(), ids.size());
  EXPECT_TRUE(std::isnan(scores.logprob[0]));
  double sum = 0;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    EXPECT_NEAR(scores.logprob[i], expected[i], 1e-5) << i;
    sum += scores.logprob[i];
  }
  EXPECT_DOUBLE_EQ(scores.sum(), sum);
}

// The MTP module's own log-probabilities, read from the doors directly: what it says at i is of i
// + 2.
TEST(Score, MtpLogprobStandsAtTheTokenItPredicts) {
  const TestModel<float> m(small_config());
  const Ids ids = random_ids(20, 2);
  const TokenScores scores = score_sequences(m.model, {ids})[0];
  const Batch batch = make_batch({ids});
  test::TestContext<float> context(m.config, batch, {.save = false});
  forward(m.model, context.state, batch);
  loss<float>(m.model, context.state, batch, {.token = 1}, nullptr);
  ASSERT_EQ(scores.mtp_logprob.size(), ids.size());
  EXPECT_TRUE(std::isnan(scores.mtp_logprob[0]) && std::isnan(scores.mtp_logprob[1]));
  for (std::size_t i = 2; i < ids.size(); ++i) {
    EXPECT_FLOAT_EQ(static_cast<float>(scores.mtp_logprob[i]), context.state.mtp_logprob(1)[i - 2]);
  }
}

// Depth 1 reads the embedding of id i - 1; nothing after i may be seen.
TEST(Score, MtpLogprobDependsOnTheTokenBeforeAndNotOnLaterOnes) {
  const TestModel<float> m(small_config());
  Ids ids = random_ids(20, 3);
  const double before = score_sequences(m.model, {ids})[0].mtp_logprob[10];
  ids[11] = (ids[11] + 1) % 29;
  EXPECT_EQ(score_sequences(m.model, {ids})[0].mtp_logprob[10], before);
  ids[9] = (ids[9] + 1) % 29;
  EXPECT_NE(score_sequences(m.model, {ids})[0].mtp_logprob[10], before);
}

TEST(Score, WithoutAnMtpModuleThereIsNoMtpLogprob) {
  ModelConfig config = small_config();
  config.num_nextn_predict_layers = 0;
  const TestModel<float> m(config);
  EXPECT_TRUE(score_sequences(m.model, {random_ids(20, 3)})[0].mtp_logprob.empty());
}

TEST(Score, ASequenceDoesNotDependOnTheOthers) {
  const TestModel<float> m(small_config());
  const std::vector<Ids> sequences = {random_ids(30, 1), {3}, {}, random_ids(64, 2), {4, 5}};
  const auto together = score_sequences(m.model, sequences);
  ASSERT_EQ(together.size(), sequences.size());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const TokenScores alone = score_sequences(m.model, {sequences[i]})[0];
    ASSERT_EQ(together[i].logprob.size(), sequences[i].size());
    for (std::size_t k = 1; k < sequences[i].size(); ++k) {
      ASSERT_EQ(together[i].logprob[k], alone.logprob[k]);
      if (k < 2) continue;
      ASSERT_EQ(together[i].mtp_logprob[k], alone.mtp_logprob[k]);
    }
  }
}

// Each token of a long sequence: scored once, with the past its window gives it.
TEST(Score, WindowsSlideAndScoreEveryTokenOnce) {
  const TestModel<float> m(small_config());
  const Ids ids = random_ids(101, 4);
  const auto scores = score_sequences(m.model, {ids}, {.window = 16, .stride = 8})[0];
  for (std::size_t i = 1; i < ids.size(); ++i) {
    // The window that first reaches i: 0 .. 16, then one more every 8.
    const std::size_t steps = i <= 16 ? 0 : (i - 16 + 7) / 8;
    const std::size_t begin = steps * 8;
    const std::size_t end = std::min(begin + 17, ids.size());
    const Ids window(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                     ids.begin() + static_cast<std::ptrdiff_t>(end));
    const auto expected = score_sequences(m.model, {window})[0];
    ASSERT_EQ(scores.logprob[i], expected.logprob[i - begin]) << i;
    if (i < 2) continue;
    ASSERT_EQ(scores.mtp_logprob[i], expected.mtp_logprob[i - begin]) << i;
  }
}

TEST(Score, StrideOfAWindowGivesWindowsWithoutAPast) {
  const TestModel<float> m(small_config());
  const Ids ids = random_ids(33, 5);
  const auto scores = score_sequences(m.model, {ids}, {.window = 8, .stride = 8})[0];
  for (std::size_t begin = 0; begin + 1 < ids.size(); begin += 8) {
    const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto expected = score_sequences(m.model, {Ids(first, first + 9)})[0];
    for (std::size_t k = 1; k <= 8; ++k) {
      ASSERT_EQ(scores.logprob[begin + k], expected.logprob[k]);
      ASSERT_EQ(std::isnan(scores.mtp_logprob[begin + k]), k == 1);
    }
  }
}

TEST(Score, LongerThanTheContextIsWindowedByItself) {
  ModelConfig config = small_config();
  config.max_position_embeddings = 10;
  const TestModel<float> m(config);
  const Ids ids = random_ids(40, 6);
  const auto scores = score_sequences(m.model, {ids})[0];
  const auto expected = score_sequences(m.model, {ids}, {.window = 10, .stride = 5})[0];
  for (std::size_t i = 1; i < ids.size(); ++i) ASSERT_EQ(scores.logprob[i], expected.logprob[i]);
}

TEST(Score, ProgressReachesItsTotal) {
  const TestModel<float> m(small_config());
  double done = 0, total = 0;
  ScoreSettings settings = {.window = 4};
  settings.progress = [&](double d, double t) { done = d, total = t; };
  score_sequences(m.model, {random_ids(50, 1)}, settings);
  EXPECT_GT(total, 0);
  EXPECT_EQ(done, total);
}

TEST(Score, RefusesBadIdsWindowsAndWeights) {
  const TestModel<float> m(small_config());
  for (const std::int32_t bad : {-1, 29, 1 << 30}) {
    try {
      score_sequences(m.model, {{1, 2}, {3, 4, bad}});
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      EXPECT_NE(error.message.find("sequence 1, token 2"), std::string::npos) << error.message;
    }
  }
  EXPECT_THROW(score_sequences(m.model, {{1, 2}}, {.window = 65}), Error);
  EXPECT_THROW(score_sequences(m.model, {{1, 2}}, {.window = 1}), Error);
  m.weight("model.norm.weight")[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(score_sequences(m.model, {{1, 2}}), Error);
}

TEST(Score, BitsPerByte) { EXPECT_DOUBLE_EQ(bits_per_byte(-8 * std::log(2.0), 4), 2); }

}  // namespace
}  // namespace farthing
