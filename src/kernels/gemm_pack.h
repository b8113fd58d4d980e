// gemm_pack.h - op(B) in packed panels: where they stand, and who writes them.
//
//   for each block of k (depth_block()):  for each panel of max_vectors vectors of columns:
//     the panel, word by word, as gemm_kernel.h says
//
// Panels begin at multiples of their width from column 0, whatever part is packed, so that a copy
// packed whole and one packed as the product goes are the same numbers.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/gemm_kernel.h"

namespace farthing {

inline constexpr int kDepthWords = 256;  // the same for every shape: it sets the bits
inline constexpr int kMostWords = kDepthWords + 2 * kDepthWords / kTile;  // of a line, with scales
inline constexpr int kPackDepth = 8;       // k packed at a time across panels
inline constexpr int kWidePackDepth = 32;  // of tiled formats, and where A stands in tiles
inline constexpr int kTileWords = 16;      // of a line of A, where it stands in tiles
inline constexpr int kFloatsPerLine = 16;  // a cache line

inline int round_up(int value, int unit) { return (value + unit - 1) / unit * unit; }

// How op(B) of one product is packed by one kernel.
class PanelPacker {
 public:
  static constexpr int kMostTiles = 9 * 4;  // column tiles times depth tiles of a block

  PanelPacker(const GemmKernel& kernel, Matrix<const float> b, GemmOptions options,
              const std::int32_t* b_rows = nullptr);

  int depth() const { return depth_; }
  int depth_block() const { return kDepthWords * kernel_.k_per_word * kernel_.lines_per_word; }
  int panel_width() const { return kernel_.max_vectors * kernel_.n_lanes; }
  // n_k: a multiple of kTile, or the block's whole depth, where there are scale words.
  int words(int n_k) const {
    return (n_k + kernel_.k_per_word - 1) / kernel_.k_per_word +
           kernel_.scale_words * kernel_.lines_per_word * ((n_k + kTile - 1) / kTile);
  }
  // Floats of one word of so many columns.
  int word_width(int n_cols) const {
    return round_up(n_cols, kernel_.n_lanes) / kernel_.lines_per_word;
  }
  // Of a panel in a whole packed copy, from its beginning.  k: a multiple of depth_block().
  std::int64_t offset(int col, int k) const {
    const int n_words = words(std::min(depth_block(), depth_ - k));
    return std::int64_t{word_width(n_cols_)} * words(k) + std::int64_t{word_width(col)} * n_words;
  }
  // Writes the scales of a block's tiles, column tile by column tile, where tiles are blocks.
  void block_scales(int col, int n_cols, int k, int n_k, float* scales) const;
  // Writes k + k0 .. k + k0 + n_k of the panel of the columns col .. col + size, whose block begins
  // at k with these scales.  k0: a multiple of kTile where the format is tiled.
  void panel(float* packed, int col, int size, int k, int k0, int n_k, const float* scales,
             bool past_caches = false, LineScales line_scales = {}) const;
  // The scales of a column's tile among those of the block that begins at first_col; null: none.
  const float* scales_of(const float* scales, int col, int first_col) const;
  // Asks for the memory that panel() will read, where that lies in lines.
  void prefetch(int col, int size, int k, int n_k) const;

  bool has_blocks() const {
    return is_tiled(options_.format) && options_.b_tile == TileShape::kBlock;
  }

 private:
  float tile_amax(int col, int k) const;

  const GemmKernel& kernel_;
  Matrix<const float> b_;
  const std::int32_t* b_rows_;
  GemmOptions options_;
  int n_cols_, depth_;
};

}  // namespace farthing
