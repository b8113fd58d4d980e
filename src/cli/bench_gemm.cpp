// farthing bench gemm - products of every format: shares of the peaks of the same run, and error.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
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
constexpr int kErrorRows = 64;

struct GemmShape {
  std::string name;
  int n_problems, m, n, k;
  GemmOptions options;
  bool is_weight = false;  // B is: packed once, outside the measurement, in blocks
};

// 1024^3, and the products of one step of the preset `small` (4096 tokens).
std::vector<GemmShape> usual_shapes() {
  const GemmOptions forward{.transpose_b = true};
  const GemmOptions weight{.transpose_a = true, .accumulate = true};
  return {{"cube", 1, 1024, 1024, 1024, {}},
          {"linear forward", 1, 4096, 512, 512, forward, true},
          {"linear backward, input", 1, 4096, 512, 512, {}, true},
          {"linear backward, weight", 1, 512, 512, 4096, weight},
          {"head chunk", 1, 512, 16384, 512, forward, true},
          {"head chunk, weight", 1, 16384, 512, 512, weight},
          {"experts up, 512 rows", 32, 512, 512, 512, forward, true},
          {"experts down, 512 rows", 32, 512, 512, 256, forward, true},
          {"experts up, weight, 512 rows", 32, 512, 512, 512, weight},
          {"experts up, 64 rows", 32, 64, 512, 512, forward, true},
          {"experts up, 64, unpacked", 32, 64, 512, 512, forward}};
}

struct GemmBenchOptions {
  int m = 0, n = 0, k = 0;
  std::string precision = "fp32";
  int threads = 0;
  bool json = false;
};

// The best probe of each arithmetic so far, FLOP/s.
struct Peaks {
  double by_arithmetic[3] = {};
  double& of(Arithmetic arithmetic) { return by_arithmetic[static_cast<int>(arithmetic)]; }
  double of(Arithmetic arithmetic) const { return by_arithmetic[static_cast<int>(arithmetic)]; }
  double fp32() const { return of(Arithmetic::kFp32); }
};

struct GemmResult {
  GemmShape shape;
  double median_flops = 0, best_flops = 0;  // per second
  double relative_error = 0;
};

void fill_random(std::span<float> values, std::uint64_t seed) {
  const Rng rng(seed, RngStream::kBench);
  const auto count = std::ssize(values);
  parallel_for((count + 4095) / 4096, [&](int block) {
    const std::int64_t end = std::min<std::int64_t>(count, (block + 1) * std::int64_t{4096});
    for (std::int64_t i = block * std::int64_t{4096}; i < end; ++i) {
      values[i] = static_cast<float>(2 * rng.uniform(static_cast<std::uint64_t>(i)) - 1);
    }
  });
}

// The operands of every problem of a shape, end to end, in memory such as training has.
class GemmOperands {
 public:
  explicit GemmOperands(const GemmShape& shape) : shape_(shape) {
    Arena measuring = Arena::measuring();
    lay_out(measuring);
    arena_ = std::make_unique<Arena>(measuring.used());
    lay_out(*arena_);
    fill_random(a_, 1);
    fill_random(b_, 2);
    for (int i = 0; i < shape.n_problems; ++i) problems_.push_back(problem(i));
    if (is_packed()) pack_weights();
  }

  double seconds_of_one() const {
    const auto start = std::chrono::steady_clock::now();
    gemm_grouped(std::span<const GemmProblem<float>>(problems_), shape_.options);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // |C - C_exact| / |C_exact| of the first rows, against the product of unrounded operands.
  double relative_error() {
    std::ranges::fill(c_, 0.0f);
    seconds_of_one();
    const GemmProblem<float>& first = problems_.front();
    const int n_rows = std::min(shape_.m, kErrorRows);
    const std::vector<double> a(a_.begin(), a_.begin() + first.a.size());
    const std::vector<double> b(b_.begin(), b_.begin() + first.b.size());
    std::vector<double> c(static_cast<std::size_t>(n_rows) * shape_.n);
    GemmOptions exact = shape_.options;
    exact.format = MatmulFormat::kFp32;
    const Matrix<const double> all(a.data(), first.a.n_rows, first.a.n_cols);
    gemm(Matrix<double>(c.data(), n_rows, shape_.n),
         exact.transpose_a ? all.cols(0, n_rows) : all.rows(0, n_rows),
         Matrix<const double>(b.data(), first.b.n_rows, first.b.n_cols), exact);
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < c.size(); ++i) {
      difference += (c[i] - double(c_[i])) * (c[i] - double(c_[i]));
      size += c[i] * c[i];
    }
    return size > 0 ? std::sqrt(difference / size) : 0;
  }

