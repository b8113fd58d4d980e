// prepare_hostile_test.cpp - damaged, cut, vanishing and impossible inputs: named or counted,
// never lost.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "data/byte_stream.h"
#include "data/prepare.h"

namespace farthing {
namespace {

// A source "good" of 60 documents, and a hostile file beside it.
struct HostileInput : testing::Test {
  HostileInput() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-hostile-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    put("good.jsonl", lines(60, "good"));
  }
  ~HostileInput() override {
    set_num_threads(1);
    std::filesystem::remove_all(folder);
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }
  void put(const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories((folder / name).parent_path());
    write_file_atomically(path(name), bytes);
  }

  static std::string lines(int n, const std::string& word) {
    std::string text;
    for (int i = 0; i < n; ++i) {
      text += R"({"text": "The )" + word + " penny number " + std::to_string(i * 7919 % 10007) +
              R"( was struck."})" + "\n";
    }
    return text;
  }

  // The header of a file in an archive, as ustar has it, and its padded bytes.
  static std::string tar_member(const std::string& name, const std::string& bytes) {
    std::string header(512, '\0');
    const auto set = [&](std::size_t at, const std::string& field) {
      header.replace(at, field.size(), field);
    };
    char size[16];
    std::snprintf(size, sizeof(size), "%011o", static_cast<unsigned>(bytes.size()));
    set(0, name);
    set(100, "0000644");
    set(124, size);
    set(148, "        ");
    header[156] = '0';
    set(257, "ustar");
    set(263, "00");
    unsigned sum = 0;
    for (const char byte : header) sum += static_cast<unsigned char>(byte);
    std::snprintf(size, sizeof(size), "%06o", sum);
    set(148, std::string(size) + '\0' + ' ');
    return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
  }

  static std::string gzip(const std::string& text) {
    std::string packed(compressBound(text.size()) + 64, '\0');
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
  }
  static std::string zstd(const std::string& text) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
    return packed;
  }

  PrepareRequest request(const std::string& hostile, bool skip) const {
    PrepareRequest made;
    made.sources = {{"good", {path("good.jsonl")}, ""}, {"hostile", {path(hostile)}, ""}};
    made.folder = path(skip ? "skipped" : "stopped");
    made.training.vocab_size = 300;
    made.val_fraction = 0.1;
    made.reading.skip_faults = skip;
    made.replace = true;
    return made;
  }

  // Stops with the path and `where` and `what`; skipped, gives `n_left` documents of the file and
  // counts one fault with the same words.
  void expect_fault(const std::string& hostile, const std::string& where, const std::string& what,
                    int n_left) {
    SCOPED_TRACE(hostile);
    try {
      prepare_data(request(hostile, false));
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      expect_words(error.message, hostile, where, what);
    }
    EXPECT_FALSE(file_exists(path("stopped")));  // nothing is left of what was refused
    set_num_threads(2);
    const Json card = prepare_data(request(hostile, true));
    EXPECT_EQ(card["sources"][0]["documents"], 60);
    EXPECT_EQ(card["sources"][1]["documents"], n_left);
    EXPECT_EQ(card["sources"][1]["documents_in"], n_left + 1);
    EXPECT_EQ(card["sources"][1]["dropped"], (Json{{"unreadable", 1}}));
    EXPECT_EQ(card["faults"]["count"], 1);
    expect_words(card["faults"]["messages"][0], hostile, where, what);
    EXPECT_NE(format_card(card).find("What could not be read: 1"), std::string::npos);
  }

  void expect_words(const std::string& message, const std::string& hostile,
                    const std::string& where, const std::string& what) const {
    EXPECT_EQ(message.find(path(hostile)), 0u) << message;
    EXPECT_NE(message.find(where), std::string::npos) << message;
    EXPECT_NE(message.find(what), std::string::npos) << message;
  }

  std::filesystem::path folder;
};

TEST_F(HostileInput, AMemberOfGzipThatIsCutOrDamaged) {
  const std::string one = gzip(lines(5, "first")), two = gzip(lines(5, "second"));
  put("cut.jsonl.gz", one + two.substr(0, two.size() - 8));
  const std::string end = std::to_string(one.size() + two.size() - 8);
  expect_fault("cut.jsonl.gz", "the end at byte " + end, "ends inside its compressed data", 10);
  std::string flipped = one + two;
  flipped[flipped.size() - 6] ^= 1;  // the checksum of the second member
  put("flipped.jsonl.gz", flipped);
  expect_fault("flipped.jsonl.gz", "at byte " + std::to_string(flipped.size() - 4),
               "incorrect data check", 10);
  put("trailing.jsonl.gz", one + "rubbish");
  expect_fault("trailing.jsonl.gz", "at byte " + std::to_string(one.size()),
               "belong to no compressed member", 5);
}

