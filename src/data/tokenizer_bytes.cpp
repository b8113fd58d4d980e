// tokenizer_bytes.cpp - the table and its inverse.
#include "data/tokenizer_bytes.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "data/utf8.h"

namespace farthing {
namespace {

constexpr int kSymbolLimit = 0x100 + 68;

bool prints(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

std::array<std::int32_t, 256> symbol_characters() {
  std::array<std::int32_t, 256> characters;
  std::int32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    characters[static_cast<std::size_t>(byte)] = prints(byte) ? byte : next++;
  }
  return characters;
}

}  // namespace

const std::array<std::string, 256>& byte_symbols() {
  static const std::array<std::string, 256> symbols = [] {
    std::array<std::string, 256> made;
    const auto characters = symbol_characters();
    for (std::size_t byte = 0; byte < 256; ++byte) append_utf8(made[byte], characters[byte]);
    return made;
  }();
  return symbols;
}

std::array<unsigned char, 256> bytes_in_vocabulary_order() {
  std::array<unsigned char, 256> bytes;
  std::iota(bytes.begin(), bytes.end(), static_cast<unsigned char>(0));
  const auto characters = symbol_characters();
  std::ranges::sort(bytes, {}, [&](unsigned char byte) { return characters[byte]; });
  return bytes;
}

std::optional<std::string> bytes_of_symbols(std::string_view token) {
  static const std::array<int, kSymbolLimit> byte_of = [] {
    std::array<int, kSymbolLimit> made;
    made.fill(-1);
    const auto characters = symbol_characters();
    for (int byte = 0; byte < 256; ++byte) {
      made[static_cast<std::size_t>(characters[static_cast<std::size_t>(byte)])] = byte;
    }
    return made;
  }();
  std::string bytes;
  while (!token.empty()) {
    const Utf8Step step = decode_utf8(token);
    if (step.character < 0 || step.character >= kSymbolLimit) return std::nullopt;
    const int byte = byte_of[static_cast<std::size_t>(step.character)];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    token.remove_prefix(static_cast<std::size_t>(step.n_bytes));
  }
  return bytes;
}

std::string symbols_of_bytes(std::string_view bytes) {
  std::string symbols;
  for (const char byte : bytes) symbols += byte_symbols()[static_cast<unsigned char>(byte)];
  return symbols;
}

}  // namespace farthing
