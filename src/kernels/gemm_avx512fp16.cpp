// gemm_avx512fp16.cpp - products of FP16 pairs in FP16 arithmetic, promoted to FP32 every 32, 64 or
// 128 of k.
//
// Chosen only where the processor has AVX-512 FP16.  Tested on emulated vectors everywhere
// (gemm_fp16_test.cpp), and all of it but the multiply-add itself with FARTHING_EMULATE_FP16.
// Source   Sums in FP16 promoted to FP32 after a stretch: as DeepSeek-V3 does every 128 for its
//          tensor cores' 14 bits (report, section 3.3.2).
#include "kernels/fp16_arithmetic.h"
#include "kernels/gemm_avx512_vector.h"

namespace farthing {
namespace {

struct Avx512Fp16 : Avx512Vector {
  using Half = __m512i;
  static constexpr int kKPerWord = 2;
  static constexpr int kScaleWords = 1;
  static constexpr int kMaxRows = 13;  // 26 sums + 2 of B + 1 of A, and room to promote

  static Half half_zero() { return _mm512_setzero_si512(); }
  static Half multiply_add(const float* a, Reg b, Half sum) {
    return fmadd_f16(_mm512_castps_si512(_mm512_set1_ps(*a)), _mm512_castps_si512(b), sum);
  }
  // The two sums of every word, widened and added.
  static Reg promote(Half sum) {
    const Reg even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(sum));
    const Reg odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16)));
    return _mm512_add_ps(even, odd);
  }
  static __m512i halves(Reg low, Reg high) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtps_ph(low, kNearest)),
                              _mm512_cvtps_ph(high, kNearest), 1);
  }
  static Reg pair_along(Reg low, Reg high) { return _mm512_castsi512_ps(halves(low, high)); }
  // The rows stand one after the other, then value by value side by side.
  static Reg pair_across(Reg low, Reg high) {
    alignas(64) static constexpr std::uint16_t kOrder[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(
        _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), halves(low, high)));
  }
};

constexpr GemmKernel kFp16 = make_gemm_kernel<Avx512Fp16, MatmulFormat::kFp16>();
constexpr GemmKernel kFp8 = make_gemm_kernel<Avx512Fp16, MatmulFormat::kFp8>();

}  // namespace

const GemmKernel& gemm_kernel_avx512fp16(MatmulFormat format) {
  return format == MatmulFormat::kFp8 ? kFp8 : kFp16;
}

}  // namespace farthing
