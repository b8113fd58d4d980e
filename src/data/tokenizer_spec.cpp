// tokenizer_spec.cpp - reads tokenizer.json key by key and refuses what it cannot honour.
#include "data/tokenizer_spec.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "data/tokenizer_bytes.h"

namespace farthing {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxAddedTokenBytes = 1024;

// Reads one file; every message opens with its name.
class SpecReader {
 public:
  SpecReader(const std::string& where, TokenizerSpec& spec) : where_(where), spec_(spec) {}

  void read(dom::element root) {
    refuse_unless_null(root, "truncation", "");
    read_normalizer(member(root, "normalizer"));
    read_pre_tokenizer(root);
    read_decoder(root);
    read_post_processor(root);
    read_model(root);
    read_added_tokens(root);
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& found,
                           const std::string& wanted) const {
    throw_bad_input({where_, what, found, wanted, ""});
  }

  static std::string shown(dom::element value) {
    std::string text = simdjson::minify(value);
    if (text.size() > 80) text = text.substr(0, 77) + "...";
    return text;
  }

  // A member of an object; a JSON null counts as absent.
  std::optional<dom::element> member(dom::element object, const char* key) const {
    dom::element value;
    if (object.at_key(key).get(value) || value.is_null()) return std::nullopt;
    return value;
  }

  dom::element wanted_member(dom::element object, const char* key, const std::string& at) const {
    const auto value = member(object, key);
    if (!value) refuse(at, "no \"" + std::string(key) + "\"", "that key");
    return *value;
  }

  std::string text_of(dom::element value, const std::string& at) const {
    std::string_view text;
    if (value.get(text)) refuse(at, shown(value), "a string");
    return std::string(text);
  }

  bool flag(dom::element object, const char* key, bool otherwise, const std::string& at) const {
    const auto value = member(object, key);
    if (!value) return otherwise;
    bool on = false;
    if (value->get(on)) refuse(at + "." + key, shown(*value), "true or false");
    return on;
  }

  dom::array array_of(dom::element value, const std::string& at) const {
    dom::array array;
    if (value.get(array)) refuse(at, shown(value), "an array");
    return array;
  }

  dom::object object_of(dom::element value, const std::string& at) const {
    dom::object object;
    if (value.get(object)) refuse(at, shown(value), "an object");
    return object;
  }

  std::string type_of(dom::element object, const std::string& at) const {
    object_of(object, at);
    return text_of(wanted_member(object, "type", at), at + ".type");
  }

  void refuse_unless_null(dom::element object, const char* key, const char* at) const {
    if (const auto value = member(object, key))
      refuse(std::string(at) + key, shown(*value), "null");
  }

  std::int32_t id_of(dom::element value, const std::string& at, std::int64_t limit) const {
    std::int64_t id = -1;
    if (value.get(id) || id < 0 || id >= limit) {
      refuse(at, shown(value), "an id from 0 to " + std::to_string(limit - 1));
    }
    return static_cast<std::int32_t>(id);
  }

  void read_normalizer(std::optional<dom::element> value) const {
    if (!value) return;
    const std::string type = type_of(*value, "normalizer");
    if (type != "Sequence") refuse("normalizer", type, "null, or an empty Sequence");
    for (dom::element inner :
         array_of(wanted_member(*value, "normalizers", "normalizer"), "normalizer.normalizers")) {
      read_normalizer(inner);
    }
  }

  void read_pre_tokenizer(dom::element root) {
    bool ends = false;  // with ByteLevel
    read_pre_tokenizer(wanted_member(root, "pre_tokenizer", "tokenizer.json"), ends);
    if (!ends) refuse("pre_tokenizer", "no ByteLevel", "ByteLevel as the last step");
  }

  void read_pre_tokenizer(dom::element value, bool& ends) {
    const std::string type = type_of(value, "pre_tokenizer");
    if (ends) refuse("pre_tokenizer", type + " after ByteLevel", "ByteLevel as the last step");
    if (type == "Sequence") {
      const auto list = wanted_member(value, "pretokenizers", "pre_tokenizer");
      for (dom::element inner : array_of(list, "pre_tokenizer.pretokenizers")) {
        read_pre_tokenizer(inner, ends);
      }
    } else if (type == "Split") {
      read_split(value);
    } else if (type == "ByteLevel") {
      spec_.pre_tokenizer.add_prefix_space = flag(value, "add_prefix_space", true, "ByteLevel");
      spec_.pre_tokenizer.trim_offsets = flag(value, "trim_offsets", true, "ByteLevel");
      spec_.pre_tokenizer.use_regex = flag(value, "use_regex", true, "ByteLevel");
      ends = true;
    } else {
      refuse("pre_tokenizer", type, "Sequence, Split or ByteLevel");
    }
  }

