// number_formats.h - BF16, F16, E4M3 and UE8M0 as they are stored: integers, converted one by one.
//
//   BF16  uint16_t  1-8-7    upper half of an FP32
//   F16   uint16_t  1-5-10   IEEE binary16
//   E4M3  uint8_t   1-4-3    OCP "fn": bias 7, largest 448, no infinity, NaN = 0x7F and 0xFF
//   UE8M0 uint8_t   0-8-0    2^(bits - 127), a scale; NaN = 0xFF is never made here
//
// Source   OCP 8-bit floating point specification 1.0; DeepSeek-V3 report, section 3.3, for the
//          scales
//
// Exact    Every to_* rounds to nearest, ties to even, subnormals included, and keeps a NaN.
//          Overflow: Inf in BF16 and F16; +-448 in E4M3 (it saturates, infinities too).
//          Every from_* is exact.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>

namespace farthing {

inline float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  if (is_nan) return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {
    return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  }
  // A subnormal read as mantissa bits under the exponent of 2^-14 is 2^-14 too large.
  if (magnitude < 0x400u) {
    const float value = std::bit_cast<float>(0x38800000u + (magnitude << 13)) - 0x1p-14f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
}

inline std::uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5, whose ulp is 2^-24, rounds
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(rounded) - 0x3f000000u));
  }
  const std::uint32_t rounded = (magnitude + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  return static_cast<std::uint16_t>(sign | std::min(rounded - 0x1c000u, 0x7c00u));
}

inline constexpr float kE4m3Max = 448.0f;

inline float from_e4m3(std::uint8_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x80u) << 24;
  const std::uint32_t magnitude = bits & 0x7fu;
  if (magnitude == 0x7fu) return std::bit_cast<float>(sign | 0x7fc00000u);
  if (magnitude < 0x8u) {
    const float value = static_cast<float>(magnitude) * 0x1p-9f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
  }
  return std::bit_cast<float>(sign | ((magnitude << 20) + 0x3c000000u));
}

inline std::uint8_t to_e4m3(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint8_t>((bits >> 24) & 0x80u);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint8_t>(sign | 0x7fu);
  const float magnitude = std::min(std::bit_cast<float>(bits & 0x7fffffffu), kE4m3Max);
  if (magnitude < 0x1p-6f) {  // adding 2^14, whose ulp is 2^-9, rounds
    const auto rounded = std::bit_cast<std::uint32_t>(magnitude + 0x1p14f);
    return static_cast<std::uint8_t>(sign | (rounded - 0x46800000u));
  }
  const auto normal = std::bit_cast<std::uint32_t>(magnitude);
  const std::uint32_t rounded = (normal + 0x7ffffu + ((normal >> 20) & 1u)) >> 20;
  return static_cast<std::uint8_t>(sign | (rounded - 0x3c0u));
}

// Scale of an E4M3 block whose largest magnitude is amax: x is stored as to_e4m3(x / scale).
// amax is clamped to at least 1e-4, so that a block of zeros has a finite scale.
inline float e4m3_scale(float amax) { return std::max(amax, 1e-4f) / kE4m3Max; }

inline float from_ue8m0(std::uint8_t bits) {
  if (bits == 0) return 0x1p-127f;
  if (bits == 0xff) return std::bit_cast<float>(0x7fc00000u);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 23);
}

// The smallest power of two that is not below e4m3_scale(amax), as UE8M0 in 1 .. 254.
inline std::uint8_t ue8m0_scale(float amax) {
  const auto bits = std::bit_cast<std::uint32_t>(e4m3_scale(amax));
  const std::uint32_t exponent = (bits >> 23) + ((bits & 0x7fffffu) != 0 ? 1u : 0u);
  return static_cast<std::uint8_t>(std::clamp(exponent, 1u, 254u));
}

}  // namespace farthing
