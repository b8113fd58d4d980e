// readers_test.cpp - documents out of files, and a clear word about each file that is none.
#include "data/readers.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "data/json_lines.h"
#include "data/text_file.h"

namespace farthing {
namespace {

using Words = std::vector<std::string>;

struct ReadersTest : testing::Test {
  ReadersTest() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-readers-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
  }
  ~ReadersTest() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  std::string put(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((folder / name).parent_path());
    write_file_atomically(path(name), bytes);
    return path(name);
  }

  std::string put_gzip(const std::string& name, const std::string& bytes) const {
    gzFile file = gzopen(path(name).c_str(), "wb");
    EXPECT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
              static_cast<int>(bytes.size()));
    EXPECT_EQ(gzclose(file), Z_OK);
    return path(name);
  }

  Words read(const Words& files, const ReadOptions& options = {}) {
    DocumentReader reader(files, options);
    Words documents;
    std::string document;
    while (reader.next(document)) documents.push_back(document);
    counts = reader.counts();
    EXPECT_EQ(reader.bytes_consumed(), reader.bytes_total());
    return documents;
  }

  // The message with which a file is refused, its path cut off.
  std::string refusal(const std::string& file, const ReadOptions& options = {}) {
    try {
      read({file}, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      EXPECT_EQ(error.message.find(file), 0u) << error.message;
      return error.message.substr(std::min(file.size(), error.message.size()));
    }
    return "";
  }

  std::filesystem::path folder;
  ReadCounts counts;
};

TEST_F(ReadersTest, ATextFileIsOneDocument) {
  const auto file = put("a.txt", "\xEF\xBB\xBFOne\r\n\ntwo\n");
  EXPECT_EQ(read({file}), (Words{"One\r\n\ntwo\n"}));
  EXPECT_EQ(counts.documents, 1);
}

TEST_F(ReadersTest, BlankLinesEndDocuments) {
  ReadOptions options;
  options.blank_line_documents = true;
  const auto file = put("a.txt", "\n \nOne\n more\n\t\r\n\n\ntwo\n\nthree");
  EXPECT_EQ(read({file, put("b.txt", "four\n\n")}, options),
            (Words{"One\n more", "two", "three", "four"}));
}

TEST_F(ReadersTest, JsonLinesGiveTheirKey) {
  const auto file =
      put("a.jsonl",
          "{\"id\": 1, \"text\": \"caf\\u00e9 \\ud83d\\ude00\\n\"}\n\n"
          "{\"text\": \" \"}\n{\"text\": \"\", \"body\": \"b\"}\n{\"text\":\"last\"}");
  EXPECT_EQ(read({file}), (Words{"caf\xC3\xA9 \xF0\x9F\x98\x80\n", "last"}));
  EXPECT_EQ(counts.empty_documents, 2);
  EXPECT_EQ(counts.documents, 2);
}

TEST_F(ReadersTest, ABadLineIsNamedOrCounted) {
  const struct {
    const char* line;
    const char* words;
  } bad[] = {
      {"{\"text\": \"a\"", ""},
      {"[1, 2]", "not a JSON object"},
      {"{\"body\": \"a\"}", "no key \"text\""},
      {"{\"text\": 3}", "\"text\" is not a string"},
      {"{\"text\": \"\\ud800\"}", ""},
      {"{\"text\": \"a\"} {\"text\": \"b\"}", ""},
      {"\"text\"", "not a JSON object"},
  };
  for (const auto& [line, words] : bad) {
    const auto file =
        put("a.jsonl", "{\"text\": \"good\"}\n" + std::string(line) + "\n{\"text\": \"after\"}\n");
    const auto message = refusal(file);
    EXPECT_EQ(message.find(":2: "), 0u) << line << message;
    EXPECT_NE(message.find(words), std::string::npos) << message;
    ReadOptions options;
    options.skip_bad_lines = true;
    EXPECT_EQ(read({file}, options), (Words{"good", "after"})) << line;
    EXPECT_EQ(counts.bad_lines, 1);
  }
  ReadOptions body;
  body.text_key = "body";
  EXPECT_EQ(read({put("b.jsonl", "{\"body\": \"b\", \"text\": 3}")}, body), (Words{"b"}));
}

TEST_F(ReadersTest, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(read({put("a.txt", "a\xFF\xC3z")}), (Words{"a\xEF\xBF\xBD\xEF\xBF\xBDz"}));
  EXPECT_EQ(counts.replaced, 2);
  EXPECT_EQ(read({put("a.jsonl", "{\"text\": \"a\xFFz\"}")}), (Words{"a\xEF\xBF\xBDz"}));
  EXPECT_EQ(counts.replaced, 1);
}

TEST_F(ReadersTest, GzipIsTransparentWhateverItsName) {
  const std::string text(1000000, 'x');
  EXPECT_EQ(read({put_gzip("a.txt.gz", text)}), (Words{text}));
  EXPECT_EQ(read({put_gzip("a.dict.dz", "odd name")}), (Words{"odd name"}));
  EXPECT_EQ(read({put_gzip("b.jsonl.gz", "{\"text\": \"b\"}\n")}), (Words{"b"}));
  const std::string one = read_file(put_gzip("one.gz", "one "));
  EXPECT_EQ(read({put("two.gz", one + one)}), (Words{"one one "}));
}

TEST_F(ReadersTest, RefusesFilesThatAreNoText) {
  EXPECT_NE(refusal(path("missing.txt")).find("No such file"), std::string::npos);
  EXPECT_EQ(refusal(folder.string()), ": is a folder: wanted a file");
  EXPECT_EQ(refusal(put("empty.txt", "")), ": is empty: wanted text");
  const std::string nul("abc\0", 4);
  EXPECT_EQ(refusal(put("nul.txt", nul)),
            ": binary file: found a NUL byte at offset 3, wanted text");
  EXPECT_NE(refusal(put("late.txt", std::string(300000, 'a') + nul)).find("offset 300003"),
            std::string::npos);
}

TEST_F(ReadersTest, RefusesDamagedGzip) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i * 7919 % 10007) + " ";
  const std::string whole = read_file(put_gzip("a.gz", text));
  for (const std::size_t size : {whole.size() - 1, whole.size() - 8, whole.size() / 2}) {
    EXPECT_NE(refusal(put("cut.gz", whole.substr(0, size))).find("ends inside"), std::string::npos)
        << size;
  }
  std::string flipped = whole;
  flipped[whole.size() - 6] ^= 1;  // in the checksum
  EXPECT_NE(refusal(put("flipped.gz", flipped)).find("cannot read"), std::string::npos);
}