  void read_split(dom::element value) {
    SplitRule rule;
    const dom::element pattern = wanted_member(value, "pattern", "pre_tokenizer Split");
    object_of(pattern, "pre_tokenizer Split.pattern");
    if (const auto literal = member(pattern, "String")) {
      rule.is_literal = true;
      rule.pattern = text_of(*literal, "pattern.String");
    } else {
      rule.pattern =
          text_of(wanted_member(pattern, "Regex", "pre_tokenizer Split.pattern"), "pattern.Regex");
    }
    if (rule.pattern.empty()) refuse("pre_tokenizer Split.pattern", "\"\"", "something to match");
    const std::string behavior =
        text_of(wanted_member(value, "behavior", "pre_tokenizer Split"), "behavior");
    if (behavior != "Isolated" && behavior != "Removed") {
      refuse("pre_tokenizer Split.behavior", behavior, "Isolated or Removed");
    }
    rule.removes_matches = behavior == "Removed";
    rule.invert = flag(value, "invert", false, "pre_tokenizer Split");
    spec_.pre_tokenizer.splits.push_back(std::move(rule));
  }

  void read_decoder(dom::element root) const {
    const dom::element decoder = wanted_member(root, "decoder", "tokenizer.json");
    const std::string type = type_of(decoder, "decoder");
    if (type == "ByteLevel") return;
    if (type == "Sequence") {
      const auto list = array_of(wanted_member(decoder, "decoders", "decoder"), "decoder.decoders");
      if (list.size() == 1 && type_of(list.at(0), "decoder") == "ByteLevel") return;
    }
    refuse("decoder", shown(decoder), "ByteLevel");
  }

  void read_post_processor(dom::element root) {
    const auto processor = member(root, "post_processor");
    if (!processor) return;
    check_post_processor(*processor);
    spec_.post_processor = simdjson::minify(*processor);
  }

  void check_post_processor(dom::element processor) const {
    const std::string type = type_of(processor, "post_processor");
    if (type == "ByteLevel" || type == "TemplateProcessing") return;
    if (type != "Sequence") {
      refuse("post_processor", type, "null, ByteLevel, TemplateProcessing or a Sequence of them");
    }
    const auto list = wanted_member(processor, "processors", "post_processor");
    for (dom::element inner : array_of(list, "post_processor.processors")) {
      check_post_processor(inner);
    }
  }

  void read_model(dom::element root) {
    const dom::element model = wanted_member(root, "model", "tokenizer.json");
    if (type_of(model, "model") != "BPE") {
      refuse("model.type", type_of(model, "model"), "BPE");
    }
    for (const char* key : {"dropout", "unk_token"}) refuse_unless_null(model, key, "model.");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const auto value = member(model, key);
      if (value && text_of(*value, key).empty()) continue;
      refuse_unless_null(model, key, "model.");
    }
    if (flag(model, "byte_fallback", false, "model"))
      refuse("model.byte_fallback", "true", "false");
    spec_.ignore_merges = flag(model, "ignore_merges", false, "model");
    read_vocabulary(wanted_member(model, "vocab", "model"));
    check_byte_symbols();
    read_merges(wanted_member(model, "merges", "model"));
  }

  void read_vocabulary(dom::element value) {
    const dom::object vocabulary = object_of(value, "model.vocab");
    // simdjson's size() saturates at 2^24 - 1, more than any vocabulary.
    limit_ = 4 * static_cast<std::int64_t>(vocabulary.size()) + 65536;
    ids_.reserve(vocabulary.size());
    for (const auto [token, id_value] : vocabulary) {
      const std::string at = "model.vocab[\"" + std::string(token.substr(0, 40)) + "\"]";
      if (token.empty()) refuse(at, "an empty token", "text");
      const std::int32_t id = id_of(id_value, at, limit_);
      claim(id, token, at);
      if (!ids_.emplace(token, id).second) refuse(at, "the token twice", "once");
    }
  }

