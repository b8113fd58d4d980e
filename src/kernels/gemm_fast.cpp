// gemm_fast.cpp - products of packed panels: a register tile, one owner per rectangle of C.
//
//   for each block of columns              kColumnBlock: its packed B stays in the L2 cache; all
//                                          columns at once where B was packed before
//     for each block of k                  depth_block(), the same for every shape: it sets the
//     bits
//       for each block of rows             row_block() or a little less: whole panels of packed A
//         for each panel of B, for each panel of A: the register tile
//
// Source   Van Zee & van de Geijn 2015 (BLIS), with even panels of rows instead of padded edges.
// Threads  The owners cut the row axis (or the column axis) of all problems, laid end to end by
//          FLOPs, into equal shares; k is never cut.
#include "kernels/gemm_fast.h"

#include <sys/mman.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/parallel.h"
#include "kernels/gemm_pack.h"
#include "kernels/isa.h"

namespace farthing {
namespace {

constexpr int kColumnBlock = 1024;
constexpr int kRowBlock = 336, kSmallRowBlock = 168;
constexpr std::int64_t kStayingBytes = 1 << 20;                     // half an L2 cache
constexpr std::int64_t kLargeResultFloats = std::int64_t{1} << 20;  // twice the L2 cache
constexpr int kSlack = 64;                                          // packing writes whole vectors

// Each thread's packed blocks, made at its first product and kept: one huge page.
class PackBuffers {
 public:
  PackBuffers() : block_(static_cast<float*>(::operator new(kBytes, kAlignment))) {
    madvise(block_.get(), kBytes, MADV_HUGEPAGE);
  }
  float* a() const { return block_.get(); }
  float* b() const { return block_.get() + kMostWords * kRowBlock + kSlack; }

 private:
  static constexpr std::size_t kBytes = 2 << 20;
  static constexpr std::align_val_t kAlignment{kBytes};
  static_assert(sizeof(float) * (kMostWords * (kRowBlock + kColumnBlock + 32) + 2 * kSlack) <=
                kBytes);
  struct Free {
    void operator()(float* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<float, Free> block_;
};

PackBuffers& pack_buffers() {
  thread_local PackBuffers buffers;
  return buffers;
}

// An axis of `length` in panels of at most `widest`: of nearly equal size or, where a register tile
// costs the same however few of its rows are used, all but the last full.
struct Panels {
  int length, widest, count;
  bool even;
  Panels(int axis_length, int widest_panel, bool all_even)
      : length(axis_length),
        widest(widest_panel),
        count((axis_length + widest_panel - 1) / widest_panel),
        even(all_even) {}
  int begin(int panel) const {
    if (!even) return std::min(panel * widest, length);
    return static_cast<int>(std::int64_t{length} * panel / std::max(count, 1));
  }
  int size(int panel) const { return begin(panel + 1) - begin(panel); }
};

struct Rectangle {
  int row_begin, row_end, col_begin, col_end;
};

// What is packed at a time.
struct Block {
  int row, n_rows, col, n_cols, k, n_k;
};

// The product restricted to one rectangle of C, on one thread.
class RectangleProduct {
 public:
  RectangleProduct(const GemmProblem<float>& problem, GemmOptions options, Causal causal = {})
      : kernel_(gemm_kernel(options.format)),
        packer_(kernel_, problem.b, options, problem.b_rows),
        a_{problem.a.data, problem.a.stride, problem.a_rows},
        b_{problem.b.data, problem.b.stride, problem.b_rows},
        problem_(problem),
        options_(options),
        causal_(causal),
        buffers_(pack_buffers()) {}

  // Rectangles may begin at multiples of these: where panels do.
  int row_unit() const { return kernel_.max_rows; }
  int col_unit() const { return packer_.panel_width(); }

  // done(begin, end): rows that are complete, where the rectangle has all of their columns.
  template <class Done>
  void run(const Rectangle& where, const Done& done) const {
    if (where.row_begin == where.row_end) return;
    const int depth = packer_.depth(), depth_block = packer_.depth_block();
    const int column_block = problem_.packed_b ? where.col_end - where.col_begin : kColumnBlock;
    const Panels row_blocks(where.row_end - where.row_begin,
                            row_block(std::min(column_block, where.col_end - where.col_begin)),
                            !kernel_.a_in_tiles);
    kernel_.begin();
    for (int col = where.col_begin; col < where.col_end; col += column_block) {
      const int n_cols = std::min(column_block, where.col_end - col);
      const bool is_last = col + n_cols == where.col_end;
      if (depth == 0 && !options_.accumulate) fill_zero(where, col, n_cols);
      if (depth == 0 && is_last) done(where.row_begin, where.row_end);
      for (int k = 0; k < depth; k += depth_block) {
        const int n_k = std::min(depth_block, depth - k);
        for (int i = 0; i < row_blocks.count; ++i) {
          const int row = where.row_begin + row_blocks.begin(i), n_rows = row_blocks.size(i);
          multiply({row, n_rows, col, n_cols, k, n_k}, problem_.packed_b != nullptr || i > 0);
          if (is_last && k + n_k == depth) done(row, row + n_rows);
        }
      }
    }
    kernel_.end();
  }

