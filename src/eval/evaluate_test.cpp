// evaluate_test.cpp - a small data folder scored by source, against score_sequences on its text.
#include "eval/evaluate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/prepare.h"
#include "data/shards.h"
#include "eval/score.h"
#include "model/test_model.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

class Evaluate : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = testing::TempDir() + "farthing_eval_" + info->name() + std::to_string(getpid());
    fs::remove_all(root_);
    fs::create_directories(root_);
    data_ = root_ + "/data";
  }
  void TearDown() override { fs::remove_all(root_); }

  // Many short documents of a made-up language per source.
  void prepare(const std::vector<std::string>& names) {
    PrepareRequest request;
    request.folder = data_;
    request.val_fraction = 0.3;
    request.training.vocab_size = 280;
    for (const std::string& name : names) {
      std::ofstream file(root_ + "/" + name + ".jsonl");
      for (int i = 0; i < 60; ++i) {
        file << R"({"text":"the )" << name << " number " << i * i << R"( says h\u00e9llo"})"
             << "\n";
      }
      request.sources.push_back({name, {root_ + "/" + name + ".jsonl"}, "none"});
    }
    prepare_data(request);
  }
  Tokenizer tokenizer() const { return Tokenizer::load(data_ + "/tokenizer.json"); }
  static ModelConfig config() {
    ModelConfig config = test::small_config();
    config.vocab_size = 280;
    config.max_position_embeddings = 32;
    return config;
  }
  std::string root_, data_;
};

std::vector<std::int32_t> tokens_of(const std::string& shard_prefix) {
  const ShardReader shard(shard_prefix);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(shard.n_tokens()));
  shard.read(0, ids);
  return ids;
}

TEST_F(Evaluate, EverySourceHasItsBitsPerByteAndTheTotalIsTheirSum) {
  prepare({"cats", "dogs"});
  const test::TestModel<float> m(config());
  const auto scores = evaluate_data(m.model, tokenizer(), data_, {});
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_EQ(scores[0].name, "cats");
  EXPECT_EQ(scores[1].name, "dogs");
  const Json card = read_json(data_ + "/card.json");
  for (const SourceScore& source : scores) {
    const std::string split = "val-" + source.name;
    const auto ids = tokens_of(data_ + "/" + split);
    const auto expected = score_sequences(m.model, {ids}, {.window = 32, .stride = 32})[0];
    EXPECT_EQ(source.n_tokens, static_cast<std::int64_t>(ids.size()) - 1);
    EXPECT_EQ(source.n_bytes, card["splits"][split]["bytes"].get<std::int64_t>());
    EXPECT_DOUBLE_EQ(source.sum_logprob, expected.sum());
    EXPECT_DOUBLE_EQ(source.bits_per_byte(),
                     -expected.sum() / std::log(2.0) / static_cast<double>(source.n_bytes));
  }
  const SourceScore total = total_score(scores);
  EXPECT_EQ(total.n_bytes, scores[0].n_bytes + scores[1].n_bytes);
  EXPECT_EQ(total.n_tokens, scores[0].n_tokens + scores[1].n_tokens);
  EXPECT_DOUBLE_EQ(total.sum_logprob, scores[0].sum_logprob + scores[1].sum_logprob);
}

TEST_F(Evaluate, ASingleSourceIsNamedByItsCard) {
  prepare({"cats"});
  const test::TestModel<float> m(config());
  const auto scores = evaluate_data(m.model, tokenizer(), data_, {.max_tokens = 50});
  ASSERT_EQ(scores.size(), 1u);
  EXPECT_EQ(scores[0].name, "cats");
  EXPECT_EQ(scores[0].n_tokens, 49);
}

TEST_F(Evaluate, TheContextsShapeAndTheCardChangeNoBit) {
  prepare({"cats", "dogs"});
  const test::TestModel<float> m(config());
  const auto whole = evaluate_data(m.model, tokenizer(), data_, {.window = 16});
  for (const ContextShape shape : {ContextShape{1, 16}, ContextShape{3, 16}, ContextShape{5, 24}}) {
    ScoringContext own(m.model.config, shape);
    const auto same =
        evaluate_data(m.model, tokenizer(), data_, {.window = 16, .context = &own.context});
    for (const std::size_t source : {0, 1}) {
      EXPECT_EQ(same[source].sum_logprob, whole[source].sum_logprob) << shape.n_sequences;
      EXPECT_EQ(same[source].n_bytes, whole[source].n_bytes);
    }
  }
  fs::remove(data_ + "/card.json");  // the bytes are then decoded
  const auto decoded = evaluate_data(m.model, tokenizer(), data_, {.window = 16});
  EXPECT_EQ(total_score(decoded).bits_per_byte(), total_score(whole).bits_per_byte());
}

TEST_F(Evaluate, ASampleIsSpreadOverTheSourcesInProportion) {
  prepare({"cats", "dogs"});
  const test::TestModel<float> m(config());
  const EvaluateSettings all = {.window = 8};
  const ValidationSplit split(data_, m.model.config, all, nullptr);
  const SourceScore whole = total_score(split.score(m.model, all));
  EXPECT_EQ(whole.n_tokens, split.n_tokens());
  EvaluateSettings some = all;
  some.sample_tokens = split.n_tokens() / 4;
  const auto scores = split.score(m.model, some);
  ASSERT_EQ(scores.size(), 2u);
  const SourceScore sample = total_score(scores);
  EXPECT_LE(sample.n_tokens, some.sample_tokens);
  EXPECT_GT(sample.n_tokens, some.sample_tokens - 16);
  EXPECT_NEAR(sample.bits_per_byte(), whole.bits_per_byte(), 0.1 * whole.bits_per_byte());
  some.sample_tokens = 1;  // one window, then
  const std::int64_t least = total_score(split.score(m.model, some)).n_tokens;
  EXPECT_TRUE(least >= 1 && least <= 8) << least;
  some.sample_tokens = split.n_tokens() * 2;
  EXPECT_EQ(total_score(split.score(m.model, some)).sum_logprob, whole.sum_logprob);
}

TEST_F(Evaluate, UnderADocumentMaskEveryDocumentStandsAlone) {
  prepare({"cats"});
  const test::TestModel<float> m(config());
  const auto score = evaluate_data(m.model, tokenizer(), data_, {.document_mask = true}).at(0);
  const ShardReader shard(data_ + "/val");
  const auto ids = tokens_of(data_ + "/val");
  double sum = 0;
  for (std::int64_t document = 0; document < shard.n_documents(); ++document) {
    const auto at = [&](std::int64_t i) { return ids.begin() + shard.document_begin(i); };
    sum += score_sequences(m.model, {{at(document), at(document + 1)}},
                           {.window = 32, .stride = 32})[0]
               .sum();
  }
  EXPECT_DOUBLE_EQ(score.sum_logprob, sum);
  EXPECT_EQ(score.n_tokens, shard.n_tokens() - shard.n_documents());
}

TEST_F(Evaluate, RefusesFoldersWithoutAValidationSplitAndForeignIds) {
  const test::TestModel<float> small(test::small_config());
  prepare({"cats"});
  EXPECT_THROW(evaluate_data(small.model, tokenizer(), data_, {}), Error);  // 29 ids, 280 wanted
  const Tokenizer kept = tokenizer();
  EXPECT_THROW(evaluate_data(small.model, kept, root_, {}), Error);
  EXPECT_THROW(evaluate_data(small.model, kept, root_ + "/nowhere", {}), Error);
}

}  // namespace
}  // namespace farthing
