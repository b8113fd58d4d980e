// fma_loop_amx.cpp - tiles of 16 by 16 sums of 32 BF16 products; runs only where there is AMX.
#include "kernels/amx_tiles.h"
#include "machine/fma_loop.h"

namespace farthing {

// A sum of four chains that begin at zero has come to 2^-5 n after n rounds: 32 times 1 * 2^-10
// each.
double fma_loop_amx(std::int64_t count, float& sink) {
  constexpr std::uint32_t kOnes = 0x3f803f80, kSmall = 0x3a803a80;
  alignas(64) float left[kTileLines * kTileWords], right[kTileLines * kTileWords];
  for (float& word : left) word = std::bit_cast<float>(kOnes);
  for (float& word : right) word = std::bit_cast<float>(kSmall);
  tiles_configure();
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  tile_load<4>(left, kTileWords);
  tile_load<5>(left, kTileWords);
  tile_load<6>(right, kTileWords);
  tile_load<7>(right, kTileWords);
  for (std::int64_t round = 0; round < count; ++round) {
    tile_multiply<0, 4, 6>();
    tile_multiply<1, 4, 7>();
    tile_multiply<2, 5, 6>();
    tile_multiply<3, 5, 7>();
  }
  sink = 0;
  tile_store<0>(left, kTileWords);
  sink += left[0];
  tile_store<1>(left, kTileWords);
  sink += left[0];
  tile_store<2>(left, kTileWords);
  sink += left[0];
  tile_store<3>(left, kTileWords);
  sink += left[0];
  tiles_release();
  return 4 * 2.0 * kTileLines * kTileWords * 2 * kTileWords * double(count);
}

}  // namespace farthing