 private:
  GemmProblem<float> problem(int i) {
    const auto view = [&](std::span<float> values, int rows, int cols) {
      const std::int64_t first = std::int64_t{i} * rows * cols;
      return Matrix<float>(values.data() + first, rows, cols);
    };
    const int m = shape_.m, n = shape_.n, k = shape_.k;
    return {view(c_, m, n), shape_.options.transpose_a ? view(a_, k, m) : view(a_, m, k),
            shape_.options.transpose_b ? view(b_, n, k) : view(b_, k, n)};
  }

  bool is_packed() const { return shape_.is_weight && current_isa() != Isa::kRef; }

  void lay_out(Arena& arena) {
    const GemmShape& s = shape_;
    a_ = arena.array<float>(std::int64_t{s.n_problems} * s.m * s.k);
    b_ = arena.array<float>(std::int64_t{s.n_problems} * s.n * s.k);
    c_ = arena.array<float>(std::int64_t{s.n_problems} * s.m * s.n);
    for (int i = 0; is_packed() && i < s.n_problems; ++i) {
      packed_.resize(static_cast<std::size_t>(s.n_problems));
      packed_[i] = arena.array<float>(packed_size(s.n, s.k, s.options.format));
    }
  }

  void pack_weights() {
    std::vector<PackRequest> requests;
    for (int i = 0; i < shape_.n_problems; ++i) {
      requests.push_back({packed_[i].data(), problems_[i].b, shape_.options});
      problems_[i].packed_b = packed_[i].data();
    }
    pack_b(requests);
  }

  GemmShape shape_;
  std::unique_ptr<Arena> arena_;
  std::span<float> a_, b_, c_;
  std::vector<std::span<float>> packed_;
  std::vector<GemmProblem<float>> problems_;
};

