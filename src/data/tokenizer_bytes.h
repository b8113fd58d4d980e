// tokenizer_bytes.h - GPT-2's printable stand-in for each byte, as vocabularies are written.
//
// Bytes that print ('!'..'~', U+00A1..U+00AC, U+00AE..U+00FF) stand for themselves; the other 68
// become U+0100.. in order.  Source: GPT-2's bytes_to_unicode (Radford et al. 2019).
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace farthing {

// UTF-8 of the stand-in of each byte.
const std::array<std::string, 256>& byte_symbols();

// The 256 bytes in the order of their stand-ins, as vocabularies list them ('!' first).
std::array<unsigned char, 256> bytes_in_vocabulary_order();

// "Ġthe" -> " the"; nullopt where a character stands for no byte.
std::optional<std::string> bytes_of_symbols(std::string_view token);

std::string symbols_of_bytes(std::string_view bytes);

}  // namespace farthing
