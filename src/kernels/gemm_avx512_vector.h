// gemm_avx512_vector.h - 512-bit vectors for gemm_body.h; for the AVX-512 files alone.
#pragma once
// g++ 12 takes _mm512_undefined_ps inside its own header for a fault of ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

#include "kernels/gemm_body.h"

namespace farthing {
namespace {

struct Avx512Vector {
  using Reg = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kMaxRows = 14;  // 28 sums + 2 of B, of 32 registers
  static constexpr int kMaxVectors = 2;
  static constexpr int kLinesPerWord = 1;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static Reg load(const float* from) { return _mm512_loadu_ps(from); }
  static Reg load_first(const float* from, int n) { return _mm512_maskz_loadu_ps(first(n), from); }
  static void store(float* to, Reg value) { _mm512_storeu_ps(to, value); }
  static void store_first(float* to, int n, Reg value) {
    _mm512_mask_storeu_ps(to, first(n), value);
  }
  static void store_past_caches(float* to, Reg value) { _mm512_stream_ps(to, value); }
  static Reg broadcast(float value) { return _mm512_set1_ps(value); }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  // b where a is NaN.
  static Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg abs(Reg a) { return _mm512_abs_ps(a); }
  static float reduce_max(Reg a) { return _mm512_reduce_max_ps(a); }

  static Reg round_bf16(Reg x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i rounded = _mm512_and_si512(up, _mm512_set1_epi32(~0xffff));
    return keep_nan(x, _mm512_castsi512_ps(rounded));
  }
  static Reg round_e4m3(Reg x) {
    const Reg limit = _mm512_set1_ps(kE4m3Max), magic = _mm512_set1_ps(0x1.8p14f);
    const Reg y = _mm512_max_ps(_mm512_set1_ps(-kE4m3Max), _mm512_min_ps(limit, x));
    const __m512i bits = _mm512_castps_si512(y);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 20), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7ffff)));
    const Reg normal = _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32(~0xfffff)));
    const Reg subnormal = _mm512_sub_ps(_mm512_add_ps(y, magic), magic);  // whose ulp is 2^-9
    const __mmask16 small =
        _mm512_cmp_ps_mask(_mm512_abs_ps(y), _mm512_set1_ps(0x1p-6f), _CMP_LT_OQ);
    return keep_nan(x, _mm512_mask_mov_ps(normal, small, subnormal));
  }
  static Reg round_f16(Reg x) {
    return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static Reg power_of_two_above(Reg x) {
    const __m512i up = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffff));
    const __m512i power = _mm512_and_si512(up, _mm512_set1_epi32(0x7f800000));
    return _mm512_castsi512_ps(_mm512_min_epu32(power, _mm512_set1_epi32(0x7f000000)));
  }
  static Reg keep_nan(Reg x, Reg result) {
    return _mm512_mask_mov_ps(result, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
  }

  // Pairs, then quads of lines are interleaved; then the 128-bit quarters change places.
  static void transpose(Reg (&r)[kLanes]) {
    Reg t[kLanes];
    for (int i = 0; i < kLanes; i += 4) {
      const Reg a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
      const Reg c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
      const Reg d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
      t[i] = _mm512_shuffle_ps(a, c, 0x44);
      t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
      t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
      t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      const Reg a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
      const Reg b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
      const Reg c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
      const Reg d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
      r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
      r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
      r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
      r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
  }
};

}  // namespace
}  // namespace farthing
