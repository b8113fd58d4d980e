// gemm_avx2.cpp - the product's register tile and packings with 256-bit vectors.
#include <immintrin.h>

#include "kernels/gemm_body.h"

namespace farthing {
namespace {

struct Avx2 {
  using Reg = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kMaxRows = 6;  // 12 sums + 2 of B + 1 of A, of 16 registers
  static constexpr int kMaxVectors = 2;

  static __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Reg load(const float* from) { return _mm256_loadu_ps(from); }
  static Reg load_first(const float* from, int n) { return _mm256_maskload_ps(from, first(n)); }
  static void store(float* to, Reg value) { _mm256_storeu_ps(to, value); }
  static void store_first(float* to, int n, Reg value) {
    _mm256_maskstore_ps(to, first(n), value);
  }
  static Reg broadcast(float value) { return _mm256_set1_ps(value); }
  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg sum) { return _mm256_fmadd_ps(a, b, sum); }

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

constexpr GemmKernel kKernel = make_gemm_kernel<Avx2>();

}  // namespace

const GemmKernel& gemm_kernel_avx2() { return kKernel; }

}  // namespace farthing
