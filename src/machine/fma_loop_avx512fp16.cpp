// fma_loop_avx512fp16.cpp - FP16 fused multiply-adds on 512-bit vectors; runs only where the
// processor has them.
#include <immintrin.h>

#include "machine/fma_loop.h"

namespace farthing {

// A chain that began at i / 16 goes towards 1, as the FP32 loop's do.
double fma_loop_avx512fp16(std::int64_t count, float& sink) {
  constexpr int kSums = 20;  // more than latency times units of any processor so far
  const __m512h shrink = _mm512_set1_ph(static_cast<_Float16>(0.75f));
  const __m512h grow = _mm512_set1_ph(static_cast<_Float16>(0.25f));
  __m512h sum[kSums];
  for (int i = 0; i < kSums; ++i) {
    sum[i] = _mm512_set1_ph(static_cast<_Float16>(float(i) * 0.0625f));
  }
  for (std::int64_t round = 0; round < count; ++round) {
#pragma GCC unroll 20
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_fmadd_ph(sum[i], shrink, grow);
  }
  __m512h total = sum[0];
  for (int i = 1; i < kSums; ++i) total = _mm512_add_ph(total, sum[i]);
  sink = static_cast<float>(_mm512_cvtsh_h(total));
  return 2.0 * 32 * kSums * double(count);
}

}  // namespace farthing
