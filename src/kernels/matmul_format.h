// matmul_format.h - the number formats in which a matrix product may take its operands.
//
//   kFp32           as they are
//   kBf16           rounded to BF16
//   kFp8            E4M3 in tiles, each with a power-of-two scale (UE8M0)
//   kFp8FloatScale  E4M3 in tiles, each with the scale amax / 448
//   kFp16           F16 in tiles, each with a power-of-two scale
//
// A tile is kTile long in the contracted dimension; the last one of a line is shorter and has its
// own scale.  Activations and gradients: 1 x kTile.  Weights (TileShape::kBlock): kTile x kTile.
//
//   scaled formats:   x  ->  round(x / scale) * scale,     scale from the tile's largest magnitude
//
// Sums are FP32, so the error of a product against the exact one of the rounded operands is that of
// an FP32 sum: n 2^-24 of the magnitudes.  Where an instruction set has FP16 arithmetic, kFp16 (and
// kFp8, unless it has AMX) uses it: sums of promotion_interval products are FP16, and err by that
// many times 2^-11.
//
// Source   DeepSeek-V3 report, section 3.3: tiles of 1x128 and blocks of 128x128, E4M3 everywhere.
// Exact    A NaN stays a NaN.  An infinity stays one in FP32, BF16, and, by a scale of 2^127 whose
//          448 times is infinite, in kFp8.  Nothing that is not finite becomes finite.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <string_view>

#include "kernels/number_formats.h"

namespace farthing {

enum class MatmulFormat { kFp32, kBf16, kFp8, kFp8FloatScale, kFp16 };
inline constexpr MatmulFormat kAllMatmulFormats[] = {
    MatmulFormat::kFp32, MatmulFormat::kBf16, MatmulFormat::kFp8, MatmulFormat::kFp8FloatScale,
    MatmulFormat::kFp16};

enum class TileShape { kLine, kBlock };
inline constexpr int kTile = 128;

inline std::string_view format_name(MatmulFormat format) {
  switch (format) {
    case MatmulFormat::kFp32:
      return "fp32";
    case MatmulFormat::kBf16:
      return "bf16";
    case MatmulFormat::kFp8:
      return "fp8";
    case MatmulFormat::kFp8FloatScale:
      return "fp8, scale amax / 448";
    case MatmulFormat::kFp16:
      return "fp16";
  }
  return "unknown";
}

constexpr bool is_tiled(MatmulFormat format) {
  return format != MatmulFormat::kFp32 && format != MatmulFormat::kBf16;
}

// How many products an FP16 sum has before it is promoted.
inline constexpr int kPromotionIntervals[] = {32, 64, 128};
inline constexpr float kMostProducts = 128.0f;
// F16 tiles are scaled to at most this, and in FP16 arithmetic E4M3 operands are stored times
// kFp8Shrink, exactly: the largest sum stays under FP16's 65504.  The same at every interval, so
// that an operand packed once serves all: 2^-10 for the two, where 32 products alone would allow
// 2^-7.
inline constexpr float kFp16TileMax = 16.0f;
inline constexpr float kFp8Shrink = 0x1p-5f;
static_assert(kMostProducts * kFp16TileMax * kFp16TileMax <= 32768);
static_assert(kMostProducts * (448 * kFp8Shrink) * (448 * kFp8Shrink) <= 65504);
// The scale that then goes with a tile.
inline float kept_scale(MatmulFormat format, float scale) {
  return format == MatmulFormat::kFp8 ? scale / kFp8Shrink : scale;
}

// The smallest power of two that is not below a positive x; at most 2^127.
inline float power_of_two_above(float x) {
  const auto bits = (std::bit_cast<std::uint32_t>(x) + 0x7fffffu) & 0x7f800000u;
  return std::bit_cast<float>(std::min(bits, 0x7f000000u));
}

// Of a tile whose largest magnitude is amax.  1 where the format has no scale.
inline float tile_scale(MatmulFormat format, float amax) {
  switch (format) {
    case MatmulFormat::kFp8:
      return from_ue8m0(ue8m0_scale(amax));
    case MatmulFormat::kFp8FloatScale:
      return e4m3_scale(amax);
    case MatmulFormat::kFp16:
      return power_of_two_above(std::max(amax, 0x1p-100f) * (1 / kFp16TileMax));
    default:
      return 1.0f;
  }
}

// What a product sees of x in a tile of this scale.
inline float rounded(MatmulFormat format, float x, float scale) {
  switch (format) {
    case MatmulFormat::kFp32:
      return x;
    case MatmulFormat::kBf16:
      return from_bf16(to_bf16(x));
    case MatmulFormat::kFp8:
      return from_e4m3(to_e4m3(x * (1 / scale))) * scale;
    case MatmulFormat::kFp8FloatScale:
      return from_e4m3(to_e4m3(x / scale)) * scale;
    case MatmulFormat::kFp16:
      return from_f16(to_f16(x * (1 / scale))) * scale;
  }
  return x;
}

}  // namespace farthing
