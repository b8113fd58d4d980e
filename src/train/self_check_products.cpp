// self_check_products.cpp - products of every format against double, and a step's bits in each.
#include <fmt/core.h>

#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "machine/peaks.h"
#include "train/checkpoint.h"
#include "train/precision.h"
#include "train/self_check_rows.h"
#include "train/trainer.h"

namespace farthing {
namespace {

constexpr int kCheckedRows = 37, kCols = 150, kDepth = 300;  // no multiple of a tile

std::vector<float> normal_values(int count, std::uint64_t stream) {
  const Rng rng(22, RngStream::kTest, stream);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(rng.normal(i));
  return values;
}

double norm(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

// Of the error of a sum of k products, as a share of |A| |B|; in FP16 arithmetic of its stretches.
double error_bound(MatmulFormat format) {
  const double fp32 = (kDepth + 2) * 0x1p-24;
  const bool in_fp16 = arithmetic_of(format) == Arithmetic::kFp16;
  return in_fp16 ? fp32 + kPromotionIntervals[0] * 0x1p-11 : fp32;
}

// |C - C_double| over its bound, the operands rounded alike on both sides.
double share_of_bound(MatmulFormat format) {
  const auto a = normal_values(kCheckedRows * kDepth, 1), b = normal_values(kCols * kDepth, 2);
  const std::vector<double> a_exact(a.begin(), a.end()), b_exact(b.begin(), b.end());
  std::vector<float> c(kCheckedRows * kCols);
  std::vector<double> exact(c.size());
  const GemmOptions options{.transpose_b = true, .format = format, .b_tile = TileShape::kBlock};
  gemm(Matrix<float>(c.data(), kCheckedRows, kCols), {a.data(), kCheckedRows, kDepth},
       {b.data(), kCols, kDepth}, options);
  gemm(Matrix<double>(exact.data(), kCheckedRows, kCols), {a_exact.data(), kCheckedRows, kDepth},
       {b_exact.data(), kCols, kDepth}, options);
  const double bound = error_bound(format) * norm(a_exact) * norm(b_exact);
  for (std::size_t i = 0; i < c.size(); ++i) exact[i] -= static_cast<double>(c[i]);
  return norm(exact) / bound;
}

struct StepBits {
  double loss = 0;
  std::string hash;
};

StepBits one_step(const Recipe& recipe) {
  Trainer trainer(recipe, recipe.train.micro_batch);
  initialize(trainer.master(), recipe.model, 1);
  const BatchFiller fill = random_batches(recipe.model.vocab_size, 1);
  const StepResult result = trainer.train_step(
      {.fill = &fill, .first_sample = 0, .n_sequences = 4, .learning_rate = 1e-3});
  return {result.losses.total, weights_hash(trainer.master())};
}

Recipe step_recipe(const ModelConfig& config, const Recipe& recipe, MatmulFormat format) {
  Recipe small = recipe;
  small.model = config;
  constexpr int kLength = 60;  // products large enough to be cut among threads
  small.data.sequence_length = kLength;
  small.train.batch_tokens = 4 * kLength;
  small.train.batch_tokens_start = 0;
  small.train.micro_batch = 2;
  const bool float_scale = format == MatmulFormat::kFp8FloatScale;
  small.precision.matmul = float_scale ? "fp8" : std::string(format_name(format));
  small.precision.power_of_two_scales = !float_scale;
  return small;
}

}  // namespace

std::vector<CheckRow> check_products(const ModelConfig& config, const Recipe& recipe) {
  std::vector<CheckRow> rows;
  const Isa isa_before = current_isa();
  for (const Isa isa : kAllIsas) {
    if (!cpu_supports(isa)) continue;
    set_isa(isa);
    for (const MatmulFormat format : kAllMatmulFormats) {
      const double share = share_of_bound(format);
      rows.push_back({"product",
                      fmt::format("{}, {}: share of its bound", format_name(format), isa_name(isa)),
                      share, 1, share <= 1});
    }
  }
  set_isa(isa_before);
  const int threads = num_threads();
  for (const MatmulFormat format : kAllMatmulFormats) {
    const Recipe small = step_recipe(config, recipe, format);
    set_num_threads(1);
    const StepBits expected = one_step(small);
    for (const int n : {2, 3}) {
      set_num_threads(n);
      const StepBits bits = one_step(small);
      const bool same = bits.loss == expected.loss && bits.hash == expected.hash;
      rows.push_back({"step", fmt::format("{}: {} threads = 1", format_name(format), n),
                      std::abs(bits.loss - expected.loss), 0, same});
    }
  }
  set_num_threads(threads);
  return rows;
}

}  // namespace farthing
