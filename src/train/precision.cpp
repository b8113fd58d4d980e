// precision.cpp - names to formats, and the measurement behind `auto`.
#include "train/precision.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "machine/peaks.h"

namespace farthing {
namespace {

constexpr int kRows = 2048, kWidth = 512;  // a usual product: tokens by a small model's width
constexpr int kProbes = 9;
// Raised where a kernel of these products became faster or slower: what older ones measured is
// measured again.
constexpr int kProductKernels = 2;
constexpr MatmulFormat kCandidates[] = {MatmulFormat::kFp32, MatmulFormat::kFp16,
                                        MatmulFormat::kBf16};  // by falling precision

std::string cache_path() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (cache != nullptr && *cache == '/') folder = cache;
  if (folder.empty() && home != nullptr && *home == '/') folder = std::string(home) + "/.cache";
  if (folder.empty()) return "";
  const std::string machine =
      fmt::format("{} {} {}", cpu_name(), isa_name(current_isa()), num_threads());
  return fmt::format("{}/farthing/products-{:016x}.json", folder, hash64(machine));
}

std::vector<PrecisionChoice::Rate> read_cache(const std::string& path) {
  std::vector<PrecisionChoice::Rate> rates;
  try {
    if (path.empty() || !file_exists(path)) return {};
    const Json json = read_json(path);
    if (json.at("kernels") != kProductKernels) return {};
    for (const MatmulFormat format : kCandidates) {
      const std::string name(format_name(format));
      const double flops = json.at("flops_per_second").at(name);
      if (!(flops > 0)) return {};
      rates.push_back({name, flops});
    }
  } catch (const std::exception&) {
    return {};
  }
  return rates;
}

void write_cache(const std::string& path, const std::vector<PrecisionChoice::Rate>& rates) {
  if (path.empty()) return;
  Json json{{"cpu", cpu_name()},
            {"isa", std::string(isa_name(current_isa()))},
            {"threads", num_threads()},
            {"kernels", kProductKernels}};
  for (const auto& rate : rates) json["flops_per_second"][rate.format] = rate.flops;
  try {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_file_atomically(path, json.dump(2) + "\n");
  } catch (const std::exception&) {
    // Measured again next time.
  }
}

// The operands of a linear layer's forward product, packed in one format.
class Product {
 public:
  explicit Product(MatmulFormat format)
      : options_{.transpose_b = true, .format = format, .b_tile = TileShape::kBlock},
        arena_(lay_out(format)) {
    x_ = arena_.matrix<float>(kRows, kWidth);
    weight_ = arena_.matrix<float>(kWidth, kWidth);
    y_ = arena_.matrix<float>(kRows, kWidth);
    packed_ = arena_.array<float>(packed_size(kWidth, kWidth, format)).data();
    const Rng rng(1, RngStream::kBench);
    for (const Matrix<float>& matrix : {x_, weight_}) {
      for (std::int64_t i = 0; i < matrix.size(); ++i) {
        matrix.data[i] = static_cast<float>(rng.uniform(static_cast<std::uint64_t>(i))) - 0.5f;
      }
    }
    const PackRequest request{packed_, weight_, options_};
    pack_b(std::span<const PackRequest>(&request, 1));
  }
  // FLOP/s of one run.
  double run() const {
    const auto begin = std::chrono::steady_clock::now();
    const GemmProblem<float> problem{y_, x_, weight_, packed_};
    gemm_grouped(std::span<const GemmProblem<float>>(&problem, 1), options_);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    return 2.0 * kRows * kWidth * kWidth / seconds.count();
  }

