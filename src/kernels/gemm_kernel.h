// gemm_kernel.h - what one instruction set brings to a product: a register tile and two packings.
//
// Packed operands are 32-bit words: an FP32 value; two BF16 values of k and k + 1 (k_per_word;
// where the depth ends first, the upper one is zero); or the F16 values of two lines at one k
// (lines_per_word): of two rows of A, of two columns of B.
//   A panel of A holds up to max_rows rows, word by word:        a[word * step + row]
//     step = rows, divided (and rounded up), as row is, by lines_per_word;
//                       or, in tiles of 16 words (a_in_tiles):   a[word / 16 * 16 * max_rows
//                                                                  + row * 16 + word % 16]
//   A panel of B holds up to max_vectors vectors, word by word:  b[word * width + col],
//     width = whole vectors of n_lanes columns, divided, as col is, by lines_per_word; the columns
//     past the last are zero.
// Scales in FP32 stand before the words of every tile of kTile where scale_words is 1, one for a
// line, in as many lines of words as a word has lines: of A's rows one after the other; of 16
// columns of B, those of the first 8 in one line of words and the others in the next.
#pragma once
#include <cstdint>

#include "kernels/matmul_format.h"

namespace farthing {

// The scales of lines that lie k by k, found for one tile of k before any line of it is packed: the
// rows of memory are read whole, instead of a few columns of them.
struct LineScales {
  const float* scale = nullptr;
  const float* inverse = nullptr;
  int first_k = 0;  // of the tile: where the piece begins

  LineScales from(int line) const { return {scale + line, inverse + line, first_k}; }
};

// Rows in memory, one behind the other or those that are named.
struct SourceRows {
  const float* data;
  std::int64_t step;
  const std::int32_t* rows = nullptr;

  const float* operator[](std::int64_t i) const { return data + (rows ? rows[i] : i) * step; }
  SourceRows from(std::int64_t row, std::int64_t col) const {
    if (rows) return {data + col, step, rows + row};
    return {data + row * step + col, step};
  }
};

// A rectangle of an operand in memory, and where its packed form begins.
struct PackPiece {
  float* packed;
  std::int64_t packed_step;  // from one word to the next
  SourceRows source;         // lines, or k
  int n_lines;               // rows of A, or columns of B: at most n_lanes / lines_per_word
  int depth;                 // in k; tiles begin at its multiples of kTile
  const float* block_scale;  // of each tile, the same for all lines; null: every line its own
  // B alone: whole lines of memory are written unread and left in no cache; a store fence follows.
  bool past_caches = false;
  // pack_columns alone: where set, the piece is a part of one tile, and that which begins it writes
  // the scales.
  LineScales line_scales = {};
};

struct GemmKernel {
  int max_rows;
  int n_lanes;
  int max_vectors;
  int k_per_word;
  int lines_per_word;
  int scale_words;
  bool a_in_tiles;
  // Around the tiles of a product, on the thread that multiplies them.
  void (*begin)();
  void (*end)();
  // c[rows, cols] = (accumulate ? c : 0) + a panel * b panel.
  struct Tile {
    int rows, cols, n_words;
    const float* a;
    const float* b;
    float* c;
    std::int64_t c_stride;
    bool accumulate;
    bool past_caches;  // C may be written unread, whole lines of it; a store fence follows
    int interval;      // of k between promotions of FP16 sums; read with scale words alone
  };
  void (*multiply)(const Tile& tile);
  // Rounds to the format.  packed[word * packed_step + line] = source[line][k].
  // Both packings write whole vectors at every word in rising order: what is past n_lines is zero,
  // overwritten by the next.  pack_lines writes past the panel's end, pack_columns does not.
  void (*pack_lines)(const PackPiece& piece);
  // packed[word * packed_step + line] = source[k][line].
  void (*pack_columns)(const PackPiece& piece);
  // The same for A; where a_in_tiles, as told above, of up to max_rows lines, and zeros up to the
  // end of the last tile.
  void (*pack_a_lines)(const PackPiece& piece);
  void (*pack_a_columns)(const PackPiece& piece);
  // Largest magnitude of n values, NaN left out.
  float (*amax)(const float* values, int n);
  // Writes the scales of so many columns of a tile of `depth` k, and their inverses.  Null where
  // the format has none.
  void (*column_scales)(SourceRows source, int n_lines, int depth, float* scale, float* inverse);
};

const GemmKernel& gemm_kernel_avx2(MatmulFormat format);
const GemmKernel& gemm_kernel_avx512(MatmulFormat format);
// kFp16 and kFp8 in FP16 arithmetic, promoted to FP32 every `interval`.  REQUIRES one of them.
const GemmKernel& gemm_kernel_avx512fp16(MatmulFormat format);
// BF16 and kFp8 as pairs for vdpbf16ps.  REQUIRES one of these formats.
const GemmKernel& gemm_kernel_avx512bf16(MatmulFormat format);
// BF16 and kFp8 as pairs on AMX tiles.  REQUIRES one of these formats.
const GemmKernel& gemm_kernel_amx(MatmulFormat format);
// Of current_isa(), which is not kRef.
const GemmKernel& gemm_kernel(MatmulFormat format);

}  // namespace farthing
