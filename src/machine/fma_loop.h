// fma_loop.h - a loop of nothing but independent multiply-adds, one per vector width and format.
#pragma once
#include <cstdint>

namespace farthing {

// Do `count` rounds; `sink` keeps the compiler from leaving them out.  Return the FLOPs done.
double fma_loop_plain(std::int64_t count, float& sink);
double fma_loop_avx2(std::int64_t count, float& sink);
double fma_loop_avx512(std::int64_t count, float& sink);
// Pairs of BF16 products added to FP32 sums (vdpbf16ps): four FLOPs a lane.
double fma_loop_avx512bf16(std::int64_t count, float& sink);
// Pairs of BF16 products added to FP32 sums on AMX tiles.
double fma_loop_amx(std::int64_t count, float& sink);
// FP16 products and sums.
double fma_loop_avx512fp16(std::int64_t count, float& sink);

}  // namespace farthing
