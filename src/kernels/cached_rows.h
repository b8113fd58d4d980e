// cached_rows.h - rows of a matrix kept in FP8 or F16 tiles until they are needed again.
//
//   keep:  every tile of kTile values of a row gets a power-of-two scale from its largest
//   magnitude;
//          stored is to_e4m3(x / scale) or to_f16(x / scale), and the scale as UE8M0
//   restore:  x' = value * scale, which is rounded(format, x, tile_scale(format, amax)) of
//          matmul_format.h, exactly
//
// Source   DeepSeek-V3 report, section 3.3.3: the inputs of the experts' SwiGLU cached in FP8.
// Shapes   x [n_rows, n_cols]; the last tile of a row may be shorter
// Errors   Shapes are CHECKed.  NaN stays NaN; of infinities matmul_format.h tells.
//
// Cost     1 or 2 bytes a value and 1 a tile; one pass over memory each way.
#pragma once
#include <cstdint>

#include "base/arena.h"
#include "base/check.h"
#include "base/matrix.h"
#include "kernels/matmul_format.h"

namespace farthing {

// REQUIRES format kFp8 or kFp16.
struct CachedRows {
  CachedRows() = default;
  CachedRows(Arena& arena, int rows, int cols, MatmulFormat matmul_format)
      : format(matmul_format), n_rows(rows), n_cols(cols) {
    if (format == MatmulFormat::kFp8) e4m3 = arena.matrix<std::uint8_t>(rows, cols).data;
    if (format == MatmulFormat::kFp16) f16 = arena.matrix<std::uint16_t>(rows, cols).data;
    scale = arena.matrix<std::uint8_t>(rows, n_tiles()).data;
  }
  int n_tiles() const { return (n_cols + kTile - 1) / kTile; }
  CachedRows rows(int first, int count) const {
    CHECK(first >= 0 && count >= 0 && first + count <= n_rows);
    CachedRows part = *this;
    part.n_rows = count;
    if (e4m3) part.e4m3 += std::int64_t{first} * n_cols;
    if (f16) part.f16 += std::int64_t{first} * n_cols;
    part.scale += std::int64_t{first} * n_tiles();
    return part;
  }

  MatmulFormat format = MatmulFormat::kFp8;
  int n_rows = 0, n_cols = 0;
  std::uint8_t* e4m3 = nullptr;  // one of the two
  std::uint16_t* f16 = nullptr;
  std::uint8_t* scale = nullptr;  // [n_rows, n_tiles], UE8M0
};

void keep_rows(const CachedRows& cache, Matrix<const float> x);
void restore_rows(Matrix<float> x, const CachedRows& cache);

}  // namespace farthing
