// gemm_body.h - the register tile and the packings, written once for any vector type and format.
//
// Included only by the file of each instruction set, which brings V: Reg, kLanes, kMaxRows,
// kMaxVectors, kKPerWord, load, load_first, store, store_first, broadcast, add, mul, div, max, abs,
// round_bf16, round_e4m3, round_f16, power_of_two_above, reduce_max, transpose; for the tile
// multiply_add(word of A, words of B, sum).  With two k a word (kKPerWord) also pair_along (32 k of
// one line) and pair_across (two k of 16 lines).  With two lines a word (kLinesPerWord: FP16 sums)
// multiply_add(words of A at one k, row, words of B, sum) and Half, half_zero, store_sums, widen
// (half a vector of sums in memory), join (two half vectors in memory), store_halves (a vector,
// rounded, as the first words of half a one) and store_pairs (8 k of kLanes lines of halves, k by
// k).
//
// Everything is in an unnamed namespace: code compiled for one instruction set must not be linked
// into another.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>

#include "kernels/gemm_kernel.h"

namespace farthing {
namespace {

using Tile = GemmKernel::Tile;

template <class V>
int lanes_left(int cols, int vector) {
  const int left = cols - vector * V::kLanes;
  return left < 0 ? 0 : left < V::kLanes ? left : V::kLanes;
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

// Asks for the rows of C before they are added to.  Where tiles are quick, or wide, a few at a time
// between the products: a core waits for few lines at once, and A's and B's must not stand behind.
class RowsOfC {
 public:
  explicit RowsOfC(const Tile& tile)
      : row_(tile.c), step_(tile.c_stride), left_(tile.rows), cols_(tile.cols) {}
  void ask(int n_rows) {
    constexpr int kLine = 16;
    for (; n_rows > 0 && left_ > 0; --n_rows, --left_, row_ += step_) {
      const auto skew = static_cast<int>(reinterpret_cast<std::uintptr_t>(row_) / 4 % kLine);
      for (int col = -skew; col < cols_; col += kLine) __builtin_prefetch(row_ + col, 1);
    }
  }

 private:
  const float* row_;
  std::int64_t step_;
  int left_, cols_;
};

template <class V, int kRows, int kVectors>
void multiply_unpromoted(const Tile& tile) {
  typename V::Reg sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[row][v] = V::broadcast(0.0f);
  }
  const float* a = tile.a;
  const float* b = tile.b;
  RowsOfC(tile).ask(kRows);
  for (int word = 0; word < tile.n_words; ++word, a += kRows, b += kVectors * V::kLanes) {
    typename V::Reg right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = V::load(b + v * V::kLanes);
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        sum[row][v] = V::multiply_add(a + row, right[v], sum[row][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
    store_row<V, kVectors>(sum[row], tile.c + row * tile.c_stride, tile.cols, tile.accumulate);
  }
}

// Words of a panel of A at one k, and the lines of words that the scales of a tile take.
template <class V>
constexpr int words_per_k(int rows) {
  return (rows + V::kLinesPerWord - 1) / V::kLinesPerWord;
}
template <class V>
constexpr int scale_lines = V::kScaleWords* V::kLinesPerWord;

constexpr int kAskEvery = 16;  // k between two of the FP16 tile's calls of ask()

// FP16 sums of n_k products, left in memory as they are.
template <class V, int kRows, int kVectors>
void sum_stretch(const float* a, const float* b, int n_k, RowsOfC& c, float* sums) {
  constexpr int kWidth = kVectors * V::kLanes, kStep = words_per_k<V>(kRows);
  typename V::Half sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[row][v] = V::half_zero();
  }
  for (int k = 0; k < n_k;) {
    c.ask(2);
    const int end = n_k - k < kAskEvery ? n_k : k + kAskEvery;
    for (; k < end; ++k, a += kStep, b += kWidth) {
      typename V::Reg right[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) right[v] = V::load(b + v * V::kLanes);
#pragma GCC unroll 16
      for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          sum[row][v] = V::multiply_add(a, row, right[v], sum[row][v]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      V::store_sums(sums + (row * kVectors + v) * V::kLanes, sum[row][v]);
    }
  }
}

// total = or, after the first tile, += the sums of kStretches stretches, added up in FP32, times
// the scales of their row and of their columns.
template <class V, int kRows, int kVectors, int kStretches>
void add_scaled(const float* sums, const float* a_scale, const float* b_scale, bool is_first,
                float* total) {
  constexpr int kWidth = kVectors * V::kLanes, kStrip = V::kLanes / 2;
#pragma GCC unroll 4
  for (int v = 0; v < 2 * kVectors; ++v) {
    const auto scales = V::join(b_scale + v * kStrip, b_scale + v * kStrip + kWidth);
#pragma GCC unroll 2
    for (int row = 0; row < kRows; ++row) {
      const int strip = 2 * row * kVectors + v;
      auto part = V::widen(sums + strip * kStrip);
#pragma GCC unroll 4
      for (int i = 1; i < kStretches; ++i) {
        part = V::add(part, V::widen(sums + i * kRows * kWidth + strip * kStrip));
      }
      part = V::mul(part, V::mul(V::broadcast(a_scale[row]), scales));
      float* to = total + strip * V::kLanes;
      V::store(to, is_first ? part : V::add(V::load(to), part));
    }
  }
}

// FP16 sums of tile.interval products, added up in FP32 over a tile of k, then scaled.
template <class V, int kRows, int kVectors>
void multiply_promoted(const Tile& tile) {
  constexpr int kWidth = kVectors * V::kLanes;  // words; twice as many columns
  constexpr int kStep = words_per_k<V>(kRows), kScaleLines = scale_lines<V>;
  constexpr int kMostStretches = kTile / kPromotionIntervals[0];
  alignas(64) float sums[kMostStretches][kRows * kWidth], total[kRows * 2 * kWidth];
  RowsOfC c(tile);
  const float *a = tile.a, *b = tile.b;
  for (int left = tile.n_words; left > 0; left -= kTile + kScaleLines) {
    const float *a_scale = a, *b_scale = b;
    a += kScaleLines * kStep, b += kScaleLines * kWidth;
    const int n_k = std::min(left - kScaleLines, kTile);
    int n_stretches = 0;
    for (int k = 0; k < n_k; k += tile.interval) {
      const int stretch = n_k - k < tile.interval ? n_k - k : tile.interval;
      sum_stretch<V, kRows, kVectors>(a, b, stretch, c, sums[n_stretches++]);
      a += stretch * kStep, b += stretch * kWidth;
    }
    constexpr decltype(&add_scaled<V, kRows, kVectors, 1>) kAdd[] = {
        add_scaled<V, kRows, kVectors, 1>, add_scaled<V, kRows, kVectors, 2>,
        add_scaled<V, kRows, kVectors, 3>, add_scaled<V, kRows, kVectors, 4>};
    static_assert(std::size(kAdd) == kMostStretches);
    kAdd[n_stretches - 1](sums[0], a_scale, b_scale, left == tile.n_words, total);
  }
  for (int row = 0; row < kRows; ++row) {
    typename V::Reg sum[2 * kVectors];
    for (int v = 0; v < 2 * kVectors; ++v) {
      sum[v] = V::load(total + (2 * row * kVectors + v) * V::kLanes);
    }
    store_row<V, 2 * kVectors>(sum, tile.c + row * tile.c_stride, tile.cols, tile.accumulate);
  }
}

template <class V, int kRows, int kVectors>
void multiply_tile(const Tile& tile) {
  if constexpr (V::kScaleWords == 1) return multiply_promoted<V, kRows, kVectors>(tile);
  if constexpr (V::kScaleWords == 0) multiply_unpromoted<V, kRows, kVectors>(tile);
}

template <class V, int kRows, int kVectors>
void multiply_vectors(const Tile& tile) {
  if constexpr (kVectors > 1) {
    if (tile.cols <= (kVectors - 1) * V::kLanes * V::kLinesPerWord) {
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

enum class Side { kA, kB };

// Where the words of k stand in a panel: a tile's words follow its scales, where there are any.
template <class V>
constexpr std::int64_t word_of(int k) {
  return k / V::kKPerWord + scale_lines<V> * (k / kTile + 1);
}
template <class V>
constexpr std::int64_t words_of(int depth) {
  return (depth + V::kKPerWord - 1) / V::kKPerWord + scale_lines<V> * ((depth + kTile - 1) / kTile);
}

// Writes the word of kLanes lines, but not past the first n floats.
template <class V, Side kSide>
void store_word(float* to, std::int64_t n, typename V::Reg value, bool past_caches) {
  if constexpr (V::kLinesPerWord == 2) {
    V::store_halves(to, static_cast<int>(std::min<std::int64_t>(n, V::kLanes / 2)), value);
  } else {
    if constexpr (kSide == Side::kB) {
      if (past_caches) return V::store_past_caches(to, value);
    }
    n >= V::kLanes ? V::store(to, value) : V::store_first(to, static_cast<int>(n), value);
  }
}

// The scales of kLanes lines before the words of their tile: of A one after the other, of B where
// the words of their columns stand.
template <class V, Side kSide>
void store_scales(float* to, std::int64_t step, std::int64_t n, typename V::Reg scales) {
  if constexpr (kSide == Side::kA) {
    n >= V::kLanes ? V::store(to, scales) : V::store_first(to, static_cast<int>(n), scales);
  } else {
    constexpr int kStrip = V::kLanes / V::kLinesPerWord;
    float all[V::kLanes];
    V::store(all, scales);
    for (int i = 0; i < V::kLanes; ++i) to[i / kStrip * step + i % kStrip] = all[i];
  }
}

template <class V>
float amax(const float* values, int n) {
  auto most = V::broadcast(0.0f);
  int i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) most = V::max(V::abs(V::load(values + i)), most);
  if (i < n) most = V::max(V::abs(V::load_first(values + i, n - i)), most);
  return V::reduce_max(most);
}

template <class V>
struct TileScale {
  typename V::Reg scale, inverse;
};

template <class V>
TileScale<V> same_scale(float scale) {
  return {V::broadcast(scale), V::broadcast(1 / scale)};
}

template <class V, MatmulFormat kFormat>
typename V::Reg round_to(typename V::Reg x, const TileScale<V>& tile) {
  if constexpr (kFormat == MatmulFormat::kFp32) {
    return x;
  } else if constexpr (kFormat == MatmulFormat::kBf16) {
    if constexpr (V::kKPerWord == 2) return x;  // making the pair rounds
    if constexpr (V::kKPerWord == 1) return V::round_bf16(x);
  } else if constexpr (V::kScaleWords == 1) {  // the scale is kept apart
    const auto scaled = V::mul(x, tile.inverse);
    if constexpr (kFormat == MatmulFormat::kFp16) return scaled;  // storing the word rounds
    return V::mul(V::round_e4m3(scaled), V::broadcast(kFp8Shrink));
  } else if constexpr (kFormat == MatmulFormat::kFp8) {
    return V::mul(V::round_e4m3(V::mul(x, tile.inverse)), tile.scale);
  } else if constexpr (kFormat == MatmulFormat::kFp8FloatScale) {
    return V::mul(V::round_e4m3(V::div(x, tile.scale)), tile.scale);
  } else {
    return V::mul(V::round_f16(V::mul(x, tile.inverse)), tile.scale);
  }
}

// tile_scale() of number by number.
template <class V, MatmulFormat kFormat>
TileScale<V> scale_of(typename V::Reg most) {
  const auto one = V::broadcast(1.0f);
  if constexpr (kFormat == MatmulFormat::kFp16) {
    most = V::mul(V::max(most, V::broadcast(0x1p-100f)), V::broadcast(1 / kFp16TileMax));
  } else {
    most = V::div(V::max(most, V::broadcast(1e-4f)), V::broadcast(kE4m3Max));
  }
  if constexpr (kFormat == MatmulFormat::kFp8FloatScale) return {most, one};
  const auto scale = V::power_of_two_above(most);
  return {scale, V::div(one, scale)};
}

template <class V>
typename V::Reg load_up_to(const float* from, int n) {
  if (n >= V::kLanes) return V::load(from);
  return n > 0 ? V::load_first(from, n) : V::broadcast(0.0f);
}

// One word of kLanes lines each: k .. k + kLanes * kKPerWord of one line.
template <class V, MatmulFormat kFormat>
typename V::Reg words_along(const float* from, int n_k, const TileScale<V>& tile) {
  const auto low = round_to<V, kFormat>(load_up_to<V>(from, n_k), tile);
  if constexpr (V::kKPerWord == 1) {
    return low;
  } else {
    return V::pair_along(
        low, round_to<V, kFormat>(load_up_to<V>(from + V::kLanes, n_k - V::kLanes), tile));
  }
}

// The scale of one line's tile.
template <class V, MatmulFormat kFormat>
float line_scale(const PackPiece& piece, int line, int first_k, int n_k) {
  if constexpr (!is_tiled(kFormat)) return 1;
  if (piece.block_scale) return piece.block_scale[first_k / kTile];
  return tile_scale(kFormat, amax<V>(piece.source[line] + first_k, n_k));
}

template <class V, MatmulFormat kFormat, Side kSide>
void pack_tile_lines(const PackPiece& piece, int first_k, int n_k) {
  constexpr int kLanes = V::kLanes, kStep = kLanes * V::kKPerWord;
  float scale[kLanes];
  for (int line = 0; line < piece.n_lines; ++line) {
    scale[line] = line_scale<V, kFormat>(piece, line, first_k, n_k);
  }
  for (int k = first_k; k < first_k + n_k; k += kStep) {
    const int left = first_k + n_k - k;
    typename V::Reg block[kLanes];
    for (int line = 0; line < kLanes; ++line) {
      block[line] = V::broadcast(0.0f);
      if (line >= piece.n_lines) continue;
      block[line] =
          words_along<V, kFormat>(piece.source[line] + k, left, same_scale<V>(scale[line]));
    }
    V::transpose(block);
    const int n_words = left >= kStep ? kLanes : (left + V::kKPerWord - 1) / V::kKPerWord;
    float* to = piece.packed + word_of<V>(k) * piece.packed_step;
    for (int i = 0; i < n_words; ++i) {
      store_word<V, kSide>(to + i * piece.packed_step, kLanes, block[i], piece.past_caches);
    }
  }
}

// Two lines a word: rounded line by line to halves in the L1 cache, then moved in words of two.
template <class V, MatmulFormat kFormat, Side kSide>
void pack_tile_pairs(const PackPiece& piece, int first_k, int n_k) {
  constexpr int kLanes = V::kLanes, kWords = kTile / 2, kChunk = 8;
  alignas(64) float halves[kLanes][kWords];  // a word: two k of one line
  float kept[kLanes] = {};
  for (int line = 0; line < kLanes; ++line) {
    if (line >= piece.n_lines) {
      std::fill_n(halves[line], kWords, 0.0f);
      continue;
    }
    const float scale = line_scale<V, kFormat>(piece, line, first_k, n_k);
    const auto tile = same_scale<V>(scale);
    kept[line] = kept_scale(kFormat, scale);
    const float* from = piece.source[line] + first_k;
    for (int k = 0; k < n_k; k += kLanes) {
      const auto value = round_to<V, kFormat>(load_up_to<V>(from + k, n_k - k), tile);
      V::store_halves(halves[line] + k / 2, kLanes / 2, value);
    }
  }
  float* to = piece.packed + word_of<V>(first_k) * piece.packed_step;
  store_scales<V, kSide>(to - scale_lines<V> * piece.packed_step, piece.packed_step, kLanes,
                         V::load(kept));
  for (int k = 0; k < n_k; k += kChunk, to += kChunk * piece.packed_step) {
    V::store_pairs(halves[0] + k / 2, kWords, std::min(kChunk, n_k - k), to, piece.packed_step);
  }
}

template <class V, MatmulFormat kFormat, Side kSide>
void pack_lines(const PackPiece& piece) {
  if constexpr (!is_tiled(kFormat)) {
    return pack_tile_lines<V, kFormat, kSide>(piece, 0, piece.depth);
  }
  for (int k = 0; k < piece.depth; k += kTile) {
    const int n_k = piece.depth - k < kTile ? piece.depth - k : kTile;
    if constexpr (V::kLinesPerWord == 2) {
      pack_tile_pairs<V, kFormat, kSide>(piece, k, n_k);
    } else {
      pack_tile_lines<V, kFormat, kSide>(piece, k, n_k);
    }
  }
}

template <class V, MatmulFormat kFormat>
TileScale<V> column_scale(const PackPiece& piece, int first_k, int n_k) {
  auto most = V::broadcast(0.0f);
  if constexpr (!is_tiled(kFormat)) return {most, most};
  if (piece.block_scale) return same_scale<V>(piece.block_scale[first_k / kTile]);
  if (piece.line_scales.scale) {
    return {load_up_to<V>(piece.line_scales.scale, piece.n_lines),
            load_up_to<V>(piece.line_scales.inverse, piece.n_lines)};
  }
  for (int k = first_k; k < first_k + n_k; ++k) {
    most = V::max(V::abs(load_up_to<V>(piece.source[k], piece.n_lines)), most);
  }
  return scale_of<V, kFormat>(most);
}

// A few vectors of columns at a time: their whole cache lines, one row after the other.
template <class V, MatmulFormat kFormat>
void column_scales(SourceRows source, int n_lines, int depth, float* scale, float* inverse) {
  constexpr int kVectors = 8, kWidth = kVectors * V::kLanes;
  for (int first = 0; first < n_lines; first += kWidth) {
    const int left = n_lines - first;
    typename V::Reg most[kVectors];
    for (auto& m : most) m = V::broadcast(0.0f);
    for (int k = 0; k < depth; ++k) {
      const float* row = source[k] + first;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        most[v] = V::max(V::abs(load_up_to<V>(row + v * V::kLanes, left - v * V::kLanes)), most[v]);
      }
    }
    for (int v = 0; v < kVectors && v * V::kLanes < left; ++v) {
      const auto tile = scale_of<V, kFormat>(most[v]);
      V::store(scale + first + v * V::kLanes, tile.scale);
      V::store(inverse + first + v * V::kLanes, tile.inverse);
    }
  }
}

template <class V, MatmulFormat kFormat, Side kSide>
void pack_tile_columns(const PackPiece& piece, int first_k, int n_k) {
  const auto tile = column_scale<V, kFormat>(piece, first_k, n_k);
  const bool has_scales = piece.line_scales.first_k == 0;
  float* const packed = piece.packed - (has_scales ? 0 : scale_lines<V> * piece.packed_step);
  const std::int64_t end = words_of<V>(piece.depth) * piece.packed_step;
  if constexpr (V::kScaleWords == 1) {
    const std::int64_t at = (word_of<V>(first_k) - scale_lines<V>)*piece.packed_step;
    const auto kept = V::mul(tile.scale, V::broadcast(kept_scale(kFormat, 1.0f)));
    if (has_scales) store_scales<V, kSide>(packed + at, piece.packed_step, end - at, kept);
  }
  const auto row = [&](int k) {
    return round_to<V, kFormat>(load_up_to<V>(piece.source[k], piece.n_lines), tile);
  };
  for (int k = first_k; k < first_k + n_k; k += V::kKPerWord) {
    auto value = row(k);
    if constexpr (V::kKPerWord == 2) {
      value = V::pair_across(value, k + 1 < first_k + n_k ? row(k + 1) : V::broadcast(0.0f));
    }
    const std::int64_t at = word_of<V>(k) * piece.packed_step;
    store_word<V, kSide>(packed + at, end - at, value, piece.past_caches);
  }
}

template <class V, MatmulFormat kFormat, Side kSide>
void pack_columns(const PackPiece& piece) {
  if constexpr (!is_tiled(kFormat)) {
    return pack_tile_columns<V, kFormat, kSide>(piece, 0, piece.depth);
  }
  for (int k = 0; k < piece.depth; k += kTile) {
    const int n_k = piece.depth - k < kTile ? piece.depth - k : kTile;
    pack_tile_columns<V, kFormat, kSide>(piece, k, n_k);
  }
}

template <class V, MatmulFormat kFormat>
constexpr GemmKernel make_gemm_kernel() {
  constexpr auto nothing = [] {};
  return {.max_rows = V::kMaxRows,
          .n_lanes = V::kLanes * V::kLinesPerWord,
          .max_vectors = V::kMaxVectors,
          .k_per_word = V::kKPerWord,
          .lines_per_word = V::kLinesPerWord,
          .scale_words = V::kScaleWords,
          .a_in_tiles = false,
          .begin = nothing,
          .end = nothing,
          .multiply = multiply_rows<V, V::kMaxRows>,
          .pack_lines = pack_lines<V, kFormat, Side::kB>,
          .pack_columns = pack_columns<V, kFormat, Side::kB>,
          .pack_a_lines = pack_lines<V, kFormat, Side::kA>,
          .pack_a_columns = pack_columns<V, kFormat, Side::kA>,
          .amax = amax<V>,
          .column_scales = is_tiled(kFormat) ? column_scales<V, kFormat> : nullptr};
}

}  // namespace
}  // namespace farthing
