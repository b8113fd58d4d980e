// tokenizer_test.cpp - encode equals Hugging Face's; decode gives every byte back; hostile files.
#include "data/tokenizer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/tokenizer_bytes.h"
#include "data/utf8.h"

namespace farthing {
namespace {

const std::string kGolden = FARTHING_SOURCE_DIR "/tests/golden/tokenizer_";

using Ids = std::vector<std::int32_t>;

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  Tokenizer tokenizer_ = Tokenizer::load(kGolden + GetParam() + "_style.json");
  Json cases_ = read_json(kGolden + GetParam() + "_cases.json");
};

TEST_P(TokenizerGolden, EncodesAsHuggingFace) {
  for (const Json& entry : cases_) {
    const std::string text = entry[0].get<std::string>();
    EXPECT_EQ(tokenizer_.encode(text), entry[1].get<Ids>()) << entry[0];
    const Json& plain = entry[2].is_null() ? entry[1] : entry[2];
    EXPECT_EQ(tokenizer_.encode(text, {.parse_special = false}), plain.get<Ids>()) << entry[0];
  }
}

TEST_P(TokenizerGolden, WhatItWritesEncodesTheSame) {
  const std::string written = tokenizer_.to_json_text();
  const Tokenizer again = Tokenizer::from_json_text(written, "again");
  EXPECT_EQ(again.to_json_text(), written);
  EXPECT_EQ(again.fingerprint(), tokenizer_.fingerprint());
  for (const Json& entry : cases_) {
    EXPECT_EQ(again.encode(entry[0].get<std::string>()), entry[1].get<Ids>()) << entry[0];
  }
}

INSTANTIATE_TEST_SUITE_P(Styles, TokenizerGolden, testing::Values("gpt2", "deepseek"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(Tokenizer, RoundTripOfRandomBytes) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden + "deepseek_style.json");
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    const Rng rng(7, RngStream::kTest, trial);
    std::string text(rng.below(0, 200), '\0');
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[i] = static_cast<char>(rng.below(i + 1, trial % 3 == 0 ? 128 : 256));
    }
    std::int64_t n_replaced = 0, n_wanted = 0;
    const std::string wanted = mend_utf8(text, &n_wanted);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, {}, &n_replaced)), wanted);
    EXPECT_EQ(n_replaced, n_wanted);
    EXPECT_EQ(wanted == text, n_wanted == 0);
  }
}

TEST(Tokenizer, EveryCharacterComesBack) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden + "deepseek_style.json");
  std::string text;
  for (std::int32_t c = 0; c < 0x11000; ++c) {
    if (c < 0xD800 || c > 0xDFFF) append_utf8(text, c);
  }
  ASSERT_TRUE(is_valid_utf8(text));
  EXPECT_TRUE(tokenizer.decode(tokenizer.encode(text)) == text);
}

TEST(Tokenizer, LongRunsAreNotQuadratic) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden + "deepseek_style.json");
  for (const char* unit : {"a", " ", "=", "\n", "the", "\xE4\xB8\xAD", "\x01", "1"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    EXPECT_TRUE(tokenizer.decode(tokenizer.encode(text)) == text) << unit;
  }
}

TEST(Tokenizer, RunsOfSpacesBeyondTheStepLimitAreText) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden + "deepseek_style.json");
  const std::string text = "x" + std::string(3'000'000, ' ') + "y";
  EXPECT_TRUE(tokenizer.decode(tokenizer.encode(text)) == text);
}

// n letters a and b.
std::string random_word(std::uint64_t trial, std::size_t n) {
  const Rng rng(11, RngStream::kTest, trial);
  std::string word(n, 'a');
  for (std::size_t i = 0; i < n; ++i) word[i] = rng.below(i, 4) == 0 ? 'b' : 'a';
  return word;
}

TEST(Tokenizer, ShortAndLongPiecesMergeAlike) {
  std::uint64_t n_documents = 0;
  const Tokenizer tokenizer = train_tokenizer(
      [&](std::string& document) {
        document = random_word(n_documents, 30);
        return ++n_documents <= 50;
      },
      {.vocab_size = 330});
  // Up to 48 bytes go through the scan, more through the heap; the last letter merges with nothing.
  const Ids tail = tokenizer.encode("\xC3\xA9");
  for (std::uint64_t trial = 1000; trial < 1200; ++trial) {
    const std::string word = random_word(trial, 47 + trial % 2);
    Ids wanted = tokenizer.encode(word);
    wanted.insert(wanted.end(), tail.begin(), tail.end());
    EXPECT_EQ(tokenizer.encode(word + "\xC3\xA9"), wanted) << word;
  }
}

