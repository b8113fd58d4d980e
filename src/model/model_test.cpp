// model_test.cpp - what the parts must do together; most tests are named by the mistake they catch.
#include "model/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "model/rows.h"
#include "model/test_model.h"

namespace farthing::test {
namespace {

template <class A, class B>
double relative_difference(const A& a, const B& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double expected = static_cast<double>(a[i]);
    difference += std::pow(static_cast<double>(b[i]) - expected, 2);
    size += expected * expected;
  }
  return std::sqrt(difference / size);
}

// One MoE part with x and h of its own.
struct MoeOnly {
  explicit MoeOnly(const TestModel<double>& test_model)
      : m(test_model),
        arena(1 << 20),
        saved(arena, m.config, kTokens),
        decision(arena, m.config, 1, kTokens),
        scratch(arena, m.config, kTokens),
        x(arena.matrix<double>(kTokens, m.config.hidden_size)) {
    const Rng rng(9, RngStream::kTest);
    for (int i = 0; i < x.size(); ++i) x.data[i] = rng.normal(static_cast<std::uint64_t>(i));
  }
  std::vector<double> output() {
    std::vector<double> h(static_cast<std::size_t>(x.size()), 0.0);
    const Moe<double> moe{m.config, m.model.ids.blocks[1], m.weights};
    moe.forward({h.data(), x.n_rows, x.n_cols}, x, saved, decision, scratch);
    return h;
  }
  static constexpr int kTokens = 6;
  const TestModel<double>& m;
  Arena arena;
  Moe<double>::Saved saved;
  Moe<double>::Decision decision;
  Moe<double>::Scratch scratch;
  Matrix<double> x;
};

void fill(std::span<double> values, double value) { std::ranges::fill(values, value); }

std::string expert_name(int expert, const char* matrix) {
  return "model.layers.1.mlp.experts." + std::to_string(expert) + "." + matrix + ".weight";
}

// Pitfall 4: the shared expert scaled as well, or the factor applied before the renormalisation.
TEST(Moe, SharedExpertIsNotScaledAndRoutedOnesByTheFactor) {
  ModelConfig config = small_config();
  config.routed_scaling_factor = 2.5;
  const TestModel<double> m(config);
  for (const char* matrix : {"gate_proj", "up_proj", "down_proj"}) {
    const auto shared =
        m.weight(std::string("model.layers.1.mlp.shared_experts.") + matrix + ".weight");
    for (int e = 0; e < config.n_routed_experts; ++e) {
      std::ranges::copy(shared, m.weight(expert_name(e, matrix)).begin());
    }
  }
  // All experts are the same f: routed part 2.5 f, shared part f.
  const std::vector<double> all = MoeOnly(m).output();
  for (int e = 0; e < config.n_routed_experts; ++e) fill(m.weight(expert_name(e, "down_proj")), 0);
  const std::vector<double> shared_only = MoeOnly(m).output();
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i], 3.5 * shared_only[i], 1e-13);
}

// Pitfall 17: renaming the experts must not change the result but by rounding.
TEST(Moe, OutputDoesNotDependOnTheExpertsOrder) {
  const ModelConfig config = small_config();
  const TestModel<double> m(config), reversed(config);
  const auto copy_rows_reversed = [&](const std::string& name) {
    const Matrix<double> from = m.weights.matrix(m.id(name));
    const Matrix<double> to = reversed.weights.matrix(m.id(name));
    for (int e = 0; e < from.n_rows; ++e) {
      std::ranges::copy(from[e], to.row(from.n_rows - 1 - e));
    }
  };
  copy_rows_reversed("model.layers.1.mlp.gate.weight");
  const auto bias = m.weight("model.layers.1.mlp.gate.e_score_correction_bias");
  std::reverse_copy(bias.begin(), bias.end(),
                    reversed.weight("model.layers.1.mlp.gate.e_score_correction_bias").begin());
  for (int e = 0; e < config.n_routed_experts; ++e) {
    for (const char* matrix : {"gate_proj", "up_proj", "down_proj"}) {
      std::ranges::copy(m.weight(expert_name(e, matrix)),
                        reversed.weight(expert_name(7 - e, matrix)).begin());
    }
  }
  EXPECT_LT(relative_difference(MoeOnly(m).output(), MoeOnly(reversed).output()), 1e-15);
}

