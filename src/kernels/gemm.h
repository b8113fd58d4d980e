// gemm.h - matrix products in every format, single and grouped; in double for reference.
//
//   C[m,n]  =  (accumulate ? C : 0) + sum_k r(op(A))[m,k] * r(op(B))[k,n]  op = itself or transpose
//
// r rounds to options.format (matmul_format.h).  Tiles lie along k: of A always 1 x kTile; of B the
// same, or kTile x kTile blocks (b_tile) for a weight, whose transpose has the same blocks.  C and
// every sum are FP32, but in FP16 arithmetic those of promotion_interval products.  The three
// products of a linear layer are thus those of DeepSeek-V3's recipe.
//
// Shapes   a: [m,k], or [k,m] when transpose_a;  b: [k,n], or [n,k] when transpose_b;  c: [m,n].
//          A linear layer y = x W^T, W [out,in]:  forward   gemm(y, x, W, {.transpose_b = true})
//                                                 backward  gemm(dx, dy, W),
//                                                           gemm(dW, dy, x, {.transpose_a = true,
//                                                                            .accumulate = true})
//          With a_rows, row i of a is row a_rows[i] behind a.data (a.n_rows of them): rows gathered
//          without a copy.  The same for b, where it is neither transposed nor packed before.
// Errors   Shapes are CHECKed, that the rows named exist is not; any dimension may be 0 (k = 0
// without accumulate writes zeros). Cost     2 m n k FLOPs. Exact    Each element sums over k in
// one fixed order: the bits do not depend on the number of
//          threads, on the other rows, nor on whether B was packed before.  Between instruction
//          sets they may differ.  The double product rounds operands (through FP32) alone.
// Threads  Runs on the pool of base/parallel.h; inside a parallel body it runs serially.
#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "base/matrix.h"
#include "kernels/matmul_format.h"

namespace farthing {

struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;
  MatmulFormat format = MatmulFormat::kFp32;
  TileShape b_tile = TileShape::kLine;
  int promotion_interval = kPromotionIntervals[0];  // where sums are FP16
  // C may go past the caches, where it is large and written once: its reader comes too late to find
  // it there.
  bool past_caches = false;
};

void gemm(Matrix<float> c, Matrix<const float> a, Matrix<const float> b, GemmOptions options = {});
void gemm(Matrix<double> c, Matrix<const double> a, Matrix<const double> b,
          GemmOptions options = {});

// Many independent products in one parallel region (experts: ragged, zero rows allowed).
template <class T>
struct GemmProblem {
  Matrix<T> c;
  Matrix<const T> a;
  Matrix<const T> b;
  const float* packed_b = nullptr;  // pack_b of b with the same options; null: packed as it goes
  const std::int32_t* a_rows = nullptr;  // null: all in their order
  const std::int32_t* b_rows = nullptr;
};
// The epilogue: called with the rows [begin, end) of a problem's C once they are complete, each
// once, on the thread that wrote them, while they are in its cache; where a problem has few rows,
// after all products.
using RowsDone = std::function<void(int problem, int begin, int end)>;
void gemm_grouped(std::span<const GemmProblem<float>> problems, GemmOptions options = {},
                  const RowsDone& done = {});
void gemm_grouped(std::span<const GemmProblem<double>> problems, GemmOptions options = {},
                  const RowsDone& done = {});

// A packed copy of op(B) for many products, for the instruction set of now: one that is kept must
// be packed again when B or the instruction set changes.  On kRef it is neither written nor read.
// Floats that the copy of a [k,n] op(B) takes, on any instruction set.
std::int64_t packed_size(int n, int k, MatmulFormat format);
struct PackRequest {
  float* packed;  // 64-byte aligned
  Matrix<const float> b;
  GemmOptions options;  // transpose_b, format, b_tile
};
// All in one parallel region.  Cost: one read of every b, one write of every copy.
void pack_b(std::span<const PackRequest> requests);

}  // namespace farthing