 private:
  // Few rows where the block of B stays in the L2 cache beside them, and in FP16 anyway; else more,
  // as B is read from beyond it for each block of rows.
  int row_block(int n_cols) const {
    const int n_k = std::min(packer_.depth(), packer_.depth_block());
    const std::int64_t b_bytes =
        std::int64_t{packer_.words(n_k)} * packer_.word_width(n_cols) * std::int64_t{sizeof(float)};
    const bool is_small = b_bytes <= kStayingBytes || kernel_.lines_per_word == 2;
    return (is_small ? kSmallRowBlock : kRowBlock) / kernel_.max_rows * kernel_.max_rows;
  }

  void fill_zero(const Rectangle& where, int col, int n_cols) const {
    for (int row = where.row_begin; row < where.row_end; ++row) {
      std::fill_n(problem_.c.row(row) + col, n_cols, 0.0f);
    }
  }

  float* packed_a(const Block& block, int panel) const {
    const int n_words = packer_.words(block.n_k);
    return buffers_.a() + std::int64_t{panel} * word_step(kernel_.max_rows) *
                              (kernel_.a_in_tiles ? round_up(n_words, kTileWords) : n_words);
  }
  const float* packed_b(const Block& block, int col) const {
    if (problem_.packed_b) return problem_.packed_b + packer_.offset(block.col + col, block.k);
    return buffers_.b() + std::int64_t{packer_.word_width(col)} * packer_.words(block.n_k);
  }

  // Floats of A that a word of k takes in a panel of so many rows.
  int word_step(int rows) const {
    return kernel_.a_in_tiles ? kernel_.max_rows
                              : round_up(rows, kernel_.lines_per_word) / kernel_.lines_per_word;
  }

  // Packs k0 .. k0 + n_k of one panel of A, of the block.
  void pack_a(const Block& block, const Panels& panels, int panel, int k0, int n_k,
              LineScales line_scales = {}) const {
    const std::int64_t row = block.row + panels.begin(panel), k = block.k + k0;
    const int size = panels.size(panel);
    const PackPiece piece{
        packed_a(block, panel) + std::int64_t{packer_.words(k0)} * word_step(size),
        word_step(size),
        options_.transpose_a ? a_.from(k, row) : a_.from(row, k),
        size,
        n_k,
        nullptr,
        false,
        line_scales.scale ? line_scales.from(panels.begin(panel)) : line_scales};
    options_.transpose_a ? kernel_.pack_a_columns(piece) : kernel_.pack_a_lines(piece);
  }

  // The lines of a panel of A come from memory while the tiles of the one before run.
  void prefetch_a(const Block& block, const Panels& panels, int panel) const {
    for (int line = 0; line < panels.size(panel); ++line) {
      const float* source = a_[block.row + panels.begin(panel) + line] + block.k;
      for (int k = 0; k < block.n_k; k += kFloatsPerLine) __builtin_prefetch(source + k, 0, 2);
    }
  }

  void pack_b_panel(const Block& block, const float* scales, int col, int k0, int n_k,
                    LineScales line_scales = {}) const {
    const int size = std::min(packer_.panel_width(), block.n_cols - col);
    packer_.panel(buffers_.b() + std::int64_t{packer_.word_width(col)} * packer_.words(block.n_k),
                  block.col + col, size, block.k, k0, n_k,
                  packer_.scales_of(scales, block.col + col, block.col), false,
                  line_scales.scale ? line_scales.from(col) : line_scales);
  }

