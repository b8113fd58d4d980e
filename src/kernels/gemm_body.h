// gemm_body.h - the register tile and the packings, written once for any vector type.
//
// Included only by the file of each instruction set, which brings V: Reg, kLanes, kMaxRows,
// kMaxVectors, load, load_first, store, store_first, broadcast, fma, add, transpose.  Everything is
// in an unnamed namespace: code compiled for one instruction set must not be linked into another.
#pragma once
#include <cstdint>

#include "kernels/gemm_kernel.h"

namespace farthing {
namespace {

using Tile = GemmKernel::Tile;

template <class V>
int lanes_left(int cols, int vector) {
  const int left = cols - vector * V::kLanes;
  return left < V::kLanes ? left : V::kLanes;
}

template <class V, int kVectors>
void store_row(const typename V::Reg (&sum)[kVectors], float* c, int cols, bool accumulate) {
  const bool whole = cols == kVectors * V::kLanes;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    float* out = c + v * V::kLanes;
    if (whole) {
      V::store(out, accumulate ? V::add(V::load(out), sum[v]) : sum[v]);
    } else {
      const int n = lanes_left<V>(cols, v);
      V::store_first(out, n, accumulate ? V::add(V::load_first(out, n), sum[v]) : sum[v]);
    }
  }
}

template <class V, int kRows, int kVectors>
void multiply_tile(const Tile& tile) {
  typename V::Reg sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[row][v] = V::broadcast(0.0f);
    __builtin_prefetch(tile.c + row * tile.c_stride, 1);
    __builtin_prefetch(tile.c + row * tile.c_stride + tile.cols - 1, 1);
  }
  const float* a = tile.a;
  const float* b = tile.b;
  for (int k = 0; k < tile.depth; ++k, a += kRows, b += kVectors * V::kLanes) {
    typename V::Reg right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = V::load(b + v * V::kLanes);
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
      const auto left = V::broadcast(a[row]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[row][v] = V::fma(left, right[v], sum[row][v]);
    }
  }
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
    store_row<V, kVectors>(sum[row], tile.c + row * tile.c_stride, tile.cols, tile.accumulate);
  }
}

template <class V, int kRows, int kVectors>
void multiply_vectors(const Tile& tile) {
  if constexpr (kVectors > 1) {
    if (tile.cols <= (kVectors - 1) * V::kLanes) {
      return multiply_vectors<V, kRows, kVectors - 1>(tile);
    }
  }
  multiply_tile<V, kRows, kVectors>(tile);
}

template <class V, int kRows>
void multiply_rows(const Tile& tile) {
  if constexpr (kRows > 1) {
    if (tile.rows < kRows) return multiply_rows<V, kRows - 1>(tile);
  }
  multiply_vectors<V, kRows, V::kMaxVectors>(tile);
}

template <class V>
void pack_lines(const PackPiece& piece) {
  constexpr int kLanes = V::kLanes;
  for (int k = 0; k < piece.depth; k += kLanes) {
    const int n_k = piece.depth - k < kLanes ? piece.depth - k : kLanes;
    typename V::Reg block[kLanes];
    for (int line = 0; line < kLanes; ++line) {
      const float* from = piece.source + line * piece.source_step + k;
      if (line >= piece.n_lines) {
        block[line] = V::broadcast(0.0f);
      } else {
        block[line] = n_k == kLanes ? V::load(from) : V::load_first(from, n_k);
      }
    }
    V::transpose(block);
    float* to = piece.packed + k * piece.packed_step;
    for (int i = 0; i < n_k; ++i) V::store(to + i * piece.packed_step, block[i]);
  }
}

template <class V>
void pack_columns(const PackPiece& piece) {
  const bool whole = piece.n_lines == V::kLanes;
  const std::int64_t end = piece.depth * piece.packed_step;
  for (int k = 0; k < piece.depth; ++k) {
    const float* from = piece.source + k * piece.source_step;
    const std::int64_t at = k * piece.packed_step;
    const auto value = whole ? V::load(from) : V::load_first(from, piece.n_lines);
    if (end - at >= V::kLanes) {
      V::store(piece.packed + at, value);
    } else {
      V::store_first(piece.packed + at, static_cast<int>(end - at), value);
    }
  }
}

template <class V>
constexpr GemmKernel make_gemm_kernel() {
  return {V::kMaxRows,
          V::kLanes,
          V::kMaxVectors,
          multiply_rows<V, V::kMaxRows>,
          pack_lines<V>,
          pack_columns<V>};
}

}  // namespace
}  // namespace farthing
