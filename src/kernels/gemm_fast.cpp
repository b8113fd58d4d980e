// gemm_fast.cpp - FP32 products: packed panels, a register tile, one owner per rectangle of C.
//
//   for each block of columns              kColumnBlock: its packed B stays in the L2 cache
//     for each block of k                  kDepthBlock, the same for every shape: it sets the bits
//       for each block of rows             kRowBlock: packed A
//         for each panel of B, for each panel of A: the register tile
//
// Source   Van Zee & van de Geijn 2015 (BLIS), with even panels instead of padded edges.
// Threads  The owners cut the row axis (or the column axis) of all problems, laid end to end by
//          FLOPs, into equal shares; k is never cut.
#include "kernels/gemm_fast.h"

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <tuple>
#include <utility>

#include "base/parallel.h"
#include "kernels/gemm_kernel.h"
#include "kernels/isa.h"

namespace farthing {
namespace {

constexpr int kDepthBlock = 256;
constexpr int kColumnBlock = 512;
constexpr int kRowBlock = 168;  // a multiple of both instruction sets' rows
constexpr int kSlack = 64;      // packing writes whole vectors
constexpr int kPackDepth = 8;
constexpr int kFloatsPerLine = 16;  // a cache line

// Each thread's packed blocks, made at its first product and kept: one huge page.
class PackBuffers {
 public:
  PackBuffers() : block_(static_cast<float*>(::operator new(kBytes, kAlignment))) {
    madvise(block_.get(), kBytes, MADV_HUGEPAGE);
  }
  float* a() const { return block_.get(); }
  float* b() const { return block_.get() + kDepthBlock * kRowBlock + kSlack; }