  // An operand that lies k by k is packed a few k at a time across all panels: whole rows are read.
  // So they are before that, tile by tile, where every line of it has its own scales.
  template <class Pack>
  void pack_across(SourceRows source, int n_lines, int n_k, bool has_blocks,
                   const Pack& pack) const {
    const bool is_wide = kernel_.a_in_tiles || is_tiled(options_.format);
    const int step = has_blocks ? kTile : is_wide ? kWidePackDepth : kPackDepth;
    if (has_blocks || !is_tiled(options_.format)) {
      for (int k = 0; k < n_k; k += step) pack(k, std::min(step, n_k - k), LineScales{});
      return;
    }
    float scale[kColumnBlock + kFloatsPerLine], inverse[kColumnBlock + kFloatsPerLine];
    for (int tile = 0; tile < n_k; tile += kTile) {
      const int tile_k = std::min(kTile, n_k - tile);
      kernel_.column_scales(source.from(tile, 0), n_lines, tile_k, scale, inverse);
      for (int k = 0; k < tile_k; k += step) {
        pack(tile + k, std::min(step, tile_k - k), LineScales{scale, inverse, k});
      }
    }
  }

  // One block of A times one block of B; what lies in lines is packed just before its first use.
  void multiply(const Block& block, bool b_is_packed) const {
    const Panels rows(block.n_rows, kernel_.max_rows, !kernel_.a_in_tiles);
    const int width = packer_.panel_width();
    float scales[PanelPacker::kMostTiles];
    if (!b_is_packed) packer_.block_scales(block.col, block.n_cols, block.k, block.n_k, scales);
    if (options_.transpose_a) {
      pack_across(a_.from(block.k, block.row), block.n_rows, block.n_k, false,
                  [&](int k, int n_k, LineScales scales_of_rows) {
                    for (int panel = 0; panel < rows.count; ++panel) {
                      pack_a(block, rows, panel, k, n_k, scales_of_rows);
                    }
                  });
    }
    if (!options_.transpose_b && !b_is_packed) {
      pack_across(b_.from(block.k, block.col), block.n_cols, block.n_k, packer_.has_blocks(),
                  [&](int k, int n_k, LineScales scales_of_columns) {
                    for (int col = 0; col < block.n_cols; col += width) {
                      pack_b_panel(block, scales, col, k, n_k, scales_of_columns);
                    }
                  });
    }
    for (int col = 0; col < block.n_cols; col += width) {
      if (options_.transpose_b && !b_is_packed) pack_b_lines(block, scales, col);
      multiply_panels(block, rows, col);
    }
  }

  void pack_b_lines(const Block& block, const float* scales, int col) const {
    const int width = packer_.panel_width(), next = col + width;
    pack_b_panel(block, scales, col, 0, block.n_k);
    if (next >= block.n_cols) return;
    packer_.prefetch(block.col + next, std::min(width, block.n_cols - next), block.k, block.n_k);
  }

  // All panels of A times one of B.
  void multiply_panels(const Block& block, const Panels& rows, int col) const {
    const int n_cols = std::min(packer_.panel_width(), block.n_cols - col);
    for (int panel = 0; panel < rows.count; ++panel) {
      if (!options_.transpose_a && col == 0) {
        pack_a(block, rows, panel, 0, seen_depth(block, rows, panel));
        if (panel + 1 < rows.count) prefetch_a(block, rows, panel + 1);
      }
      multiply_tile(block, rows, panel, col, n_cols);
    }
  }

  // Of a panel's k: past it A is zero, and may be unwritten.
  int seen_depth(const Block& block, const Panels& rows, int panel) const {
    if (causal_.side != CausalSide::kLeft) return block.n_k;
    const int end = block.row + rows.begin(panel) + rows.size(panel);
    return std::clamp(end + causal_.diagonal - block.k, 0, block.n_k);
  }

  void multiply_tile(const Block& block, const Panels& rows, int panel, int col, int n_cols) const {
    const auto& c = problem_.c;
    const std::int64_t row = rows.begin(panel);
    GemmKernel::Tile tile{rows.size(panel),
                          n_cols,
                          packer_.words(block.n_k),
                          packed_a(block, panel),
                          packed_b(block, col),
                          c.data + (block.row + row) * c.stride + block.col + col,
                          c.stride,
                          options_.accumulate || block.k > 0,
                          options_.past_caches && block.k == 0 && block.n_k == packer_.depth() &&
                              !options_.accumulate,
                          options_.promotion_interval};
    if (causal_.side != CausalSide::kNone && !trim(block, rows, panel, col, tile)) return;
    kernel_.multiply(tile);
  }

