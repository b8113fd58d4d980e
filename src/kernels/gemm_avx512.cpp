// gemm_avx512.cpp - the product's register tile and packings with 512-bit vectors.
// g++ 12 takes _mm512_undefined_ps inside its own header for a fault of ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/gemm_body.h"

namespace farthing {
namespace {

struct Avx512 {
  using Reg = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kMaxRows = 14;  // 28 sums + 2 of B + 1 of A, of 32 registers
  static constexpr int kMaxVectors = 2;

  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static Reg load(const float* from) { return _mm512_loadu_ps(from); }
  static Reg load_first(const float* from, int n) {
    return _mm512_maskz_loadu_ps(first(n), from);
  }
  static void store(float* to, Reg value) { _mm512_storeu_ps(to, value); }
  static void store_first(float* to, int n, Reg value) {
    _mm512_mask_storeu_ps(to, first(n), value);
  }
  static Reg broadcast(float value) { return _mm512_set1_ps(value); }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg sum) { return _mm512_fmadd_ps(a, b, sum); }

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

constexpr GemmKernel kKernel = make_gemm_kernel<Avx512>();

}  // namespace

const GemmKernel& gemm_kernel_avx512() { return kKernel; }

}  // namespace farthing
