// prepare_test.cpp - from files to a data folder and back, on a small corpus.
#include "data/prepare.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "data/inspect.h"
#include "data/loader.h"
#include "data/shard_bytes.h"
#include "data/shards.h"

namespace farthing {
namespace {

struct PrepareTest : testing::Test {
  PrepareTest() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-prepare-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    write_file_atomically(path("a.txt"), corpus(0, 600));
    write_file_atomically(path("b.txt"), corpus(600, 200));
  }
  ~PrepareTest() override {
    set_num_threads(1);
    std::filesystem::remove_all(folder);
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  // Paragraphs that differ from one another, made of few words.
  static std::string corpus(int first, int count) {
    const char* const words[] = {"farthing", "the", "penny", "of", "a", "coin", "and", "half"};
    const Rng rng(3, RngStream::kTest);
    std::string text;
    std::uint64_t index = static_cast<std::uint64_t>(first) * 100;
    for (int document = first; document < first + count; ++document, index += 100) {
      text += "Entry " + std::to_string(document) + ":";
      for (std::uint64_t word = 0; word < 5 + rng.below(index, 20); ++word) {
        text.append(" ").append(words[rng.below(index + 1 + word, 8)]);
      }
      text += ".\n\n";
    }
    return text;
  }

  PrepareRequest request(const std::string& out) const {
    PrepareRequest made;
    made.sources = {{"first", {path("a.txt")}, "public domain"}, {"second", {path("b.txt")}, ""}};
    made.folder = path(out);
    made.training.vocab_size = 320;
    made.val_fraction = 0.1;
    made.reading.blank_line_documents = true;
    return made;
  }

  // The documents of a split, decoded, each without its end-of-text token.
  std::multiset<std::string> documents_of(const std::string& out, const std::string& split) const {
    const Tokenizer tokenizer = Tokenizer::load(path(out + "/tokenizer.json"));
    const ShardReader shard(path(out + "/" + split));
    std::multiset<std::string> documents;
    for (std::int64_t document = 0; document < shard.n_documents(); ++document) {
      const auto begin = shard.document_begin(document);
      std::vector<std::int32_t> ids(
          static_cast<std::size_t>(shard.document_begin(document + 1) - begin));
      shard.read(begin, ids);
      EXPECT_EQ(ids.back(), tokenizer.end_of_text_id());
      ids.pop_back();
      documents.insert(tokenizer.decode(ids));
    }
    return documents;
  }

  std::string refusal(const PrepareRequest& made) {
    try {
      prepare_data(made);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      return error.message;
    }
    return "";
  }

  std::filesystem::path folder;
};

TEST_F(PrepareTest, EveryDocumentComesOutOnce) {
  const Json card = prepare_data(request("out"));
  std::multiset<std::string> wanted, found;
  DocumentReader reader({path("a.txt"), path("b.txt")}, request("").reading);
  std::string document;
  std::int64_t n_bytes = 0;
  while (reader.next(document)) {
    wanted.insert(document);
    n_bytes += static_cast<std::int64_t>(document.size());
  }
  ASSERT_EQ(wanted.size(), 800u);
  const auto val = documents_of("out", "val");
  for (const auto& text : val) EXPECT_TRUE(is_held_out(text, 0.1));
  EXPECT_GT(val.size(), 40u);
  EXPECT_LT(val.size(), 160u);
  found = documents_of("out", "train");
  found.insert(val.begin(), val.end());
  EXPECT_EQ(found, wanted);
  auto per_source = documents_of("out", "val-first");
  per_source.merge(documents_of("out", "val-second"));
  EXPECT_EQ(per_source, val);

  EXPECT_EQ(card, read_json(path("out/card.json")));
  EXPECT_EQ(card["splits"]["train"]["bytes"].get<std::int64_t>() +
                card["splits"]["val"]["bytes"].get<std::int64_t>(),
            n_bytes);
  EXPECT_EQ(card["sources"][0]["documents"], 600);
  EXPECT_EQ(card["sources"][0]["licence"], "public domain");
  EXPECT_EQ(card["splits"]["val"]["documents"], val.size());
  EXPECT_EQ(SampleSource(path("out/train"), 16, 1).n_text_bytes(),
            card["splits"]["train"]["bytes"].get<std::int64_t>());
}

TEST_F(PrepareTest, TheNumberOfThreadsChangesNothing) {
  std::map<std::string, std::string> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const std::string out = "out" + std::to_string(threads);
    prepare_data(request(out));
    for (const auto& entry : std::filesystem::directory_iterator(path(out))) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("card.")) continue;  // its cost differs
      const std::string bytes = read_file(entry.path().string());
      if (threads == 1) first[name] = bytes;
      EXPECT_EQ(first[name], bytes) << name << " with " << threads << " threads";
    }
  }
  EXPECT_EQ(first.size(), 9u);  // train, val, two of the sources: .bin and .idx; tokenizer.json
}

