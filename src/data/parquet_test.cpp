// parquet_test.cpp - rows of a file that pyarrow wrote; damaged files refused; without Arrow, a
// pipe that works.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "data/parquet_file.h"
#include "data/readers.h"

namespace farthing {
namespace {

const std::string kParquetFixture = FARTHING_SOURCE_DIR "/tests/golden/text.parquet";

std::vector<std::string> rows_of(const std::string& path, const std::string& column) {
  ParquetFile file(path, column);
  std::vector<std::string> rows;
  for (std::string row; file.next(row); row.clear()) {
    rows.push_back(row);
    EXPECT_EQ(file.row(), static_cast<std::int64_t>(rows.size()));
  }
  EXPECT_EQ(file.n_rows(), static_cast<std::int64_t>(rows.size()));
  return rows;
}

std::string refusal_of(const std::string& path, const std::string& column) {
  try {
    rows_of(path, column);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kBadInput);
    EXPECT_EQ(error.message.find(path), 0u) << error.message;
    return error.message.substr(path.size());
  }
  return "";
}

TEST(Parquet, WithoutArrowTheMessageHoldsThePipe) {
  if (parquet_is_built_in()) GTEST_SKIP() << "built with Arrow";
  const std::string words = refusal_of("crawl.parquet", "body");
  EXPECT_NE(words.find("python3 -c"), std::string::npos) << words;
  EXPECT_NE(words.find("'crawl.parquet' | farthing data prepare - --text-key 'body'"),
            std::string::npos)
      << words;
}

TEST(Parquet, RowsOfPyarrow) {
  if (!parquet_is_built_in()) GTEST_SKIP() << "built without Arrow";
  const auto rows = rows_of(kParquetFixture, "text");
  ASSERT_EQ(rows.size(), 100u);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string wanted = i % 10 == 3 || i % 10 == 7
                                   ? ""
                                   : "Row " + std::to_string(i) + " \U0001fa99 holds " +
                                         std::to_string(i * i) + " pennies.";
    EXPECT_EQ(rows[i], wanted);
  }
  EXPECT_EQ(rows_of(kParquetFixture, "large")[99], "large 99");
  DocumentReader reader({kParquetFixture}, {});
  std::string document;
  int n_documents = 0;
  while (reader.next(document)) ++n_documents;
  EXPECT_EQ(n_documents, 80);
  EXPECT_EQ(reader.counts().empty_documents, 20);
}

TEST(Parquet, WrongColumnsAndDamagedFilesAreRefused) {
  if (!parquet_is_built_in()) GTEST_SKIP() << "built without Arrow";
  EXPECT_NE(refusal_of(kParquetFixture, "body").find("found origin, number, text, large"),
            std::string::npos);
  EXPECT_NE(refusal_of(kParquetFixture, "number").find("found int64"), std::string::npos);
  EXPECT_NE(refusal_of(kParquetFixture, "origin").find("found struct"), std::string::npos);
  EXPECT_NE(refusal_of("/nowhere.parquet", "text"), "");
  const std::string whole = read_file(kParquetFixture);
  const std::string path = std::filesystem::temp_directory_path() /
                           ("farthing-" + std::to_string(getpid()) + ".parquet");
  for (std::size_t size = 0; size < whole.size(); size += whole.size() / 23) {
    write_file_atomically(path, whole.substr(0, size));
    EXPECT_NE(refusal_of(path, "text"), "") << size;
  }
  for (std::size_t at = 0; at < whole.size(); at += whole.size() / 97) {  // never a crash
    std::string flipped = whole;
    flipped[at] ^= 0x5A;
    write_file_atomically(path, flipped);
    refusal_of(path, "text");
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace farthing