 private:
  static constexpr std::size_t kBytes = 2 << 20;
  static constexpr std::align_val_t kAlignment{kBytes};
  static_assert(sizeof(float) * (kDepthBlock * (kRowBlock + kColumnBlock + 32) + 2 * kSlack) <=
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

// An axis of `length` in panels of nearly equal size, at most `widest`, each a multiple of `unit`
// but the last.
struct Panels {
  int length, unit, n_units, count;
  Panels(int axis_length, int widest, int panel_unit)
      : length(axis_length),
        unit(panel_unit),
        n_units((axis_length + panel_unit - 1) / panel_unit),
        count((n_units + widest / panel_unit - 1) / (widest / panel_unit)) {}
  int begin(int panel) const {
    const auto units = static_cast<std::int64_t>(n_units) * panel / count;
    return std::min(length, static_cast<int>(units) * unit);
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
  RectangleProduct(const GemmProblem<float>& problem, GemmOptions options)
      : kernel_(current_isa() == Isa::kAvx2 ? gemm_kernel_avx2() : gemm_kernel_avx512()),
        problem_(problem),
        options_(options),
        depth_(options.transpose_a ? problem.a.n_rows : problem.a.n_cols),
        buffers_(pack_buffers()) {}

  void run(const Rectangle& where) const {
    if (where.row_begin == where.row_end) return;
    for (int col = where.col_begin; col < where.col_end; col += kColumnBlock) {
      const int n_cols = std::min(kColumnBlock, where.col_end - col);
      if (depth_ == 0 && !options_.accumulate) fill_zero(where, col, n_cols);
      for (int k = 0; k < depth_; k += kDepthBlock) {
        const int n_k = std::min(kDepthBlock, depth_ - k);
        for (int row = where.row_begin; row < where.row_end; row += kRowBlock) {
          const int n_rows = std::min(kRowBlock, where.row_end - row);
          multiply({row, n_rows, col, n_cols, k, n_k}, row > where.row_begin);
        }
      }
    }
  }

 private:
  void fill_zero(const Rectangle& where, int col, int n_cols) const {
    for (int row = where.row_begin; row < where.row_end; ++row) {
      std::fill_n(problem_.c.row(row) + col, n_cols, 0.0f);
    }
  }

  // Packs k0 .. k0 + n_k of one panel of A, of the block.
  void pack_a(const Block& block, const Panels& panels, int panel, int k0, int n_k) const {
    const auto& a = problem_.a;
    const std::int64_t row = block.row + panels.begin(panel), k = block.k + k0;
    const int size = panels.size(panel);
    float* packed = buffers_.a() + std::int64_t{panels.begin(panel)} * block.n_k + k0 * size;
    const float* source =
        options_.transpose_a ? a.data + k * a.stride + row : a.data + row * a.stride + k;
    const PackPiece piece{packed, size, source, a.stride, size, n_k};
    options_.transpose_a ? kernel_.pack_columns(piece) : kernel_.pack_lines(piece);
  }

  void pack_b(const Block& block, const Panels& panels, int panel, int k0, int n_k) const {
    const auto& b = problem_.b;
    const int lanes = kernel_.n_lanes, size = panels.size(panel);
    const int width = (size + lanes - 1) / lanes * lanes;
    float* packed = buffers_.b() + std::int64_t{panels.begin(panel)} * block.n_k + k0 * width;
    for (int lane = 0; lane < size; lane += lanes) {
      const std::int64_t col = block.col + panels.begin(panel) + lane, k = block.k + k0;
      const float* source =
          options_.transpose_b ? b.data + col * b.stride + k : b.data + k * b.stride + col;
      const PackPiece piece{packed + lane, width, source, b.stride, std::min(lanes, size - lane),
                            n_k};
      options_.transpose_b ? kernel_.pack_lines(piece) : kernel_.pack_columns(piece);
    }
  }

  // The lines of the next panel come from memory while the tiles of this one run.
  void prefetch_b(const Block& block, const Panels& panels, int panel) const {
    const auto& b = problem_.b;
    for (int line = 0; line < panels.size(panel); ++line) {
      const float* source = b.row(block.col + panels.begin(panel) + line) + block.k;
      for (int k = 0; k < block.n_k; k += kFloatsPerLine) __builtin_prefetch(source + k, 0, 2);
    }
  }

  // Operands that lie k by k are packed a few k at a time across all panels: whole rows are read.
  template <class Pack>
  static void pack_across(const Panels& panels, int n_k, const Pack& pack) {
    for (int k = 0; k < n_k; k += kPackDepth) {
      for (int panel = 0; panel < panels.count; ++panel) {
        pack(panel, k, std::min(kPackDepth, n_k - k));
      }
    }
  }

  // One block of A times one block of B; the rest is packed just before its first use.
  void multiply(const Block& block, bool b_is_packed) const {
    const Panels rows(block.n_rows, kernel_.max_rows, 1);
    const Panels cols(block.n_cols, kernel_.max_vectors * kernel_.n_lanes, kernel_.n_lanes);
    if (options_.transpose_a) {
      pack_across(rows, block.n_k, [&](int panel, int k, int n_k) {
        pack_a(block, rows, panel, k, n_k);
      });
    }
    if (!options_.transpose_b && !b_is_packed) {
      pack_across(cols, block.n_k, [&](int panel, int k, int n_k) {
        pack_b(block, cols, panel, k, n_k);
      });
    }
    for (int col_panel = 0; col_panel < cols.count; ++col_panel) {
      if (options_.transpose_b && !b_is_packed) {
        pack_b(block, cols, col_panel, 0, block.n_k);
        if (col_panel + 1 < cols.count) prefetch_b(block, cols, col_panel + 1);
      }
      for (int row_panel = 0; row_panel < rows.count; ++row_panel) {
        if (!options_.transpose_a && col_panel == 0) {
          pack_a(block, rows, row_panel, 0, block.n_k);
        }
        multiply_tile(block, rows, row_panel, cols, col_panel);
      }
    }
  }

  void multiply_tile(const Block& block, const Panels& rows, int row_panel, const Panels& cols,
                     int col_panel) const {
    const auto& c = problem_.c;
    const std::int64_t row = rows.begin(row_panel), col = cols.begin(col_panel);
    kernel_.multiply({rows.size(row_panel), cols.size(col_panel), block.n_k,
                      buffers_.a() + row * block.n_k, buffers_.b() + col * block.n_k,
                      c.data + (block.row + row) * c.stride + block.col + col, c.stride,
                      options_.accumulate || block.k > 0});
  }

  const GemmKernel& kernel_;
  const GemmProblem<float>& problem_;
  const GemmOptions options_;
  const int depth_;
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

constexpr int kRowUnit = 14;
constexpr int kColUnit = 32;

// Does the FLOPs from `begin` to `end` of all problems, laid end to end.
void run_share(std::span<const GemmProblem<float>> problems, GemmOptions options, double begin,
               double end) {
  double done = 0;
  for (const auto& problem : problems) {
    const double cost = flops(problem, options);
    const double from = (begin - done) / cost, to = (end - done) / cost;
    done += cost;
    if (cost == 0 || to <= 0 || from >= 1) continue;
    const int m = problem.c.n_rows, n = problem.c.n_cols;
    Rectangle mine{0, m, 0, n};
    if (m >= n) {
      std::tie(mine.row_begin, mine.row_end) = cut(m, from, to, kRowUnit);
    } else {
      std::tie(mine.col_begin, mine.col_end) = cut(n, from, to, kColUnit);
    }
    RectangleProduct(problem, options).run(mine);
  }
}

}  // namespace

void gemm_fast(std::span<const GemmProblem<float>> problems, GemmOptions options) {
  double total = 0;
  for (const auto& problem : problems) total += flops(problem, options);
  const int n_owners = total < kSerialFlops ? 1 : num_threads();
  parallel_for(n_owners, [&](int owner) {
    run_share(problems, options, total * owner / n_owners, total * (owner + 1) / n_owners);
  });
}

void gemm_serial(const GemmProblem<float>& problem, GemmOptions options) {
  RectangleProduct(problem, options).run({0, problem.c.n_rows, 0, problem.c.n_cols});
}

}  // namespace farthing
