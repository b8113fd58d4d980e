// gemm_avx512bf16.cpp - products of BF16 pairs: vdpbf16ps, sums in FP32.
//
// Every product of two BF16 values is exact in FP32.  An E4M3 value times a power of two is a BF16
// value, so that kFp8 runs here as it is defined.  The instruction treats subnormal operands and
// sums as zero (below 2^-126), rounds to nearest even whatever the mode, and adds the two products
// of a pair in an order of its own: bits differ from FP32 fused multiply-adds, the bound does not.
#include "kernels/gemm_avx512bf16_vector.h"

namespace farthing {
namespace {

struct Avx512Bf16 : Avx512Bf16Vector {
  static Reg multiply_add(const float* a, Reg b, Reg sum) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_ps(*a), (__m512bh)b);
  }
};

constexpr GemmKernel kBf16 = make_gemm_kernel<Avx512Bf16, MatmulFormat::kBf16>();
constexpr GemmKernel kFp8 = make_gemm_kernel<Avx512Bf16, MatmulFormat::kFp8>();

}  // namespace

const GemmKernel& gemm_kernel_avx512bf16(MatmulFormat format) {
  return format == MatmulFormat::kFp8 ? kFp8 : kBf16;
}

}  // namespace farthing
