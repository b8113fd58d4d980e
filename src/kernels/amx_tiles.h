// amx_tiles.h - the eight tile registers of AMX, 16 lines of 16 words each; for *_amx.cpp alone.
//
// A thread configures them before use and releases them after: until then they are part of what a
// switch of threads saves.  A word of an operand holds the BF16 values of k and k + 1.
//
//   tile_multiply<C, A, B>:   C[i, j]  +=  sum_word  A[i, word].low  * B[word, j].low
//                                                  + A[i, word].high * B[word, j].high
//
// Sums are FP32; subnormal operands and sums count as zero; rounding is to nearest even.
// With -DFARTHING_EMULATE=ON (cmake) plain loops do the same, up to the order of additions.
#pragma once
#include <bit>
#include <cstdint>

#include "kernels/gemm_pack.h"
#include "kernels/number_formats.h"

namespace farthing {
namespace {

constexpr int kTileLines = 16;  // of kTileWords words

#ifdef FARTHING_EMULATE
struct EmulatedTile {
  std::uint32_t words[kTileLines][kTileWords];
};
inline EmulatedTile& emulated_tile(int tile) {
  thread_local EmulatedTile tiles[8];
  return tiles[tile];
}
inline void tiles_configure() {}
inline void tiles_release() {}
template <int kTo>
void tile_zero() {
  emulated_tile(kTo) = {};
}
template <int kTo>
void tile_load(const float* from, std::int64_t line_step) {
  for (int i = 0; i < kTileLines; ++i) {
    __builtin_memcpy(emulated_tile(kTo).words[i], from + i * line_step, 4 * kTileWords);
  }
}
// The same, of memory that is not soon read again: other lines stay in the L1 cache.
template <int kTo>
void tile_load_once(const float* from, std::int64_t line_step) {
  tile_load<kTo>(from, line_step);
}
template <int kFrom>
void tile_store(float* to, std::int64_t line_step) {
  for (int i = 0; i < kTileLines; ++i) {
    __builtin_memcpy(to + i * line_step, emulated_tile(kFrom).words[i], 4 * kTileWords);
  }
}
template <int kSum, int kLeft, int kRight>
void tile_multiply() {
  const auto half = [](std::uint32_t word, int shift) {
    return from_bf16(static_cast<std::uint16_t>(word >> shift));
  };
  for (int i = 0; i < kTileLines; ++i) {
    for (int j = 0; j < kTileWords; ++j) {
      auto& kept = emulated_tile(kSum).words[i][j];
      float sum = std::bit_cast<float>(kept);
      for (int word = 0; word < kTileWords; ++word) {
        const auto a = emulated_tile(kLeft).words[i][word];
        const auto b = emulated_tile(kRight).words[word][j];
        sum += half(a, 0) * half(b, 0);
        sum += half(a, 16) * half(b, 16);
      }
      kept = std::bit_cast<std::uint32_t>(sum);
    }
  }
}
#else  // in assembly, since compilers' own names of these instructions take no template parameters
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t bytes_per_line[16] = {};
  std::uint8_t lines[16] = {};
};
inline void tiles_configure() {
  TileConfiguration all;
  for (int tile = 0; tile < 8; ++tile) {
    all.bytes_per_line[tile] = 4 * kTileWords;
    all.lines[tile] = kTileLines;
  }
  asm volatile("ldtilecfg %0" : : "m"(all));
}
inline void tiles_release() { asm volatile("tilerelease"); }
template <int kTo>
void tile_zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTo));
}
template <int kTo>
void tile_load(const float* from, std::int64_t line_step) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(from), "r"(line_step * 4), "i"(kTo)
               : "memory");
}
template <int kTo>
void tile_load_once(const float* from, std::int64_t line_step) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2"
               :
               : "r"(from), "r"(line_step * 4), "i"(kTo)
               : "memory");
}
template <int kFrom>
void tile_store(float* to, std::int64_t line_step) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(to), "r"(line_step * 4), "i"(kFrom)
               : "memory");
}
template <int kSum, int kLeft, int kRight>
void tile_multiply() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kLeft), "i"(kRight));
}
#endif

}  // namespace
}  // namespace farthing
