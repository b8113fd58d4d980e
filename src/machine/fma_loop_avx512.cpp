// fma_loop_avx512.cpp - fused multiply-adds on 512-bit vectors.
#include <immintrin.h>

#include "machine/fma_loop.h"

namespace farthing {

double fma_loop_avx512(std::int64_t count, float& sink) {
  constexpr int kSums = 20;  // more than latency times units of any processor so far
  const __m512 shrink = _mm512_set1_ps(0.999f), grow = _mm512_set1_ps(0.001f);
  __m512 sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_set1_ps(float(i));
  for (std::int64_t round = 0; round < count; ++round) {
#pragma GCC unroll 20
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_fmadd_ps(sum[i], shrink, grow);
  }
  __m512 total = sum[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ps(total, sum[i]);
  float lanes[16];
  _mm512_storeu_ps(lanes, total);
  sink = lanes[0];
  return 2.0 * 16 * kSums * double(count);
}

}  // namespace farthing
