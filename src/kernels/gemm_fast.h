// gemm_fast.h - FP32 products by packed panels and register tiles (AVX2, AVX-512).
#pragma once
#include "kernels/gemm.h"

namespace farthing {

// Below this a product is not worth waking another thread.
inline constexpr double kSerialFlops = 2e5;

// REQUIRES current_isa() != Isa::kRef.  Shapes are not checked.
void gemm_fast(std::span<const GemmProblem<float>> problems, GemmOptions options);
// One product on the calling thread alone, for use inside parallel bodies.
void gemm_serial(const GemmProblem<float>& problem, GemmOptions options);

}  // namespace farthing
