// gemm.cpp - checks the shapes of a product and hands it to the path of the current choice.
#include "kernels/gemm.h"

#include <algorithm>
#include <vector>

#include "kernels/gemm_fast.h"
#include "kernels/gemm_kernel.h"
#include "kernels/isa.h"
#include "kernels/reference_gemm.h"

namespace farthing {
namespace {

template <class T>
void check_shapes(const GemmProblem<T>& p, GemmOptions options) {
  CHECK((options.transpose_a ? p.a.n_cols : p.a.n_rows) == p.c.n_rows);
  CHECK((options.transpose_b ? p.b.n_rows : p.b.n_cols) == p.c.n_cols);
  CHECK((options.transpose_a ? p.a.n_rows : p.a.n_cols) ==
        (options.transpose_b ? p.b.n_cols : p.b.n_rows));
  CHECK(p.b_rows == nullptr || (!options.transpose_b && p.packed_b == nullptr));
}

// The rows that are named, copied into `all`; or m as it is.
template <class T>
Matrix<const T> gathered(Matrix<const T> m, const std::int32_t* rows, std::vector<T>& all) {
  if (rows == nullptr) return m;
  all.resize(static_cast<std::size_t>(m.size()));
  for (int i = 0; i < m.n_rows; ++i) {
    std::copy_n(m.data + rows[i] * m.stride, m.n_cols, all.data() + std::int64_t{i} * m.n_cols);
  }
  return {all.data(), m.n_rows, m.n_cols};
}

template <class T>
void reference_gemm(std::span<const GemmProblem<T>> problems, GemmOptions options,
                    const RowsDone& done) {
  std::vector<T> a, b;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const GemmProblem<T>& p = problems[i];
    reference::gemm(p.c, gathered(p.a, p.a_rows, a), gathered(p.b, p.b_rows, b), options);
    if (done && p.c.n_rows > 0) done(static_cast<int>(i), 0, p.c.n_rows);
  }
}

bool has_bf16_pairs(MatmulFormat format) {
  return format == MatmulFormat::kBf16 || format == MatmulFormat::kFp8;
}

}  // namespace

const GemmKernel& gemm_kernel(MatmulFormat format) {
  CHECK(current_isa() != Isa::kRef);
  if (current_isa() == Isa::kAvx2) return gemm_kernel_avx2(format);
  const bool tiles = current_isa() == Isa::kAmx;
  if (tiles && has_bf16_pairs(format)) return gemm_kernel_amx(format);
  if ((tiles || current_isa() == Isa::kAvx512Fp16) &&
      (format == MatmulFormat::kFp16 || format == MatmulFormat::kFp8)) {
    return gemm_kernel_avx512fp16(format);
  }
  // Where there is FP16 arithmetic, vdpbf16ps has half the rate of FP32: BF16 takes FP32 there.
  const bool pairs = current_isa() == Isa::kAvx512Bf16 && has_bf16_pairs(format);
  return pairs ? gemm_kernel_avx512bf16(format) : gemm_kernel_avx512(format);
}

void gemm(Matrix<float> c, Matrix<const float> a, Matrix<const float> b, GemmOptions options) {
  const GemmProblem<float> problem{c, a, b};
  gemm_grouped(std::span<const GemmProblem<float>>(&problem, 1), options);
}

void gemm(Matrix<double> c, Matrix<const double> a, Matrix<const double> b, GemmOptions options) {
  const GemmProblem<double> problem{c, a, b};
  gemm_grouped(std::span<const GemmProblem<double>>(&problem, 1), options);
}

void gemm_grouped(std::span<const GemmProblem<float>> problems, GemmOptions options,
                  const RowsDone& done) {
  for (const auto& p : problems) check_shapes(p, options);
  if (current_isa() != Isa::kRef) return gemm_fast(problems, options, done);
  reference_gemm(problems, options, done);
}

void gemm_grouped(std::span<const GemmProblem<double>> problems, GemmOptions options,
                  const RowsDone& done) {
  for (const auto& p : problems) check_shapes(p, options);
  reference_gemm(problems, options, done);
}

}  // namespace farthing
