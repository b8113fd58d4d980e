// tokenizer.h - byte-level BPE as tokenizer.json describes it: encode, decode, load, save.
//
// Source   GPT-2's byte-level BPE (Radford et al. 2019); tokenizer.json of Hugging Face tokenizers,
//          whose ids `encode` reproduces exactly for GPT-2's and DeepSeek-V3's pre-tokenizers.
// Errors   Error{kBadInput} names the file and the key.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace farthing {

struct EncodeOptions {
  bool parse_special = true;  // "<|endoftext|>" in the text becomes its id
};

class Tokenizer {
 public:
  static Tokenizer load(const std::string& path);
  static Tokenizer from_json_text(std::string_view text, const std::string& where);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Invalid UTF-8 is replaced by U+FFFD first; the number of replacements is added to *n_replaced.
  // Thread-safe.
  std::vector<std::int32_t> encode(std::string_view text, EncodeOptions options = {},
                                   std::int64_t* n_replaced = nullptr) const;
  // The same ids a part at a time, so that those of a long text are never there together.
  using TakeIds = std::function<void(std::span<const std::int32_t>)>;
  void encode(std::string_view text, EncodeOptions options, const TakeIds& take) const;
  // Every text by itself, on all threads; the ids are encode()'s.  Called as parallel_for is: from
  // one thread at a time, not inside a body.
  std::vector<std::vector<std::int32_t>> encode_batch(std::span<const std::string> texts,
                                                      EncodeOptions options = {}) const;
  // The exact bytes of the tokens; added tokens print their content unless skip_special.  An id
  // that is no token (a padded row of a model's vocabulary) prints U+FFFD.
  std::string decode(const std::vector<std::int32_t>& ids, bool skip_special = false) const;

  int vocab_size() const;                   // largest id + 1
  int id_of(std::string_view token) const;  // -1: none
  int end_of_text_id() const;               // the document separator; -1: none
  int begin_of_text_id() const;             // -1: none
  std::string to_json_text() const;
  std::string fingerprint() const;  // 32 hex digits over vocabulary, merges and rules

 private:
  Tokenizer();
  // Appends to `ids`; calls taken() now and then, which may clear them.
  void encode_into(std::string_view text, EncodeOptions options, std::vector<std::int32_t>& ids,
                   const std::function<void()>& taken) const;
  struct State;
  std::unique_ptr<State> state_;
};

enum class PreTokenizer { kGpt2, kDeepseekV3 };

// Pulls documents until false.
using DocumentSource = std::function<bool(std::string& document)>;

struct TokenizerTraining {
  int vocab_size = 4096;  // 256 bytes and special tokens included
  PreTokenizer pre_tokenizer = PreTokenizer::kDeepseekV3;
  std::vector<std::string> special_tokens = {"<|begin_of_text|>", "<|end_of_text|>", "<|pad|>"};
  std::int64_t counting_bytes = std::int64_t{4} << 30;  // for distinct pieces; see bpe_trainer.h
};

// What a training saw.  Without forgotten pieces it was exact; else no piece was counted too low by
// more than `largest_error`.
struct TrainingReport {
  std::int64_t documents = 0, bytes = 0;
  std::int64_t distinct_pieces = 0;
  std::int64_t forgotten_pieces = 0;  // occurrences
  std::int64_t largest_error = 0;
  double counting_seconds = 0, merging_seconds = 0;
};

// Deterministic: ties go to the pair whose ids are smaller. Same result for any number of threads.
Tokenizer train_tokenizer(const DocumentSource& source, const TokenizerTraining& training,
                          TrainingReport* report = nullptr);

}  // namespace farthing
