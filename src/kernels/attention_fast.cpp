// attention_fast.cpp - attention over tiles of scores: register-tile products, online softmax.
//
//   forward, one owner per (sequence, head, block of queries):
//     for each block of keys:  S = q k^T;  P = exp(S - top);  o = o * shrink + P v
//   backward, one owner per (sequence, head), for each block of queries and of keys:
//     S = q k^T;  P = exp(S - lse);  dP = do v^T;  dS = scale P (dP - delta)
//     dv += P^T do;  dq += dS k;  dk += dS^T q
//
// Blocks of keys that no query of the block may see are skipped; on the diagonal so are register
// tiles of S and dP and the k of the other products (Causal of gemm_fast.h).  A head's keys are
// copied side by side, [k_nope | k_pe], so that every product has one operand of each.
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

constexpr int kQueryBlock = 126;  // whole panels of 14 and of 6 rows
constexpr int kKeyBlock = 256;

using Head = reference::AttentionHead<const float>;
using DHead = reference::AttentionHead<float>;

// Each thread's tiles, made at its first use and kept.
struct Tiles {
  std::vector<float> score = std::vector<float>(kQueryBlock * kKeyBlock);
  std::vector<float> dp = std::vector<float>(kQueryBlock * kKeyBlock);
  std::vector<float> keys, dkeys;  // [sequence_length, nope + rope]

  static Matrix<float> grown(std::vector<float>& values, int n_rows, int n_cols) {
    const std::size_t size = static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(n_cols);
    if (values.size() < size) values.resize(size);
    return {values.data(), n_rows, n_cols};
  }
};

Tiles& tiles() {
  thread_local Tiles instance;
  return instance;
}

// The queries of one tile, and the keys.
struct Span {
  int first, count;
};

// Keys first .. first + count of a head.
Matrix<const float> joined_keys(const Head& in, Span keys) {
  const int nope = in.k_nope.n_cols, rope = in.k_pe.n_cols;
  const Matrix<float> joined = Tiles::grown(tiles().keys, keys.count, nope + rope);
  for (int i = 0; i < keys.count; ++i) {
    std::copy_n(in.k_nope.row(keys.first + i), nope, joined.row(i));
    std::copy_n(in.k_pe.row(keys.first + i), rope, joined.row(i) + nope);
  }
  return joined;
}

void product(Matrix<float> c, Matrix<const float> a, Matrix<const float> b, GemmOptions options,
             CausalSide side, Span queries, Span keys) {
  gemm_serial({c, a, b}, options, {side, queries.first - keys.first});
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
    product(score, in.q.rows(queries.first, queries.count), joined_keys(in, keys),
            {.transpose_b = true, .format = mask.format}, CausalSide::kResult, queries, keys);
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
            {.accumulate = accumulate, .format = mask.format}, CausalSide::kLeft, queries, keys);
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
  Matrix<const float> k;  // [k_nope | k_pe]
  Matrix<float> dk;

  void zero_all() const {
    reference::zero(d.q);
    reference::zero(d.v);
    reference::zero(dk);
  }
  void write_key_gradients() const {
    const int nope = d.k_nope.n_cols, rope = d.k_pe.n_cols;
    for (int key = 0; key < dk.n_rows; ++key) {
      std::copy_n(dk.row(key), nope, d.k_nope.row(key));
      std::copy_n(dk.row(key) + nope, rope, d.k_pe.row(key));
    }
  }

  void add_tile(Span queries, Span keys) const {
    const Matrix<float> p(tiles().score.data(), queries.count, keys.count);
    const Matrix<float> ds(tiles().dp.data(), queries.count, keys.count);
    const auto q = in.q.rows(queries.first, queries.count);
    const auto d_out = d_o.rows(queries.first, queries.count);
    const auto these_keys = k.rows(keys.first, keys.count);
    const GemmOptions transposed{.transpose_b = true, .format = mask.format};
    product(p, q, these_keys, transposed, CausalSide::kResult, queries, keys);
    product(ds, d_out, in.v.rows(keys.first, keys.count), transposed, CausalSide::kResult, queries,
            keys);
    for (int i = 0; i < queries.count; ++i) {
      const int query = queries.first + i;
      softmax_backward_row(mask.row(p, queries, i, keys), ds.row(i), lse[query], delta[query]);
    }
    const GemmOptions add{.accumulate = true, .format = mask.format};
    const GemmOptions add_left_transposed{
        .transpose_a = true, .accumulate = true, .format = mask.format};
    product(d.v.rows(keys.first, keys.count), p, d_out, add_left_transposed,
            CausalSide::kLeftTransposed, queries, keys);
    product(d.q.rows(queries.first, queries.count), ds, these_keys, add, CausalSide::kLeft, queries,
            keys);
    product(dk.rows(keys.first, keys.count), ds, q, add_left_transposed,
            CausalSide::kLeftTransposed, queries, keys);
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
    const Head in(shape, sequence, head, saved.q, saved.kv, saved.k_pe);
    const int qk = shape.nope + shape.rope;
    const BackwardHead work{in,
                            DHead(shape, sequence, head, gradients.dq, gradients.dkv, dk_pe),
                            reference::head_output(shape, sequence, head, saved.o),
                            reference::head_output(shape, sequence, head, d_o),
                            saved.lse[head].subspan(token, shape.sequence_length),
                            scratch.delta[head].subspan(token, shape.sequence_length),
                            mask_of(shape, sequence, document_start),
                            joined_keys(in, {0, shape.sequence_length}),
                            Tiles::grown(tiles().dkeys, shape.sequence_length, qk)};
    work.zero_all();
    for (int query = 0; query < shape.sequence_length; ++query) {
      work.delta[query] = dot_row(work.d_o.row(query), work.o.row(query), shape.v);
    }
    for (int first = 0; first < shape.sequence_length; first += kQueryBlock) {
      const Span queries{first, std::min(kQueryBlock, shape.sequence_length - first)};
      for_key_blocks(work.mask, queries, [&](Span keys) { work.add_tile(queries, keys); });
    }
    work.write_key_gradients();
  });
  reference::sum_rope_gradients(shape, gradients.dk_pe, scratch.dk_pe_by_head);
}

}  // namespace farthing::fast
