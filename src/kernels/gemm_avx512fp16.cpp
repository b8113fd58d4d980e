// gemm_avx512fp16.cpp - products in FP16 arithmetic, 32 columns a vector, promoted to FP32 every
// 32, 64 or 128 of k.
//
// A word of B holds two columns at one k, a word of A one value twice: a broadcast of 32 bits comes
// with its load, one of 16 does not.
// Chosen only where the processor has AVX-512 FP16.  Tested on emulated vectors everywhere
// (gemm_fp16_test.cpp), and all of it but the multiply-add itself with FARTHING_EMULATE.
// Source   Sums in FP16 promoted to FP32 after a stretch: as DeepSeek-V3 does every 128 for its
//          tensor cores' 14 bits (report, section 3.3.2).
#include "kernels/fp16_arithmetic.h"
#include "kernels/gemm_avx512_vector.h"

namespace farthing {
namespace {

struct Avx512Fp16 : Avx512Vector {
  using Half = __m512i;
  static constexpr int kKPerWord = 1;
  static constexpr int kColsPerWord = 2;
  static constexpr int kScaleWords = 1;
  static constexpr int kMaxRows = 14;  // 28 sums + 2 of B + 1 of A

  static Half half_zero() { return _mm512_setzero_si512(); }
  static Half multiply_add(const float* a, Reg b, Half sum) {
    return fmadd_f16(_mm512_castps_si512(_mm512_set1_ps(*a)), _mm512_castps_si512(b), sum);
  }
  // Else g++ 12 takes all sums apart first, which needs twice the registers.
  static Half in_turn(Half sum) {
    asm volatile("" : "+v"(sum) : : "memory");
    return sum;
  }
  static Reg widen(Half sum, int part) {
    return _mm512_cvtph_ps(part == 0 ? _mm512_castsi512_si256(sum)
                                     : _mm512_extracti64x4_epi64(sum, 1));
  }
  static Reg join(const float* low, const float* high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high),
                              1);
  }
  static __m256i halves(Reg value) {
    return _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static Reg twice(Reg value) {
    const __m512i low = _mm512_cvtepu16_epi32(halves(value));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(low, 16)));
  }
  static void store_halves(float* to, Reg value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), halves(value));
  }
};

constexpr GemmKernel kFp16 = make_gemm_kernel<Avx512Fp16, MatmulFormat::kFp16>();
constexpr GemmKernel kFp8 = make_gemm_kernel<Avx512Fp16, MatmulFormat::kFp8>();

}  // namespace

const GemmKernel& gemm_kernel_avx512fp16(MatmulFormat format) {
  return format == MatmulFormat::kFp8 ? kFp8 : kFp16;
}

}  // namespace farthing
