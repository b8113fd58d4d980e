// gemm_avx512bf16_vector.h - words of two BF16 values; for the files that run on BF16 pairs alone.
#pragma once
#include "kernels/gemm_avx512_vector.h"

namespace farthing {
namespace {

struct Avx512Bf16Vector : Avx512Vector {
  static constexpr int kKPerWord = 2;
  static constexpr int kScaleWords = 0;
  static Reg pair_along(Reg low, Reg high) { return (Reg)_mm512_cvtne2ps_pbh(high, low); }
  // The rows stand one after the other, then value by value side by side.
  static Reg pair_across(Reg low, Reg high) {
    alignas(64) static constexpr std::uint16_t kOrder[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kOrder),
                                                        (__m512i)_mm512_cvtne2ps_pbh(high, low)));
  }
};

}  // namespace
}  // namespace farthing
