// gemm_avx512fp16.cpp - products in FP16 arithmetic, 32 columns a vector, promoted to FP32 every
// 32, 64 or 128 of k.
//
// A word holds two columns, or two rows, at one k: a broadcast of 16 bits comes with its load.
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
  static constexpr int kLinesPerWord = 2;
  static constexpr int kScaleWords = 1;
  static constexpr int kMaxRows = 14;  // 28 sums + 2 of B + 1 of A

  static Half half_zero() { return _mm512_setzero_si512(); }
  static Half multiply_add(const float* a, int row, Reg b, Half sum) {
    std::int16_t value;
    __builtin_memcpy(&value, reinterpret_cast<const char*>(a) + sizeof(value) * row, sizeof(value));
    return fmadd_f16(_mm512_set1_epi16(value), _mm512_castps_si512(b), sum);
  }
  static void store_sums(float* to, Half sums) { _mm512_storeu_si512(to, sums); }
  // Widening as it loads spares the shuffle of widening a register.
  static Reg widen(const float* sums) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums)));
  }
  static Reg join(const float* low, const float* high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high),
                              1);
  }
  static __m256i halves(Reg value) {
    return _mm512_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static void store_halves(float* to, int n_words, Reg value) {
    const auto first = static_cast<__mmask8>((1u << n_words) - 1u);
    _mm256_mask_storeu_epi32(to, first, halves(value));
  }
  // Lines 4 i .. 4 i + 3 meet in the i-th quarter of a vector, as they are loaded; then pairs of k
  // are parted.
  static void store_pairs(const float* lines, std::int64_t line_step, int n_k, float* to,
                          std::int64_t step) {
    const auto quarters = [&](int line) {
      const auto part = [&](int i) {
        return _mm_load_si128(reinterpret_cast<const __m128i*>(lines + (line + 4 * i) * line_step));
      };
      __m512i all = _mm512_zextsi128_si512(part(0));
      all = _mm512_mask_broadcast_i32x4(all, 0x00f0, part(1));
      all = _mm512_mask_broadcast_i32x4(all, 0x0f00, part(2));
      return _mm512_mask_broadcast_i32x4(all, 0xf000, part(3));
    };
    const __m512i a = quarters(0), b = quarters(1), c = quarters(2), d = quarters(3);
    const __m512i ab[] = {_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)};
    const __m512i cd[] = {_mm512_unpacklo_epi16(c, d), _mm512_unpackhi_epi16(c, d)};
    const __m512i two_k[] = {
        _mm512_unpacklo_epi32(ab[0], cd[0]), _mm512_unpackhi_epi32(ab[0], cd[0]),
        _mm512_unpacklo_epi32(ab[1], cd[1]), _mm512_unpackhi_epi32(ab[1], cd[1])};
    const __m512i k_by_k = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    const auto store = [&](int k, __m256i words) {
      if (k < n_k) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k * step), words);
    };
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512i both = _mm512_permutexvar_epi64(k_by_k, two_k[i]);
      store(2 * i, _mm512_castsi512_si256(both));
      store(2 * i + 1, _mm512_extracti64x4_epi64(both, 1));
    }
  }
};

constexpr GemmKernel kFp16 = make_gemm_kernel<Avx512Fp16, MatmulFormat::kFp16>();
constexpr GemmKernel kFp8 = make_gemm_kernel<Avx512Fp16, MatmulFormat::kFp8>();

}  // namespace

const GemmKernel& gemm_kernel_avx512fp16(MatmulFormat format) {
  return format == MatmulFormat::kFp8 ? kFp8 : kFp16;
}

}  // namespace farthing
