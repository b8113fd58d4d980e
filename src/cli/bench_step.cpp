// bench_step.cpp - farthing bench step: a training step on random tokens, as a share of the peak.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/parallel.h"
#include "base/part_times.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "config/accounting.h"
#include "config/recipe.h"
#include "kernels/isa.h"
#include "machine/peaks.h"
#include "machine/resident.h"
#include "train/precision.h"
#include "train/trainer.h"

namespace farthing {
namespace {

constexpr int kBatchTokens = 4096;

struct BenchStepOptions {
  std::string recipe;
  std::vector<std::string> overrides;
  std::string precision;
  int micro_batch = 0;
  int steps = 5;
  int threads = 0;
  bool json = false;
};

struct StepMeasurement {
  double step_seconds = 0;      // median
  double peak_flops = 0;        // of FP32, best of the probes before and after
  double own_peak_flops = 0;    // of what the products run on, the same
  std::vector<PartTime> parts;  // seconds a step, the mean
  double adamw_bytes = 0;       // moved by the update of one step
};

Recipe bench_recipe(const BenchStepOptions& options) {
  PrecisionChoice choice;
  Recipe recipe = with_precision(
      load_recipe(options.recipe, with_precision_override(options.overrides, options.precision)),
      &choice);
  const int length = recipe.data.sequence_length;
  recipe.train.batch_tokens = std::max(1, kBatchTokens / length) * length;
  recipe.train.batch_tokens_start = 0;
  recipe.train.batch_ramp_tokens = 0;
  recipe.train.micro_batch = options.micro_batch;
  const int n_sequences = recipe.train.batch_tokens / length;
  if (options.micro_batch < 0 || options.micro_batch > n_sequences ||
      (options.micro_batch > 0 && n_sequences % options.micro_batch != 0)) {
    throw Error{ErrorCode::kUsage,
                to_string(Complaint{"--micro-batch", "does not divide the step's sequences",
                                    std::to_string(options.micro_batch),
                                    "a divisor of " + std::to_string(n_sequences), ""})};
  }
  recipe.train.micro_batch = choose_micro_batch(recipe, available_memory_bytes());
  return recipe;
}

StepMeasurement measure_step(const Recipe& recipe, int n_steps) {
  Trainer trainer(recipe, recipe.train.micro_batch);
  initialize(trainer.master(), recipe.model, recipe.train.seed);
  const BatchFiller fill = random_batches(recipe.model.vocab_size, 1);
  const int n_sequences = recipe.train.batch_tokens / recipe.data.sequence_length;
  StepMeasurement result;
  const Arithmetic arithmetic = arithmetic_of(matmul_of(recipe.precision).format);
  const auto probe_peaks = [&] {
    const double fp32 = measure_fp32_peak(num_threads());
    const bool same = arithmetic == Arithmetic::kFp32;
    const double own = same ? fp32 : measure_peak(arithmetic, num_threads());
    result.peak_flops = std::max(result.peak_flops, fp32);
    result.own_peak_flops = std::max(result.own_peak_flops, own);
  };
  probe_peaks();
  // Weight and both moments are read and written, the gradient is read.
  const double n_values = static_cast<double>(trainer.master().all.size());
  result.adamw_bytes = n_values * (12.0 + (recipe.train.bf16_moments ? 8.0 : 16.0));
  std::vector<double> seconds;
  ProgressLine progress;
  for (int step = 0; step <= n_steps; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    trainer.train_step({.fill = &fill,
                        .first_sample = std::int64_t{step} * n_sequences,
                        .n_sequences = n_sequences,
                        .learning_rate = recipe.train.learning_rate});
    const auto end = std::chrono::steady_clock::now();
    if (step > 0) seconds.push_back(std::chrono::duration<double>(end - begin).count());
    if (step == 0) trainer.part_times().clear();
    progress.show_share(step, n_steps, "steps");
  }
  probe_peaks();
  result.parts = trainer.part_times().rows();
  for (PartTime& row : result.parts) {
    for (double& part_seconds : row.seconds) part_seconds /= n_steps;
  }
  std::ranges::nth_element(seconds, seconds.begin() + n_steps / 2);
  result.step_seconds = seconds[static_cast<std::size_t>(n_steps / 2)];
  return result;
}

constexpr const char* kPhaseNames[kPhases] = {"forward", "backward_input", "backward_weight",
                                              "update"};

double adamw_bandwidth(const StepMeasurement& measured) {
  for (const PartTime& row : measured.parts) {
    if (row.part == "AdamW" && row.total() > 0) return measured.adamw_bytes / row.total();
  }
  return 0;
}

Json parts_json(const StepMeasurement& measured) {
  Json rows = Json::array();
  for (const PartTime& row : measured.parts) {
    Json json{{"part", std::string(row.part)}, {"seconds", row.total()}};
    for (int phase = 0; phase < kPhases; ++phase) {
      json[kPhaseNames[phase]] = row.seconds[static_cast<std::size_t>(phase)];
    }
    rows.push_back(std::move(json));
  }
  return rows;
}

std::string parts_text(const StepMeasurement& measured) {
  double all = 0;
  for (const PartTime& row : measured.parts) all += row.total();
  std::vector<std::vector<std::string>> rows{
      {"milliseconds a step", "forward", "backward, input", "weight", "update", "sum", "share"}};
  std::vector<PartTime> parts = measured.parts;
  std::ranges::sort(parts, [](const auto& a, const auto& b) { return a.total() > b.total(); });
  for (const PartTime& row : parts) {
    rows.push_back({std::string(row.part)});
    for (const double seconds : row.seconds) {
      rows.back().push_back(seconds > 0 ? fmt::format("{:.1f}", 1e3 * seconds) : "");
    }
    rows.back().push_back(fmt::format("{:.1f}", 1e3 * row.total()));
    rows.back().push_back(fmt::format("{:.1f} %", 100 * row.total() / std::max(all, 1e-12)));
  }
  return format_table(rows);
}

void bench_step_command(const BenchStepOptions& options) {
  apply_threads(options.threads);
  const Recipe recipe = bench_recipe(options);
  const std::int64_t predicted = total_bytes(memory_table(recipe, recipe.train.micro_batch)) +
                                 thread_buffer_bytes(recipe, num_threads()) +
                                 current_resident_bytes();
  const StepMeasurement measured = measure_step(recipe, options.steps);
  const double rate = recipe.train.batch_tokens / measured.step_seconds;
  const double flops = model_flops_per_token(recipe.model, recipe.data.sequence_length).total();
  const double share = rate * flops / measured.peak_flops;
  if (options.json) {
    return print_json({{"tokens_per_second", rate},
                       {"model_flops_per_token", flops},
                       {"model_flops_per_second", rate * flops},
                       {"share_of_peak", rate * flops / measured.own_peak_flops},
                       {"share_of_fp32_peak", share},
                       {"peak_resident_bytes", peak_resident_bytes()},
                       {"predicted_bytes", predicted},
                       {"adamw_bytes_per_second", adamw_bandwidth(measured)},
                       {"step_seconds", measured.step_seconds},
                       {"parts", parts_json(measured)},
                       {"micro_batch", recipe.train.micro_batch},
                       {"precision", recipe.precision.matmul},
                       {"threads", num_threads()},
                       {"isa", std::string(isa_name(current_isa()))}});
  }
  std::cout
      << format_table(
             {{"step of " + recipe.run.name, ""},
              {"tokens a second", format_rate(rate)},
              {"model FLOPs a token", format_count(flops)},
              {"model FLOP/s", format_rate(rate * flops)},
              {"share of the measured FP32 peak", fmt::format("{:.1f} %", 100 * share)},
              {"FP32 peak, FLOP/s", format_rate(measured.peak_flops)},
              {"share of the peak of its products",
               fmt::format("{:.1f} %", 100 * rate * flops / measured.own_peak_flops)},
              {"most memory resident", format_bytes(static_cast<double>(peak_resident_bytes()))},
              {"predicted before the first step", format_bytes(static_cast<double>(predicted))},
              {"AdamW, GB/s moved", fmt::format("{:.1f}", 1e-9 * adamw_bandwidth(measured))},
              {"micro-batch, sequences", std::to_string(recipe.train.micro_batch)},
              {"precision", recipe.precision.matmul},
              {"threads", std::to_string(num_threads())},
              {"instruction set", std::string(isa_name(current_isa()))}})
      << '\n'
      << parts_text(measured);
}

void add_bench_step_command(Command& app) {
  auto options = std::make_shared<BenchStepOptions>();
  Command* step = app.parent("bench", "measure this machine")
                      .add_subcommand("step", "a training step on 4096 random tokens");
  step->add_option("recipe", options->recipe, "preset or recipe")->required();
  step->add_option("--set", options->overrides, "key=value over the recipe, repeatable");
  step->add_option("--precision", options->precision, "fp32, bf16, fp8, fp16 or auto");
  step->add_option("--micro-batch", options->micro_batch, "sequences; 0: derived");
  step->add_option("--steps", options->steps, "steps to measure; the median counts")
      ->range(1, 100000);
  add_threads_option(*step, options->threads);
  add_json_flag(*step, options->json);
  set_example(*step, "farthing bench step tiny --precision bf16");
  step->callback([options] { bench_step_command(*options); });
}

const CommandRegistration kBenchStep{add_bench_step_command, 92};

}  // namespace
}  // namespace farthing