  // Leaves out the words of a tile that are zeros past the diagonal.  False: nothing of it is seen.
  bool trim(const Block& block, const Panels& rows, int panel, int col,
            GemmKernel::Tile& tile) const {
    const int first = block.row + rows.begin(panel), end = first + tile.rows;
    if (causal_.side == CausalSide::kResult) return block.col + col < end + causal_.diagonal;
    if (causal_.side == CausalSide::kLeft) {
      tile.n_words = packer_.words(seen_depth(block, rows, panel));
      return true;
    }
    const int unseen = std::clamp(first - causal_.diagonal - block.k, 0, block.n_k);
    const int untiled = kernel_.k_per_word * (kernel_.a_in_tiles ? kTileWords : 1);
    const int unit = is_tiled(options_.format) ? kTile : untiled;
    const int skipped = unseen / unit * unit, n_skipped = packer_.words(skipped);
    tile.n_words -= n_skipped;
    tile.a += std::int64_t{n_skipped} * word_step(tile.rows);
    tile.b += std::int64_t{n_skipped} * packer_.word_width(tile.cols);
    return true;
  }

  const GemmKernel& kernel_;
  const PanelPacker packer_;
  const SourceRows a_, b_;
  const GemmProblem<float>& problem_;
  const GemmOptions options_;
  const Causal causal_;
  const PackBuffers& buffers_;
};

double flops(const GemmProblem<float>& p, GemmOptions options) {
  const int depth = options.transpose_a ? p.a.n_rows : p.a.n_cols;
  return 2.0 * p.c.n_rows * p.c.n_cols * std::max(depth, 1);
}

// The part of [0, length) that lies at share [from, to) of it, cut at multiples of `unit`.
std::pair<int, int> cut(int length, double from, double to, int unit) {
  const auto at = [&](double share) {
    if (share <= 0) return 0;
    if (share >= 1) return length;
    return std::min(length, static_cast<int>(std::lround(share * length / unit)) * unit);
  };
  return {at(from), at(to)};
}

// The longer side is cut among owners.  Rows that are told of are cut too, so that one owner has
// all of their columns; but not few: each thread would have none or all, as where one token is
// decoded.
bool cuts_rows(const GemmProblem<float>& p, int row_unit, bool rows_are_told_of) {
  return p.c.n_rows >= p.c.n_cols || (rows_are_told_of && p.c.n_rows >= 2 * row_unit);
}

// Does the FLOPs from `begin` to `end` of all problems, laid end to end.
void run_share(std::span<const GemmProblem<float>> problems, GemmOptions options,
               const RowsDone& done, double begin, double end) {
  double before = 0;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const auto& problem = problems[i];
    const double cost = flops(problem, options);
    const double from = (begin - before) / cost, to = (end - before) / cost;
    before += cost;
    if (cost == 0 || to <= 0 || from >= 1) continue;
    const int m = problem.c.n_rows, n = problem.c.n_cols;
    const RectangleProduct product(problem, options);
    Rectangle mine{0, m, 0, n};
    const bool by_rows = cuts_rows(problem, product.row_unit(), static_cast<bool>(done));
    if (by_rows) {
      std::tie(mine.row_begin, mine.row_end) = cut(m, from, to, product.row_unit());
    } else {
      std::tie(mine.col_begin, mine.col_end) = cut(n, from, to, product.col_unit());
    }
    product.run(mine, [&](int row, int row_end) {
      if (done && by_rows) done(static_cast<int>(i), row, row_end);
    });
  }
}

}  // namespace

void gemm_fast(std::span<const GemmProblem<float>> problems, GemmOptions options,
               const RowsDone& done) {
  double total = 0;
  std::int64_t n_written = 0;
  for (const auto& problem : problems) {
    total += flops(problem, options);
    n_written += problem.c.size();
  }
  options.past_caches &= n_written >= kLargeResultFloats && !done;
  const int n_owners = total < kSerialFlops ? 1 : num_threads();
  parallel_for(n_owners, [&](int owner) {
    run_share(problems, options, done, total * owner / n_owners, total * (owner + 1) / n_owners);
    if (options.past_caches) _mm_sfence();
  });
  if (!done) return;
  const int row_unit = gemm_kernel(options.format).max_rows;
  parallel_for(std::ssize(problems), [&](int i) {
    const auto& p = problems[static_cast<std::size_t>(i)];
    if (p.c.n_rows > 0 && !cuts_rows(p, row_unit, true)) done(i, 0, p.c.n_rows);
  });
}

void gemm_serial(const GemmProblem<float>& problem, GemmOptions options, Causal causal) {
  options.past_caches = false;
  RectangleProduct(problem, options, causal)
      .run({0, problem.c.n_rows, 0, problem.c.n_cols}, [](int, int) {});
}

}  // namespace farthing
