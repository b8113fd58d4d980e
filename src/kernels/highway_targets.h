// highway_targets.h - the vector targets that Highway compiles, to be included before its headers.
//
// AVX2 and AVX-512 beside the baseline, as in kernels/isa.h: a build of other targets would only
// add bits that no test has seen.
#pragma once
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
