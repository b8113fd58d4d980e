// farthing bench attention - forward and backward of the core, by sequence length.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "kernels/attention.h"
#include "machine/peaks.h"

namespace farthing {
namespace {

constexpr int kAttentionRounds = 5;
constexpr double kAttentionRoundSeconds = 0.15;

struct AttentionBenchOptions {
  int heads = 8, nope = 64, rope = 32, v = 64;
  int tokens = 4096;
  int length = 0;  // 0: 256 to 4096
  std::string precision = "all";
  int threads = 0;
  bool json = false;
};

struct AttentionResult {
  int sequence_length = 0;
  MatmulFormat format = MatmulFormat::kFp32;
  double forward_seconds = 0, backward_seconds = 0;  // medians
  double flops = 0;                                  // model FLOPs of both
  double executed_flops = 0;                         // with S that the backward computes again
  double peak = 0;                                   // FLOP/s of what its products run on
  double seconds() const { return forward_seconds + backward_seconds; }
};

// All operands of one shape, and the two passes over them.
class AttentionOperands {
 public:
  explicit AttentionOperands(const AttentionShape& shape)
      : shape_(shape), arena_(bytes_of(shape)), all_(lay_out(arena_, shape)) {
    const Rng rng(1, RngStream::kBench);
    std::uint64_t index = 0;
    for (const Matrix<float>& m : {all_.q, all_.kv, all_.k_pe, all_.d_o}) {
      for (std::int64_t i = 0; i < m.size(); ++i) {
        m.data[i] = static_cast<float>(2 * rng.uniform(index++) - 1);
      }
    }
  }

  double forward() const {
    return timed([&] {
      attention_forward<float>(shape_, all_.o, all_.lse, all_.q, all_.kv, all_.k_pe, {});
    });
  }
  double backward() const {
    return timed([&] {
      attention_backward<float>(shape_, {all_.dq, all_.dkv, all_.dk_pe}, all_.d_o,
                                {all_.q, all_.kv, all_.k_pe, all_.o, all_.lse}, {}, all_.scratch);
    });
  }