struct MlaOnly {
  explicit MlaOnly(const TestModel<double>& m, double eps_of_blocks = 1e-6)
      : config(m.config), arena(1 << 20) {
    config.rms_norm_eps = eps_of_blocks;
    batch = random_batch(config, 1, 6, 2);
    saved = Mla<double>::Saved(arena, config, 6);
    scratch = Mla<double>::Scratch(arena, config, 6);
    const Matrix<double> a = arena.matrix<double>(6, config.hidden_size);
    const Rng rng(9, RngStream::kTest);
    for (int i = 0; i < a.size(); ++i) a.data[i] = 1e-3 * rng.normal(static_cast<unsigned>(i));
    const Tokens<double> tokens{.n_sequences = 1,
                                .sequence_length = 6,
                                .positions = batch.positions,
                                .document_start = {},
                                .cosine = {m.model.rope_cosine.data(), 64, 2},
                                .sine = {m.model.rope_sine.data(), 64, 2}};
    const Mla<double> mla{config, m.model.ids.blocks[0].mla, m.weights};
    const Matrix<double> h = arena.matrix<double>(6, config.hidden_size);
    mla.forward(h, a, tokens, saved, scratch);
    k_pe = mla.k_pe(saved);
  }
  ModelConfig config;
  Batch batch;
  Arena arena;
  Mla<double>::Saved saved;
  Mla<double>::Scratch scratch;
  Matrix<double> k_pe;
};

// Pitfall 8: the rope key inside the latent's normalisation.
TEST(Mla, RopeKeyIsNotNormalised) {
  const TestModel<double> m(small_config());
  const MlaOnly before(m);
  const Matrix<double> kv_a =
      m.weights.matrix(m.id("model.layers.0.self_attn.kv_a_proj_with_mqa.weight"));
  for (int row = 0; row < m.config.kv_lora_rank; ++row) {
    for (double& value : kv_a[row]) value *= 10;
  }
  const MlaOnly after(m);
  EXPECT_NEAR(after.saved.u(3, 0), 10 * before.saved.u(3, 0), 1e-15);
  for (int token = 0; token < 6; ++token) {
    EXPECT_TRUE(std::ranges::equal(before.k_pe[token], after.k_pe[token]));
  }
}

// Pitfall 13: kv_b read as all keys, then all values.
TEST(Mla, KeyAndValueRowsInterleaveByHead) {
  const TestModel<double> m(small_config());
  const Matrix<double> kv_b = m.weights.matrix(m.id("model.layers.0.self_attn.kv_b_proj.weight"));
  const int per_head = m.config.qk_nope_head_dim + m.config.v_head_dim;
  for (int row = per_head + m.config.qk_nope_head_dim; row < 2 * per_head; ++row) {
    fill(kv_b[row], 0);  // the values of head 1
  }
  const MlaOnly part(m);
  for (int col = 0; col < m.config.v_head_dim; ++col) {
    EXPECT_NE(part.saved.o(5, col), 0);
    EXPECT_EQ(part.saved.o(5, m.config.v_head_dim + col), 0);
  }
}

// Pitfall 16: the latent norms take the config's eps.
TEST(Mla, LatentNormsKeepTheirOwnEpsilon) {
  const TestModel<double> m(small_config());
  const MlaOnly fine(m, 1e-6), coarse(m, 1e-1);
  EXPECT_TRUE(std::ranges::equal(fine.saved.inv_rms_kv, coarse.saved.inv_rms_kv));
  EXPECT_TRUE(std::ranges::equal(fine.saved.inv_rms_q, coarse.saved.inv_rms_q));
  EXPECT_GT(fine.saved.inv_rms_kv[0], 100);  // the inputs are small enough that eps would show
}

