// farthing bench gemm - FP32 products: share of the peak measured in the same run, and error.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "kernels/gemm.h"
#include "machine/peaks.h"

namespace farthing {
namespace {

constexpr int kRounds = 7;
constexpr double kRoundSeconds = 0.05;

struct GemmShape {
  std::string name;
  int n_problems, m, n, k;
  GemmOptions options;
};

// 1024^3, and the products of one step of the preset `small` (4096 tokens).
std::vector<GemmShape> usual_shapes() {
  const GemmOptions forward{.transpose_b = true};
  const GemmOptions weight{.transpose_a = true, .accumulate = true};
  return {{"cube", 1, 1024, 1024, 1024, {}},
          {"linear forward", 1, 4096, 512, 512, forward},
          {"linear backward, input", 1, 4096, 512, 512, {}},
          {"linear backward, weight", 1, 512, 512, 4096, weight},
          {"head chunk", 1, 512, 16384, 512, forward},
          {"experts up, 512 rows", 32, 512, 512, 512, forward},
          {"experts down, 512 rows", 32, 512, 512, 256, forward},
          {"experts up, 64 rows", 32, 64, 512, 512, forward}};
}

struct GemmBenchOptions {
  int m = 0, n = 0, k = 0;
  int threads = 0;
  bool json = false;
};

struct GemmResult {
  GemmShape shape;
  double median_flops = 0, best_flops = 0;  // per second
  double relative_error = 0;
};

std::vector<float> random_values(std::int64_t count, std::uint64_t seed) {
  const Rng rng(seed, RngStream::kBench);
  std::vector<float> values(static_cast<std::size_t>(count));
  parallel_for((count + 4095) / 4096, [&](int block) {
    const std::int64_t end = std::min<std::int64_t>(count, (block + 1) * std::int64_t{4096});
    for (std::int64_t i = block * std::int64_t{4096}; i < end; ++i) {
      values[i] = static_cast<float>(2 * rng.uniform(static_cast<std::uint64_t>(i)) - 1);
    }
  });
  return values;
}

// The operands of every problem of a shape, end to end.
class GemmOperands {
 public:
  explicit GemmOperands(const GemmShape& shape)
      : shape_(shape),
        a_(random_values(std::int64_t{shape.n_problems} * shape.m * shape.k, 1)),
        b_(random_values(std::int64_t{shape.n_problems} * shape.n * shape.k, 2)),
        c_(static_cast<std::size_t>(shape.n_problems) * shape.m * shape.n) {
    for (int i = 0; i < shape.n_problems; ++i) problems_.push_back(problem(i));
  }

  double seconds_of_one() const {
    const auto start = std::chrono::steady_clock::now();
    gemm_grouped(std::span<const GemmProblem<float>>(problems_), shape_.options);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // |C - C_double| / |C_double| of the first problem.
  double relative_error() {
    std::ranges::fill(c_, 0.0f);
    seconds_of_one();
    const GemmProblem<float>& first = problems_.front();
    const std::vector<double> a(a_.begin(), a_.begin() + first.a.size());
    const std::vector<double> b(b_.begin(), b_.begin() + first.b.size());
    std::vector<double> c(static_cast<std::size_t>(first.c.size()));
    gemm(Matrix<double>(c.data(), first.c.n_rows, first.c.n_cols),
         Matrix<const double>(a.data(), first.a.n_rows, first.a.n_cols),
         Matrix<const double>(b.data(), first.b.n_rows, first.b.n_cols), shape_.options);
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < c.size(); ++i) {
      difference += (c[i] - double(c_[i])) * (c[i] - double(c_[i]));
      size += c[i] * c[i];
    }
    return size > 0 ? std::sqrt(difference / size) : 0;
  }

 private:
  GemmProblem<float> problem(int i) {
    const auto view = [&](std::vector<float>& values, int rows, int cols) {
      const std::int64_t first = std::int64_t{i} * rows * cols;
      return Matrix<float>(values.data() + first, rows, cols);
    };
    const auto& [name, n_problems, m, n, k, options] = shape_;
    return {view(c_, m, n), options.transpose_a ? view(a_, k, m) : view(a_, m, k),
            options.transpose_b ? view(b_, n, k) : view(b_, k, n)};
  }