TEST_F(HostileInput, AFrameOfZstdThatIsCutOrDamaged) {
  const std::string one = zstd(lines(5, "first")), two = zstd(lines(5, "second"));
  put("cut.jsonl.zst", one + two.substr(0, two.size() / 2));
  const std::string end = std::to_string(one.size() + two.size() / 2);
  expect_fault("cut.jsonl.zst", "the end at byte " + end, "ends inside its compressed data", 5);
  std::string flipped = one + two;
  flipped[one.size()] ^= 0x40;  // no frame begins like this
  put("flipped.jsonl.zst", flipped);
  expect_fault("flipped.jsonl.zst", "at byte " + std::to_string(one.size()),
               "Unknown frame descriptor", 5);
}

TEST_F(HostileInput, AnArchiveThatIsCutOrDamaged) {
  const std::string one = tar_member("a.jsonl", lines(4, "first"));
  const std::string second = lines(40, "second"), two = tar_member("b.jsonl", second);
  put("cut.tar", one + two.substr(0, two.size() - 512));
  const std::string end = std::to_string(one.size() + two.size() - 512);
  const auto n_whole = std::count(second.begin(), second.begin() + (two.size() - 1024), '\n');
  ASSERT_LT(n_whole, 40);
  expect_fault("cut.tar", "at byte " + end, "ends early", 4 + static_cast<int>(n_whole));
  put("header.tar", one + two.substr(0, 100));
  expect_fault("header.tar", "at byte " + std::to_string(one.size() + 100), "ends early", 4);
  std::string sum = one + two;
  sum[one.size() + 148] ^= 1;
  put("sum.tar", sum);
  expect_fault("sum.tar", "at byte " + std::to_string(one.size() + 512), "wrong checksum", 4);
}

TEST_F(HostileInput, LinesThatAreNoDocuments) {
  const std::string good = lines(1, "whole");
  const std::string where = ":2: ",
                    byte = ", in the line from byte " + std::to_string(good.size()) + " on";
  const struct {
    const char* name;
    std::string line, what;
  } bad[] = {
      {"ends.jsonl", R"({"text": "never)", "never closed"},
      {"cut.jsonl", R"({"text": "a")", ""},
      {"key.jsonl", R"({"body": "a"})", "no key \"text\""},
      {"twice.jsonl", R"({"text": "a", "text": "b"})", "the key \"text\" stands twice"},
      {"number.jsonl", R"({"text": 7})", "\"text\" is not a string"},
      {"array.jsonl", R"(["text"])", "not a JSON object"},
      {"surrogate.jsonl", R"({"text": "\\ud801 \ud83d\ude00 \ud802."})",
       "\\ud802 is a lone surrogate, half of a character"},
      {"deep.jsonl", R"({"text": )" + std::string(5000, '[') + "}", ""},
  };
  for (const auto& [name, line, what] : bad) {
    put(name, good + line + "\n" + good);
    expect_fault(name, where, what + byte, 2);
  }
  put("last.jsonl", good + R"({"text": "the file ends)");
  expect_fault("last.jsonl", byte, "", 1);
}

TEST_F(HostileInput, NulBytes) {
  const std::string good = lines(1, "whole");
  const std::string nul("{\"text\": \"a\0b\"}\n", 16);
  put("nul.jsonl", good + nul + good);
  expect_fault("nul.jsonl",
               ":2: binary file: found a NUL byte at offset " + std::to_string(good.size() + 11),
               "", 2);
  put("nul.txt", std::string("text\0", 5));
  expect_fault("nul.txt", "offset 4", "binary file", 0);
  put("escaped.jsonl", R"({"text": "a\u0000b"})");  // a character like any other
  EXPECT_EQ(prepare_data(request("escaped.jsonl", false))["sources"][1]["documents"], 1);
}

TEST_F(HostileInput, InvalidUtf8IsRepairedCountedAndShown) {
  const std::string good = lines(1, "whole");
  put("bytes.jsonl", good + "{\"text\": \"a\xFF\xC3z\"}\n");
  const Json card = prepare_data(request("bytes.jsonl", false));
  EXPECT_EQ(card["sources"][1]["replaced_characters"], 2);
  EXPECT_EQ(card["sources"][1]["documents"], 2);
  const Json& example = card["examples"][0];
  EXPECT_EQ(example["reason"], "invalid UTF-8 (repaired)");
  EXPECT_EQ(example["place"],
            path("bytes.jsonl") + ":2 at byte " + std::to_string(good.size() + 11));
  EXPECT_EQ(example["value"], 2);
}

