// pre_tokenizer.cpp - Splits one inside the other, over views of the text.
#include "data/pre_tokenizer.h"

#include <optional>

#include "data/piece_scanner.h"
#include "data/pre_tokenizer_pattern.h"

namespace farthing {

PreTokenizerRules deepseek_v3_rules() {
  PreTokenizerRules rules;
  for (const char* pattern : {known_pattern::kDigits, known_pattern::kCjk, known_pattern::kWords})
    rules.splits.push_back({.pattern = pattern});
  return rules;
}

PreTokenizerRules gpt2_rules() {
  PreTokenizerRules rules;
  rules.use_regex = true;
  return rules;
}

struct Splitter::State {
  struct Step {
    Pattern pattern;
    bool drops_matches, drops_gaps;
  };
  std::vector<Step> steps;  // ByteLevel's own pattern is not among them
  std::vector<Pattern> byte_level;
  bool add_prefix_space = false;
  std::optional<KnownPattern> known;  // then neither list is filled
};

Splitter::Splitter(const PreTokenizerRules& rules, const std::string& where, SplitMethod method)
    : state_(std::make_unique<State>()) {
  // A prefix space goes in front of what the splits leave: only their absence makes it the text.
  const bool whole = !rules.add_prefix_space || rules.splits.empty();
  if (method == SplitMethod::kFastest && whole) state_->known = recognise(rules);
  state_->add_prefix_space = rules.add_prefix_space;
  if (state_->known) return;
  for (const SplitRule& rule : rules.splits) {
    state_->steps.push_back({Pattern(rule.pattern, rule.is_literal, where),
                             rule.removes_matches && !rule.invert,
                             rule.removes_matches && rule.invert});
  }
  if (rules.use_regex) state_->byte_level.emplace_back(known_pattern::kGpt2, false, where);
}

Splitter::~Splitter() = default;
Splitter::Splitter(Splitter&&) noexcept = default;
Splitter& Splitter::operator=(Splitter&&) noexcept = default;

namespace {

// Cuts every piece at the pattern's matches.
void cut(const Pattern& pattern, bool drops_matches, bool drops_gaps,
         std::vector<std::string_view>& pieces) {
  std::vector<std::string_view> out;
  out.reserve(2 * pieces.size());
  Pattern::Search search(pattern);
  for (const std::string_view piece : pieces) {
    std::size_t done = 0;
    const auto add = [&](std::size_t end, bool dropped) {
      if (end > done && !dropped) out.push_back(piece.substr(done, end - done));
      done = end;
    };
    search.begin(piece);
    while (const auto match = search.next()) {
      add(match->begin, drops_gaps);
      add(match->end, drops_matches);
    }
    add(piece.size(), drops_gaps);
  }
  pieces.swap(out);
}

}  // namespace

void Splitter::split(std::string_view text, Pieces& out, const std::function<void()>& take) const {
  if (!state_->known) {
    split(text, out);
    return take();
  }
  split_known(text, out, [&] {
    take();
    out.pieces.clear();
  });
  take();
}

void Splitter::split_known(std::string_view text, Pieces& out,
                           const std::function<void()>& take) const {
  out.pieces.clear();
  out.prefixed.clear();
  if (text.empty()) return;
  if (state_->add_prefix_space && text.front() != ' ') {
    std::string& owned = out.prefixed.emplace_back(1, ' ');
    owned += text;
    text = owned;
  }
  scan_pieces(*state_->known, text, out.pieces, take);
}

void Splitter::split(std::string_view text, Pieces& out) const {
  if (state_->known) return split_known(text, out, {});
  out.pieces.clear();
  out.prefixed.clear();
  if (text.empty()) return;
  out.pieces.push_back(text);
  for (const State::Step& step : state_->steps) {
    cut(step.pattern, step.drops_matches, step.drops_gaps, out.pieces);
  }
  if (state_->add_prefix_space) {
    for (std::string_view& piece : out.pieces) {
      if (piece.front() == ' ') continue;
      std::string& owned = out.prefixed.emplace_back(1, ' ');
      owned += piece;
      piece = owned;
    }
  }
  for (const Pattern& pattern : state_->byte_level) cut(pattern, false, false, out.pieces);
}

}  // namespace farthing
