// gemm_avx512bf16.cpp - products of BF16 pairs: vdpbf16ps, sums in FP32.
//
// Every product of two BF16 values is exact in FP32.  An E4M3 value times a power of two is a BF16
// value, so that kFp8 runs here as it is defined.  The instruction treats subnormal operands and
// sums as zero (below 2^-126), rounds to nearest even whatever the mode, and adds the two products
// of a pair in an order of its own: bits differ from FP32 fused multiply-adds, the bound does not.
#include "kernels/gemm_avx512_vector.h"

namespace farthing {
namespace {

struct Avx512Bf16 : Avx512Vector {
  static constexpr int kKPerWord = 2;
  static constexpr int kScaleWords = 0;
  static Reg multiply_add(const float* a, Reg b, Reg sum) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_ps(*a), (__m512bh)b);
  }
  static Reg pair_along(Reg low, Reg high) { return (Reg)_mm512_cvtne2ps_pbh(high, low); }
  // The rows stand one after the other, then value by value side by side.
  static Reg pair_across(Reg low, Reg high) {
    alignas(64) static constexpr std::uint16_t kOrder[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kOrder),
                                                        (__m512i)_mm512_cvtne2ps_pbh(high, low)));
  }
};

constexpr GemmKernel kBf16 = make_gemm_kernel<Avx512Bf16, MatmulFormat::kBf16>();
constexpr GemmKernel kFp8 = make_gemm_kernel<Avx512Bf16, MatmulFormat::kFp8>();

}  // namespace

const GemmKernel& gemm_kernel_avx512bf16(MatmulFormat format) {
  return format == MatmulFormat::kFp8 ? kFp8 : kBf16;
}

}  // namespace farthing
