// character_classes.h - what pre-tokenizers ask about a character, as one byte of flags each.
//
// The classes are PCRE2's own (the table is filled by matching \p{L}, \p{M} ... over every
// character once), so that a hand-written matcher and a compiled pattern cannot disagree about
// Unicode.
//
// Cost     the first call fills a table of 1.1 MB, in some ten milliseconds; ASCII needs no table.
// Threads  any.
#pragma once
#include <array>
#include <cstdint>

namespace farthing {

namespace character_class {
inline constexpr std::uint8_t kLetter = 1;        // \p{L}
inline constexpr std::uint8_t kMark = 2;          // \p{M}
inline constexpr std::uint8_t kNumber = 4;        // \p{N}
inline constexpr std::uint8_t kPunctuation = 8;   // \p{P} and \p{S}
inline constexpr std::uint8_t kSpace = 16;        // \p{White_Space}
inline constexpr std::uint8_t kNewline = 32;      // \r and \n
inline constexpr std::uint8_t kAsciiLetter = 64;  // [A-Za-z]
inline constexpr std::uint8_t kCjk = 128;         // DeepSeek-V3's set of ideographs and kana
}  // namespace character_class

constexpr std::array<std::uint8_t, 128> make_ascii_classes() {
  std::array<std::uint8_t, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    std::uint8_t flags = 0;
    if (letter) flags = character_class::kLetter | character_class::kAsciiLetter;
    if (digit) flags = character_class::kNumber;
    if (!letter && !digit && c > ' ' && c < 127) flags = character_class::kPunctuation;
    if (c == ' ' || (c >= 9 && c <= 13)) flags = character_class::kSpace;
    if (c == '\n' || c == '\r') flags |= character_class::kNewline;
    classes[static_cast<std::size_t>(c)] = flags;
  }
  return classes;
}
inline constexpr std::array<std::uint8_t, 128> kAsciiClasses = make_ascii_classes();

// Flags of every character from 0 to 0x10FFFF.
const std::uint8_t* character_classes();

}  // namespace farthing
