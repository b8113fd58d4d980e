// fma_loop_avx512bf16.cpp - sums of pairs of BF16 products on 512-bit vectors.
#include <immintrin.h>

#include "machine/fma_loop.h"

namespace farthing {

// A chain that began at i has come to i + 2^-9 n after n rounds: every lane adds 1 * 2^-10 twice.
double fma_loop_avx512bf16(std::int64_t count, float& sink) {
  constexpr int kSums = 20;  // more than latency times units of any processor so far
  const __m512bh one = (__m512bh)_mm512_set1_epi16(0x3f80);
  const __m512bh small = (__m512bh)_mm512_set1_epi16(0x3a80);
  __m512 sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_set1_ps(float(i));
  for (std::int64_t round = 0; round < count; ++round) {
#pragma GCC unroll 20
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], one, small);
  }
  __m512 total = sum[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ps(total, sum[i]);
  float lanes[16];
  _mm512_storeu_ps(lanes, total);
  sink = lanes[0];
  return 4.0 * 16 * kSums * double(count);
}

}  // namespace farthing
