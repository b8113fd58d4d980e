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
// copied side by side, [k_nope | k_pe], so that every product has one operand of each; the operands
// that several tiles share (keys and values; backward, queries and do) are packed once a head.
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
static_assert(kKeyBlock <= kDepthWords);  // one depth of the products over keys

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

// Each thread's tiles and packed operands, made at their first use and kept.
struct Tiles {
  Floats score, dp;              // [kQueryBlock, kKeyBlock]
  Floats keys, dkeys;            // [sequence_length, nope + rope], [k_nope | k_pe]
  PackedBlocks keys_transposed;  // for S
  PackedBlocks values;           // for P v
  PackedBlocks values_transposed, keys_plain, queries, d_out;  // of the backward
};

Tiles& tiles() {
  thread_local Tiles instance;
  return instance;
}

// The queries of one tile, and the keys.
struct Span {
  int first, count;
};

// A head's keys side by side.
Matrix<const float> joined_keys(const Head& in) {
  const int nope = in.k_nope.n_cols, rope = in.k_pe.n_cols;
  const Matrix<float> joined = tiles().keys.matrix(in.k_nope.n_rows, nope + rope);
  for (int i = 0; i < joined.n_rows; ++i) {
    std::copy_n(in.k_nope.row(i), nope, joined.row(i));
    std::copy_n(in.k_pe.row(i), rope, joined.row(i) + nope);
  }
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

// A tile of scores, and the same with all keys of its block: the depth in which these are packed.
Matrix<float> tile(Floats& floats, Span queries, int n_keys) {
  return {floats.reserve(std::int64_t{kQueryBlock} * kKeyBlock), queries.count, n_keys, kKeyBlock};
}
Span whole_block(Span keys, int sequence_length) {
  return {keys.first, std::min(kKeyBlock, sequence_length - keys.first)};
}

// What the queries of one head share.
struct ForwardHead {
  Head in;
  Mask mask;
  Matrix<const float> k;  // [k_nope | k_pe]

  ForwardHead(const Head& head, const Mask& its_mask)
      : in(head), mask(its_mask), k(joined_keys(head)) {
    tiles().keys_transposed.pack(k, kKeyBlock, {.transpose_b = true, .format = mask.format});
    tiles().values.pack(in.v, kKeyBlock, {.format = mask.format});
  }

  // Writes out [queries, v] and lse [queries].
  void run(Span queries, Matrix<float> out, std::span<float> lse) const {
    float top[kQueryBlock], sum[kQueryBlock];
    std::fill_n(top, queries.count, -std::numeric_limits<float>::infinity());
    std::fill_n(sum, queries.count, 0.0f);
    bool accumulate = false;
    const auto q = in.q.rows(queries.first, queries.count);
    for_key_blocks(mask, queries, [&](int block, Span keys) {
      const Matrix<float> score = tile(tiles().score, queries, keys.count);
      product({score, q, k.rows(keys.first, keys.count), tiles().keys_transposed[block]},
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
      const Span all = whole_block(keys, in.v.n_rows);
      product({out, tile(tiles().score, queries, all.count), in.v.rows(all.first, all.count),
               tiles().values[block]},
              {.accumulate = accumulate, .format = mask.format}, CausalSide::kLeft, queries, keys);
      accumulate = true;
    });
    for (int i = 0; i < queries.count; ++i) {
      scale_row(out.row(i), out.n_cols, 1.0f / sum[i]);
      lse[i] = top[i] + std::log(sum[i]);
    }
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
  Matrix<const float> k;  // [k_nope | k_pe]
  Matrix<float> dk;

  void pack() const {
    const GemmOptions plain{.format = mask.format};
    const GemmOptions transposed{.transpose_b = true, .format = mask.format};
    tiles().keys_transposed.pack(k, kKeyBlock, transposed);
    tiles().keys_plain.pack(k, kKeyBlock, plain);
    tiles().values_transposed.pack(in.v, kKeyBlock, transposed);
    tiles().queries.pack(in.q, kQueryBlock, plain);
    tiles().d_out.pack(d_o, kQueryBlock, plain);
  }
  // Keys are seen first by the queries of their own tokens.
  void zero_keys_of(Span queries) const {
    reference::zero(d.v.rows(queries.first, queries.count));
    reference::zero(dk.rows(queries.first, queries.count));
  }
  void write_key_gradients() const {
    const int nope = d.k_nope.n_cols, rope = d.k_pe.n_cols;
    for (int key = 0; key < dk.n_rows; ++key) {
      std::copy_n(dk.row(key), nope, d.k_nope.row(key));
      std::copy_n(dk.row(key) + nope, rope, d.k_pe.row(key));
    }
  }

  // dq is written by its first block of keys, all else is added to.
  void add_tile(Span queries, int block, Span keys, bool is_first) const {
    const Matrix<float> p = tile(tiles().score, queries, keys.count);
    const Matrix<float> ds = tile(tiles().dp, queries, keys.count);
    const auto q = in.q.rows(queries.first, queries.count);
    const auto d_out = d_o.rows(queries.first, queries.count);
    const int query_block = queries.first / kQueryBlock;
    const GemmOptions transposed{.transpose_b = true, .format = mask.format};
    product({p, q, k.rows(keys.first, keys.count), tiles().keys_transposed[block]}, transposed,
            CausalSide::kResult, queries, keys);
    product({ds, d_out, in.v.rows(keys.first, keys.count), tiles().values_transposed[block]},
            transposed, CausalSide::kResult, queries, keys);
    for (int i = 0; i < queries.count; ++i) {
      const int query = queries.first + i;
      softmax_backward_row(mask.row(p, queries, i, keys), ds.row(i), lse[query], delta[query]);
    }
    const GemmOptions add_left_transposed{
        .transpose_a = true, .accumulate = true, .format = mask.format};
    product({d.v.rows(keys.first, keys.count), p, d_out, tiles().d_out[query_block]},
            add_left_transposed, CausalSide::kLeftTransposed, queries, keys);
    product({dk.rows(keys.first, keys.count), ds, q, tiles().queries[query_block]},
            add_left_transposed, CausalSide::kLeftTransposed, queries, keys);
    const Span all = whole_block(keys, k.n_rows);
    product({d.q.rows(queries.first, queries.count), tile(tiles().dp, queries, all.count),
             k.rows(all.first, all.count), tiles().keys_plain[block]},
            {.accumulate = !is_first, .format = mask.format}, CausalSide::kLeft, queries, keys);
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
    const int qk = shape.nope + shape.rope;
    const BackwardHead work{in,
                            DHead(shape, sequence, head, gradients.dq, gradients.dkv, dk_pe),
                            reference::head_output(shape, sequence, head, saved.o),
                            reference::head_output(shape, sequence, head, d_o),
                            saved.lse[head].subspan(token, shape.sequence_length),
                            scratch.delta[head].subspan(token, shape.sequence_length),
                            mask_of(shape, sequence, document_start),
                            joined_keys(in),
                            tiles().dkeys.matrix(shape.sequence_length, qk)};
    work.pack();
    for (int query = 0; query < shape.sequence_length; ++query) {
      work.delta[query] = dot_row(work.d_o.row(query), work.o.row(query), shape.v);
    }
    for (int first = 0; first < shape.sequence_length; first += kQueryBlock) {
      const Span queries{first, std::min(kQueryBlock, shape.sequence_length - first)};
      work.zero_keys_of(queries);
      bool is_first = true;
      for_key_blocks(work.mask, queries, [&](int block, Span keys) {
        work.add_tile(queries, block, keys, is_first);
        is_first = false;
      });
    }
    work.write_key_gradients();
  });
  reference::sum_rope_gradients(shape, gradients.dk_pe, scratch.dk_pe_by_head);
}

}  // namespace farthing::fast
