// fma_loop_avx512fp16.cpp - FP16 fused multiply-adds on 512-bit vectors; runs only where the
// processor has them.
#include <cstdint>

#include "kernels/fp16_arithmetic.h"
#include "machine/fma_loop.h"

namespace farthing {
namespace {

__m512i all_f16(float value) {
  const __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
  return _mm512_set1_epi16(static_cast<std::int16_t>(_mm_extract_epi16(half, 0)));
}

}  // namespace

// A chain that began at i / 16 goes towards 1, as the FP32 loop's do.
double fma_loop_avx512fp16(std::int64_t count, float& sink) {
  constexpr int kSums = 20;  // more than latency times units of any processor so far
  const __m512i shrink = all_f16(0.75f), grow = all_f16(0.25f), one = all_f16(1);
  __m512i sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = all_f16(float(i) * 0.0625f);
  for (std::int64_t round = 0; round < count; ++round) {
#pragma GCC unroll 20
    for (int i = 0; i < kSums; ++i) sum[i] = fmadd_f16(sum[i], shrink, grow);
  }
  __m512i total = sum[0];
  for (int i = 1; i < kSums; ++i) total = fmadd_f16(sum[i], one, total);
  sink = _mm_cvtss_f32(_mm_cvtph_ps(_mm512_castsi512_si128(total)));
  return 2.0 * 32 * kSums * double(count);
}

}  // namespace farthing
