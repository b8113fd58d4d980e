// attention_fast.cpp - attention over tiles of scores: register-tile products, online softmax.
//
//   forward, one owner per (sequence, head, block of queries):
//     for each block of keys:  S = q k^T;  P = exp(S - top);  o = o * shrink + P v
//   backward, one owner per (sequence, head), for each block of queries and of keys:
//     S = q k^T;  P = exp(S - lse);  dP = do v^T;  dS = scale P (dP - delta)
//     dv += P^T do;  dq += dS k;  dk += dS^T q
//
// Blocks of keys that no query of the block may see are skipped; on the diagonal so are register
// tiles of S and dP and the k of the other products (Causal of gemm_fast.h).  What a head reads and
// writes lies in strips of a few hundred bytes, often a power of two apart: it is copied together
// first, keys as [k_nope | k_pe] (o, read once, is not), and gradients are added up together and
// copied back.  The operands that several tiles share (keys and values; backward, queries and do)
// are packed once.
//
// Source   Dao 2023 (arXiv:2307.08691), algorithms 1 and 2.
#include "kernels/attention_fast.h"

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "kernels/attention_rows.h"
#include "kernels/gemm_fast.h"
#include "kernels/gemm_pack.h"
#include "kernels/reference_attention.h"

namespace farthing::fast {
namespace {

constexpr int kQueryBlock = 128;
constexpr int kKeyBlock = 256;
constexpr int kScoreStride = kKeyBlock + 16;  // rows of scores fall into other sets of a cache
static_assert(kKeyBlock <= kDepthWords);      // one depth of the products over keys

using Head = reference::AttentionHead<const float>;
using DHead = reference::AttentionHead<float>;

// Floats at a cache line's begin; grow and are kept.
class Floats {
 public:
  float* reserve(std::int64_t count) {
    if (count > count_) {
      block_ = hwy::AllocateAligned<float>(static_cast<std::size_t>(count));
      CHECK(block_ != nullptr);
      count_ = count;
    }
    return block_.get();
  }
  Matrix<float> matrix(int n_rows, int n_cols) {
    return {reserve(std::int64_t{n_rows} * n_cols), n_rows, n_cols};
  }
  const float* data() const { return block_.get(); }

 private:
  hwy::AlignedFreeUniquePtr<float[]> block_;
  std::int64_t count_ = 0;
};

// The blocks of so many rows of a matrix, each as the B of products, in their order.
class PackedBlocks {
 public:
  void pack(Matrix<const float> rows, int block, GemmOptions options) {
    const int height = std::min(block, rows.n_rows);
    const int n = options.transpose_b ? height : rows.n_cols;
    const int k = options.transpose_b ? rows.n_cols : height;
    step_ = round_up(static_cast<int>(packed_size(n, k, options.format)), kFloatsPerLine);
    const int n_blocks = (rows.n_rows + block - 1) / block;
    float* packed = floats_.reserve(step_ * n_blocks);
    requests_.clear();
    for (int i = 0; i < n_blocks; ++i) {
      const int count = std::min(block, rows.n_rows - i * block);
      requests_.push_back({packed + i * step_, rows.rows(i * block, count), options});
    }
    pack_b(requests_);
  }
  const float* operator[](int block) const { return floats_.data() + block * step_; }

