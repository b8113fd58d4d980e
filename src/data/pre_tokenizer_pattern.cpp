// pre_tokenizer_pattern.cpp - PCRE2 with its limits set, and the dialects' differences.
#include "data/pre_tokenizer_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "base/error.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kMaxPatternBytes = 8192;
// Backtracking steps of one match: so many, and some for each byte of the text, since stepping back
// once over a long run of spaces is honest work.
constexpr std::uint64_t kMatchLimit = 2'000'000, kMatchLimitPerByte = 8;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;
constexpr std::size_t kJitStackBytes = 1 << 20;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeJitStack {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

[[noreturn]] void refuse(const std::string& where, std::string_view what,
                         std::string_view pattern) {
  throw_bad_input({where, "pre_tokenizer pattern uses " + std::string(what),
                   std::string(pattern.substr(0, 200)),
                   "a pattern that means the same to PCRE2 and Oniguruma", ""});
}

}  // namespace

std::string translate_pattern(std::string_view pattern, const std::string& where) {
  std::string out;
  bool in_set = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i], next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\') {
      if (next == 's') {
        out += "\\p{White_Space}";
      } else if (next == 'S') {
        out += "\\P{White_Space}";
      } else if (next == 'h' || next == 'H' || next == 'K' || next == 'Q' || next == 'R' ||
                 next == 'X' || next == 'C' || next == 'g' || next == 'k') {
        refuse(where, std::string("\\") + next, pattern);
      } else {
        out += c;
        if (next != '\0') out += next;
      }
      ++i;
      continue;
    }
    if (in_set && c == '[') refuse(where, "a set within a set", pattern);
    if (in_set && c == '&' && next == '&') refuse(where, "an intersection of sets", pattern);
    if (!in_set && c == '(' && next == '*') refuse(where, "a verb \"(*\"", pattern);
    if (c == '[') {
      in_set = true;
      out += c;
      if (next == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') refuse(where, "\"[]\"", pattern);
      continue;
    }
    if (c == ']') in_set = false;
    out += c;
  }
  return out;
}

struct Pattern::State {
  std::unique_ptr<pcre2_code, FreeCode> code;
  std::string where, source;
};

Pattern::Pattern(const std::string& pattern, bool is_literal, const std::string& where)
    : state_(std::make_unique<State>()) {
  state_->where = where;
  state_->source = pattern;
  if (pattern.size() > kMaxPatternBytes) {
    throw_bad_input({where, "pre_tokenizer pattern is too long",
                     std::to_string(pattern.size()) + " bytes",
                     "at most " + std::to_string(kMaxPatternBytes), ""});
  }
  const std::string translated = is_literal ? pattern : translate_pattern(pattern, where);
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  const std::uint32_t dialect = is_literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE;
  int error = 0;
  PCRE2_SIZE at = 0;
  state_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                   translated.size(), PCRE2_UTF | dialect, &error, &at,
                                   context.get()));
  if (!state_->code) {
    throw_bad_input({where, "pre_tokenizer pattern does not compile", pattern.substr(0, 200),
                     message_of(error) + " at byte " + std::to_string(at), ""});
  }
  pcre2_jit_compile(state_->code.get(), PCRE2_JIT_COMPLETE);  // without it: the same, slower
}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;

struct Pattern::Search::Buffers {
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context;
  std::unique_ptr<pcre2_match_data, FreeMatchData> data;
  std::unique_ptr<pcre2_jit_stack, FreeJitStack> stack;
};

Pattern::Search::Search(const Pattern& pattern)
    : pattern_(pattern), buffers_(std::make_unique<Buffers>()) {
  buffers_->context.reset(pcre2_match_context_create(nullptr));
  buffers_->data.reset(pcre2_match_data_create(1, nullptr));
  if (!buffers_->context || !buffers_->data) throw std::bad_alloc();
  pcre2_set_heap_limit(buffers_->context.get(), kHeapLimitKib);
}

Pattern::Search::~Search() = default;

void Pattern::Search::begin(std::string_view text) {
  text_ = text;
  const std::uint64_t limit = kMatchLimit + kMatchLimitPerByte * text.size();
  pcre2_set_match_limit(buffers_->context.get(),
                        static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, UINT32_MAX)));
  from_ = 0;
  last_end_.reset();
}

std::optional<Pattern::Span> Pattern::Search::match(std::size_t from) {
  const auto run = [&](std::uint32_t options) {
    return pcre2_match(pattern_.state_->code.get(), reinterpret_cast<PCRE2_SPTR>(text_.data()),
                       text_.size(), from, PCRE2_NO_UTF_CHECK | options, buffers_->data.get(),
                       buffers_->context.get());
  };
  int result = run(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT && !buffers_->stack) {
    buffers_->stack.reset(pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr));
    pcre2_jit_stack_assign(buffers_->context.get(), nullptr, buffers_->stack.get());
    result = run(0);
  }
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = run(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) {
    throw_bad_input({pattern_.state_->where, "pre_tokenizer pattern gave up on a text",
                     message_of(result), "a pattern that needs less backtracking",
                     "the pattern is " + pattern_.state_->source.substr(0, 200)});
  }
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(buffers_->data.get());
  // A look-around that sets its own start (\K is refused) could put it behind the end.
  if (span[0] > span[1]) return std::nullopt;
  return Span{span[0], span[1]};
}

std::optional<Pattern::Span> Pattern::Search::next() {
  while (from_ <= text_.size()) {
    const std::optional<Span> found = match(from_);
    if (!found) return std::nullopt;
    if (found->begin == found->end && last_end_ == found->end) {
      if (from_ == text_.size()) return std::nullopt;
      from_ += static_cast<std::size_t>(decode_utf8(text_.substr(from_)).n_bytes);
      continue;
    }
    from_ = found->end;
    last_end_ = found->end;
    return found;
  }
  return std::nullopt;
}

}  // namespace farthing