// Pitfall 6: half-split rotation on interleaved weights.  Weights with their rope rows permuted and
// rope_interleave = false are the same model.
TEST(Model, HalfSplitRopeWithPermutedWeightsGivesTheSameLogits) {
  ModelConfig config = small_config();
  const TestModel<double> interleaved(config);
  config.rope_interleave = false;
  const TestModel<double> split(config);
  const int rope = config.qk_rope_head_dim;
  const auto permute_rope_rows = [&](const std::string& name, int first, int period) {
    const Matrix<double> from = interleaved.weights.matrix(interleaved.id(name));
    const Matrix<double> to = split.weights.matrix(split.id(name));
    for (int base = first; base < from.n_rows; base += period) {
      for (int i = 0; i < rope / 2; ++i) {
        std::ranges::copy(from[base + 2 * i], to.row(base + i));
        std::ranges::copy(from[base + 2 * i + 1], to.row(base + rope / 2 + i));
      }
    }
  };
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    permute_rope_rows(layer + std::string("self_attn.q_b_proj.weight"), config.qk_nope_head_dim,
                      config.qk_head_dim());
    permute_rope_rows(layer + std::string("self_attn.kv_a_proj_with_mqa.weight"),
                      config.kv_lora_rank, config.kv_lora_rank + rope);
  }
  const Batch batch = random_batch(config, 2, 9, 1);
  EXPECT_LT(relative_difference(logits_of(interleaved, batch), logits_of(split, batch)), 1e-13);
}

// Scores depend on relative positions alone.
TEST(Model, ACommonShiftOfPositionsChangesNothing) {
  const TestModel<double> m(small_config());
  Batch batch = random_batch(m.config, 1, 9, 1);
  const std::vector<double> before = logits_of(m, batch);
  for (auto& position : batch.positions) position += 31;
  EXPECT_LT(relative_difference(before, logits_of(m, batch)), 1e-13);
}

TEST(Model, LogitsDoNotSeeTheFuture) {
  const TestModel<double> m(small_config());
  Batch batch = random_batch(m.config, 1, 9, 1);
  const std::vector<double> before = logits_of(m, batch);
  batch.ids[6] = (batch.ids[6] + 1) % m.config.vocab_size;
  const std::vector<double> after = logits_of(m, batch);
  const auto split = 6 * m.config.vocab_size;
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + split, after.begin()));
  EXPECT_FALSE(std::equal(before.begin() + split, before.end(), after.begin() + split));
}

// Pitfall 47: with a document mask nothing crosses a boundary; without one it does.
TEST(Model, DocumentsDoNotSeeEachOtherUnderTheMaskOnly) {
  const TestModel<double> m(small_config());
  Batch plain = random_batch(m.config, 1, 9, 1);
  Batch masked = plain;
  cut_documents(masked, {4});
  const auto tail_changes = [&](Batch batch) {
    const std::vector<double> before = logits_of(m, batch);
    batch.ids[1] = (batch.ids[1] + 1) % m.config.vocab_size;
    const std::vector<double> after = logits_of(m, batch);
    const auto tail = 4 * m.config.vocab_size;
    return !std::equal(before.begin() + tail, before.end(), after.begin() + tail);
  };
  EXPECT_TRUE(tail_changes(plain));
  EXPECT_FALSE(tail_changes(masked));
}

