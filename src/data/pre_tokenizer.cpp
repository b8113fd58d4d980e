// pre_tokenizer.cpp - Splits one inside the other, over views of the text.
#include "data/pre_tokenizer.h"

#include <deque>
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
  std::vector<Step> steps;   // ByteLevel's own pattern the last
  std::size_t n_splits = 0;  // the steps before a prefix space
  bool add_prefix_space = false;
  std::optional<KnownPattern> known;  // then there are no steps
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
  state_->n_splits = state_->steps.size();
  if (rules.use_regex) {
    state_->steps.push_back({Pattern(known_pattern::kGpt2, false, where), false, false});
  }
}

Splitter::~Splitter() = default;
Splitter::Splitter(Splitter&&) noexcept = default;
Splitter& Splitter::operator=(Splitter&&) noexcept = default;

// Runs the steps one inside the other, down to the last for each piece that a step leaves, so that
// few pieces are there at a time.
class Splitter::Cutter {
 public:
  Cutter(const State& state, Pieces& out, const std::function<void()>& take)
      : state_(state), out_(out), take_(take) {
    for (const State::Step& step : state.steps) searches_.emplace_back(step.pattern);
  }

  void cut(std::string_view piece, std::size_t number = 0) {
    if (number == state_.n_splits && state_.add_prefix_space && piece.front() != ' ') {
      if (out_.pieces.empty()) out_.prefixed.clear();  // nothing looks at them
      std::string& owned = out_.prefixed.emplace_back(1, ' ');
      owned += piece;
      piece = owned;
    }
    if (number == searches_.size()) return add(piece);
    const State::Step& step = state_.steps[number];
    std::size_t done = 0;
    const auto pass_on = [&](std::size_t end, bool dropped) {
      if (end > done && !dropped) cut(piece.substr(done, end - done), number + 1);
      done = end;
    };
    searches_[number].begin(piece);
    while (const auto match = searches_[number].next()) {
      pass_on(match->begin, step.drops_gaps);
      pass_on(match->end, step.drops_matches);
    }
    pass_on(piece.size(), step.drops_gaps);
  }

 private:
  void add(std::string_view piece) {
    out_.pieces.push_back(piece);
    if (take_ && out_.pieces.size() >= kPiecesAtOnce) take_();
  }

  const State& state_;
  Pieces& out_;
  const std::function<void()>& take_;
  std::deque<Pattern::Search> searches_;  // of each step
};

void Splitter::split(std::string_view text, Pieces& out, const std::function<void()>& take) const {
  split_all(text, out, [&] {
    take();
    out.pieces.clear();
  });
  take();
}

void Splitter::split(std::string_view text, Pieces& out) const { split_all(text, out, {}); }

void Splitter::split_all(std::string_view text, Pieces& out,
                         const std::function<void()>& take) const {
  out.pieces.clear();
  out.prefixed.clear();
  if (text.empty()) return;
  state_->known ? split_known(text, out, take) : Cutter(*state_, out, take).cut(text);
}

void Splitter::split_known(std::string_view text, Pieces& out,
                           const std::function<void()>& take) const {
  if (state_->add_prefix_space && text.front() != ' ') {
    std::string& owned = out.prefixed.emplace_back(1, ' ');
    owned += text;
    text = owned;
  }
  scan_pieces(*state_->known, text, out.pieces, take);
}

}  // namespace farthing
