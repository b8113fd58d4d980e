// gemm_avx2.cpp - products of every format in FP32 fused multiply-adds on 256-bit vectors.
#include <immintrin.h>

#include "kernels/gemm_body.h"

namespace farthing {
namespace {

struct Avx2 {
  using Reg = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kKPerWord = 1;
  static constexpr int kLinesPerWord = 1;
  static constexpr int kScaleWords = 0;
  static constexpr int kMaxRows = 6;  // 12 sums + 2 of B + 1 of A, of 16 registers
  static constexpr int kMaxVectors = 2;

  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Reg load(const float* from) { return _mm256_loadu_ps(from); }
  static Reg load_first(const float* from, int n) { return _mm256_maskload_ps(from, first(n)); }
  static void store(float* to, Reg value) { _mm256_storeu_ps(to, value); }
  static void store_past_caches(float* to, Reg value) { store(to, value); }  // half a line
  static void store_first(float* to, int n, Reg value) { _mm256_maskstore_ps(to, first(n), value); }
  static Reg broadcast(float value) { return _mm256_set1_ps(value); }
  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg multiply_add(const float* a, Reg b, Reg sum) {
    return _mm256_fmadd_ps(_mm256_broadcast_ss(a), b, sum);
  }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  // b where a is NaN.
  static Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg abs(Reg a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static float reduce_max(Reg a) {
    float lanes[kLanes];
    _mm256_storeu_ps(lanes, a);
    float most = lanes[0];
    for (int i = 1; i < kLanes; ++i) most = lanes[i] > most ? lanes[i] : most;
    return most;
  }

  // To nearest even, so that the lowest n_cut bits are zero.
  static Reg round_bits(Reg x, int n_cut) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, n_cut), _mm256_set1_epi32(1));
    const __m256i half = _mm256_set1_epi32((1 << (n_cut - 1)) - 1);
    const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, half));
    return _mm256_castsi256_ps(_mm256_and_si256(up, _mm256_set1_epi32(-(1 << n_cut))));
  }
  static Reg round_bf16(Reg x) { return keep_nan(x, round_bits(x, 16)); }
  static Reg round_e4m3(Reg x) {
    const Reg limit = _mm256_set1_ps(kE4m3Max), magic = _mm256_set1_ps(0x1.8p14f);
    const Reg y = _mm256_max_ps(_mm256_set1_ps(-kE4m3Max), _mm256_min_ps(limit, x));
    const Reg subnormal = _mm256_sub_ps(_mm256_add_ps(y, magic), magic);  // whose ulp is 2^-9
    const Reg small = _mm256_cmp_ps(abs(y), _mm256_set1_ps(0x1p-6f), _CMP_LT_OQ);
    return keep_nan(x, _mm256_blendv_ps(round_bits(y, 20), subnormal, small));
  }
  static Reg round_f16(Reg x) {
    return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
  static Reg power_of_two_above(Reg x) {
    const __m256i up = _mm256_add_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffff));
    const __m256i power = _mm256_and_si256(up, _mm256_set1_epi32(0x7f800000));
    return _mm256_castsi256_ps(_mm256_min_epu32(power, _mm256_set1_epi32(0x7f000000)));
  }
  static Reg keep_nan(Reg x, Reg result) {
    return _mm256_blendv_ps(result, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  }

  // Pairs, then quads of lines are interleaved; then the 128-bit halves change places.
  static void transpose(Reg (&r)[kLanes]) {
    Reg t[kLanes];
    for (int i = 0; i < kLanes; i += 4) {
      const Reg a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
      const Reg c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
      const Reg d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
      t[i] = _mm256_shuffle_ps(a, c, 0x44);
      t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
      t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
      t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
      r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
  }
};

constexpr GemmKernel kKernels[] = {make_gemm_kernel<Avx2, MatmulFormat::kFp32>(),
                                   make_gemm_kernel<Avx2, MatmulFormat::kBf16>(),
                                   make_gemm_kernel<Avx2, MatmulFormat::kFp8>(),
                                   make_gemm_kernel<Avx2, MatmulFormat::kFp8FloatScale>(),
                                   make_gemm_kernel<Avx2, MatmulFormat::kFp16>()};

}  // namespace

const GemmKernel& gemm_kernel_avx2(MatmulFormat format) {
  return kKernels[static_cast<int>(format)];
}

}  // namespace farthing
