// attention_fast.cpp - attention over tiles of scores: register-tile products, online softmax.
//
//   forward, one owner per (sequence, head, block of queries):
//     for each block of keys:  S = q k^T;  P = exp(S - top);  o = o * shrink + P v
//   backward, one owner per (sequence, head), for each block of queries and of keys:
//     S = q k^T;  P = exp(S - lse);  dP = do v^T;  dS = scale P (dP - delta)
//     dv += P^T do;  dq += dS k;  dk += dS^T q
//
// Blocks of keys that no query of the block may see are skipped.
// Source   Dao 2023 (arXiv:2307.08691), algorithms 1 and 2.
#include "kernels/attention_fast.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "kernels/attention_rows.h"
#include "kernels/gemm_fast.h"
#include "kernels/reference_attention.h"

namespace farthing::fast {
namespace {

constexpr int kQueryBlock = 128;
constexpr int kKeyBlock = 256;

using Head = reference::AttentionHead<const float>;
using DHead = reference::AttentionHead<float>;

// Each thread's tiles, made at its first use and kept.
struct Tiles {
  std::vector<float> score = std::vector<float>(kQueryBlock * kKeyBlock);
  std::vector<float> dp = std::vector<float>(kQueryBlock * kKeyBlock);
};

Tiles& tiles() {
  thread_local Tiles instance;
  return instance;
}

// The queries of one tile, and the keys.
struct Span {
  int first, count;
};

void product(Matrix<float> c, Matrix<const float> a, Matrix<const float> b, GemmOptions options) {
  gemm_serial({c, a, b}, options);
}

// q k^T, before scaling.
void scores(Matrix<float> score, const Head& in, Span queries, Span keys, MatmulFormat format) {
  const auto q = in.q.rows(queries.first, queries.count);
  const int nope = in.k_nope.n_cols, rope = in.k_pe.n_cols;
  product(score, q.cols(0, nope), in.k_nope.rows(keys.first, keys.count),
          {.transpose_b = true, .format = format});
  product(score, q.cols(nope, rope), in.k_pe.rows(keys.first, keys.count),
          {.transpose_b = true, .accumulate = true, .format = format});
}

// What the queries of one sequence may see.
struct Mask {
  const std::int32_t* start;  // of the sequence's first token, or null
  float scale;
  MatmulFormat format;  // of products

  int first_key(int query) const { return start == nullptr ? 0 : start[query]; }
  int first_key(Span queries) const {
    int first = first_key(queries.first);
    for (int i = 1; i < queries.count; ++i) {
      first = std::min(first, first_key(queries.first + i));
    }
    return first;
  }
  ScoreRow row(Matrix<float> score, Span queries, int index, Span keys) const {
    const int query = queries.first + index;
    const int end = std::clamp(query + 1 - keys.first, 0, keys.count);
    const int first = std::clamp(first_key(query) - keys.first, 0, end);
    return {score.row(index), keys.count, first, end, scale};
  }
};

Mask mask_of(const AttentionShape& shape, int sequence,
             std::span<const std::int32_t> document_start) {
  const std::int64_t first = static_cast<std::int64_t>(sequence) * shape.sequence_length;
  return {document_start.empty() ? nullptr : document_start.data() + first,
          static_cast<float>(shape.scale), shape.format};
}

// body(keys) for the blocks of keys that some query of the block may see, upward.
template <class Body>
void for_key_blocks(const Mask& mask, Span queries, const Body& body) {
  const int end = queries.first + queries.count;
  for (int key = mask.first_key(queries); key < end; key += kKeyBlock) {
    body(Span{key, std::min(kKeyBlock, end - key)});
  }
}

// Writes out [queries, v] and lse [queries].
void forward_block(const Head& in, const Mask& mask, Span queries, Matrix<float> out,
                   std::span<float> lse) {
  float top[kQueryBlock], sum[kQueryBlock];
  std::fill_n(top, queries.count, -std::numeric_limits<float>::infinity());
  std::fill_n(sum, queries.count, 0.0f);
  bool accumulate = false;
  for_key_blocks(mask, queries, [&](Span keys) {
    const Matrix<float> score(tiles().score.data(), queries.count, keys.count);
    scores(score, in, queries, keys, mask.format);
    for (int i = 0; i < queries.count; ++i) {
      const ScoreRow row = mask.row(score, queries, i, keys);
      if (row.first == row.end) {
        std::fill_n(row.score, row.n, 0.0f);
        continue;
      }
      const float shrink = softmax_row(row, top[i], sum[i]);
      if (accumulate && shrink != 1.0f) scale_row(out.row(i), out.n_cols, shrink);
    }
    product(out, score, in.v.rows(keys.first, keys.count),
            {.accumulate = accumulate, .format = mask.format});
    accumulate = true;
  });
  for (int i = 0; i < queries.count; ++i) {
    scale_row(out.row(i), out.n_cols, 1.0f / sum[i]);
    lse[i] = top[i] + std::log(sum[i]);
  }
}

// Everything one owner reads and writes in the backward.
struct BackwardHead {
  Head in;
  DHead d;
  Matrix<const float> o, d_o;
  std::span<const float> lse;
  std::span<float> delta;
  Mask mask;