TEST_F(PrepareTest, TheSplitDependsOnTheTextAlone) {
  prepare_data(request("out"));
  auto other = request("other");
  std::swap(other.sources[0], other.sources[1]);
  other.sources.pop_back();
  other.tokenizer_path = path("out/tokenizer.json");
  prepare_data(other);
  EXPECT_EQ(documents_of("other", "val"), documents_of("out", "val-second"));
  EXPECT_EQ(read_file(path("other/tokenizer.json")), read_file(path("out/tokenizer.json")));
  EXPECT_FALSE(file_exists(path("other/val-second.idx")));
}

TEST_F(PrepareTest, AFinishedFolderIsReplacedOnlyWhenAsked) {
  prepare_data(request("out"));
  const std::string before = read_file(path("out/card.json"));
  auto again = request("out");
  again.val_fraction = 0.2;
  EXPECT_NE(refusal(again).find("--force"), std::string::npos);
  again = request("out");
  again.replace = true;
  again.sources.pop_back();
  again.sources[0].inputs = {path("missing.txt")};
  EXPECT_NE(refusal(again).find("missing.txt"), std::string::npos);
  EXPECT_EQ(read_file(path("out/card.json")), before);
  again.sources[0].inputs = {path("b.txt")};
  write_file_atomically(path("out/mine.md"), "kept");
  prepare_data(again);
  EXPECT_EQ(read_json(path("out/card.json"))["sources"].size(), 1u);
  EXPECT_FALSE(file_exists(path("out/val-first.idx")));
  EXPECT_TRUE(file_exists(path("out/mine.md")));
  for (const auto& entry : std::filesystem::directory_iterator(path("out"))) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".preparing")) << entry.path();
  }
}

TEST_F(PrepareTest, TheSameRequestOnAFinishedFolderIsDone) {
  const Json card = prepare_data(request("out"));
  EXPECT_EQ(prepare_data(request("out")), card);
  std::filesystem::rename(path("out/train.bin"), path("train.bin"));
  EXPECT_NE(refusal(request("out")).find("--force"), std::string::npos);
  std::filesystem::rename(path("train.bin"), path("out/train.bin"));
  write_file_atomically(path("b.txt"), corpus(600, 201));
  EXPECT_NE(refusal(request("out")).find("--force"), std::string::npos);
}

TEST_F(PrepareTest, FilesOfAnotherProgramAreNotReplaced) {
  std::filesystem::create_directories(path("out"));
  write_file_atomically(path("out/train.bin"), "mine");
  EXPECT_NE(refusal(request("out")).find("train.bin"), std::string::npos);
  EXPECT_EQ(read_file(path("out/train.bin")), "mine");
  auto forced = request("out");
  forced.replace = true;
  EXPECT_NO_THROW(prepare_data(forced));
  std::filesystem::create_directories(path("given"));
  std::filesystem::copy(path("out/tokenizer.json"), path("given/tokenizer.json"));
  auto given = request("given");
  given.tokenizer_path = path("given/tokenizer.json");
  EXPECT_NO_THROW(prepare_data(given));
}