TEST(Model, LossIsTheWeightedMeanOfMinusLogProbability) {
  const TestModel<double> m(small_config());
  Batch batch = random_batch(m.config, 2, 5, 1);
  batch.loss_weight = {1, 0, 2, 1, 1, 1, 1, 0.5f, 1, 0};
  const std::vector<double> logits = logits_of(m, batch);
  double expected = 0;
  for (std::size_t token = 0; token < 10; ++token) {
    const double* row = logits.data() + token * static_cast<std::size_t>(m.config.vocab_size);
    double sum = 0;
    for (int id = 0; id < m.config.vocab_size; ++id) sum += std::exp(row[id]);
    expected +=
        static_cast<double>(batch.loss_weight[token]) * (std::log(sum) - row[batch.targets[token]]);
  }
  const LossScale scale = whole_batch_scale(batch);
  const Losses losses = forward_loss(m, batch, scale);
  EXPECT_NEAR(losses.main, expected / 8.5, 1e-13);
  EXPECT_NEAR(losses.total, losses.main + 0.3 * losses.mtp[0] + losses.balance, 1e-15);
  EXPECT_GT(losses.balance, 0);
}

// Pitfall 22: the two halves of eh_proj swapped.
TEST(Mtp, FirstHalfOfTheProjectionReadsTheEmbedding) {
  const TestModel<double> m(small_config());
  const Batch batch = random_batch(m.config, 1, 9, 1);
  const Matrix<double> projection = m.weights.matrix(m.id("model.layers.2.eh_proj.weight"));
  for (int row = 0; row < projection.n_rows; ++row) {
    fill(projection[row].subspan(static_cast<std::size_t>(m.config.hidden_size)), 0);
  }
  const LossScale scale = whole_batch_scale(batch);
  const Losses before = forward_loss(m, batch, scale);
  fill(m.weight("model.layers.0.self_attn.o_proj.weight"), 0.1);
  const Losses after = forward_loss(m, batch, scale);
  EXPECT_NE(before.main, after.main);
  EXPECT_EQ(before.mtp[0], after.mtp[0]);
}

