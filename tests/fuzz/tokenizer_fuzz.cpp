// tokenizer_fuzz.cpp - a tokenizer.json, then a text after a zero byte: refused or run, never a
// crash.
//
// An input without a zero byte is a text for a small tokenizer that is known to be good; what it
// encodes must decode to the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "data/tokenizer.h"
#include "data/utf8.h"

namespace {

using farthing::Tokenizer;

void check_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  const std::string wanted = farthing::mend_utf8(text, nullptr);
  if (tokenizer.decode(tokenizer.encode(text)) != wanted) std::abort();
}

const Tokenizer& good_tokenizer() {
  static const Tokenizer tokenizer = [] {
    bool given = false;
    return farthing::train_tokenizer(
        [&](std::string& document) {
          document = "the theme of the other thing, 1234 things; the end. the end.\n";
          return !std::exchange(given, true);
        },
        {.vocab_size = 300});
  }();
  return tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  if (zero == input.npos) {
    check_round_trip(good_tokenizer(), input);
    return 0;
  }
  try {
    const Tokenizer tokenizer = Tokenizer::from_json_text(input.substr(0, zero), "fuzz");
    const auto ids = tokenizer.encode(input.substr(zero + 1));
    tokenizer.decode(ids);
    const Tokenizer again = Tokenizer::from_json_text(tokenizer.to_json_text(), "again");
    if (again.encode(input.substr(zero + 1)) != ids) std::abort();
  } catch (const farthing::Error&) {
  }
  return 0;
}
