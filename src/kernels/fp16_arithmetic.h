// fp16_arithmetic.h - 32 fused multiply-adds of FP16; for the *_avx512fp16.cpp files alone.
//
// With -DFARTHING_EMULATE=ON (cmake) in FP32 arithmetic that is then rounded to FP16, so that
// every test can run on this path on any processor with AVX-512: the same numbers but where a sum
// rounded to 24 bits falls half way between two of 11, and many times slower.
#pragma once
// g++ 12 takes the undefined vectors of its own header for a fault of ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

namespace farthing {
namespace {

#ifdef FARTHING_EMULATE
inline __m256i fmadd_f16_half(__m256i a, __m256i b, __m256i c) {
  const __m512 sum = _mm512_fmadd_ps(_mm512_cvtph_ps(a), _mm512_cvtph_ps(b), _mm512_cvtph_ps(c));
  return _mm512_cvtps_ph(sum, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a b + c
inline __m512i fmadd_f16(__m512i a, __m512i b, __m512i c) {
  const auto upper = [](__m512i x) { return _mm512_extracti64x4_epi64(x, 1); };
  const auto lower = [](__m512i x) { return _mm512_castsi512_si256(x); };
  return _mm512_inserti64x4(_mm512_castsi256_si512(fmadd_f16_half(lower(a), lower(b), lower(c))),
                            fmadd_f16_half(upper(a), upper(b), upper(c)), 1);
}
#else
// In assembly: g++ 12 moves every sum of the compiler's own function through memory.
inline __m512i fmadd_f16(__m512i a, __m512i b, __m512i c) {
  asm("vfmadd231ph %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
  return c;
}
#endif

}  // namespace
}  // namespace farthing
