// splitter_fuzz.cpp - any text: the hand-written matchers cut it where PCRE2 cuts it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "data/piece_scanner.h"
#include "data/pre_tokenizer.h"
#include "data/utf8.h"

namespace {

using farthing::PreTokenizerRules;
using farthing::Splitter;

PreTokenizerRules one_split(const char* pattern) {
  PreTokenizerRules rules;
  rules.splits.push_back({.pattern = pattern});
  return rules;
}

struct Pair {
  explicit Pair(const PreTokenizerRules& rules)
      : fast(rules, "fast"), slow(rules, "slow", farthing::SplitMethod::kPcre2) {}
  Splitter fast, slow;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace known = farthing::known_pattern;
  static const std::vector<Pair>* const pairs = [] {
    auto* made = new std::vector<Pair>;
    made->emplace_back(farthing::gpt2_rules());
    made->emplace_back(farthing::deepseek_v3_rules());
    made->emplace_back(one_split(known::kCl100k));
    made->emplace_back(one_split(known::kCl100kSingleDigits));
    return made;
  }();
  const std::string text =
      farthing::mend_utf8({reinterpret_cast<const char*>(data), size}, nullptr);
  farthing::Pieces fast, slow;
  for (const Pair& pair : *pairs) {
    pair.fast.split(text, fast);
    pair.slow.split(text, slow);
    if (fast.pieces != slow.pieces) std::abort();
    std::vector<std::string_view> parts;
    pair.fast.split(text, fast,
                    [&] { parts.insert(parts.end(), fast.pieces.begin(), fast.pieces.end()); });
    if (parts != slow.pieces) std::abort();
  }
  return 0;
}
