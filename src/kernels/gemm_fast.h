// gemm_fast.h - FP32 products by packed panels and register tiles (AVX2, AVX-512).
#pragma once
#include "kernels/gemm.h"

namespace farthing {

// Below this a product is not worth waking another thread.
inline constexpr double kSerialFlops = 2e5;

// REQUIRES current_isa() != Isa::kRef.  Shapes are not checked.
void gemm_fast(std::span<const GemmProblem<float>> problems, GemmOptions options,
               const RowsDone& done = {});

// What of a product lies past the diagonal of causal scores, where line i sees 0 .. i + diagonal:
//   kResult           C's columns: whole register tiles of them are left unwritten
//   kLeft             A's columns: their products are left out; zeros are read up to the diagonal
//                     of the last line of a panel, nothing past it
//   kLeftTransposed   the same of an A that is stored [k, m]: its row k sees m <= k + diagonal
enum class CausalSide { kNone, kResult, kLeft, kLeftTransposed };
struct Causal {
  CausalSide side = CausalSide::kNone;
  int diagonal = 0;
};
// One product on the calling thread alone, for use inside parallel bodies.
void gemm_serial(const GemmProblem<float>& problem, GemmOptions options, Causal causal = {});

}  // namespace farthing
