// reference_attention.h - causal attention row by row, forward and backward, as the formulas say.
//
// One owner per (sequence, head); the rope part of dk is kept by head and summed in head order.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix.h"
#include "base/parallel.h"
#include "kernels/attention.h"

namespace farthing::reference {

// One head of one sequence, cut out of the packed matrices.
template <class T>
struct AttentionHead {
  Matrix<T> q, k_nope, v, k_pe;

  AttentionHead(const AttentionShape& shape, int sequence, int head, Matrix<T> all_q,
                Matrix<T> all_kv, Matrix<T> all_k_pe) {
    const int first = sequence * shape.sequence_length;
    const int qk = shape.nope + shape.rope;
    const auto kv = all_kv.rows(first, shape.sequence_length)
                        .cols(head * (shape.nope + shape.v), shape.nope + shape.v);
    q = all_q.rows(first, shape.sequence_length).cols(head * qk, qk);
    k_nope = kv.cols(0, shape.nope);
    v = kv.cols(shape.nope, shape.v);
    k_pe = all_k_pe.rows(first, shape.sequence_length);
  }
};

// A head's columns of o, in one sequence.
template <class T>
Matrix<T> head_output(const AttentionShape& shape, int sequence, int head, Matrix<T> o) {
  return o.rows(sequence * shape.sequence_length, shape.sequence_length)
      .cols(head * shape.v, shape.v);
}

template <class T>
T attention_score(const AttentionHead<const T>& in, int query, int key) {
  T sum = 0;
  for (int i = 0; i < in.k_nope.n_cols; ++i) sum += in.q(query, i) * in.k_nope(key, i);
  for (int i = 0; i < in.k_pe.n_cols; ++i) {
    sum += in.q(query, in.k_nope.n_cols + i) * in.k_pe(key, i);
  }
  return sum;
}

inline int first_key(std::span<const std::int32_t> document_start, std::int64_t token) {
  return document_start.empty() ? 0 : document_start[token];
}

template <class T>
void attention_forward(const AttentionShape& shape, Matrix<T> o, Matrix<T> lse, Matrix<const T> q,
                       Matrix<const T> kv, Matrix<const T> k_pe,
                       std::span<const std::int32_t> document_start) {
  parallel_for(shape.n_sequences * shape.n_heads, [&](int task) {
    const int sequence = task / shape.n_heads;
    const int head = task % shape.n_heads;
    const AttentionHead<const T> in(shape, sequence, head, q, kv, k_pe);
    const auto out = head_output(shape, sequence, head, o);
    std::vector<T> weight(shape.sequence_length);
    for (int query = 0; query < shape.sequence_length; ++query) {
      const int token = sequence * shape.sequence_length + query;
      const int first = first_key(document_start, token);
      for (int key = first; key <= query; ++key) {
        weight[key] = T(shape.scale) * attention_score(in, query, key);
      }
      const T top = *std::max_element(weight.begin() + first, weight.begin() + query + 1);
      T sum = 0;
      for (int key = first; key <= query; ++key) sum += weight[key] = std::exp(weight[key] - top);
      lse(head, token) = top + std::log(sum);
      std::ranges::fill(out[query], T(0));
      for (int key = first; key <= query; ++key) {
        const T p = weight[key] / sum;
        for (int i = 0; i < shape.v; ++i) out(query, i) += p * in.v(key, i);
      }
    }
  });
}

// Everything one (sequence, head) reads and writes in the backward.
template <class T>
struct AttentionHeadBackward {
  AttentionHead<const T> in;
  AttentionHead<T> d;
  Matrix<const T> o, d_o;
  T scale;

  // The share of one (query, key) pair, whose probability is p.
  void add_pair(int query, int key, T p, T delta) {
    T dp = 0;
    for (int i = 0; i < o.n_cols; ++i) {
      dp += d_o(query, i) * in.v(key, i);
      d.v(key, i) += p * d_o(query, i);
    }
    const T ds = scale * p * (dp - delta);
    const int nope = in.k_nope.n_cols;
    for (int i = 0; i < nope; ++i) {
      d.q(query, i) += ds * in.k_nope(key, i);
      d.k_nope(key, i) += ds * in.q(query, i);
    }
    for (int i = 0; i < in.k_pe.n_cols; ++i) {
      d.q(query, nope + i) += ds * in.k_pe(key, i);
      d.k_pe(key, i) += ds * in.q(query, nope + i);
    }
  }
};

template <class T>
void zero(Matrix<T> m) {
  for (int row = 0; row < m.n_rows; ++row) std::ranges::fill(m[row], T(0));
}

// dk_pe = sum over heads of dk_pe_by_head, in head order.
template <class T>
void sum_rope_gradients(const AttentionShape& shape, Matrix<T> dk_pe, Matrix<T> dk_pe_by_head) {
  parallel_for(dk_pe.n_rows, [&](int token) {
    std::ranges::fill(dk_pe[token], T(0));
    for (int head = 0; head < shape.n_heads; ++head) {
      const T* share = dk_pe_by_head.row(head * dk_pe.n_rows + token);
      for (int i = 0; i < dk_pe.n_cols; ++i) dk_pe(token, i) += share[i];
    }
  });
}

template <class T>
void attention_backward(const AttentionShape& shape, AttentionGradients<T> gradients,
                        Matrix<const T> d_o, const AttentionSaved<T>& saved,
                        std::span<const std::int32_t> document_start,
                        const AttentionScratch<T>& scratch) {
  const int n_tokens = shape.n_sequences * shape.sequence_length;
  parallel_for(shape.n_sequences * shape.n_heads, [&](int task) {
    const int sequence = task / shape.n_heads;
    const int head = task % shape.n_heads;
    const auto dk_pe = scratch.dk_pe_by_head.rows(head * n_tokens, n_tokens);
    AttentionHeadBackward<T> work{{shape, sequence, head, saved.q, saved.kv, saved.k_pe},
                                  {shape, sequence, head, gradients.dq, gradients.dkv, dk_pe},
                                  head_output(shape, sequence, head, saved.o),
                                  head_output(shape, sequence, head, d_o),
                                  T(shape.scale)};
    zero(work.d.q);
    zero(work.d.k_nope);
    zero(work.d.v);
    zero(work.d.k_pe);
    for (int query = 0; query < shape.sequence_length; ++query) {
      const int token = sequence * shape.sequence_length + query;
      T delta = 0;
      for (int i = 0; i < shape.v; ++i) delta += work.d_o(query, i) * work.o(query, i);
      scratch.delta(head, token) = delta;
      for (int key = first_key(document_start, token); key <= query; ++key) {
        const T score = T(shape.scale) * attention_score(work.in, query, key);
        work.add_pair(query, key, std::exp(score - saved.lse(head, token)), delta);
      }
    }
  });
  sum_rope_gradients(shape, gradients.dk_pe, scratch.dk_pe_by_head);
}

}  // namespace farthing::reference
