// fma_loop.cpp - the same for a processor without AVX2: a multiplication and an addition each.
#include "machine/fma_loop.h"

namespace farthing {

double fma_loop_plain(std::int64_t count, float& sink) {
  constexpr int kSums = 32;
  float sum[kSums];
  for (int i = 0; i < kSums; ++i) sum[i] = float(i);
  for (std::int64_t round = 0; round < count; ++round) {
    for (int i = 0; i < kSums; ++i) sum[i] = sum[i] * 0.999f + 0.001f;
  }
  float total = 0;
  for (int i = 0; i < kSums; ++i) total += sum[i];
  sink = total;
  return 2.0 * kSums * double(count);
}

}  // namespace farthing
