// machine_model_test.cpp - rates are found again, files survive, faults are named.
#include "plan/machine_model.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "config/accounting.h"

namespace farthing {
namespace {

ModelConfig model_of(int hidden, int layers, int vocab, int experts) {
  ModelConfig model;
  model.vocab_size = vocab;
  model.hidden_size = hidden;
  model.num_hidden_layers = layers;
  model.first_k_dense_replace = 1;
  model.intermediate_size = 3 * hidden;
  model.moe_intermediate_size = hidden / 2;
  model.num_attention_heads = hidden / 64;
  model.q_lora_rank = hidden / 2;
  model.kv_lora_rank = hidden / 4;
  model.qk_nope_head_dim = 64;
  model.qk_rope_head_dim = 32;
  model.v_head_dim = 64;
  model.n_routed_experts = experts;
  model.n_shared_experts = experts > 0 ? 1 : 0;
  model.num_experts_per_tok = experts > 0 ? 2 : 0;
  return model;
}

const MachineWork kTrue = {4e-12, 6e-11, 5e-12, 1e-10, 2e-9, 1e-3};

std::vector<MachineSample> samples(double fault = 0) {
  std::vector<MachineSample> all;
  const auto add = [&](const ModelConfig& model, int sequence, int tokens, int micro) {
    MachineSample sample{"", machine_work(model, sequence, tokens, micro), 0};
    for (int j = 0; j < kMachineParts; ++j) sample.seconds += sample.work[j] * kTrue[j];
    sample.seconds *= 1 + (all.size() % 2 == 0 ? fault : -fault);
    all.push_back(sample);
  };
  add(model_of(128, 4, 2048, 8), 512, 4096, 8);
  add(model_of(256, 2, 16384, 0), 512, 2048, 4);
  add(model_of(384, 3, 4096, 64), 512, 1024, 2);
  add(model_of(768, 2, 4096, 8), 512, 4096, 8);
  add(model_of(256, 3, 2048, 8), 2048, 2048, 1);
  add(model_of(128, 12, 1024, 4), 256, 512, 1);
  add(model_of(512, 2, 8192, 16), 512, 4096, 2);
  add(model_of(640, 4, 1024, 0), 512, 4096, 8);
  add(model_of(320, 4, 12288, 32), 512, 4096, 8);
  return all;
}

TEST(MachineModel, ProductsAreTheModelFlops) {
  ModelConfig model = model_of(256, 4, 4096, 16);
  model.num_nextn_predict_layers = 1;
  const MachineWork work = machine_work(model, 512, 8192, 4);
  const double core = model_flops_per_token(model, 512).attention_core * 5 / 4;
  // One embedding-sized product less: flops count exactly the products here.
  EXPECT_NEAR(work[0] / ((model_flops_per_token(model, 512).total() - core) * 8192), 1, 1e-12);
  EXPECT_EQ(work[4], static_cast<double>(count_parameters(model).total()));
  // Two micro-batches of half the tokens: as many FLOPs, twice the blocks, more surface.
  const MachineWork halves = machine_work(model, 512, 8192, 2);
  EXPECT_DOUBLE_EQ(halves[0], work[0]);
  EXPECT_DOUBLE_EQ(halves[5], 2 * work[5]);
  EXPECT_GT(halves[1], work[1]);
}

TEST(MachineModel, FindsTheRatesOfStepsThatHaveThem) {
  const MachineRates rates = fit_machine("fp32", samples());
  for (const ModelConfig& model : {model_of(1024, 12, 32768, 64), model_of(512, 8, 16384, 32)}) {
    const MachineWork work = machine_work(model, 512, 4096, 8);
    EXPECT_NEAR(step_seconds(rates, work) / step_seconds({"", kTrue, 0, 0}, work), 1, 0.01);
  }
  EXPECT_LT(rates.width, 0.05);
  EXPECT_GT(fit_machine("fp32", samples(0.1)).width, 0.1);
  std::vector<MachineSample> few = samples();
  few.resize(6);
  EXPECT_THROW(fit_machine("fp32", few), Error);
}

MachineFacts facts() {
  MachineFacts f;
  f.cpu = "a \"quoted\" cpu";
  f.threads = 2;
  f.fp32_peak_flops = 2e11;
  f.watts_per_core = 6.25;
  f.program_bytes = 1e7;
  f.auto_precision = "bf16";
  f.rates = {{"fp32", kTrue, 0.08, 9}, {"bf16", kTrue, 0.05, 9}};
  return f;
}

TEST(MachineModel, TheFileReadsBack) {
  const std::string text = to_toml(facts());
  EXPECT_EQ(to_toml(parse_machine(text, "here")), text);
  for (const auto& [from, to] : {std::pair{"threads = 2", "threads = -2"},
                                 {"probes = 2", "probes = 1"},
                                 {"probes = 2\n", ""},
                                 {"products = 4e-12", "products = -1.0"},
                                 {"products", "product"},
                                 {"precision = \"bf16\"", "precision = \"int3\""},
                                 {"[[rates]]", "[[rate]]"}}) {
    std::string broken = text;
    broken.replace(broken.find(from), std::string(from).size(), to);
    EXPECT_THROW(parse_machine(broken, "here"), Error) << to;
  }
}

TEST(MachineModel, APlanAddsUpAndIsCalibrated) {
  MachineQuestion question;
  question.recipe.model = model_of(256, 4, 4096, 16);
  question.recipe.data.sequence_length = 512;
  question.recipe.train.batch_tokens = 4096;
  question.recipe.train.micro_batch = 8;
  question.recipe.precision.matmul = "auto";
  question.memory_parts = {{"weights", 1e8}, {"activations", 2e8}};
  const MachinePlan plan = plan_machine(facts(), question);
  EXPECT_EQ(plan.precision, "bf16");
  double sum = 0;
  for (const double part : plan.part_seconds) sum += part;
  EXPECT_DOUBLE_EQ(sum, plan.step_seconds);
  EXPECT_DOUBLE_EQ(plan.memory_bytes, 3.1e8);
  EXPECT_DOUBLE_EQ(plan.joules_per_step, 12.5 * plan.step_seconds);
  question.calibration = MachineCalibration{"a run", "", 1.5, 1.1, 2};
  const MachinePlan mended = plan_machine(facts(), question);
  EXPECT_DOUBLE_EQ(mended.step_seconds, 1.5 * plan.step_seconds);
  EXPECT_DOUBLE_EQ(mended.memory_bytes, 1.1 * plan.memory_bytes);
  EXPECT_NEAR(mended.joules_per_step, 2 * plan.joules_per_step, 1e-9);
  question.recipe.precision.matmul = "fp16";
  EXPECT_THROW(plan_machine(facts(), question), Error);
}

}  // namespace
}  // namespace farthing