 private:
  struct Views {
    Matrix<float> q, kv, k_pe, o, lse, d_o, dq, dkv, dk_pe;
    AttentionScratch<float> scratch;
  };
  static Views lay_out(Arena& arena, const AttentionShape& s) {
    const std::int64_t n = std::int64_t{s.n_sequences} * s.sequence_length;
    const auto make = [&](std::int64_t width) { return arena.matrix<float>(n, width); };
    const int qk = s.nope + s.rope;
    Views views;
    views.q = make(s.n_heads * qk), views.dq = make(s.n_heads * qk);
    views.kv = make(s.n_heads * (s.nope + s.v)), views.dkv = make(s.n_heads * (s.nope + s.v));
    views.k_pe = make(s.rope), views.dk_pe = make(s.rope);
    views.o = make(s.n_heads * s.v), views.d_o = make(s.n_heads * s.v);
    views.lse = arena.matrix<float>(s.n_heads, n);
    views.scratch = AttentionScratch<float>(arena, s);
    return views;
  }
  static std::int64_t bytes_of(const AttentionShape& shape) {
    Arena measure = Arena::measuring();
    lay_out(measure, shape);
    return measure.used();
  }
  template <class Body>
  static double timed(const Body& body) {
    const auto start = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  AttentionShape shape_;
  Arena arena_;
  Views all_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Both products of the causal half forward, and twice that backward: what accounting.h counts.
double attention_flops(const AttentionShape& s) {
  return 3.0 * s.n_sequences * s.n_heads * (s.nope + s.rope + s.v) * double(s.sequence_length) *
         s.sequence_length;
}

// Forward S and P v; backward S again, dP, dv, dq and dk: as kernels are compared (Dao 2023).
double executed_flops(const AttentionShape& s) {
  return 1.0 * s.n_sequences * s.n_heads * (4 * (s.nope + s.rope) + 3 * s.v) *
         double(s.sequence_length) * s.sequence_length;
}

AttentionResult measure_attention(const AttentionShape& shape) {
  const auto peak = [&] { return measure_peak(arithmetic_of(shape.format), num_threads()); };
  const double peak_before = peak();
  const AttentionOperands operands(shape);
  operands.forward();
  operands.backward();
  std::vector<double> forward, backward;
  for (int round = 0; round < kAttentionRounds; ++round) {
    double spent = 0;
    while (spent < kAttentionRoundSeconds) {
      forward.push_back(operands.forward());
      backward.push_back(operands.backward());
      spent += forward.back() + backward.back();
    }
  }
  return {shape.sequence_length,
          shape.format,
          median(forward),
          median(backward),
          attention_flops(shape),
          executed_flops(shape),
          std::max(peak_before, peak())};
}

void check_options(const AttentionBenchOptions& options) {
  const auto refuse = [](const std::string& where, int found, const std::string& wanted) {
    throw_wrong_use({.where = where,
                     .what = "is out of range",
                     .found = std::to_string(found),
                     .wanted = wanted,
                     .hint = ""});
  };
  for (const int size : {options.heads, options.nope, options.rope, options.v}) {
    if (size < 1 || size > 1024) refuse("--heads, --nope, --rope, --v", size, "1 to 1024 each");
  }
  if (options.tokens < 1 || options.tokens > 1 << 20) {
    refuse("--tokens", options.tokens, "1 to 1048576");
  }
  if (options.length < 0 || options.length > 1 << 17) {
    refuse("--length", options.length, "1 to 131072");
  }
}

std::vector<MatmulFormat> attention_formats(const std::string& precision) {
  if (precision == "fp32") return {MatmulFormat::kFp32};
  if (precision == "bf16") return {MatmulFormat::kBf16};
  if (precision == "fp16") return {MatmulFormat::kFp16};
  if (precision == "all") return {MatmulFormat::kFp32, MatmulFormat::kBf16, MatmulFormat::kFp16};
  throw_wrong_use({.where = "--precision",
                   .what = "unknown",
                   .found = precision,
                   .wanted = "fp32, bf16, fp16 or all",
                   .hint = ""});
}

// Time per FLOP over that of the shortest sequence in the same format.
double growth(const std::vector<AttentionResult>& results, const AttentionResult& r) {
  const auto first = std::ranges::find(results, r.format, &AttentionResult::format);
  return (r.seconds() / r.flops) / (first->seconds() / first->flops) - 1;
}

// Of what the products run on, measured in the same run.
double own_peak(const AttentionResult& r, double fp32_peak) {
  return arithmetic_of(r.format) == Arithmetic::kFp32 ? fp32_peak : r.peak;
}

Json attention_json(const std::vector<AttentionResult>& results, double fp32_peak) {
  Json json{{"isa", std::string(isa_name(current_isa()))},
            {"threads", num_threads()},
            {"fp32_peak_flops", fp32_peak},
            {"rows", Json::array()}};
  for (const AttentionResult& r : results) {
    json["rows"].push_back(
        {{"sequence_length", r.sequence_length},
         {"format", std::string(format_name(r.format))},
         {"forward_seconds", r.forward_seconds},
         {"backward_seconds", r.backward_seconds},
         {"model_flops", r.flops},
         {"flops_per_second", r.flops / r.seconds()},
         {"share_of_peak", r.flops / r.seconds() / own_peak(r, fp32_peak)},
         {"share_of_fp32_peak", r.flops / r.seconds() / fp32_peak},
         {"executed_flops", r.executed_flops},
         {"executed_share_of_fp32_peak", r.executed_flops / r.seconds() / fp32_peak},
         {"time_per_flop_growth", growth(results, r)}});
  }
  return json;
}

std::string attention_text(const std::vector<AttentionResult>& results, double fp32_peak) {
  std::vector<std::vector<std::string>> rows{{"sequence length", "format", "forward, ms",
                                              "backward, ms", "GFLOP/s", "of its peak", "of FP32's",
                                              "executed", "time per FLOP"}};
  for (const AttentionResult& r : results) {
    rows.push_back({std::to_string(r.sequence_length), std::string(format_name(r.format)),
                    fmt::format("{:.2f}", 1e3 * r.forward_seconds),
                    fmt::format("{:.2f}", 1e3 * r.backward_seconds),
                    fmt::format("{:.1f}", 1e-9 * r.flops / r.seconds()),
                    fmt::format("{:.0f} %", 100 * r.flops / r.seconds() / own_peak(r, fp32_peak)),
                    fmt::format("{:.0f} %", 100 * r.flops / r.seconds() / fp32_peak),
                    fmt::format("{:.0f} %", 100 * r.executed_flops / r.seconds() / fp32_peak),
                    fmt::format("{:+.0f} %", 100 * growth(results, r))});
  }
  return fmt::format("{}, {} thread{}; medians of forward + backward; FP32 peak {:.1f} GFLOP/s\n",
                     isa_name(current_isa()), num_threads(), num_threads() == 1 ? "" : "s",
                     1e-9 * fp32_peak) +
         format_table(rows);
}

void bench_attention_command(const AttentionBenchOptions& options) {
  check_options(options);
  apply_threads(options.threads);
  std::vector<int> lengths = {256, 512, 1024, 2048, 4096};
  if (options.length > 0) lengths = {options.length};
  double fp32_peak = measure_fp32_peak(num_threads());
  std::vector<AttentionResult> results;
  {
    ProgressLine progress;
    for (const MatmulFormat format : attention_formats(options.precision)) {
      for (const int length : lengths) {
        progress.show(fmt::format("measuring sequences of {}", length));
        const int qk = options.nope + options.rope;
        results.push_back(measure_attention({.n_sequences = std::max(1, options.tokens / length),
                                             .sequence_length = length,
                                             .n_heads = options.heads,
                                             .nope = options.nope,
                                             .rope = options.rope,
                                             .v = options.v,
                                             .scale = 1 / std::sqrt(double(qk)),
                                             .format = format}));
        fp32_peak = std::max(fp32_peak, measure_fp32_peak(num_threads()));
      }
    }
  }
  if (options.json) return print_json(attention_json(results, fp32_peak));
  std::cout << attention_text(results, fp32_peak);
}

void add_bench_attention_command(Command& app) {
  auto options = std::make_shared<AttentionBenchOptions>();
  Command* bench =
      app.parent("bench", "measure this machine")
          .add_subcommand("attention", "forward and backward of the core: share of the FP32 peak");
  bench->add_option("--length", options->length, "tokens of a sequence; 0: 256 to 4096");
  bench->add_option("--tokens", options->tokens, "tokens of all sequences together");
  bench->add_option("--heads", options->heads, "attention heads");
  bench->add_option("--nope", options->nope, "of a head's key, what is not rotated");
  bench->add_option("--rope", options->rope, "of a head's key, what is rotated");
  bench->add_option("--v", options->v, "of a head's value");
  bench->add_option("--precision", options->precision, "of the products: fp32, bf16, fp16 or all");
  add_threads_option(*bench, options->threads);
  add_json_flag(*bench, options->json);
  set_example(*bench, "farthing bench attention --length 512 --precision bf16");
  bench->callback([options] { bench_attention_command(*options); });
}

const CommandRegistration kBenchAttention{add_bench_attention_command, 91};

}  // namespace
}  // namespace farthing
