// gemm_amx.cpp - products of BF16 pairs on AMX tiles: 32 by 32 sums in four tile registers.
//
// kFp8 runs here as it is defined, since an E4M3 value times a power of two is a BF16 value.  A
// panel of A stands tile by tile, one cache line after the other; B as for vdpbf16ps.  Sums begin
// at zero and are added to C at their end, so that no element's bits depend on what shares its
// tile. Source Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
#include "kernels/amx_tiles.h"
#include "kernels/gemm_avx512bf16_vector.h"

namespace farthing {
namespace {

using V = Avx512Bf16Vector;

constexpr int kRows = 2 * kTileLines, kCols = 2 * kTileWords;
constexpr int kTileOfA = kRows * kTileWords;  // floats from one tile of a panel of A to the next

// Tiles 0-3 hold the sums, row by row, 4 and 5 lines of A, 6 and 7 words of B.  The panel of B is
// used again by the next tile and stays in the L1 cache; the two would not fit.
template <int kRowTiles, int kColTiles>
void add_products(const float* a, const float* b, std::int64_t b_step) {
  tile_load<6>(b, b_step);
  tile_load_once<4>(a, kTileWords);
  tile_multiply<0, 4, 6>();
  if constexpr (kColTiles == 2) {
    tile_load<7>(b + kTileWords, b_step);
    tile_multiply<1, 4, 7>();
  }
  if constexpr (kRowTiles == 2) {
    tile_load_once<5>(a + kTileLines * kTileWords, kTileWords);
    tile_multiply<2, 5, 6>();
    if constexpr (kColTiles == 2) tile_multiply<3, 5, 7>();
  }
}

// The last words, fewer than a tile holds: B continued with zeros, as A is.
template <int kRowTiles, int kColTiles>
void add_last_products(const float* a, const float* b, int n_words) {
  constexpr int kWidth = kColTiles * kTileWords;
  alignas(64) float words[kTileWords * kWidth] = {};
  for (int i = 0; i < n_words * kWidth; i += V::kLanes) V::store(words + i, V::load(b + i));
  add_products<kRowTiles, kColTiles>(a, words, kWidth);
}

template <int kRowTiles, int kColTiles>
void store_sums(float* to, std::int64_t step) {
  tile_store<0>(to, step);
  if constexpr (kColTiles == 2) tile_store<1>(to + kTileWords, step);
  if constexpr (kRowTiles == 2) {
    tile_store<2>(to + kTileLines * step, step);
    if constexpr (kColTiles == 2) tile_store<3>(to + kTileLines * step + kTileWords, step);
  }
}

// C past the caches, where it is written whole, in whole lines.
void stream_whole(const Tile& tile) {
  alignas(64) float sums[kRows * kCols];
  store_sums<2, 2>(sums, kCols);
  for (int row = 0; row < kRows; ++row) {
    float* c = tile.c + row * tile.c_stride;
    for (int v = 0; v < kCols; v += V::kLanes) {
      V::store_past_caches(c + v, V::load(sums + row * kCols + v));
    }
  }
}

// kStreamed: by stream_whole().
template <int kRowTiles, int kColTiles, bool kStreamed = false>
void multiply_tiles(const Tile& tile) {
  constexpr int kWidth = kColTiles * kTileWords;
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  RowsOfC c(tile);
  const float *a = tile.a, *b = tile.b;
  int left = tile.n_words;
  for (; left >= kTileWords; left -= kTileWords, a += kTileOfA, b += kTileWords * kWidth) {
    if constexpr (!kStreamed) c.ask(4);
    add_products<kRowTiles, kColTiles>(a, b, kWidth);
  }
  if (left > 0) add_last_products<kRowTiles, kColTiles>(a, b, left);
  static_assert(!kStreamed || (kRowTiles == 2 && kColTiles == 2));
  if constexpr (kStreamed) return stream_whole(tile);
  const bool whole = tile.rows == kRowTiles * kTileLines && tile.cols == kWidth;
  if (whole && !tile.accumulate) {
    return store_sums<kRowTiles, kColTiles>(tile.c, tile.c_stride);
  }
  alignas(64) float sums[kRows * kCols];
  store_sums<kRowTiles, kColTiles>(sums, kWidth);
  for (int row = 0; row < tile.rows; ++row) {
    V::Reg sum[kColTiles];
    for (int v = 0; v < kColTiles; ++v) sum[v] = V::load(sums + row * kWidth + v * kTileWords);
    store_row<V, kColTiles>(sum, tile.c + row * tile.c_stride, tile.cols, tile.accumulate);
  }
}

bool can_stream(const Tile& tile) {
  constexpr std::uintptr_t kLine = sizeof(float) * V::kLanes;
  return tile.past_caches && tile.rows == kRows && tile.cols == kCols &&
         tile.c_stride % V::kLanes == 0 && reinterpret_cast<std::uintptr_t>(tile.c) % kLine == 0;
}

void multiply(const Tile& tile) {
  if (can_stream(tile)) return multiply_tiles<2, 2, true>(tile);
  if (tile.rows > kTileLines) {
    tile.cols > kTileWords ? multiply_tiles<2, 2>(tile) : multiply_tiles<2, 1>(tile);
  } else {
    tile.cols > kTileWords ? multiply_tiles<1, 2>(tile) : multiply_tiles<1, 1>(tile);
  }
}

// Where the words of k stand in a panel of A, k a multiple of what a tile holds.
constexpr std::int64_t tile_of_a(int k) { return std::int64_t{k} / (2 * kTileWords) * kTileOfA; }

template <MatmulFormat kFormat>
void pack_tile_of_line(float* packed, const float* from, int n_k) {
  const float scale = is_tiled(kFormat) ? tile_scale(kFormat, amax<V>(from, n_k)) : 1.0f;
  for (int k = 0; k < n_k; k += 2 * V::kLanes) {
    V::store(packed + tile_of_a(k),
             words_along<V, kFormat>(from + k, n_k - k, same_scale<V>(scale)));
  }
}

template <MatmulFormat kFormat>
void pack_a_lines(const PackPiece& piece) {
  const int step = is_tiled(kFormat) ? kTile : piece.depth;
  for (int line = 0; line < piece.n_lines; ++line) {
    for (int k = 0; k < piece.depth; k += step) {
      const int n_k = piece.depth - k < step ? piece.depth - k : step;
      pack_tile_of_line<kFormat>(piece.packed + line * kTileWords + tile_of_a(k),
                                 piece.source[line] + k, n_k);
    }
  }
}

// Up to 32 k of up to 16 lines that lie k by k.
template <MatmulFormat kFormat>
void pack_square(float* packed, SourceRows source, int n_lines, int n_k,
                 const TileScale<V>& scale) {
  const auto row = [&](int k) {
    if (k >= n_k) return V::broadcast(0.0f);
    return round_to<V, kFormat>(load_up_to<V>(source[k], n_lines), scale);
  };
  V::Reg words[V::kLanes];
  for (int i = 0; i < V::kLanes; ++i) words[i] = V::pair_across(row(2 * i), row(2 * i + 1));
  V::transpose(words);
  for (int line = 0; line < n_lines; ++line) V::store(packed + line * kTileWords, words[line]);
}

template <MatmulFormat kFormat>
void pack_a_columns(const PackPiece& piece) {
  const int step = is_tiled(kFormat) ? kTile : piece.depth;
  for (int line = 0; line < piece.n_lines; line += V::kLanes) {
    const int n_lines = piece.n_lines - line < V::kLanes ? piece.n_lines - line : V::kLanes;
    for (int first = 0; first < piece.depth; first += step) {
      const int end = first + step < piece.depth ? first + step : piece.depth;
      PackPiece tile = piece;
      tile.source = piece.source.from(first, line);
      tile.n_lines = n_lines;
      if (tile.line_scales.scale) tile.line_scales = tile.line_scales.from(line);
      const auto scale = column_scale<V, kFormat>(tile, 0, end - first);
      for (int k = first; k < end; k += 2 * V::kLanes) {
        pack_square<kFormat>(piece.packed + line * kTileWords + tile_of_a(k),
                             piece.source.from(k, line), n_lines, end - k, scale);
      }
    }
  }
}

template <MatmulFormat kFormat>
constexpr GemmKernel make_amx_kernel() {
  return {.max_rows = kRows,
          .n_lanes = V::kLanes,
          .max_vectors = kCols / V::kLanes,
          .k_per_word = V::kKPerWord,
          .lines_per_word = V::kLinesPerWord,
          .scale_words = V::kScaleWords,
          .a_in_tiles = true,
          .begin = tiles_configure,
          .end = tiles_release,
          .multiply = multiply,
          .pack_lines = pack_lines<V, kFormat, Side::kB>,
          .pack_columns = pack_columns<V, kFormat, Side::kB>,
          .pack_a_lines = pack_a_lines<kFormat>,
          .pack_a_columns = pack_a_columns<kFormat>,
          .amax = amax<V>,
          .column_scales = is_tiled(kFormat) ? column_scales<V, kFormat> : nullptr};
}

constexpr GemmKernel kBf16 = make_amx_kernel<MatmulFormat::kBf16>();
constexpr GemmKernel kFp8 = make_amx_kernel<MatmulFormat::kFp8>();

}  // namespace

const GemmKernel& gemm_kernel_amx(MatmulFormat format) {
  return format == MatmulFormat::kFp8 ? kFp8 : kBf16;
}

}  // namespace farthing
