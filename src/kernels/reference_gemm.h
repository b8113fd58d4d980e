// reference_gemm.h - matrix product by plain loops over small tiles of op(B), any transposes.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "base/parallel.h"
#include "kernels/gemm.h"

namespace farthing::reference {

constexpr int kGemmRows = 64;  // rows of C with one owner
constexpr int kGemmTile = 64;  // a tile of op(B), laid out so that the inner loop is straight

// Element (row, col) of op(m) is data[row * row_step + col * col_step].
template <class T>
struct Strided {
  const T* data;
  std::int64_t row_step, col_step;
  Strided(Matrix<const T> m, bool transposed)
      : data(m.data), row_step(transposed ? 1 : m.stride), col_step(transposed ? m.stride : 1) {}
  T operator()(int row, int col) const { return data[row * row_step + col * col_step]; }
};

template <class T>
void gemm_rows(Matrix<T> c, Strided<T> a, Strided<T> b, int depth, int first_row, int last_row) {
  T tile[kGemmTile][kGemmTile];
  for (int col0 = 0; col0 < c.n_cols; col0 += kGemmTile) {
    const int n_cols = std::min(kGemmTile, c.n_cols - col0);
    for (int k0 = 0; k0 < depth; k0 += kGemmTile) {
      const int n_k = std::min(kGemmTile, depth - k0);
      for (int k = 0; k < n_k; ++k) {
        for (int col = 0; col < n_cols; ++col) tile[k][col] = b(k0 + k, col0 + col);
      }
      for (int row = first_row; row < last_row; ++row) {
        T* out = c.row(row) + col0;
        for (int k = 0; k < n_k; ++k) {
          const T scale = a(row, k0 + k);
          for (int col = 0; col < n_cols; ++col) out[col] += scale * tile[k][col];
        }
      }
    }
  }
}

// Writes r(m) as a product sees it, [lines, depth]: tiles of kTile along the depth, and over
// lines_per_tile lines.
template <class T>
std::vector<T> rounded_lines(Strided<T> m, int n_lines, int depth, MatmulFormat format,
                             int lines_per_tile) {
  std::vector<T> out(static_cast<std::size_t>(n_lines) * depth);
  const int n_groups = (n_lines + lines_per_tile - 1) / lines_per_tile;
  parallel_for(n_groups, [&](int group) {
    const int first = group * lines_per_tile, end = std::min(n_lines, first + lines_per_tile);
    for (int k0 = 0; k0 < depth; k0 += kTile) {
      const int k_end = std::min(depth, k0 + kTile);
      float amax = 0;
      for (int line = first; line < end; ++line) {
        for (int k = k0; k < k_end; ++k) {
          const float magnitude = std::abs(static_cast<float>(m(line, k)));
          if (magnitude > amax) amax = magnitude;
        }
      }
      const float scale = tile_scale(format, amax);
      for (int line = first; line < end; ++line) {
        for (int k = k0; k < k_end; ++k) {
          out[static_cast<std::size_t>(line) * depth + k] =
              T(rounded(format, static_cast<float>(m(line, k)), scale));
        }
      }
    }
  });
  return out;
}

// C's rows are cut in blocks with one owner each; k runs upward for every element.
template <class T>
void gemm(Matrix<T> c, Matrix<const T> a, Matrix<const T> b, GemmOptions options) {
  const int depth = options.transpose_a ? a.n_rows : a.n_cols;
  std::vector<T> rounded_a, rounded_b;
  if (options.format != MatmulFormat::kFp32) {
    const int b_lines = options.b_tile == TileShape::kBlock ? kTile : 1;
    rounded_a =
        rounded_lines(Strided<T>(a, options.transpose_a), c.n_rows, depth, options.format, 1);
    rounded_b = rounded_lines(Strided<T>(b, !options.transpose_b), c.n_cols, depth, options.format,
                              b_lines);
    a = {rounded_a.data(), c.n_rows, depth};
    b = {rounded_b.data(), c.n_cols, depth};
    options.transpose_a = false;
    options.transpose_b = true;
  }
  const int n_blocks = (c.n_rows + kGemmRows - 1) / kGemmRows;
  parallel_for(n_blocks, [&](int block) {
    const int first = block * kGemmRows;
    const int last = std::min(c.n_rows, first + kGemmRows);
    if (!options.accumulate) {
      for (int row = first; row < last; ++row) std::fill_n(c.row(row), c.n_cols, T(0));
    }
    gemm_rows(c, Strided<T>(a, options.transpose_a), Strided<T>(b, options.transpose_b), depth,
              first, last);
  });
}

}  // namespace farthing::reference