TEST_F(HostileInput, LongerThanADocumentMayBe) {
  const std::string good = lines(1, "whole");
  put("long.jsonl", good + R"({"text": ")" + std::string(3 << 20, 'x') + "\"}\n" + good);
  auto made = request("long.jsonl", false);
  made.reading.max_document_bytes = 1 << 20;
  const std::string length = std::to_string((3 << 20) + 12);
  try {
    prepare_data(made);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    expect_words(error.message, "long.jsonl", ":2: a line or document too long",
                 length + " bytes from byte " + std::to_string(good.size()) + " on");
  }
  made.reading.skip_faults = true;
  const Json card = prepare_data(made);
  EXPECT_EQ(card["sources"][1]["documents"], 2);
  EXPECT_EQ(card["dropped"]["unreadable"], 1);
  // Allowed, but more than the memory holds: never skipped, for the result would depend on it.
  made.folder = path("little");
  made.reading.max_document_bytes = kMaxTextBytes;
  made.memory_bytes = 32 << 20;
  try {
    prepare_data(made);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource);
    expect_words(error.message, "long.jsonl", ":2: ", "--memory");
  }
  made.memory_bytes = 96 << 20;
  EXPECT_EQ(prepare_data(made)["sources"][1]["documents"], 3);
}

TEST_F(HostileInput, ALongParagraphIsOneFaultAndTheNextIsRead) {
  std::string text = "First one.\n\n";
  for (int i = 0; i < 30000; ++i) text += "A line of the long one without an end.\n";
  put("long.txt", text + " \nLast one.\n");
  auto made = request("long.txt", true);
  made.reading.blank_line_documents = true;
  made.reading.max_document_bytes = 1 << 20;
  const Json card = prepare_data(made);
  EXPECT_EQ(card["sources"][1]["documents"], 2);
  ASSERT_EQ(card["faults"]["count"], 1);
  expect_words(card["faults"]["messages"][0], "long.txt", ":3: ", "from byte 12 on");
}

TEST_F(HostileInput, AFolderThatVanishesInTheMiddle) {
  for (const bool skip : {false, true}) {
    for (int i = 0; i < 20; ++i) {
      put("tree/" + std::to_string(10 + i) + ".jsonl", lines(500, "tree"));
    }
    auto made = request("tree", skip);
    made.segment_bytes = 1000;
    made.memory_bytes = 40 << 20;
    int n_questions = 0;
    made.should_stop = [&] {  // asked before each batch
      if (++n_questions == 3) std::filesystem::remove_all(path("tree"));
      return false;
    };
    if (!skip) {
      try {
        prepare_data(made);
        FAIL();
      } catch (const Error& error) {
        EXPECT_EQ(error.code, ErrorCode::kBadInput);
        expect_words(error.message, "tree/", ".jsonl: cannot read", "No such file");
      }
      continue;
    }
    const Json card = prepare_data(made);
    const Json& source = card["sources"][1];
    const int n_files_left = source["documents"].get<int>() / 500;
    EXPECT_EQ(source["documents"].get<int>(), n_files_left * 500);
    EXPECT_EQ(source["dropped"]["unreadable"].get<int>(), 20 - n_files_left);
    EXPECT_EQ(card["faults"]["messages"].size(), static_cast<std::size_t>(20 - n_files_left));
    EXPECT_GT(n_files_left, 0);
    EXPECT_LT(n_files_left, 20);
  }
}

TEST_F(HostileInput, FoldersThatCannotBeListedOrGoRound) {
  put("tree/a.txt", "Some text.");
  std::filesystem::create_directory_symlink(path("tree"), path("tree/round"));
  EXPECT_EQ(find_input_files({path("tree")}).size(), 1u);
  if (geteuid() == 0) GTEST_SKIP() << "root may list everything";
  std::filesystem::create_directories(path("tree/closed"));
  std::filesystem::permissions(path("tree/closed"), std::filesystem::perms::none);
  expect_fault("tree", "closed", "Permission denied", 1);
}

TEST_F(HostileInput, AFileThatIsCutWhileItIsRead) {
  put("shrinks.txt", std::string(1 << 20, 'a'));
  const auto stream = open_file_bytes(path("shrinks.txt"));
  std::string bytes(1000, '\0');
  EXPECT_EQ(stream->read(bytes.data(), bytes.size()), 1000u);
  std::filesystem::resize_file(path("shrinks.txt"), 1000);
  try {
    stream->read(bytes.data(), bytes.size());
    FAIL();
  } catch (const Error& error) {
    expect_words(error.message, "shrinks.txt", "byte 1000", "1048576 bytes");
  }
}

}  // namespace
}  // namespace farthing
