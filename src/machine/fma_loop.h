// fma_loop.h - a loop of nothing but independent FP32 fused multiply-adds, one per vector width.
#pragma once
#include <cstdint>

namespace farthing {

// Do `count` rounds; `sink` keeps the compiler from leaving them out.  Return the FLOPs done.
double fma_loop_plain(std::int64_t count, float& sink);
double fma_loop_avx2(std::int64_t count, float& sink);
double fma_loop_avx512(std::int64_t count, float& sink);

}  // namespace farthing