// Probes of the peaks, which raise `peaks`, then rounds of runs of the product.
GemmResult measure(const GemmShape& shape, Peaks& peaks) {
  GemmOperands operands(shape);
  GemmResult result{shape, 0, 0, operands.relative_error()};
  const double flops = 2.0 * shape.n_problems * shape.m * shape.n * shape.k;
  std::vector<double> rates;
  for (const Arithmetic arithmetic : {Arithmetic::kFp32, arithmetic_of(shape.options.format)}) {
    peaks.of(arithmetic) = std::max(peaks.of(arithmetic), measure_peak(arithmetic, num_threads()));
    if (arithmetic_of(shape.options.format) == Arithmetic::kFp32) break;
  }
  for (int round = 0; round < kRounds; ++round) {
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

Json to_json(const std::vector<GemmResult>& results, const Peaks& peaks) {
  Json json{{"isa", std::string(isa_name(current_isa()))},
            {"threads", num_threads()},
            {"fp32_peak_flops", peaks.fp32()}};
  for (const Arithmetic arithmetic : kAllArithmetics) {
    if (peaks.of(arithmetic) > 0) {
      json["peak_flops"][std::string(arithmetic_name(arithmetic))] = peaks.of(arithmetic);
    }
  }
  for (const GemmResult& r : results) {
    const Arithmetic arithmetic = arithmetic_of(r.shape.options.format);
    json["rows"].push_back({{"name", r.shape.name},
                            {"format", std::string(format_name(r.shape.options.format))},
                            {"arithmetic", std::string(arithmetic_name(arithmetic))},
                            {"promotion_interval", r.shape.options.promotion_interval},
                            {"packed", r.shape.is_weight},
                            {"problems", r.shape.n_problems},
                            {"m", r.shape.m},
                            {"n", r.shape.n},
                            {"k", r.shape.k},
                            {"flops_per_second", r.median_flops},
                            {"best_flops_per_second", r.best_flops},
                            {"share_of_peak", r.median_flops / peaks.of(arithmetic)},
                            {"share_of_fp32_peak", r.median_flops / peaks.fp32()},
                            {"relative_error", r.relative_error}});
  }
  return json;
}

std::string to_text(const std::vector<GemmResult>& results, const Peaks& peaks) {
  std::vector<std::vector<std::string>> rows{
      {"product", "m x n x k", "format", "GFLOP/s", "best", "of its peak", "of FP32's", "error"}};
  for (const GemmResult& r : results) {
    const int n_problems = r.shape.n_problems;
    const double peak = peaks.of(arithmetic_of(r.shape.options.format));
    const std::string times = n_problems > 1 ? fmt::format("{} of ", n_problems) : "";
    rows.push_back(
        {r.shape.name, fmt::format("{}{} x {} x {}", times, r.shape.m, r.shape.n, r.shape.k),
         std::string(format_name(r.shape.options.format)),
         fmt::format("{:.1f}", r.median_flops * 1e-9), fmt::format("{:.1f}", r.best_flops * 1e-9),
         fmt::format("{:.0f} %", 100 * r.median_flops / peak),
         fmt::format("{:.0f} %", 100 * r.median_flops / peaks.fp32()),
         fmt::format("{:.1e}", r.relative_error)});
  }
  std::string text =
      fmt::format("{}, {} thread{}; medians; peaks, GFLOP/s:", isa_name(current_isa()),
                  num_threads(), num_threads() == 1 ? "" : "s");
  for (const Arithmetic arithmetic : kAllArithmetics) {
    if (peaks.of(arithmetic) == 0) continue;
    text += fmt::format(" {} {:.1f}", arithmetic_name(arithmetic), peaks.of(arithmetic) * 1e-9);
  }
  return text + "\n" + format_table(rows);
}

std::vector<MatmulFormat> wanted_formats(const std::string& precision) {
  if (precision == "all") return {std::begin(kAllMatmulFormats), std::end(kAllMatmulFormats)};
  for (const MatmulFormat format : kAllMatmulFormats) {
    if (format_name(format) == precision) return {format};
  }
  throw_wrong_use({.where = "--precision",
                   .what = "unknown",
                   .found = precision,
                   .wanted = "fp32, bf16, fp8, fp16 or all",
                   .hint = ""});
}

std::vector<GemmShape> wanted_shapes(const GemmBenchOptions& options) {
  if (options.m == 0 && options.n == 0 && options.k == 0) return usual_shapes();
  const auto or_default = [](int value) { return value == 0 ? 1024 : value; };
  const GemmShape shape{
      "yours", 1, or_default(options.m), or_default(options.n), or_default(options.k), {}};
  if (std::min({shape.m, shape.n, shape.k}) < 1 || std::max({shape.m, shape.n, shape.k}) > 65536) {
    throw_wrong_use({.where = "--m, --n, --k",
                     .what = "a dimension is out of range",
                     .found = fmt::format("{} x {} x {}", shape.m, shape.n, shape.k),
                     .wanted = "1 to 65536 each",
                     .hint = ""});
  }
  return {shape};
}

void bench_gemm_command(const GemmBenchOptions& options) {
  apply_threads(options.threads);
  const auto shapes = wanted_shapes(options);
  std::vector<GemmResult> results;
  Peaks peaks;
  {
    ProgressLine progress;
    for (const MatmulFormat format : wanted_formats(options.precision)) {
      for (GemmShape shape : shapes) {
        progress.show("measuring " + shape.name);
        shape.options.format = format;
        if (shape.is_weight) shape.options.b_tile = TileShape::kBlock;
        results.push_back(measure(shape, peaks));
        if (arithmetic_of(format) != Arithmetic::kFp16) continue;
        shape.options.promotion_interval = 128;
        shape.name += ", interval 128";
        results.push_back(measure(shape, peaks));
      }
    }
  }
  if (options.json) {
    print_json(to_json(results, peaks));
  } else {
    std::cout << to_text(results, peaks);
  }
}

void add_bench_gemm_command(Command& app) {
  auto options = std::make_shared<GemmBenchOptions>();
  Command* gemm_bench =
      app.parent("bench", "measure this machine")
          .add_subcommand("gemm", "products by format: shares of peaks measured in the same run");
  gemm_bench->add_option("--m", options->m, "rows of the product");
  gemm_bench->add_option("--n", options->n, "columns of the product");
  gemm_bench->add_option("--k", options->k, "the dimension that is summed");
  gemm_bench->add_option("--precision", options->precision, "fp32, bf16, fp8, fp16 or all");
  add_threads_option(*gemm_bench, options->threads);
  add_json_flag(*gemm_bench, options->json);
  set_example(*gemm_bench, "farthing bench gemm --precision bf16");
  gemm_bench->callback([options] { bench_gemm_command(*options); });
}

const CommandRegistration kBenchGemm{add_bench_gemm_command, 90};

}  // namespace
}  // namespace farthing