 private:
  static std::int64_t lay_out(MatmulFormat format) {
    Arena measure = Arena::measuring();
    measure.matrix<float>(2 * kRows + kWidth, kWidth);
    measure.array<float>(packed_size(kWidth, kWidth, format) + 64);
    return measure.used();
  }
  GemmOptions options_;
  Arena arena_;
  Matrix<float> x_, weight_, y_;
  float* packed_;
};

// In turns, so that a neighbour slows all of them.
std::vector<PrecisionChoice::Rate> measure_rates() {
  std::vector<std::unique_ptr<Product>> products;
  for (const MatmulFormat format : kCandidates) {
    products.push_back(std::make_unique<Product>(format));
  }
  std::vector<std::vector<double>> flops(products.size());
  for (int probe = 0; probe < kProbes; ++probe) {
    for (std::size_t i = 0; i < products.size(); ++i) flops[i].push_back(products[i]->run());
  }
  std::vector<PrecisionChoice::Rate> rates;
  for (std::size_t i = 0; i < products.size(); ++i) {
    std::ranges::nth_element(flops[i], flops[i].begin() + kProbes / 2);
    rates.push_back({std::string(format_name(kCandidates[i])), flops[i][kProbes / 2]});
  }
  return rates;
}

// Of what DeepSeek-V3 keeps in BF16 beside low products.  FP16 tiles err less, and take its place
// where they have arithmetic of their own and BF16 has none.
MatmulFormat kept_format(const std::string& asked, MatmulFormat products) {
  if (products == MatmulFormat::kFp32 || asked == "fp32") return MatmulFormat::kFp32;
  if (asked == "bf16") return MatmulFormat::kBf16;
  const bool tiles = has_arithmetic(Arithmetic::kFp16) && !has_arithmetic(Arithmetic::kBf16);
  return asked == "fp16" || tiles ? MatmulFormat::kFp16 : MatmulFormat::kBf16;
}

}  // namespace

Matmul matmul_of(const PrecisionRecipe& precision) {
  CHECK(precision.matmul != "auto");
  Matmul matmul;
  for (const MatmulFormat format : kAllMatmulFormats) {
    if (format_name(format) == precision.matmul) matmul.format = format;
  }
  if (matmul.format == MatmulFormat::kFp8 && !precision.power_of_two_scales) {
    matmul.format = MatmulFormat::kFp8FloatScale;
  }
  constexpr std::pair<std::string_view, LinearProduct> kProducts[] = {
      {"forward", LinearProduct::kForward},
      {"input", LinearProduct::kInput},
      {"weight", LinearProduct::kWeight}};
  for (const auto& [name, product] : kProducts) {
    if (precision.fp32_product == name) matmul.fp32_product = product;
  }
  matmul.promotion_interval = precision.promotion_interval;
  matmul.attention = kept_format(precision.attention, matmul.format);
  matmul.head = kept_format(precision.head, matmul.format);
  return matmul;
}

PackedCopies copies_of(const PrecisionRecipe& precision) {
  if (precision.packed == "none") return PackedCopies::kNone;
  return precision.packed == "one" ? PackedCopies::kOne : PackedCopies::kBoth;
}

PrecisionChoice choose_precision(std::vector<PrecisionChoice::Rate> rates) {
  CHECK(!rates.empty());
  const PrecisionChoice::Rate* best = &rates.front();
  for (const auto& rate : rates) {
    if (rate.flops >= kWorthwhile * best->flops) best = &rate;
  }
  PrecisionChoice choice;
  choice.matmul = best->format;
  for (const auto& rate : rates) {
    choice.why += fmt::format("{}{} {:.1f} GFLOP/s", choice.why.empty() ? "" : ", ", rate.format,
                              rate.flops * 1e-9);
  }
  choice.rates = std::move(rates);
  return choice;
}

PrecisionChoice measured_precision() {
  const std::string path = cache_path();
  std::vector<PrecisionChoice::Rate> rates = read_cache(path);
  const bool from_cache = !rates.empty();
  if (!from_cache) {
    rates = measure_rates();
    write_cache(path, rates);
  }
  PrecisionChoice choice = choose_precision(std::move(rates));
  choice.from_cache = from_cache;
  choice.why += from_cache ? " (measured before)" : " (measured now)";
  return choice;
}

Recipe with_precision(const Recipe& recipe, PrecisionChoice* choice) {
  if (recipe.precision.matmul != "auto") return recipe;
  *choice = measured_precision();
  Recipe resolved = recipe;
  resolved.precision.matmul = choice->matmul;
  // A head that was asked for stays; the product's own default is no less than the others.
  if (choice->matmul == "fp32") {
    resolved.precision.head = resolved.precision.attention = "default";
  }
  return resolved;
}

}  // namespace farthing
