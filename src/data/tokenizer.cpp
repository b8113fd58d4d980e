// tokenizer.cpp - added tokens, then pieces, then merges; and the way back.
#include "data/tokenizer.h"

#include <atomic>
#include <exception>
#include <initializer_list>
#include <mutex>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "data/bpe_trainer.h"
#include "data/pre_tokenizer.h"
#include "data/tokenizer_added.h"
#include "data/tokenizer_bytes.h"
#include "data/tokenizer_merges.h"
#include "data/tokenizer_spec.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kMostBytesAtOnce = std::size_t{1} << 30;

struct Printed {
  std::string bytes;
  bool known = false;
  bool special = false;
};

std::vector<Printed> printed_tokens(const TokenizerSpec& spec) {
  std::vector<Printed> printed(spec.vocabulary.size());
  for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
    const std::string& token = spec.vocabulary[id];
    if (token.empty()) continue;
    printed[id] = {bytes_of_symbols(token).value_or(token), true, false};
  }
  for (const AddedToken& token : spec.added_tokens) {
    const auto id = static_cast<std::size_t>(token.id);
    if (id >= printed.size()) printed.resize(id + 1);
    printed[id] = {token.content, true, token.special};
  }
  return printed;
}

}  // namespace

struct Tokenizer::State {
  State(TokenizerSpec made, const std::string& where)
      : spec(std::move(made)),
        added(spec.added_tokens),
        splitter(spec.pre_tokenizer, where),
        merges(spec),
        printed(printed_tokens(spec)) {
    for (std::size_t id = 0; id < spec.vocabulary.size(); ++id) {
      if (!spec.vocabulary[id].empty()) {
        ids.emplace(spec.vocabulary[id], static_cast<std::int32_t>(id));
      }
    }
    for (const AddedToken& token : spec.added_tokens) ids.emplace(token.content, token.id);
  }

  TokenizerSpec spec;
  AddedTokens added;
  Splitter splitter;
  Merges merges;
  std::vector<Printed> printed;  // by id
  std::unordered_map<std::string, std::int32_t> ids;

  // What one call of encode needs; kept for the next one, as many as ever ran at once.
  struct Scratch {
    PieceCache cache;
    Pieces pieces;
  };
  std::unique_ptr<Scratch> borrow() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Scratch>();
    std::unique_ptr<Scratch> scratch = std::move(idle.back());
    idle.pop_back();
    return scratch;
  }
  void give_back(std::unique_ptr<Scratch> scratch) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(scratch));
  }
  std::mutex mutex;
  std::vector<std::unique_ptr<Scratch>> idle;
};

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::string& path) { return from_json_text(read_file(path), path); }

Tokenizer Tokenizer::from_json_text(std::string_view text, const std::string& where) {
  Tokenizer tokenizer;
  tokenizer.state_ = std::make_unique<State>(read_tokenizer_json(text, where), where);
  return tokenizer;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, EncodeOptions options,
                                            std::int64_t* n_replaced) const {
  std::string mended;
  if (!is_valid_utf8(text)) {
    mended = mend_utf8(text, n_replaced);
    text = mended;
  }
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 3);
  encode_into(text, options, ids, [] {});
  return ids;
}

void Tokenizer::encode(std::string_view text, EncodeOptions options, const TakeIds& take) const {
  std::string mended;
  if (!is_valid_utf8(text)) {
    mended = mend_utf8(text, nullptr);
    text = mended;
  }
  std::vector<std::int32_t> ids;
  encode_into(text, options, ids, [&] {
    take(ids);
    ids.clear();
  });
  if (!ids.empty()) take(ids);
}

void Tokenizer::encode_into(std::string_view text, EncodeOptions options,
                            std::vector<std::int32_t>& ids,
                            const std::function<void()>& taken) const {
  if (text.size() > kMostBytesAtOnce) {
    throw_bad_input({"encode", "a text in one piece", std::to_string(text.size()) + " bytes",
                     "at most " + std::to_string(kMostBytesAtOnce), "cut it into documents"});
  }
  // A pattern that gives up throws, and the scratch is lost with its call.
  std::unique_ptr<State::Scratch> scratch = state_->borrow();
  for (const Segment& segment : state_->added.split(text, options.parse_special)) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
      continue;
    }
    state_->splitter.split(segment.text, scratch->pieces, [&] {
      state_->merges.append_ids(scratch->pieces.pieces, scratch->cache, ids);
      taken();
    });
  }
  state_->give_back(std::move(scratch));
}

std::vector<std::vector<std::int32_t>> Tokenizer::encode_batch(std::span<const std::string> texts,
                                                               EncodeOptions options) const {
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  const auto n_parts = static_cast<std::size_t>(num_threads());
  std::vector<std::exception_ptr> failed(n_parts);
  std::atomic<std::size_t> next = 0;  // texts differ in length: whoever is free takes the next
  parallel_for(num_threads(), [&](int part) {
    try {
      for (std::size_t i = next++; i < texts.size(); i = next++) ids[i] = encode(texts[i], options);
    } catch (...) {
      failed[static_cast<std::size_t>(part)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failed) {
    if (failure) std::rethrow_exception(failure);
  }
  return ids;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids, bool skip_special) const {
  std::string text;
  for (const std::int32_t id : ids) {
    const bool known =
        id >= 0 && id < vocab_size() && state_->printed[static_cast<std::size_t>(id)].known;
    if (!known) {
      text += "\uFFFD";
      continue;
    }
    const Printed& token = state_->printed[static_cast<std::size_t>(id)];
    if (!(skip_special && token.special)) text += token.bytes;
  }
  return text;
}

int Tokenizer::vocab_size() const { return static_cast<int>(state_->printed.size()); }

int Tokenizer::id_of(std::string_view token) const {
  const auto found = state_->ids.find(std::string(token));
  return found == state_->ids.end() ? -1 : found->second;
}

namespace {

int first_known(const Tokenizer& tokenizer, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const int id = tokenizer.id_of(name); id >= 0) return id;
  }
  return -1;
}

}  // namespace

int Tokenizer::end_of_text_id() const {
  return first_known(
      *this, {"<|end_of_text|>", "<｜end▁of▁sentence｜>", "<|endoftext|>", "</s>", "<eos>"});
}

int Tokenizer::begin_of_text_id() const {
  return first_known(
      *this, {"<|begin_of_text|>", "<｜begin▁of▁sentence｜>", "<|endoftext|>", "<s>", "<bos>"});
}

std::string Tokenizer::to_json_text() const { return write_tokenizer_json(state_->spec); }

std::string Tokenizer::fingerprint() const {
  const std::string text = to_json_text();
  return hash128_hex(std::as_bytes(std::span(text.data(), text.size())));
}

Tokenizer train_tokenizer(const DocumentSource& source, const TokenizerTraining& training,
                          TrainingReport* report) {
  return Tokenizer::from_json_text(write_tokenizer_json(train_bpe(source, training, report)),
                                   "the trained tokenizer");
}

}  // namespace farthing
