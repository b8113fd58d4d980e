// gradient_test.cpp - every parameter tensor's gradient against central differences, in double.
//
// The choice of experts is a step function: the seed is one where no choice lies within the
// differences' reach.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "model/test_model.h"

namespace farthing::test {
namespace {

struct Case {
  const char* name;
  void (*change)(ModelConfig&);
  bool documents = false;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"everything", [](ModelConfig&) {}},
    {"no_query_latent", [](ModelConfig& c) { c.q_lora_rank.reset(); }},
    {"groups", [](ModelConfig& c) { c.n_group = 4, c.topk_group = 2; }},
    {"yarn",
     [](ModelConfig& c) {
       c.rope_scaling.emplace();
       c.rope_scaling->factor = 4;
       c.rope_scaling->original_max_position_embeddings = 16;
       c.rope_scaling->mscale = 0.7;  // cosine and sine are scaled as well
       c.rope_scaling->mscale_all_dim = 1.3;
     }},
    {"half_split_rope", [](ModelConfig& c) { c.rope_interleave = false; }},
    {"dense_only", [](ModelConfig& c) { c.n_routed_experts = 0, c.n_shared_experts = 0; }},
    {"no_shared_expert", [](ModelConfig& c) { c.n_shared_experts = 0; }},
    {"two_shared_experts", [](ModelConfig& c) { c.n_shared_experts = 2; }},
    {"all_layers_moe", [](ModelConfig& c) { c.first_k_dense_replace = 0; }},
    {"no_mtp", [](ModelConfig& c) { c.num_nextn_predict_layers = 0; }},
    {"mtp_1_post_norm", [](ModelConfig& c) { c.mtp_input = MtpInput::kPostNorm; }},
    {"mtp_2", [](ModelConfig& c) { c.num_nextn_predict_layers = 2; }},
    {"mtp_2_post_norm",
     [](ModelConfig& c) { c.num_nextn_predict_layers = 2, c.mtp_input = MtpInput::kPostNorm; }},
    {"tied", [](ModelConfig& c) { c.tie_word_embeddings = true; }},
    {"weights_not_normalised", [](ModelConfig& c) { c.norm_topk_prob = false; }},
    {"one_expert_per_token", [](ModelConfig& c) { c.num_experts_per_tok = 1; }},
    {"documents", [](ModelConfig& c) { c.num_nextn_predict_layers = 2; }, true},
};

// Products this small are fastest on one thread.
class Gradient : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { set_num_threads(1); }
  void TearDown() override { set_num_threads(available_processors()); }
};

double directional_difference(const TestModel<double>& m, int id, const std::vector<double>& step,
                              const Batch& batch, const LossScale& scale) {
  const std::span<double> values = m.weights.values(id);
  const std::vector<double> original(values.begin(), values.end());
  const auto total_at = [&](double h) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = original[i] + h * step[i];
    const double total = forward_loss(m, batch, scale).total;
    std::ranges::copy(original, values.begin());
    return total;
  };
  // Two central differences and Richardson's step: the error falls with h^4.
  const double h = 2e-5;
  const double near = (total_at(h) - total_at(-h)) / (2 * h);
  const double far = (total_at(2 * h) - total_at(-2 * h)) / (4 * h);
  return (4 * near - far) / 3;
}

TEST_P(Gradient, EqualsCentralDifferences) {
  ModelConfig config = small_config();
  GetParam().change(config);
  ASSERT_TRUE(validate(config).empty()) << validate(config).front();
  const TestModel<double> m(config, 2);
  Batch batch = random_batch(config, 2, 9, 3);
  batch.loss_weight[4] = 0;
  batch.loss_weight[11] = 2.5f;
  if (GetParam().documents) cut_documents(batch, {2, 4});
  const LossScale scale = whole_batch_scale(batch);
  forward_backward(m, batch, scale);

  for (int id = 0; id < m.table.size(); ++id) {
    if (!m.table[id].trainable) continue;
    const std::span<const double> gradient = m.gradients.values(id);
    const Rng rng(5, RngStream::kTest, static_cast<std::uint64_t>(id));
    std::vector<double> step(gradient.size());
    double expected = 0, length = 0;
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = rng.normal(i);
      length += step[i] * step[i];
    }
    for (double& value : step) value /= std::sqrt(length);
    for (std::size_t i = 0; i < step.size(); ++i) expected += gradient[i] * step[i];
    double norm = 0;
    for (const double value : gradient) norm += value * value;
    const double found = directional_difference(m, id, step, batch, scale);
    // Relative to the size that a projection of this gradient has; 1e-11 is what double leaves.
    const double size = std::sqrt(norm / static_cast<double>(gradient.size()));
    EXPECT_NEAR(found, expected, 1e-6 * size + 1e-11) << m.table[id].name;
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, Gradient, testing::ValuesIn(kCases),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace farthing::test
