// utf8.h - UTF-8 checked, decoded and mended.
//
// Source   Unicode 15, table 3-7 and "U+FFFD substitution of maximal subparts" (section 3.9).
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace farthing {

// One step through UTF-8: how many bytes, and the character they are.
struct Utf8Step {
  int n_bytes = 0;              // of the character, or of the maximal invalid subpart; >= 1
  std::int32_t character = -1;  // -1: not valid UTF-8
};

// REQUIRES !text.empty().
Utf8Step decode_utf8(std::string_view text);

bool is_valid_utf8(std::string_view text);
// Where the first invalid subpart begins; text.size() when there is none.
std::size_t find_invalid_utf8(std::string_view text);

// The text with every maximal invalid subpart replaced by U+FFFD; their number is added to
// *n_replaced unless it is null.
std::string mend_utf8(std::string_view text, std::int64_t* n_replaced);

// REQUIRES 0 <= character <= 0x10FFFF, not a surrogate.
void append_utf8(std::string& out, std::int32_t character);

}  // namespace farthing