TEST_F(PrepareTest, AFileOfTwoSourcesIsRefused) {
  auto made = request("out");
  made.sources[1].inputs = {path("./a.txt")};
  const std::string message = refusal(made);
  EXPECT_NE(message.find("./a.txt of \"second\""), std::string::npos) << message;
  EXPECT_NE(message.find("a.txt of \"first\""), std::string::npos) << message;
}

TEST_F(PrepareTest, TheCardCountsWhatFoldersHoldBesides) {
  write_file_atomically(path("main.c"), "int main;");
  write_file_atomically(path("old.c"), "int main;");
  auto made = request("out");  // below its input
  made.sources = {{"all", {folder.string()}, ""}};
  const Json card = prepare_data(made);
  EXPECT_EQ(card["sources"][0]["ignored_files"], (Json{{".c", 2}}));
  EXPECT_NE(format_card(card).find("2 .c"), std::string::npos);
}

TEST_F(PrepareTest, SpecialTokensInATextStayText) {
  write_file_atomically(path("c.txt"), "before <|end_of_text|> after");
  auto made = request("out");
  made.sources = {{"text", {path("a.txt"), path("c.txt")}, ""}};
  prepare_data(made);
  auto all = documents_of("out", "train");
  all.merge(documents_of("out", "val"));
  EXPECT_EQ(all.count("before <|end_of_text|> after"), 1u);
  const ShardReader train(path("out/train")), val(path("out/val"));
  const int end = Tokenizer::load(path("out/tokenizer.json")).end_of_text_id();
  std::int64_t n_ends = 0;
  for (const ShardReader* shard : {&train, &val}) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(shard->n_tokens()));
    shard->read(0, ids);
    n_ends += std::count(ids.begin(), ids.end(), end);
  }
  EXPECT_EQ(n_ends, 601);
}

TEST_F(PrepareTest, ASourceWithoutHeldOutDocumentsHasNoSplitOfItsOwn) {
  write_file_atomically(path("c.txt"), "Heads.\n\nTails.");
  auto made = request("out");
  made.sources.push_back({"short", {path("c.txt")}, ""});
  made.val_fraction = 0.05;
  ASSERT_FALSE(is_held_out("Heads.", 0.05) || is_held_out("Tails.", 0.05));
  const Json card = prepare_data(made);
  EXPECT_FALSE(file_exists(path("out/val-short.idx")));
  EXPECT_FALSE(card["splits"].contains("val-short"));
  EXPECT_TRUE(file_exists(path("out/val-first.idx")));
  EXPECT_EQ(inspect_data(path("out"))["splits"].size(), 4u);
}

TEST_F(PrepareTest, RefusesEmptySplitsAndOddNames) {
  auto made = request("out");
  made.reading.blank_line_documents = false;  // two documents
  made.val_fraction = 1e-9;
  EXPECT_NE(
      refusal(made).find("validation split: found 2 documents in " + path("a.txt") + " and 1 more"),
      std::string::npos);
  EXPECT_FALSE(file_exists(path("out/card.json")));
  made.val_fraction = 0;
  EXPECT_EQ(refusal(made), "");
  made.replace = true;
  made.val_fraction = 1;
  EXPECT_NE(refusal(made).find("--val-fraction"), std::string::npos);
  made.val_fraction = 0.1;
  made.sources[1].name = "../x";
  EXPECT_NE(refusal(made).find("letters, digits"), std::string::npos);
  made.sources[1].name = made.sources[0].name;
  EXPECT_NE(refusal(made).find("stands twice"), std::string::npos);
}