// The bytes of a word as the header says it: the lowest rank, the leftmost among equals.
std::vector<std::string> merged_by_definition(const std::string& word, const Json& merges) {
  std::map<std::pair<std::string, std::string>, int> rank;
  for (const Json& merge : merges) {
    const std::string both = merge;
    const std::size_t space = both.find(' ');
    rank.emplace(std::pair(both.substr(0, space), both.substr(space + 1)), std::ssize(rank));
  }
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  for (;;) {
    int best = INT_MAX;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = rank.find({symbols[i], symbols[i + 1]});
      if (found == rank.end() || found->second >= best) continue;
      best = found->second;
      place = i;
    }
    if (best == INT_MAX) return symbols;
    symbols[place] += symbols[place + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(Tokenizer, LongPiecesMergeByTheDefinitionInWhateverOrderTheMergesStand) {
  std::uint64_t n_documents = 0;
  const Tokenizer trained = train_tokenizer(
      [&](std::string& document) {
        document = random_word(n_documents, 200);
        return ++n_documents <= 50;
      },
      {.vocab_size = 330});
  Json json = Json::parse(trained.to_json_text());
  Json& merges = json["model"]["merges"];
  if (merges[0].is_array()) {
    for (Json& merge : merges)
      merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  for (std::uint64_t order = 0; order < 20; ++order) {
    const Rng rng(13, RngStream::kTest, order);
    for (std::size_t i = merges.size() - 1; order > 0 && i > 0; --i) {
      std::swap(merges[i], merges[rng.below(i, i + 1)]);
    }
    const Tokenizer tokenizer = Tokenizer::from_json_text(json.dump(), "shuffled");
    for (std::uint64_t trial = 0; trial < 30; ++trial) {
      std::string word = random_word(trial, 49 + trial * 7);
      if (trial % 10 == 9) word = std::string(word.size(), 'a');
      Ids wanted;
      for (const std::string& token : merged_by_definition(word, merges)) {
        wanted.push_back(tokenizer.id_of(token));
      }
      ASSERT_EQ(tokenizer.encode(word), wanted) << order << " " << word;
    }
  }
}

TEST(Tokenizer, ALongTextComesInPartsWithTheSameIds) {
  for (const char* style : {"gpt2", "deepseek"}) {
    const Tokenizer tokenizer = Tokenizer::load(kGolden + style + "_style.json");
    std::string text;
    for (std::uint64_t word = 0; word < 100'000; ++word)
      text += random_word(word, word % 9) + " 7,";
    text += "\xFF<|endoftext|>" + std::string(1000, 'a');
    for (const bool parse_special : {true, false}) {
      Ids ids;
      std::size_t longest = 0;
      const EncodeOptions options{.parse_special = parse_special};
      tokenizer.encode(text, options, [&](std::span<const std::int32_t> part) {
        ids.insert(ids.end(), part.begin(), part.end());
        longest = std::max(longest, part.size());
      });
      EXPECT_TRUE(ids == tokenizer.encode(text, options)) << style;
      EXPECT_LT(longest, ids.size() / 3) << style;
    }
  }
}

TEST(Tokenizer, SeveralThreadsShareOne) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden + "gpt2_style.json");
  const Json cases = read_json(kGolden + "gpt2_cases.json");
  std::vector<std::thread> threads;
  std::array<int, 4> n_wrong{};
  for (int& wrong : n_wrong) {
    threads.emplace_back([&] {
      for (const Json& entry : cases) {
        wrong += tokenizer.encode(entry[0].get<std::string>()) != entry[1].get<Ids>();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_wrong, (std::array<int, 4>{}));
}

TEST(Tokenizer, DecodeOfSpecialAndUnknownIds) {
  const Tokenizer tokenizer = Tokenizer::load(kGolden + "deepseek_style.json");
  const int end = tokenizer.end_of_text_id();
  EXPECT_EQ(end, 1);
  EXPECT_EQ(tokenizer.begin_of_text_id(), 0);
  const Ids a = tokenizer.encode("a");
  EXPECT_EQ(tokenizer.decode({a[0], end, a[0]}), "a<｜end▁of▁sentence｜>a");
  EXPECT_EQ(tokenizer.decode({a[0], end, a[0]}, true), "aa");
  EXPECT_EQ(tokenizer.decode({-1, tokenizer.vocab_size(), a[0]}), "\uFFFD\uFFFDa");
}

TEST(Utf8, MaximalSubparts) {
  // Unicode 15, tables 3-9 to 3-11.
  const std::vector<std::pair<std::string, int>> cases = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", 8},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", 8},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", 7},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", 4},
      {"\xE2\x82", 1},
      {"plain \xC3\xA9\xF0\x9F\x98\x80", 0}};
  for (const auto& [text, n] : cases) {
    std::int64_t n_replaced = 0;
    const std::string mended = mend_utf8(text, &n_replaced);
    EXPECT_EQ(n_replaced, n) << testing::PrintToString(text);
    EXPECT_TRUE(is_valid_utf8(mended));
    EXPECT_EQ(is_valid_utf8(text), n == 0);
  }
}

// The smallest file that loads, with one thing changed.
std::string file_with(const std::string& pointer, const Json& value) {
  Json vocabulary = Json::object();
  const auto& symbols = byte_symbols();
  for (int byte = 0; byte < 256; ++byte) vocabulary[symbols[static_cast<std::size_t>(byte)]] = byte;
  vocabulary["ab"] = 256;
  vocabulary["abc"] = 257;
  Json json = {{"added_tokens", Json::array({{{"id", 258}, {"content", "<end>"}}})},
               {"normalizer", nullptr},
               {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
               {"decoder", {{"type", "ByteLevel"}}},
               {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b", "ab c"}}}}};
  if (!pointer.empty()) json[Json::json_pointer(pointer)] = value;
  return json.dump();
}

std::string refusal(const std::string& text) {
  try {
    Tokenizer::from_json_text(text, "t.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    return error.message;
  }
  return "accepted";
}

TEST(TokenizerFile, SmallestLoads) {
  const Tokenizer tokenizer = Tokenizer::from_json_text(file_with("", {}), "t.json");
  EXPECT_EQ(tokenizer.encode("abcab<end>c"), (Ids{257, 256, 258, 'c'}));
  EXPECT_EQ(tokenizer.vocab_size(), 259);
}

TEST(TokenizerFile, HostileOnesAreRefusedByName) {
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
  Json merged_next = split;
  merged_next["behavior"] = "MergedWithNext";
  Json nested = split;
  nested["pattern"]["Regex"] = "[a[bc]]";
  const auto sequence = [](const Json& first) {
    return Json{{"type", "Sequence"}, {"pretokenizers", {first, {{"type", "ByteLevel"}}}}};
  };
  struct Case {
    std::string pointer;
    Json value;
    std::string says;
  };
  const std::vector<Case> cases = {
      {"/model/merges/1", "ab x", "model.merges[1]: found \"abx\""},
      {"/model/merges/1", "zz c", "\"zz\", which is not in model.vocab"},
      {"/model/merges/1", "abc", "model.merges[1]"},
      {"/model/merges/1", "ab  c", "model.merges[1]"},
      {"/model/merges/1", Json::array({"ab", ""}), "model.merges[1]"},
      {"/model/merges/1", 7, "model.merges[1]"},
      {"/model/vocab/abc", 256, "id 256, which \"ab\" has"},
      {"/model/vocab/abc", 2000000000, "2000000000"},
      {"/model/vocab/abc", -1, "an id from 0"},
      {"/model/vocab/abc", "x", "an id from 0"},
      {"/model/vocab", Json{{"a", 0}}, "byte symbols"},
      {"/model/type", "WordPiece", "wanted BPE"},
      {"/model/byte_fallback", true, "byte_fallback"},
      {"/model/dropout", 0.1, "dropout"},
      {"/model/unk_token", "<unk>", "unk_token"},
      {"/model", nullptr, "no \"model\""},
      {"/normalizer", {{"type", "NFC"}}, "NFC"},
      {"/truncation", {{"max_length", 5}}, "truncation"},
      {"/decoder", {{"type", "Metaspace"}}, "wanted ByteLevel"},
      {"/post_processor", {{"type", "BertProcessing"}}, "BertProcessing"},
      {"/pre_tokenizer", {{"type", "Whitespace"}}, "Whitespace"},
      {"/pre_tokenizer", sequence(split), "does not compile"},
      {"/pre_tokenizer", sequence(merged_next), "MergedWithNext"},
      {"/pre_tokenizer", sequence(nested), "a set within a set"},
      {"/pre_tokenizer", split, "no ByteLevel"},
      {"/added_tokens/0/id", 5, "which another token has"},
      {"/added_tokens/0/content", "ab", "the id of \"ab\" elsewhere"},
      {"/added_tokens/0/content", "", "content"},
  };
  for (const Case& c : cases) {
    const std::string message = refusal(file_with(c.pointer, c.value));
    EXPECT_NE(message.find(c.says), std::string::npos) << c.pointer << ": " << message;
    EXPECT_EQ(message.find("t.json"), 0u) << message;
  }
}

TEST(TokenizerFile, NoJsonAndDeepJson) {
  EXPECT_NE(refusal("").find("not valid JSON"), std::string::npos);
  EXPECT_NE(refusal("{\"model\"").find("not valid JSON"), std::string::npos);
  EXPECT_NE(refusal("[]").find("wanted an object"), std::string::npos);
  EXPECT_NE(refusal(std::string(100000, '[')).find("not valid JSON"), std::string::npos);
  std::string twice = file_with("", {});
  twice.replace(twice.find("\"abc\":257"), 9, "\"ab\":257");
  EXPECT_NE(refusal(twice).find("twice"), std::string::npos) << refusal(twice);
}

TEST(TokenizerFile, PatternsThatExplodeAreRefusedAtUse) {
  const Json pre = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "(x+x+)+(?:y|z)"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  const Tokenizer tokenizer = Tokenizer::from_json_text(file_with("/pre_tokenizer", pre), "t.json");
  EXPECT_THROW(tokenizer.encode(std::string(5000, 'x')), Error);
}

}  // namespace
}  // namespace farthing
