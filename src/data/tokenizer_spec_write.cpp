// tokenizer_spec_write.cpp - a tokenizer.json that Hugging Face tokenizers reads the same way.
#include <nlohmann/json.hpp>

#include "data/tokenizer_spec.h"

namespace farthing {
namespace {

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

const char* word(bool on) { return on ? "true" : "false"; }

std::string added_tokens_json(const std::vector<AddedToken>& tokens) {
  std::string out = "[";
  for (const AddedToken& token : tokens) {
    if (out.size() > 1) out += ",";
    out += "\n    {\"id\": " + std::to_string(token.id) +
           ", \"content\": " + quoted(token.content) +
           ", \"single_word\": " + word(token.single_word) + ", \"lstrip\": " + word(token.lstrip) +
           ", \"rstrip\": " + word(token.rstrip) + ", \"normalized\": " + word(token.normalized) +
           ", \"special\": " + word(token.special) + "}";
  }
  return out + (tokens.empty() ? "]" : "\n  ]");
}

std::string byte_level_json(const PreTokenizerRules& rules) {
  return std::string("{\"type\": \"ByteLevel\", \"add_prefix_space\": ") +
         word(rules.add_prefix_space) + ", \"trim_offsets\": " + word(rules.trim_offsets) +
         ", \"use_regex\": " + word(rules.use_regex) + "}";
}

std::string pre_tokenizer_json(const PreTokenizerRules& rules) {
  if (rules.splits.empty()) return byte_level_json(rules);
  std::string out = "{\"type\": \"Sequence\", \"pretokenizers\": [";
  for (const SplitRule& split : rules.splits) {
    out += "\n    {\"type\": \"Split\", \"pattern\": {";
    out += std::string(split.is_literal ? "\"String\": " : "\"Regex\": ") + quoted(split.pattern);
    out +=
        std::string("}, \"behavior\": ") + (split.removes_matches ? "\"Removed\"" : "\"Isolated\"");
    out += std::string(", \"invert\": ") + word(split.invert) + "},";
  }
  return out + "\n    " + byte_level_json(rules) + "\n  ]}";
}

std::string vocabulary_json(const std::vector<std::string>& vocabulary) {
  std::string out = "{";
  for (std::size_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary[id].empty()) continue;
    out += (out.size() > 1 ? ",\n      " : "\n      ") + quoted(vocabulary[id]) + ": " +
           std::to_string(id);
  }
  return out + "\n    }";
}

// "a b" where no token holds a space, which every version reads; else ["a", "b"].
std::string merges_json(const TokenizerSpec& spec) {
  const auto token = [&](std::int32_t id) { return spec.vocabulary[static_cast<std::size_t>(id)]; };
  const auto has_space = [&](std::int32_t id) {
    return spec.vocabulary[static_cast<std::size_t>(id)].find(' ') != std::string::npos;
  };
  bool as_pairs = false;
  for (const Merge& merge : spec.merges) {
    as_pairs |= has_space(merge.left) || has_space(merge.right);
  }
  std::string out = "[";
  for (const Merge& merge : spec.merges) {
    out += out.size() > 1 ? ",\n      " : "\n      ";
    if (!as_pairs) {
      out += quoted(token(merge.left) + " " + token(merge.right));
      continue;
    }
    out += '[';
    out += quoted(token(merge.left)) + ", " + quoted(token(merge.right)) + "]";
  }
  return out + (spec.merges.empty() ? "]" : "\n    ]");
}

}  // namespace

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  return "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
         "  \"added_tokens\": " +
         added_tokens_json(spec.added_tokens) +
         ",\n  \"normalizer\": null,\n  \"pre_tokenizer\": " +
         pre_tokenizer_json(spec.pre_tokenizer) +
         ",\n  \"post_processor\": " + spec.post_processor +
         ",\n  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
         "\"trim_offsets\": true, \"use_regex\": true},\n  \"model\": {\n    \"type\": \"BPE\",\n"
         "    \"dropout\": null,\n    \"unk_token\": null,\n"
         "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n"
         "    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": " +
         word(spec.ignore_merges) + ",\n    \"vocab\": " + vocabulary_json(spec.vocabulary) +
         ",\n    \"merges\": " + merges_json(spec) + "\n  }\n}\n";
}

}  // namespace farthing