TEST_F(PrepareTest, AFailureLeavesNoFolderThatItMade) {
  auto made = request("new/deeper/out");
  made.sources[0].inputs = {path("missing.txt")};
  EXPECT_NE(refusal(made).find("missing.txt"), std::string::npos);
  EXPECT_FALSE(file_exists(path("new")));
  std::filesystem::create_directories(path("mine"));
  made.folder = path("mine/out");
  EXPECT_NE(refusal(made), "");
  EXPECT_FALSE(file_exists(path("mine/out")));
  EXPECT_TRUE(file_exists(path("mine")));
}

TEST_F(PrepareTest, RefusesAFileWhereTheFolderShouldBe) {
  EXPECT_NE(refusal(request("b.txt")).find("b.txt: not a folder"), std::string::npos);
  EXPECT_NE(refusal(request("b.txt/out")).find("b.txt: not a folder"), std::string::npos);
  EXPECT_EQ(read_file(path("b.txt")), corpus(600, 200));
}

TEST_F(PrepareTest, OneProcessAtATime) {
  std::filesystem::create_directories(path("out"));
  const auto held = FileLock::try_lock(path("out/.preparing.lock"));
  ASSERT_TRUE(held.has_value());
  EXPECT_NE(refusal(request("out")).find("another process"), std::string::npos);
}

TEST_F(PrepareTest, TheHintDoesNotRepeatAFlagThatWasGiven) {
  write_file_atomically(path("c.txt"), "Heads.\n\nTails.");
  auto made = request("out");
  made.sources = {{"short", {path("c.txt")}, ""}};
  made.val_fraction = 1e-9;
  made.reading.blank_line_documents = true;
  const std::string words = refusal(made);
  EXPECT_NE(words.find("found 2 documents"), std::string::npos) << words;
  EXPECT_EQ(words.find("--documents"), std::string::npos) << words;
  made.reading.blank_line_documents = false;
  EXPECT_NE(refusal(made).find("found 1 document in " + path("c.txt") + ", "), std::string::npos);
  EXPECT_NE(refusal(made).find("--documents blank-line"), std::string::npos);
}

TEST_F(PrepareTest, InspectFindsAnAlteredShard) {
  prepare_data(request("out"));
  compress_shard(path("out/train"));
  std::filesystem::remove(path("out/train.bin"));
  EXPECT_NO_THROW(inspect_data(path("out")));
  std::string bytes = read_file(path("out/val.bin"));
  std::swap(bytes[2], bytes[4]);
  std::swap(bytes[3], bytes[5]);
  write_file_atomically(path("out/val.bin"), bytes);
  try {
    inspect_data(path("out"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("val.bin: altered"), std::string::npos) << error.message;
  }
}

TEST_F(PrepareTest, InspectShowsAndChecks) {
  const Json card = prepare_data(request("out"));
  const Json found = inspect_data(path("out"));
  const Json& train = found["splits"]["train"];
  EXPECT_EQ(found["splits"].size(), 4u);
  EXPECT_EQ(train["tokens"], card["splits"]["train"]["tokens"]);
  EXPECT_EQ(train["samples"]["first"].get<std::string>().find("Entry "), 0u);
  std::int64_t in_histogram = 0;
  for (const Json& bucket : train["histogram"]) {
    in_histogram += bucket["documents"].get<std::int64_t>();
  }
  EXPECT_EQ(in_histogram, train["documents"].get<std::int64_t>());
  EXPECT_NEAR(
      found["sources"][0]["share"].get<double>() + found["sources"][1]["share"].get<double>(), 1.0,
      1e-12);

  ShardWriter foreign(path("out/val"), 100000);
  foreign.add_document(std::vector<std::int32_t>{99999});
  foreign.finish();
  try {
    inspect_data(path("out"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("found 99999, wanted below"), std::string::npos) << error.message;
  }
  std::filesystem::remove(path("out/tokenizer.json"));
  try {
    inspect_data(path("out"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("not of these shards"), std::string::npos) << error.message;
  }
  std::filesystem::remove(path("out/card.json"));
  EXPECT_TRUE(inspect_data(path("out"))["splits"]["val"]["samples"].is_null());
}

}  // namespace
}  // namespace farthing
