// gemm.h - matrix products, FP32 fast and double for reference; dense and grouped.
//
//   C[m,n]  =  (accumulate ? C : 0) + sum_k op(A)[m,k] * op(B)[k,n]        op = itself or transpose
//
// Shapes   a: [m,k], or [k,m] when transpose_a;  b: [k,n], or [n,k] when transpose_b;  c: [m,n].
//          A linear layer y = x W^T, W [out,in]:  forward   gemm(y, x, W, {.transpose_b = true})
//                                                 backward  gemm(dx, dy, W),
//                                                           gemm(dW, dy, x, {.transpose_a = true,
//                                                                            .accumulate = true})
// Errors   Shapes are CHECKed; any dimension may be 0 (k = 0 without accumulate writes zeros).
// Cost     2 m n k FLOPs.
// Exact    Each element sums over k in one fixed order: the bits do not depend on the number of
//          threads nor on the other rows.  Between instruction sets they may differ.
// Threads  Runs on the pool of base/parallel.h; inside a parallel body it runs serially.
#pragma once
#include <span>

#include "base/matrix.h"

namespace farthing {

struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;
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
};
void gemm_grouped(std::span<const GemmProblem<float>> problems, GemmOptions options = {});
void gemm_grouped(std::span<const GemmProblem<double>> problems, GemmOptions options = {});

}  // namespace farthing
