// rng.h - counter-based random numbers: value = f(key, stream, index), no state, any order.
//
// The same (key, stream, index) gives the same value on every machine, thread and restart.
//
// Source   Philox4x32-10, Salmon et al., SC 2011.
// Exact    integers and uniforms are bitwise reproducible; normals use the C library's log and cos
//          in double and round once to float.
#pragma once
#include <array>
#include <cstdint>

namespace farthing {

// What a stream is for; every consumer has its own, so none disturbs another.
enum class RngStream : std::uint32_t {
  kInit = 1,
  kDataOrder = 2,
  kSampling = 3,
  kTest = 4,
  kRounding = 5,
  kBench = 6,
  kFillInMiddle = 7,
  kMixture = 8,
};

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

class Rng {
 public:
  Rng(std::uint64_t key, RngStream stream, std::uint64_t substream = 0)
      : key_(key), stream_(stream), substream_(substream) {}

  std::uint64_t bits(std::uint64_t index) const;
  // Uniform in [0, 1), 53 bits.
  double uniform(std::uint64_t index) const;
  // Standard normal (Box-Muller on one block).
  double normal(std::uint64_t index) const;
  // Uniform in [0, bound) without bias worth naming (128-bit multiply). REQUIRES bound > 0.
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const;

 private:
  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
  std::uint64_t key_;
  RngStream stream_;
  std::uint64_t substream_;
};

// A keyed permutation of [0, n): element `index` of the shuffled order in O(1) memory.
// Four-round Feistel network over the next power of four, cycle-walked.
std::uint64_t permute(std::uint64_t index, std::uint64_t n, std::uint64_t key);

}  // namespace farthing
