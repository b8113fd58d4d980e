// fma_loop_avx2.cpp - fused multiply-adds on 256-bit vectors.
#include <immintrin.h>

#include "machine/fma_loop.h"

namespace farthing {

double fma_loop_avx2(std::int64_t count, float& sink) {
  constexpr int kSums = 12;  // more than latency times units of any processor so far
  const __m256 shrink = _mm256_set1_ps(0.999f), grow = _mm256_set1_ps(0.001f);
  __m256 sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = _mm256_set1_ps(float(i));
  for (std::int64_t round = 0; round < count; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sum[i] = _mm256_fmadd_ps(sum[i], shrink, grow);
  }
  __m256 total = sum[0];
  for (int i = 1; i < kSums; ++i) total = _mm256_add_ps(total, sum[i]);
  float lanes[8];
  _mm256_storeu_ps(lanes, total);
  sink = lanes[0];
  return 2.0 * 8 * kSums * double(count);
}

}  // namespace farthing