  void zero_all() const {
    reference::zero(d.q);
    reference::zero(d.k_nope);
    reference::zero(d.k_pe);
    reference::zero(d.v);
  }

  void add_tile(Span queries, Span keys) const {
    const Matrix<float> p(tiles().score.data(), queries.count, keys.count);
    const Matrix<float> ds(tiles().dp.data(), queries.count, keys.count);
    const auto d_out = d_o.rows(queries.first, queries.count);
    scores(p, in, queries, keys, mask.format);
    product(ds, d_out, in.v.rows(keys.first, keys.count),
            {.transpose_b = true, .format = mask.format});
    for (int i = 0; i < queries.count; ++i) {
      const int query = queries.first + i;
      softmax_backward_row(mask.row(p, queries, i, keys), ds.row(i), lse[query], delta[query]);
    }
    product(d.v.rows(keys.first, keys.count), p, d_out,
            {.transpose_a = true, .accumulate = true, .format = mask.format});
    add_query_gradient(queries, keys, ds);
    add_key_gradient(queries, keys, ds);
  }

  void add_query_gradient(Span queries, Span keys, Matrix<const float> ds) const {
    const auto dq = d.q.rows(queries.first, queries.count);
    const int nope = in.k_nope.n_cols, rope = in.k_pe.n_cols;
    const GemmOptions add{.accumulate = true, .format = mask.format};
    product(dq.cols(0, nope), ds, in.k_nope.rows(keys.first, keys.count), add);
    product(dq.cols(nope, rope), ds, in.k_pe.rows(keys.first, keys.count), add);
  }

  void add_key_gradient(Span queries, Span keys, Matrix<const float> ds) const {
    const auto q = in.q.rows(queries.first, queries.count);
    const int nope = in.k_nope.n_cols, rope = in.k_pe.n_cols;
    const GemmOptions add{.transpose_a = true, .accumulate = true, .format = mask.format};
    product(d.k_nope.rows(keys.first, keys.count), ds, q.cols(0, nope), add);
    product(d.k_pe.rows(keys.first, keys.count), ds, q.cols(nope, rope), add);
  }
};

}  // namespace

void attention_forward(const AttentionShape& shape, Matrix<float> o, Matrix<float> lse,
                       Matrix<const float> q, Matrix<const float> kv, Matrix<const float> k_pe,
                       std::span<const std::int32_t> document_start) {
  const int n_blocks = (shape.sequence_length + kQueryBlock - 1) / kQueryBlock;
  parallel_for(std::int64_t{shape.n_sequences} * shape.n_heads * n_blocks, [&](int task) {
    const int sequence = task / (n_blocks * shape.n_heads);
    const int head = task / n_blocks % shape.n_heads;
    const int first = task % n_blocks * kQueryBlock;
    const Span queries{first, std::min(kQueryBlock, shape.sequence_length - first)};
    const Head in(shape, sequence, head, q, kv, k_pe);
    const auto out = reference::head_output(shape, sequence, head, o);
    const int token = sequence * shape.sequence_length + first;
    forward_block(in, mask_of(shape, sequence, document_start), queries,
                  out.rows(first, queries.count), lse[head].subspan(token, queries.count));
  });
}

void attention_backward(const AttentionShape& shape, AttentionGradients<float> gradients,
                        Matrix<const float> d_o, const AttentionSaved<float>& saved,
                        std::span<const std::int32_t> document_start,
                        const AttentionScratch<float>& scratch) {
  const int n_tokens = shape.n_sequences * shape.sequence_length;
  parallel_for(std::int64_t{shape.n_sequences} * shape.n_heads, [&](int task) {
    const int sequence = task / shape.n_heads, head = task % shape.n_heads;
    const int token = sequence * shape.sequence_length;
    const auto dk_pe = scratch.dk_pe_by_head.rows(head * n_tokens, n_tokens);
    const BackwardHead work{Head(shape, sequence, head, saved.q, saved.kv, saved.k_pe),
                            DHead(shape, sequence, head, gradients.dq, gradients.dkv, dk_pe),
                            reference::head_output(shape, sequence, head, saved.o),
                            reference::head_output(shape, sequence, head, d_o),
                            saved.lse[head].subspan(token, shape.sequence_length),
                            scratch.delta[head].subspan(token, shape.sequence_length),
                            mask_of(shape, sequence, document_start)};
    work.zero_all();
    for (int query = 0; query < shape.sequence_length; ++query) {
      work.delta[query] = dot_row(work.d_o.row(query), work.o.row(query), shape.v);
    }
    for (int first = 0; first < shape.sequence_length; first += kQueryBlock) {
      const Span queries{first, std::min(kQueryBlock, shape.sequence_length - first)};
      for_key_blocks(work.mask, queries, [&](Span keys) { work.add_tile(queries, keys); });
    }
  });
  reference::sum_rope_gradients(shape, gradients.dk_pe, scratch.dk_pe_by_head);
}

}  // namespace farthing::fast
