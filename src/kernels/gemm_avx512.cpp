// gemm_avx512.cpp - products of every format in FP32 fused multiply-adds on 512-bit vectors.
#include "kernels/gemm_avx512_vector.h"

namespace farthing {
namespace {

struct Avx512 : Avx512Vector {
  static constexpr int kKPerWord = 1;
  static constexpr int kScaleWords = 0;
  static Reg multiply_add(const float* a, Reg b, Reg sum) {
    return _mm512_fmadd_ps(_mm512_set1_ps(*a), b, sum);
  }
};

constexpr GemmKernel kKernels[] = {make_gemm_kernel<Avx512, MatmulFormat::kFp32>(),
                                   make_gemm_kernel<Avx512, MatmulFormat::kBf16>(),
                                   make_gemm_kernel<Avx512, MatmulFormat::kFp8>(),
                                   make_gemm_kernel<Avx512, MatmulFormat::kFp8FloatScale>(),
                                   make_gemm_kernel<Avx512, MatmulFormat::kFp16>()};

}  // namespace

const GemmKernel& gemm_kernel_avx512(MatmulFormat format) {
  return kKernels[static_cast<int>(format)];
}

}  // namespace farthing
