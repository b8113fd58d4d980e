// tokenizer_added.cpp - a trie for each of the two passes.
#include "data/tokenizer_added.h"

#include <array>
#include <unordered_map>

#include "data/pre_tokenizer_pattern.h"
#include "data/utf8.h"

namespace farthing {
namespace {

class Trie {
 public:
  void add(std::string_view word, int value) {
    first_byte_[static_cast<unsigned char>(word[0])] = true;
    int node = 0;
    for (const char byte : word) {
      const auto [edge, is_new] = edges_.emplace(key(node, byte), static_cast<int>(values_.size()));
      if (is_new) values_.push_back(-1);
      node = edge->second;
    }
    values_[static_cast<std::size_t>(node)] = value;
  }
  bool empty() const { return edges_.empty(); }
  bool may_begin(char byte) const { return first_byte_[static_cast<unsigned char>(byte)]; }
  // The value of the longest word that text begins with; -1: none.
  int longest(std::string_view text) const {
    int node = 0, found = -1;
    for (const char byte : text) {
      const auto edge = edges_.find(key(node, byte));
      if (edge == edges_.end()) break;
      node = edge->second;
      if (values_[static_cast<std::size_t>(node)] >= 0)
        found = values_[static_cast<std::size_t>(node)];
    }
    return found;
  }

 private:
  static std::uint64_t key(int node, char byte) {
    return static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
  }
  std::unordered_map<std::uint64_t, int> edges_;
  std::vector<int> values_ = {-1};
  std::array<bool, 256> first_byte_{};
};

bool is_white_space(std::int32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// The last character of a text.  REQUIRES valid UTF-8, not empty.
std::string_view last_character(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

std::size_t trimmed_end(std::string_view text) {
  while (!text.empty()) {
    const std::string_view last = last_character(text);
    if (!is_white_space(decode_utf8(last).character)) break;
    text.remove_suffix(last.size());
  }
  return text.size();
}

std::size_t leading_space(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size()) {
    const Utf8Step step = decode_utf8(text.substr(n));
    if (!is_white_space(step.character)) break;
    n += static_cast<std::size_t>(step.n_bytes);
  }
  return n;
}

}  // namespace

struct AddedTokens::State {
  std::vector<AddedToken> tokens;
  Trie raw, normalized;
  Pattern word{R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}])", false, "added tokens"};

  bool is_word(std::string_view character) const {
    Pattern::Search search(word);
    search.begin(character);
    return search.next().has_value();
  }
  bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) const {
    if (begin > 0 && is_word(last_character(text.substr(0, begin)))) return false;
    if (end == text.size()) return true;
    const auto n = static_cast<std::size_t>(decode_utf8(text.substr(end)).n_bytes);
    return !is_word(text.substr(end, n));
  }
  void split(const Trie& trie, std::string_view text, bool parse_special,
             std::vector<Segment>& out) const;
};

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens)
    : state_(std::make_unique<State>()) {
  state_->tokens = tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    Trie& trie = tokens[i].normalized ? state_->normalized : state_->raw;
    trie.add(tokens[i].content, static_cast<int>(i));
  }
}

AddedTokens::~AddedTokens() = default;
AddedTokens::AddedTokens(AddedTokens&&) noexcept = default;
AddedTokens& AddedTokens::operator=(AddedTokens&&) noexcept = default;

void AddedTokens::State::split(const Trie& trie, std::string_view text, bool parse_special,
                               std::vector<Segment>& out) const {
  // Everything before `done` is in out.  A token that begins in the spaces which the one before it
  // took is a token all the same, and rewinds `done`: so Hugging Face's does it.
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const int found = trie.may_begin(text[at]) ? trie.longest(text.substr(at)) : -1;
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens[static_cast<std::size_t>(found)];
    std::size_t begin = at, end = at + token.content.size();
    at = end;
    if (token.special && !parse_special) continue;
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(done, trimmed_end(text.substr(0, begin)));
    if (token.rstrip) end += leading_space(text.substr(end));
    if (begin > done) out.push_back({text.substr(done, begin - done), -1});
    out.push_back({std::string_view(), token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({text.substr(done), -1});
}

std::vector<Segment> AddedTokens::split(std::string_view text, bool parse_special) const {
  std::vector<Segment> first;
  state_->split(state_->raw, text, parse_special, first);
  if (state_->normalized.empty()) return first;
  std::vector<Segment> second;
  for (const Segment& segment : first) {
    if (segment.id >= 0) {
      second.push_back(segment);
    } else {
      state_->split(state_->normalized, segment.text, parse_special, second);
    }
  }
  return second;
}

}  // namespace farthing
