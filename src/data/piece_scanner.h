// piece_scanner.h - the pre-tokenizers that models use, matched by hand.
//
//   kGpt2         GPT-2's pattern
//   kDeepseekV3   three Splits, one inside the other: \p{N}{1,3}, ideographs and kana, words
//   kCl100k       cl100k's pattern as tokenizer.json writes it (Llama 3), and with single digits
//                 (Qwen 2)
//
// Each gives exactly the pieces that PCRE2 gives for the patterns; the fuzz target `splitter` and
// the tests hold the two together.  What is not recognised goes through PCRE2.
//
// Source   the patterns in tokenizer.json of GPT-2, Llama 3, Qwen 2 and DeepSeek-V3.
// Cost     one pass, a table look-up per character; no heap.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace farthing {

struct PreTokenizerRules;

enum class KnownPattern { kGpt2, kDeepseekV3, kCl100k, kCl100kSingleDigits };

// The pattern that these rules spell, add_prefix_space aside; nullopt for any other.
std::optional<KnownPattern> recognise(const PreTokenizerRules& rules);

// Appends the pieces of a text; calls take(), where given, each time that kPiecesAtOnce are there,
// for it to use and clear them.  REQUIRES valid UTF-8.
inline constexpr std::size_t kPiecesAtOnce = std::size_t{1} << 14;
void scan_pieces(KnownPattern pattern, std::string_view text, std::vector<std::string_view>& pieces,
                 const std::function<void()>& take = {});

// The patterns as they stand in tokenizer.json.
namespace known_pattern {
extern const char* const kGpt2;
extern const char* const kCl100k;
extern const char* const kCl100kSingleDigits;
extern const char* const kDigits;  // DeepSeek-V3's three
extern const char* const kCjk;
extern const char* const kWords;
}  // namespace known_pattern

}  // namespace farthing