TEST_F(ReadersTest, LinesMayCrossBuffersAndEndWithout) {
  std::string text;
  for (int i = 0; i < 3; ++i) text += std::string(400000, static_cast<char>('a' + i)) + "\n";
  TextFile file(put("a.txt", text + "end"));
  std::string line;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(file.read_line(line));
    EXPECT_EQ(line, std::string(400000, static_cast<char>('a' + i)));
  }
  EXPECT_TRUE(file.read_line(line));
  EXPECT_EQ(line, "end");
  EXPECT_EQ(file.line_number(), 4);
  EXPECT_FALSE(file.read_line(line));
}

TEST_F(ReadersTest, FindsFilesInFoldersAndPatterns) {
  put("in/b.txt", "b");
  put("in/deep/a.jsonl", "{}");
  put("in/c.txt.gz", "c");
  put("in/skipped.png", "p");
  put("other/x.md", "x");
  const Words all = {path("in/b.txt"), path("in/c.txt.gz"), path("in/deep/a.jsonl")};
  EXPECT_EQ(find_input_files({path("in")}), all);
  EXPECT_EQ(find_input_files({path("in/b.txt"), path("in")}), all);
  EXPECT_EQ(find_input_files({path("*/x*")}), (Words{path("other/x.md")}));
  EXPECT_EQ(find_input_files({path("i[n]")}), all);
  put("odd[1].txt", "o");
  EXPECT_EQ(find_input_files({path("odd[1].txt")}), (Words{path("odd[1].txt")}));
  EXPECT_THROW(find_input_files({path("other")}), Error);
  EXPECT_THROW(find_input_files({path("*.nothing")}), Error);
}

TEST_F(ReadersTest, WhatAFolderHoldsIsTakenOrCounted) {
  put("in/A.JSONL", "{\"text\": \"upper\"}\n");
  put("in/B.TXT.GZ", "b");
  put("in/c.c", "int main;");
  put("in/d.c", "int main;");
  put("in/e.tar.gz", "");
  put("in/f.gz", "");
  put("in/notes", "");
  put("in/.h.txt", "h");
  put("in/.git/i.txt", "i");
  put("in/out/j.txt", "j");
  std::filesystem::create_symlink(path("nowhere"), path("in/k.txt"));
  const FoundFiles found = search_input_files({path("in")}, FileChoice::kText, path("in/out"));
  EXPECT_EQ(found.files, (Words{path("in/A.JSONL"), path("in/B.TXT.GZ")}));
  EXPECT_EQ(found.outputs, Words{path("in/out")});
  EXPECT_EQ(format_ignored(found.ignored),
            "2 .c, 2 hidden, 1 .gz, 1 .tar.gz, 1 dangling links, 1 without suffix");
  EXPECT_THROW(search_input_files({path("in")}, FileChoice::kText, path("in/../in")), Error);
  std::string document;
  ASSERT_TRUE(DocumentReader({path("in/A.JSONL")}, {}).next(document));
  EXPECT_EQ(document, "upper");
}

TEST_F(ReadersTest, AFileOfTwoNamesIsTakenOnce) {
  put("in/a.txt", "a");
  const auto found =
      search_input_files({path("in/a.txt"), path("./in/a.txt"), path("in")}, FileChoice::kText);
  EXPECT_EQ(found.files.size(), 1u);
  EXPECT_EQ(found.repeated.size(), 2u);
}

}  // namespace
}  // namespace farthing
