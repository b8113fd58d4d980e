// gemm_kernel.h - what one instruction set brings to a product: a register tile and two packings.
//
// A panel of A holds up to max_rows rows, k by k:       a[k * rows + row]
// A panel of B holds up to max_vectors vectors, k by k:  b[k * width + col], width = whole vectors,
// the columns past the last are zero.
#pragma once
#include <cstdint>

namespace farthing {

// A rectangle of an operand in memory, and where its packed form begins.
struct PackPiece {
  float* packed;
  std::int64_t packed_step;  // from one k to the next
  const float* source;
  std::int64_t source_step;  // from one line (or one k) to the next
  int n_lines;               // rows of A or columns of B, at most n_lanes
  int depth;
};

struct GemmKernel {
  int max_rows;
  int n_lanes;
  int max_vectors;
  // c[rows, cols] = (accumulate ? c : 0) + a panel * b panel.
  struct Tile {
    int rows, cols, depth;
    const float* a;
    const float* b;
    float* c;
    std::int64_t c_stride;
    bool accumulate;
  };
  void (*multiply)(const Tile& tile);
  // packed[k * packed_step + line] = source[line * source_step + k].  Both packings write n_lanes
  // values at every k in rising order: those past n_lines are zeros, overwritten by the next k.
  // pack_lines writes past the panel's end, pack_columns does not.
  void (*pack_lines)(const PackPiece& piece);
  // packed[k * packed_step + line] = source[k * source_step + line].
  void (*pack_columns)(const PackPiece& piece);
};

const GemmKernel& gemm_kernel_avx2();
const GemmKernel& gemm_kernel_avx512();

}  // namespace farthing
