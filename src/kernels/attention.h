// attention.h - causal softmax attention in tiles, MLA's unequal head sizes; never a T x T matrix.
//
//   k_h = [k_nope_h | k_pe]       S = scale * q_h k_h^T, s <= t and same document
//   P = softmax(S)   o_h = P v_h   lse_h = log sum exp S
//   backward:  delta = rowsum(do * o);  dS = P * (do v^T - delta)
//              dq = scale dS k;  dk = scale dS^T q;  dv = P^T do
//              dk_pe = sum over heads of dk's rope part, in head order
//
// Source   Dao 2023 (arXiv:2307.08691) for the tiling; DeepSeek-V2 (arXiv:2405.04434) for MLA.
// Shapes   q dq [n_tokens, n_heads * (nope + rope)]   o do [n_tokens, n_heads * v]
//          kv dkv [n_tokens, n_heads * (nope + v)], per head [k_nope | v]
//          k_pe dk_pe [n_tokens, rope]   lse [n_heads, n_tokens]
//          n_tokens = n_sequences * sequence_length; sequences do not see each other.
// document_start  empty, or [n_tokens]: index in its sequence of the first token that this token
//          may see (0 everywhere = no document mask).
// Exact    Bits do not depend on the number of threads.  T = float (fast) or double (reference).
#pragma once
#include <cstdint>
#include <span>

#include "base/arena.h"
#include "base/matrix.h"
#include "kernels/matmul_format.h"

namespace farthing {

struct AttentionShape {
  int n_sequences = 0;
  int sequence_length = 0;
  int n_heads = 0;
  int nope = 0;
  int rope = 0;
  int v = 0;
  double scale = 1;
  // Of the operands of the tiles' products, kFp32, kBf16 or kFp16 (P, dS too); sums and
  // softmax are FP32.  The reference, T = double or kRef, computes without rounding.
  MatmulFormat format = MatmulFormat::kFp32;
};

// Scratch of the backward, laid out once; rope gradients per head before they are summed.
template <class T>
struct AttentionScratch {
  AttentionScratch() = default;
  AttentionScratch(Arena& arena, const AttentionShape& shape);
  Matrix<T> dk_pe_by_head;  // [n_heads * n_tokens, rope]
  Matrix<T> delta;          // [n_heads, n_tokens]
};

// Writes o and lse.
template <class T>
void attention_forward(const AttentionShape& shape, Matrix<T> o, Matrix<T> lse, Matrix<const T> q,
                       Matrix<const T> kv, Matrix<const T> k_pe,
                       std::span<const std::int32_t> document_start);

// Writes dq, dkv, dk_pe.
template <class T>
struct AttentionGradients {
  Matrix<T> dq, dkv, dk_pe;
};
template <class T>
struct AttentionSaved {
  Matrix<const T> q, kv, k_pe, o, lse;
};
template <class T>
void attention_backward(const AttentionShape& shape, AttentionGradients<T> gradients,
                        Matrix<const T> d_o, const AttentionSaved<T>& saved,
                        std::span<const std::int32_t> document_start,
                        const AttentionScratch<T>& scratch);

}  // namespace farthing
