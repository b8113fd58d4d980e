// character_classes.cpp - every character once through PCRE2.
#include "data/character_classes.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "data/pre_tokenizer_pattern.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::int32_t kCharacters = 0x110000;
constexpr std::int32_t kBlock = 0x1000;

// Adds `flag` to every character of [begin, end) that the pattern, a set with a plus, matches.
void add_flags(const Pattern& pattern, std::uint8_t flag, std::int32_t begin,
               const std::string& text, std::vector<std::uint8_t>& flags) {
  Pattern::Search search(pattern);
  search.begin(text);
  std::size_t at = 0;
  std::int32_t character = begin;
  const auto step = [&] {
    at += static_cast<std::size_t>(decode_utf8(std::string_view(text).substr(at)).n_bytes);
    ++character;
  };
  while (const auto match = search.next()) {
    while (at < match->begin) step();
    while (at < match->end) {
      flags[static_cast<std::size_t>(character)] |= flag;
      step();
    }
  }
}

std::vector<std::uint8_t> make_classes() {
  using namespace character_class;
  std::vector<std::uint8_t> flags(kCharacters);
  std::vector<std::pair<Pattern, std::uint8_t>> sets;
  for (const auto& [source, flag] : std::initializer_list<std::pair<const char*, std::uint8_t>>{
           {R"(\p{L}+)", kLetter},
           {R"(\p{M}+)", kMark},
           {R"(\p{N}+)", kNumber},
           {R"([\p{P}\p{S}]+)", kPunctuation},
           {R"(\s+)", kSpace},
           {"[一-龥\u3040-ゟ゠-ヿ]+", kCjk}}) {
    sets.emplace_back(Pattern(source, false, "character classes"), flag);
  }
  std::string text;
  for (std::int32_t begin = 0; begin < kCharacters; begin += kBlock) {
    text.clear();
    const std::int32_t end = begin == 0xD000 ? 0xD800 : begin + kBlock;  // no surrogates
    for (std::int32_t c = begin; c < end; ++c) append_utf8(text, c);
    for (const auto& [pattern, flag] : sets) add_flags(pattern, flag, begin, text, flags);
  }
  for (std::size_t c = 0; c < kAsciiClasses.size(); ++c) flags[c] = kAsciiClasses[c];
  return flags;
}

}  // namespace

const std::uint8_t* character_classes() {
  static const std::vector<std::uint8_t> flags = make_classes();
  return flags.data();
}

}  // namespace farthing