 private:
  Floats floats_;
  std::vector<PackRequest> requests_;
  std::int64_t step_ = 0;
};

// Each thread's tiles, copies and packed operands, made at their first use and kept.
struct Tiles {
  Floats score, dp;              // [kQueryBlock, kKeyBlock], in rows of kScoreStride
  Floats keys, values;           // [sequence_length, nope + rope | v] of a head
  Floats queries, out, d_out;    // [kQueryBlock, nope + rope | v | v]
  Floats dqueries;               // [kQueryBlock, nope + rope]
  Floats dkeys, dvalues;         // [sequence_length, nope + rope | v]
  PackedBlocks keys_transposed;  // for S
  PackedBlocks values_plain;     // for P v
  PackedBlocks values_transposed, keys_plain, queries_plain, d_out_plain;  // of the backward
};

Tiles& tiles() {
  thread_local Tiles instance;
  return instance;
}

// The queries of one tile, and the keys.
struct Span {
  int first, count;
};

void copy_rows(Matrix<float> to, Matrix<const float> from) {
  for (int i = 0; i < to.n_rows; ++i) std::copy_n(from.row(i), to.n_cols, to.row(i));
}
// flush_stores() before another thread reads.
void copy_rows_past_caches(Matrix<float> to, Matrix<const float> from) {
  for (int i = 0; i < to.n_rows; ++i) copy_past_caches(to.row(i), from.row(i), to.n_cols);
}

Matrix<const float> together(Floats& floats, Matrix<const float> rows) {
  const Matrix<float> copy = floats.matrix(rows.n_rows, rows.n_cols);
  copy_rows(copy, rows);
  return copy;
}

// A head's keys side by side.
Matrix<const float> joined_keys(const Head& in) {
  const int nope = in.k_nope.n_cols, rope = in.k_pe.n_cols;
  const Matrix<float> joined = tiles().keys.matrix(in.k_nope.n_rows, nope + rope);
  copy_rows(joined.cols(0, nope), in.k_nope);
  copy_rows(joined.cols(nope, rope), in.k_pe);
  return joined;
}

void product(const GemmProblem<float>& problem, GemmOptions options, CausalSide side, Span queries,
             Span keys) {
  gemm_serial(problem, options, {side, queries.first - keys.first});
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

// body(index of the block, its keys up to the last that is seen) for the blocks of keys that some
// query of the block may see, upward.
template <class Body>
void for_key_blocks(const Mask& mask, Span queries, const Body& body) {
  const int end = queries.first + queries.count;
  for (int block = mask.first_key(queries) / kKeyBlock; block * kKeyBlock < end; ++block) {
    const int first = block * kKeyBlock;
    body(block, Span{first, std::min(kKeyBlock, end - first)});
  }
}

// A tile of scores for all keys of a block, as these are packed; none past the last that is seen is
// computed or read.
Matrix<float> tile(Floats& floats, Span queries, int n_keys) {
  return {floats.reserve(std::int64_t{kQueryBlock} * kScoreStride), queries.count, n_keys,
          kScoreStride};
}
Matrix<const float> whole_block(Matrix<const float> of_keys, Span keys) {
  return of_keys.rows(keys.first, std::min(kKeyBlock, of_keys.n_rows - keys.first));
}

// What the queries of one head share.
struct ForwardHead {
  Head in;
  Mask mask;
  Matrix<const float> k, v;  // together

  ForwardHead(const Head& head, const Mask& its_mask)
      : in(head), mask(its_mask), k(joined_keys(head)), v(together(tiles().values, head.v)) {
    tiles().keys_transposed.pack(k, kKeyBlock, {.transpose_b = true, .format = mask.format});
    tiles().values_plain.pack(v, kKeyBlock, {.format = mask.format});
  }

  // Writes out [queries, v] and lse [queries].
  void run(Span queries, Matrix<float> result, std::span<float> lse) const {
    float top[kQueryBlock], sum[kQueryBlock];
    std::fill_n(top, queries.count, -std::numeric_limits<float>::infinity());
    std::fill_n(sum, queries.count, 0.0f);
    bool accumulate = false;
    const auto q = together(tiles().queries, in.q.rows(queries.first, queries.count));
    const Matrix<float> out = tiles().out.matrix(queries.count, v.n_cols);
    for_key_blocks(mask, queries, [&](int block, Span keys) {
      const auto k_block = whole_block(k, keys), v_block = whole_block(v, keys);
      const Matrix<float> score = tile(tiles().score, queries, k_block.n_rows);
      product({score, q, k_block, tiles().keys_transposed[block]},
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
      product({out, score, v_block, tiles().values_plain[block]},
              {.accumulate = accumulate, .format = mask.format}, CausalSide::kLeft, queries, keys);
      accumulate = true;
    });
    for (int i = 0; i < queries.count; ++i) {
      scale_row(out.row(i), out.n_cols, 1.0f / sum[i]);
      lse[i] = top[i] + std::log(sum[i]);
    }
    copy_rows_past_caches(result, out);
    flush_stores();
  }
};

// Everything one owner reads and writes in the backward.
struct BackwardHead {
  Head in;
  DHead d;
  Matrix<const float> o, d_o;
  std::span<const float> lse;
  std::span<float> delta;
  Mask mask;
  Matrix<const float> k, v;  // together
  Matrix<float> dk, dv;

  void run() const {
    pack_keys();
    for (int first = 0; first < in.q.n_rows; first += kQueryBlock) {
      add_queries({first, std::min(kQueryBlock, in.q.n_rows - first)});
    }
    const int nope = d.k_nope.n_cols, rope = d.k_pe.n_cols;
    for (int key = 0; key < dk.n_rows; ++key) {
      copy_past_caches(d.k_nope.row(key), dk.row(key), nope);
      copy_past_caches(d.v.row(key), dv.row(key), dv.n_cols);
      copy_past_caches(d.k_pe.row(key), dk.row(key) + nope, rope);
    }
    flush_stores();
  }

 private:
  // What a block of queries reads, together, and the dq that it writes.
  struct Queries {
    Span span;
    Matrix<const float> q, d_out;
    Matrix<float> dq;
  };

  void pack_keys() const {
    const GemmOptions transposed{.transpose_b = true, .format = mask.format};
    tiles().keys_transposed.pack(k, kKeyBlock, transposed);
    tiles().keys_plain.pack(k, kKeyBlock, {.format = mask.format});
    tiles().values_transposed.pack(v, kKeyBlock, transposed);
  }

  void add_queries(Span span) const {
    const Queries queries{span, together(tiles().queries, in.q.rows(span.first, span.count)),
                          together(tiles().d_out, d_o.rows(span.first, span.count)),
                          tiles().dqueries.matrix(span.count, in.q.n_cols)};
    for (int i = 0; i < span.count; ++i) {
      delta[span.first + i] = dot_row(queries.d_out.row(i), o.row(span.first + i), o.n_cols);
    }
    tiles().queries_plain.pack(queries.q, kQueryBlock, {.format = mask.format});
    tiles().d_out_plain.pack(queries.d_out, kQueryBlock, {.format = mask.format});
    // Keys are seen first by the queries of their own tokens.
    reference::zero(dk.rows(span.first, span.count));
    reference::zero(dv.rows(span.first, span.count));
    bool is_first = true;
    for_key_blocks(mask, span, [&](int block, Span keys) {
      add_tile(queries, block, keys, is_first);
      is_first = false;
    });
    copy_rows_past_caches(d.q.rows(span.first, span.count), queries.dq);
  }

  // dq is written by its first block of keys, all else is added to.
  void add_tile(const Queries& queries, int block, Span keys, bool is_first) const {
    const Span span = queries.span;
    const auto k_block = whole_block(k, keys), v_block = whole_block(v, keys);
    const Matrix<float> p = tile(tiles().score, span, k_block.n_rows);
    const Matrix<float> ds = tile(tiles().dp, span, k_block.n_rows);
    const GemmOptions transposed{.transpose_b = true, .format = mask.format};
    product({p, queries.q, k_block, tiles().keys_transposed[block]}, transposed,
            CausalSide::kResult, span, keys);
    product({ds, queries.d_out, v_block, tiles().values_transposed[block]}, transposed,
            CausalSide::kResult, span, keys);
    for (int i = 0; i < span.count; ++i) {
      const int query = span.first + i;
      softmax_backward_row(mask.row(p, span, i, keys), ds.row(i), lse[query], delta[query]);
    }
    const GemmOptions add_left_transposed{
        .transpose_a = true, .accumulate = true, .format = mask.format};
    product({dv.rows(keys.first, keys.count), p.cols(0, keys.count), queries.d_out,
             tiles().d_out_plain[0]},
            add_left_transposed, CausalSide::kLeftTransposed, span, keys);
    product({dk.rows(keys.first, keys.count), ds.cols(0, keys.count), queries.q,
             tiles().queries_plain[0]},
            add_left_transposed, CausalSide::kLeftTransposed, span, keys);
    product({queries.dq, ds, k_block, tiles().keys_plain[block]},
            {.accumulate = !is_first, .format = mask.format}, CausalSide::kLeft, span, keys);
  }
};

}  // namespace

void attention_forward(const AttentionShape& shape, Matrix<float> o, Matrix<float> lse,
                       Matrix<const float> q, Matrix<const float> kv, Matrix<const float> k_pe,
                       std::span<const std::int32_t> document_start) {
  const int n_blocks = (shape.sequence_length + kQueryBlock - 1) / kQueryBlock;
  const std::int64_t n_tasks = std::int64_t{shape.n_sequences} * shape.n_heads * n_blocks;
  parallel_ranges(n_tasks, [&](int begin, int end) {
    for (int task = begin; task < end;) {
      const int sequence = task / (n_blocks * shape.n_heads);
      const int head = task / n_blocks % shape.n_heads;
      const ForwardHead work(Head(shape, sequence, head, q, kv, k_pe),
                             mask_of(shape, sequence, document_start));
      const auto out = reference::head_output(shape, sequence, head, o);
      const int end_of_head = std::min(end, (task / n_blocks + 1) * n_blocks);
      for (; task < end_of_head; ++task) {
        const int first = task % n_blocks * kQueryBlock;
        const Span queries{first, std::min(kQueryBlock, shape.sequence_length - first)};
        const int token = sequence * shape.sequence_length + first;
        work.run(queries, out.rows(first, queries.count), lse[head].subspan(token, queries.count));
      }
    }
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
    const int n = shape.sequence_length;
    const BackwardHead work{in,
                            DHead(shape, sequence, head, gradients.dq, gradients.dkv, dk_pe),
                            reference::head_output(shape, sequence, head, saved.o),
                            reference::head_output(shape, sequence, head, d_o),
                            saved.lse[head].subspan(token, n),
                            scratch.delta[head].subspan(token, n),
                            mask_of(shape, sequence, document_start),
                            joined_keys(in),
                            together(tiles().values, in.v),
                            tiles().dkeys.matrix(n, shape.nope + shape.rope),
                            tiles().dvalues.matrix(n, shape.v)};
    work.run();
  });
  reference::sum_rope_gradients(shape, gradients.dk_pe, scratch.dk_pe_by_head);
}

}  // namespace farthing::fast