  // Gives `id` to `token`; refuses when another has it.
  void claim(std::int32_t id, std::string_view token, const std::string& at) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= spec_.vocabulary.size()) spec_.vocabulary.resize(index + 1);
    std::string& owner = spec_.vocabulary[index];
    if (!owner.empty()) {
      refuse(at, "id " + std::to_string(id) + ", which \"" + owner.substr(0, 40) + "\" has",
             "an id of its own");
    }
    owner = token;
  }

  void read_merges(dom::element value) {
    std::size_t rank = 0;
    std::string joined;
    for (dom::element merge : array_of(value, "model.merges")) {
      const std::string at = "model.merges[" + std::to_string(rank++) + "]";
      const auto [left, right] = parts_of(merge, at);
      joined = std::string(left) + std::string(right);
      spec_.merges.push_back({known(left, at), known(right, at), known(joined, at)});
    }
  }

  // "a b", or ["a", "b"].
  std::pair<std::string_view, std::string_view> parts_of(dom::element merge,
                                                         const std::string& at) const {
    std::string_view left, right;
    if (merge.is_string()) {
      const std::string_view both = merge.get_string();
      const std::size_t space = both.find(' ');
      if (space != both.npos && both.find(' ', space + 1) == both.npos) {
        left = both.substr(0, space);
        right = both.substr(space + 1);
      }
    } else if (dom::array pair; !merge.get(pair) && pair.size() == 2) {
      if (pair.at(0).get(left) || pair.at(1).get(right)) refuse(at, shown(merge), "two strings");
    }
    if (left.empty() || right.empty()) {
      refuse(at, shown(merge), "two tokens with one space between, or an array of two");
    }
    return {left, right};
  }

  std::int32_t known(std::string_view token, const std::string& at) {
    key_ = token;
    const auto found = ids_.find(key_);
    if (found == ids_.end()) {
      refuse(at, "\"" + key_.substr(0, 40) + "\", which is not in model.vocab", "known tokens");
    }
    return found->second;
  }

  void read_added_tokens(dom::element root) {
    const auto list = member(root, "added_tokens");
    if (!list) return;
    const dom::array tokens = array_of(*list, "added_tokens");
    limit_ += static_cast<std::int64_t>(tokens.size());
    for (dom::element value : tokens) {
      const std::string at = "added_tokens[" + std::to_string(spec_.added_tokens.size()) + "]";
      object_of(value, at);
      spec_.added_tokens.push_back(added_token(value, at));
      place(spec_.added_tokens.back(), at);
    }
  }

  AddedToken added_token(dom::element value, const std::string& at) const {
    AddedToken token;
    token.id = id_of(wanted_member(value, "id", at), at + ".id", limit_);
    token.content = text_of(wanted_member(value, "content", at), at + ".content");
    if (token.content.empty() || token.content.size() > kMaxAddedTokenBytes) {
      refuse(at + ".content", std::to_string(token.content.size()) + " bytes",
             "1 to " + std::to_string(kMaxAddedTokenBytes));
    }
    token.special = flag(value, "special", false, at);
    token.single_word = flag(value, "single_word", false, at);
    token.lstrip = flag(value, "lstrip", false, at);
    token.rstrip = flag(value, "rstrip", false, at);
    token.normalized = flag(value, "normalized", !token.special, at);
    return token;
  }

  // An added token is in the vocabulary under the same id, or brings a new one.
  void place(const AddedToken& token, const std::string& at) {
    const auto [found, is_new] = ids_.emplace(token.content, token.id);
    if (is_new) {
      const auto index = static_cast<std::size_t>(token.id);
      const bool in_model = index < spec_.vocabulary.size() && !spec_.vocabulary[index].empty();
      if (in_model || !added_ids_.insert(token.id).second) {
        refuse(at + ".id", std::to_string(token.id) + ", which another token has", "a free id");
      }
    } else if (found->second != token.id) {
      refuse(at + ".id", std::to_string(token.id),
             std::to_string(found->second) + ", the id of \"" + token.content + "\" elsewhere");
    }
  }

  void check_byte_symbols() const {
    for (const std::string& symbol : byte_symbols()) {
      if (ids_.contains(symbol)) continue;
      refuse("model.vocab", "no \"" + symbol + "\"", "all 256 byte symbols of byte-level BPE");
    }
  }

  const std::string& where_;
  TokenizerSpec& spec_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_set<std::int32_t> added_ids_;
  std::int64_t limit_ = 0;  // ids stay below: a hostile one must not become gigabytes
  std::string key_;
};

}  // namespace

TokenizerSpec read_tokenizer_json(std::string_view text, const std::string& where) {
  dom::parser parser;
  if (parser.allocate(text.size() + 1, kMaxDepth)) throw std::bad_alloc();
  const simdjson::padded_string padded(text);
  dom::element root;
  if (const auto error = parser.parse(padded).get(root)) {
    throw_bad_input({where, "not valid JSON", simdjson::error_message(error), "", ""});
  }
  if (!root.is_object()) throw_bad_input({where, "tokenizer.json", "no object", "an object", ""});
  TokenizerSpec spec;
  SpecReader(where, spec).read(root);
  return spec;
}

}  // namespace farthing
