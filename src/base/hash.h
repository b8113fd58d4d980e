// hash.h - XXH3 checksums and fingerprints.  Not cryptographic.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace farthing {

std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);
// XXH3-128; ordered as the pair (high, low).
struct Hash128 {
  std::uint64_t high = 0, low = 0;
  bool operator==(const Hash128& other) const { return high == other.high && low == other.low; }
  bool operator<(const Hash128& other) const {
    return high != other.high ? high < other.high : low < other.low;
  }
};
Hash128 hash128(std::string_view bytes);
// 32 hexadecimal digits of XXH3-128.
std::string hash128_hex(std::span<const std::byte> bytes);

// XXH3-128 of a stream of pieces; equal to the hash of their concatenation.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(StreamHash&&) noexcept;
  StreamHash& operator=(StreamHash&&) noexcept;
  void add(std::span<const std::byte> bytes);
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
