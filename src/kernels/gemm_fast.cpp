// gemm_fast.cpp - FP32 products: packed panels, a register tile, one owner per rectangle of C.
//
//   for each block of columns              kColumnBlock: its packed B stays in the L2 cache
//     for each block of k                  kDepthBlock, the same for every shape: it sets the bits
//       pack B
//       for each block of rows             kRowBlock: packed A
//         pack A;  for each panel of B, for each panel of A: the register tile
//
// Source   Van Zee & van de Geijn 2015 (BLIS), with even panels instead of padded edges.
// Threads  The owners cut the row axis (or the column axis) of all problems, laid end to end by
//          FLOPs, into equal shares; k is never cut.
#include "kernels/gemm_fast.h"

#include <algorithm>
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
constexpr std::align_val_t kAlignment{64};

struct FreeAligned {
  void operator()(float* p) const { ::operator delete[](p, kAlignment); }
};

// Each thread's packed blocks, made at its first product and kept.
struct PackBuffers {
  std::unique_ptr<float[], FreeAligned> a{new (kAlignment) float[kDepthBlock * kRowBlock + kSlack]};
  std::unique_ptr<float[], FreeAligned> b{
      new (kAlignment) float[kDepthBlock * (kColumnBlock + 32) + kSlack]};
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
        pack_b(col, n_cols, k, n_k);
        for (int row = where.row_begin; row < where.row_end; row += kRowBlock) {
          const int n_rows = std::min(kRowBlock, where.row_end - row);
          pack_a(row, n_rows, k, n_k);
          multiply({row, row + n_rows, col, col + n_cols}, n_k, options_.accumulate || k > 0);
        }
      }
    }
  }

 private:
  Panels row_panels(int n_rows) const { return {n_rows, kernel_.max_rows, 1}; }
  Panels col_panels(int n_cols) const {
    return {n_cols, kernel_.max_vectors * kernel_.n_lanes, kernel_.n_lanes};
  }

  void fill_zero(const Rectangle& where, int col, int n_cols) const {
    for (int row = where.row_begin; row < where.row_end; ++row) {
      std::fill_n(problem_.c.row(row) + col, n_cols, 0.0f);
    }
  }

  void pack_a(int row, int n_rows, int k, int n_k) const {
    const auto& a = problem_.a;
    const Panels panels = row_panels(n_rows);
    for (int panel = 0; panel < panels.count; ++panel) {
      const std::int64_t first = row + panels.begin(panel);
      const float* source =
          options_.transpose_a ? a.data + k * a.stride + first : a.data + first * a.stride + k;
      float* packed = buffers_.a.get() + static_cast<std::int64_t>(panels.begin(panel)) * n_k;
      const int size = panels.size(panel);
      const PackPiece piece{packed, size, source, a.stride, size, n_k};
      options_.transpose_a ? kernel_.pack_columns(piece) : kernel_.pack_lines(piece);
    }
  }

  void pack_b(int col, int n_cols, int k, int n_k) const {
    const auto& b = problem_.b;
    const Panels panels = col_panels(n_cols);
    for (int panel = 0; panel < panels.count; ++panel) {
      const int size = panels.size(panel);
      const int width = (size + kernel_.n_lanes - 1) / kernel_.n_lanes * kernel_.n_lanes;
      float* packed = buffers_.b.get() + static_cast<std::int64_t>(panels.begin(panel)) * n_k;
      for (int lane = 0; lane < size; lane += kernel_.n_lanes) {
        const std::int64_t first = col + panels.begin(panel) + lane;
        const float* source =
            options_.transpose_b ? b.data + first * b.stride + k : b.data + k * b.stride + first;
        const int n_lines = std::min(kernel_.n_lanes, size - lane);
        const PackPiece piece{packed + lane, width, source, b.stride, n_lines, n_k};
        options_.transpose_b ? kernel_.pack_lines(piece) : kernel_.pack_columns(piece);
      }
    }
  }

  void multiply(const Rectangle& where, int n_k, bool accumulate) const {
    const auto& c = problem_.c;
    const Panels rows = row_panels(where.row_end - where.row_begin);
    const Panels cols = col_panels(where.col_end - where.col_begin);
    for (int col_panel = 0; col_panel < cols.count; ++col_panel) {
      const std::int64_t col = cols.begin(col_panel);
      for (int row_panel = 0; row_panel < rows.count; ++row_panel) {
        const std::int64_t row = rows.begin(row_panel);
        kernel_.multiply({rows.size(row_panel), cols.size(col_panel), n_k,
                          buffers_.a.get() + row * n_k, buffers_.b.get() + col * n_k,
                          c.data + (where.row_begin + row) * c.stride + where.col_begin + col,
                          c.stride, accumulate});
      }
    }
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
    return std::min(length, static_cast<int>(share * length / unit + 0.5) * unit);
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
