// piece_key.h - a short piece of text as two words, for tables without pointers.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

namespace farthing {

inline constexpr std::size_t kMaxKeyBytes = 15;

// The bytes in order from the lowest, their number in the highest byte of `high`; never all zero.
struct PieceKey {
  std::uint64_t low = 0, high = 0;
  bool operator==(const PieceKey&) const = default;
};

namespace piece_key_detail {
inline std::uint64_t load(const char* bytes, std::size_t n) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes, n);
  return value;
}
}  // namespace piece_key_detail

// REQUIRES 1 <= piece.size() <= kMaxKeyBytes.
inline PieceKey key_of(std::string_view piece) {
  using piece_key_detail::load;
  const char* bytes = piece.data();
  const std::size_t n = piece.size();
  const std::uint64_t length = std::uint64_t{n} << 56;
  if (n >= 8) {
    const std::uint64_t tail = load(bytes + n - 8, 8);  // of these the last n - 8 are new
    return {load(bytes, 8), (n == 8 ? 0 : tail >> (8 * (16 - n))) | length};
  }
  if (n >= 4) return {load(bytes, 4) | load(bytes + n - 4, 4) << (8 * (n - 4)), length};
  const auto byte = [&](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  };
  return {byte(0) | byte(n / 2) | byte(n - 1), length};
}

// The piece again; `bytes` has room for sixteen and owns them.
inline std::string_view piece_of(const PieceKey& key, char* bytes) {
  std::memcpy(bytes, &key.low, 8);
  std::memcpy(bytes + 8, &key.high, 8);
  return {bytes, static_cast<std::size_t>(key.high >> 56)};
}

// Sixty-four bits of which the high ones are the best mixed.
inline std::uint64_t mix(const PieceKey& key) {
  std::uint64_t mixed = (key.low ^ (key.high << 23 | key.high >> 41)) * 0x9E3779B97F4A7C15u;
  mixed ^= mixed >> 29;
  return mixed * 0xBF58476D1CE4E5B9u;
}

}  // namespace farthing
