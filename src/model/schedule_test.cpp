// schedule_test.cpp - the same bits whatever the threads, the order of doors, or what is kept.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "model/balance.h"
#include "model/test_model.h"

namespace farthing::test {
namespace {

ModelConfig two_mtp() {
  ModelConfig config = small_config();
  config.hidden_size = 72;  // several stripes, several tiles
  config.num_nextn_predict_layers = 2;
  return config;
}

struct MicroBatch {
  MicroBatch(const ModelConfig& config, std::uint64_t seed, ContextMode mode)
      : batch(random_batch(config, 2, 24, seed)), context(config, batch, mode) {}
  Batch batch;
  TestContext<float> context;
};

LossScale scale_of_two(const Batch& batch) {
  LossScale scale = whole_batch_scale(batch);
  scale.token /= 2;
  scale.sequence /= 2;
  return scale;
}

void run_forward(const TestModel<float>& m, MicroBatch& mb) {
  forward(m.model, mb.context.state, mb.batch);
  loss<float>(m.model, mb.context.state, mb.batch, scale_of_two(mb.batch), &m.gradients);
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void expect_same_bits_interleaved(const ModelConfig& config) {
  const TestModel<float> plain(config), delayed(config);
  for (std::uint64_t seed : {1, 2}) {
    MicroBatch mb(config, seed, {});
    run_forward(plain, mb);
    backward(plain.model, mb.context.state, mb.batch, plain.gradients);
  }
  MicroBatch first(config, 1, {.delay_weight = true}), second(config, 2, {.delay_weight = true});
  run_forward(delayed, first);
  run_forward(delayed, second);
  backward_input(delayed.model, first.context.state, first.batch, delayed.gradients);
  backward_input(delayed.model, second.context.state, second.batch, delayed.gradients);
  backward_weight(delayed.model, first.context.state, first.batch, delayed.gradients);
  backward_weight(delayed.model, second.context.state, second.batch, delayed.gradients);
  EXPECT_TRUE(same_bits(plain.gradients.all, delayed.gradients.all));
}

TEST(Schedule, TwoMicroBatchesInterleavedWithWDelayedGiveTheSameBits) {
  expect_same_bits_interleaved(two_mtp());
}

// Of two micro-batches; the second adds.  An expert without tokens is written, too.
TEST(Schedule, AFreshStoreForgetsWhatItHeld) {
  ModelConfig config = two_mtp();
  config.n_routed_experts = 200;  // more than the tokens' choices
  const TestModel<float> plain(config);
  TestModel<float> fresh(config);
  for (int id = 0; id < fresh.table.size(); ++id) {
    if (!is_one_product(fresh.table[id].role)) continue;
    std::ranges::fill(fresh.gradients.values(id), std::numeric_limits<float>::quiet_NaN());
  }
  std::int64_t fewest = 1;
  for (std::uint64_t seed : {1, 2}) {
    MicroBatch mb(config, seed, {});
    run_forward(plain, mb);
    backward(plain.model, mb.context.state, mb.batch, plain.gradients);
    run_forward(fresh, mb);
    fresh.gradients.is_fresh = seed == 1;
    backward(fresh.model, mb.context.state, mb.batch, fresh.gradients);
    fewest = std::min(fewest, std::ranges::min(mb.context.state.expert_counts(1)));
  }
  EXPECT_EQ(fewest, 0);
  EXPECT_TRUE(same_bits(plain.gradients.all, fresh.gradients.all));
}

// One gradient, filled by the head in loss and by the embedding in W.
TEST(Schedule, SoDoTiedEmbeddings) {
  ModelConfig config = two_mtp();
  config.tie_word_embeddings = true;
  expect_same_bits_interleaved(config);
  config.num_nextn_predict_layers = 0;
  expect_same_bits_interleaved(config);
}

TEST(Schedule, OneTwoAndThreeThreadsGiveTheSameBits) {
  const ModelConfig config = two_mtp();
  const Batch batch = random_batch(config, 3, 40, 1);
  std::vector<std::vector<float>> gradients;
  std::vector<double> totals;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const TestModel<float> m(config);
    totals.push_back(forward_backward(m, batch, whole_batch_scale(batch)).total);
    gradients.emplace_back(m.gradients.all.begin(), m.gradients.all.end());
  }
  set_num_threads(available_processors());
  EXPECT_EQ(totals[0], totals[1]);
  EXPECT_EQ(totals[0], totals[2]);
  const ParameterTable table(config);
  for (const Parameter& parameter : table.entries()) {
    const auto part = [&](const std::vector<float>& all) {
      return std::span(all).subspan(static_cast<std::size_t>(parameter.offset),
                                    static_cast<std::size_t>(parameter.size()));
    };
    EXPECT_TRUE(same_bits(part(gradients[0]), part(gradients[1]))) << parameter.name;
    EXPECT_TRUE(same_bits(part(gradients[0]), part(gradients[2]))) << parameter.name;
  }
}

// A used context leaves nothing behind.
TEST(Schedule, AContextIsReusable) {
  const ModelConfig config = two_mtp();
  const TestModel<float> fresh(config), used(config);
  MicroBatch a(config, 1, {}), b(config, 2, {});
  run_forward(used, b);
  backward(used.model, b.context.state, b.batch, used.gradients);
  std::ranges::fill(used.gradients.all, 0.0f);
  b.batch = a.batch;
  for (auto [m, mb] : {std::pair{&fresh, &a}, std::pair{&used, &b}}) {
    run_forward(*m, *mb);
    backward(m->model, mb->context.state, mb->batch, m->gradients);
  }
  EXPECT_TRUE(same_bits(fresh.gradients.all, used.gradients.all));
}

TEST(Schedule, ForwardThatSavesNothingGivesTheSameBits) {
  const ModelConfig config = two_mtp();
  const TestModel<float> m(config);
  MicroBatch keeping(config, 1, {}), forgetting(config, 1, {.save = false});
  const LossScale scale = scale_of_two(keeping.batch);
  for (MicroBatch* mb : {&keeping, &forgetting}) {
    forward(m.model, mb->context.state, mb->batch);
    loss<float>(m.model, mb->context.state, mb->batch, scale, nullptr);
  }
  EXPECT_TRUE(same_bits(keeping.context.state.logprob(), forgetting.context.state.logprob()));
  EXPECT_TRUE(
      same_bits(keeping.context.state.mtp_logprob(2), forgetting.context.state.mtp_logprob(2)));
  for (const int block : {1, 2, 3}) {
    EXPECT_TRUE(std::ranges::equal(keeping.context.state.expert_counts(block),
                                   forgetting.context.state.expert_counts(block)));
  }
}

// Pitfalls 18 and 19: loads belong to the global batch, and each assignment counts once.
TEST(Schedule, ExpertCountsAddUpOverMicroBatches) {
  ModelConfig config = small_config();
  const TestModel<float> m(config);
  const Batch whole = random_batch(config, 4, 8, 1);
  TestContext<float> whole_context(config, whole);
  forward(m.model, whole_context.state, whole);
  std::vector<std::int64_t> sum(8, 0);
  for (std::size_t sequence = 0; sequence < 4; ++sequence) {
    std::vector<std::int32_t> row(whole.ids.begin() + static_cast<long>(sequence) * 8,
                                  whole.ids.begin() + static_cast<long>(sequence + 1) * 8);
    row.push_back(whole.targets[sequence * 8 + 7]);
    const Batch one = make_batch({row});
    TestContext<float> context(config, one);
    forward(m.model, context.state, one);
    loss<float>(m.model, context.state, one, {}, &m.gradients);
    backward(m.model, context.state, one, m.gradients);
    for (std::size_t e = 0; e < 8; ++e) sum[e] += context.state.expert_counts(1)[e];
  }
  EXPECT_TRUE(std::ranges::equal(sum, whole_context.state.expert_counts(1)));
  std::int64_t total = 0;
  for (const auto count : sum) total += count;
  EXPECT_EQ(total, 4 * 8 * config.num_experts_per_tok);
}

TEST(Schedule, MemoryByPartSumsToTheArena) {
  ModelConfig config = two_mtp();
  config.tie_word_embeddings = true;
  const Batch batch = random_batch(config, 2, 24, 1);
  for (const ContextMode mode :
       {ContextMode{}, ContextMode{.save = false}, ContextMode{.delay_weight = true}}) {
    const TestContext<float> context(config, batch, mode);
    std::int64_t total = 0;
    for (const MemoryLine& line : context.state.memory()) total += line.bytes;
    EXPECT_EQ(total, context.arena.used());
    Arena measure = Arena::measuring();
    Context<float>(measure, config, context.shape, mode);
    EXPECT_EQ(total, measure.used());
  }
}

}  // namespace
}  // namespace farthing::test