  GemmShape shape_;
  std::vector<float> a_, b_, c_;
  std::vector<GemmProblem<float>> problems_;
};

// Alternates a probe of the peak, which raises `peak`, with runs of the product.
GemmResult measure(const GemmShape& shape, double& peak) {
  GemmOperands operands(shape);
  GemmResult result{shape, 0, 0, operands.relative_error()};
  const double flops = 2.0 * shape.n_problems * shape.m * shape.n * shape.k;
  std::vector<double> rates;
  for (int round = 0; round < kRounds; ++round) {
    peak = std::max(peak, measure_fp32_peak(num_threads()));
    double spent = 0;
    while (spent < kRoundSeconds) {
      const double seconds = operands.seconds_of_one();
      spent += seconds;
      rates.push_back(flops / seconds);
    }
  }
  std::ranges::sort(rates);
  result.median_flops = rates[rates.size() / 2];
  result.best_flops = rates.back();
  return result;
}

Json to_json(const std::vector<GemmResult>& results, double peak) {
  Json json{{"isa", std::string(isa_name(current_isa()))},
            {"threads", num_threads()},
            {"fp32_peak_flops", peak}};
  for (const GemmResult& r : results) {
    json["rows"].push_back({{"name", r.shape.name},
                            {"problems", r.shape.n_problems},
                            {"m", r.shape.m},
                            {"n", r.shape.n},
                            {"k", r.shape.k},
                            {"flops_per_second", r.median_flops},
                            {"best_flops_per_second", r.best_flops},
                            {"share_of_fp32_peak", r.median_flops / peak},
                            {"relative_error", r.relative_error}});
  }
  return json;
}

std::string to_text(const std::vector<GemmResult>& results, double peak) {
  std::vector<std::vector<std::string>> rows{
      {"product", "m x n x k", "GFLOP/s", "best", "of peak", "best", "error"}};
  for (const GemmResult& r : results) {
    const int n_problems = r.shape.n_problems;
    const std::string times = n_problems > 1 ? fmt::format("{} of ", n_problems) : "";
    rows.push_back({r.shape.name,
                    fmt::format("{}{} x {} x {}", times, r.shape.m, r.shape.n, r.shape.k),
                    fmt::format("{:.1f}", r.median_flops * 1e-9),
                    fmt::format("{:.1f}", r.best_flops * 1e-9),
                    fmt::format("{:.0f} %", 100 * r.median_flops / peak),
                    fmt::format("{:.0f} %", 100 * r.best_flops / peak),
                    fmt::format("{:.1e}", r.relative_error)});
  }
  return fmt::format("FP32, {}, {} thread{}, peak {:.1f} GFLOP/s; medians\n",
                     isa_name(current_isa()), num_threads(), num_threads() == 1 ? "" : "s",
                     peak * 1e-9) +
         format_table(rows);
}

std::vector<GemmShape> wanted_shapes(const GemmBenchOptions& options) {
  if (options.m == 0 && options.n == 0 && options.k == 0) return usual_shapes();
  const auto or_default = [](int value) { return value == 0 ? 1024 : value; };
  const GemmShape shape{"yours", 1, or_default(options.m), or_default(options.n),
                        or_default(options.k), {}};
  if (std::min({shape.m, shape.n, shape.k}) < 1 || std::max({shape.m, shape.n, shape.k}) > 65536) {
    throw Error(ErrorCode::kUsage, to_string({.where = "--m, --n, --k",
                                              .what = "a dimension is out of range",
                                              .found = fmt::format("{} x {} x {}", shape.m, shape.n,
                                                                   shape.k),
                                              .wanted = "1 to 65536 each",
                                              .hint = ""}));
  }
  return {shape};
}

void bench_gemm_command(const GemmBenchOptions& options) {
  apply_threads(options.threads);
  const auto shapes = wanted_shapes(options);
  std::vector<GemmResult> results;
  double peak = 0;
  {
    ProgressLine progress;
    for (const GemmShape& shape : shapes) {
      progress.show("measuring " + shape.name);
      results.push_back(measure(shape, peak));
    }
  }
  if (options.json) {
    print_json(to_json(results, peak));
  } else {
    std::cout << to_text(results, peak);
  }
}

void add_bench_gemm_command(CLI::App& app) {
  auto options = std::make_shared<GemmBenchOptions>();
  CLI::App* gemm_bench =
      parent_command(app, "bench", "measure this machine")
          .add_subcommand("gemm", "FP32 products: share of the peak measured in the same run");
  gemm_bench->add_option("--m", options->m, "rows of the product");
  gemm_bench->add_option("--n", options->n, "columns of the product");
  gemm_bench->add_option("--k", options->k, "the dimension that is summed");
  add_threads_option(*gemm_bench, options->threads);
  add_json_flag(*gemm_bench, options->json);
  set_example(*gemm_bench, "farthing bench gemm --m 1024 --n 1024 --k 1024");
  gemm_bench->callback([options] { bench_gemm_command(*options); });
}

const CommandRegistration kBenchGemm{add_bench_gemm_command, 90};

}  // namespace
}  // namespace farthing