// Pitfall 23: off by one, and labels across a document's boundary.
TEST(Mtp, TargetsAreDepthPlusOneAheadInTheSameDocument) {
  ModelConfig config = small_config();
  config.num_nextn_predict_layers = 2;
  const TestModel<double> m(config);
  const std::vector<std::int32_t> t = {1, 2, 3, 4, 5, 6, 7};
  Batch batch = make_batch({t});
  const auto targets_of = [&](const Batch& b, std::size_t depth) {
    TestContext<double> context(config, b);
    forward(m.model, context.state, b);
    loss<double>(m.model, context.state, b, whole_batch_scale(b), nullptr);
    const auto& prediction = context.state.predictions[depth];
    for (std::size_t i = 0; i < prediction.targets.size(); ++i) {
      EXPECT_EQ(prediction.targets[i] < 0, prediction.logprob[i] == 0);
    }
    return std::vector<std::int32_t>(prediction.targets.begin(), prediction.targets.end());
  };
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(targets_of(batch, 0), (Ids{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(targets_of(batch, 1), (Ids{3, 4, 5, 6, 7, -1}));
  EXPECT_EQ(targets_of(batch, 2), (Ids{4, 5, 6, 7, -1, -1}));
  cut_documents(batch, {4});  // 1 2 3 4 | 5 6, and 7 follows 6
  EXPECT_EQ(targets_of(batch, 0), (Ids{2, 3, 4, -1, 6, 7}));
  EXPECT_EQ(targets_of(batch, 1), (Ids{3, 4, -1, -1, 7, -1}));
  EXPECT_EQ(targets_of(batch, 2), (Ids{4, -1, -1, -1, -1, -1}));
}

// The module at position i sees t_{i+1} and no later token.
TEST(Mtp, SeesOneTokenAheadAndNoFurther) {
  const TestModel<double> m(small_config());
  Batch batch = random_batch(m.config, 1, 9, 1);
  const auto normed = [&](const Batch& b) {
    TestContext<double> context(m.config, b);
    forward(m.model, context.state, b);
    const Matrix<double> x = context.state.predictions[1].normed;
    return std::vector<double>(x.data, x.data + x.size());
  };
  const std::vector<double> before = normed(batch);
  batch.ids[6] = (batch.ids[6] + 1) % m.config.vocab_size;
  const std::vector<double> after = normed(batch);
  const auto row = [&](int i) { return before.begin() + i * m.config.hidden_size; };
  EXPECT_TRUE(std::equal(row(0), row(5), after.begin()));
  EXPECT_FALSE(std::equal(row(5), row(6), after.begin() + 5 * m.config.hidden_size));
}

TEST(Model, PostNormMtpReadsTheNormedTrunk) {
  ModelConfig config = small_config();
  const TestModel<double> pre(config);
  config.mtp_input = MtpInput::kPostNorm;
  const TestModel<double> post(config);
  const Batch batch = random_batch(config, 1, 9, 1);
  const LossScale scale = whole_batch_scale(batch);
  EXPECT_NE(forward_loss(pre, batch, scale).mtp[0], forward_loss(post, batch, scale).mtp[0]);
  // hnorm normalises again: with a gain of ones the two are the same but for eps.
  fill(pre.weight("model.norm.weight"), 1);
  fill(post.weight("model.norm.weight"), 1);
  EXPECT_NEAR(forward_loss(pre, batch, scale).mtp[0], forward_loss(post, batch, scale).mtp[0],
              1e-5);
}

// Extra gradient on log-probabilities is the same as other loss weights.
TEST(Model, ExtraGradientAddsToEachTokensWeight) {
  ModelConfig config = small_config();
  config.num_nextn_predict_layers = 0;
  const TestModel<double> with_extra(config), with_weights(config);
  Batch batch = random_batch(config, 1, 8, 1);
  const LossScale scale{.token = 1.0 / 16};
  std::vector<double> extra;
  for (int i = 0; i < 8; ++i) extra.push_back(-i / 16.0);
  TestContext<double> context(config, batch);
  forward(with_extra.model, context.state, batch);
  loss<double>(with_extra.model, context.state, batch, scale, &with_extra.gradients, extra);
  backward(with_extra.model, context.state, batch, with_extra.gradients);
  for (std::size_t i = 0; i < 8; ++i) batch.loss_weight[i] += static_cast<float>(i);
  forward_backward(with_weights, batch, scale);
  EXPECT_LT(relative_difference(with_weights.gradients.all, with_extra.gradients.all), 1e-14);
}

TEST(Model, FloatFollowsDouble) {
  const ModelConfig config = small_config();
  const TestModel<double> reference(config);
  const TestModel<float> fast(config);
  for (std::size_t i = 0; i < fast.weights.all.size(); ++i) {
    reference.weights.all[i] = static_cast<double>(fast.weights.all[i]);
  }
  const Batch batch = random_batch(config, 2, 16, 1);
  const LossScale scale = whole_batch_scale(batch);
  const Losses expected = forward_backward(reference, batch, scale);
  const Losses found = forward_backward(fast, batch, scale);
  EXPECT_NEAR(found.total, expected.total, 1e-6 * expected.total);
  EXPECT_LT(relative_difference(logits_of(reference, batch), logits_of(fast, batch)), 2e-6);
  for (int id = 0; id < reference.table.size(); ++id) {
    const auto gradient = reference.gradients.values(id);
    if (std::ranges::all_of(gradient, [](double g) { return g == 0; })) continue;
    EXPECT_LT(relative_difference(gradient, fast.gradients.values(id)), 1e-5)
        << reference.table[id].name;
  }
}

TEST(Model, TokenIdsOutsideTheVocabularyAreRefused) {
  const TestModel<double> m(small_config());
  Batch batch = random_batch(m.config, 1, 4, 1);
  TestContext<double> context(m.config, batch);
  for (const int bad : {m.config.vocab_size, -1}) {
    batch.ids[2] = bad;
    EXPECT_THROW(forward(m.model, context.state, batch), Error);
  }
}

}  // namespace
}  // namespace farthing::test
