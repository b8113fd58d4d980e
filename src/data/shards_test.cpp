// shards_test.cpp - token files: bytes as Megatron lays them out, round trips, lying indexes.
#include "data/shards.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace farthing {
namespace {

using Ids = std::vector<std::int32_t>;

struct ShardsTest : testing::Test {
  ShardsTest() {
    folder = std::filesystem::temp_directory_path() /
             ("farthing-shards-" + std::to_string(getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    prefix = (folder / "part").string();
  }
  ~ShardsTest() override { std::filesystem::remove_all(folder); }

  void write_shard(const std::vector<Ids>& documents, int vocab_size) {
    ShardWriter writer(prefix, vocab_size);
    for (const auto& document : documents) writer.add_document(document);
    writer.finish();
  }

  // The message of the refusal, or "" when the shard opens.
  std::string refusal() {
    try {
      ShardReader reader(prefix);
      reader.max_id();
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      return error.message;
    }
    return "";
  }

  std::filesystem::path folder;
  std::string prefix;
};

std::vector<Ids> random_id_documents(int vocab_size) {
  const Rng rng(7, RngStream::kTest);
  std::vector<Ids> documents;
  std::uint64_t index = 0;
  for (int document = 0; document < 200; ++document) {
    Ids ids(rng.below(index++, 40));
    for (auto& id : ids) {
      id = static_cast<std::int32_t>(rng.below(index++, static_cast<std::uint64_t>(vocab_size)));
    }
    documents.push_back(ids);
  }
  return documents;
}

// A little-endian integer as it stands in a file.
std::string le(std::uint64_t value, int n_bytes) {
  std::string bytes;
  for (int i = 0; i < n_bytes; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xFF);
  return bytes;
}

// Two documents, {1, 2, 0x102} and {5}, as Megatron's writer lays them out.
struct HandMade {
  std::uint64_t version = 1;
  int code = 8;
  std::uint64_t n_sequences = 2, n_entries = 3;
  std::vector<std::uint64_t> lengths = {3, 1}, offsets = {0, 6}, documents = {0, 1, 2};
  std::string magic = std::string("MMIDIDX\0\0", 9);
  std::string data = std::string("\1\0\2\0\2\1\5\0", 8);

  std::string index() const {
    std::string bytes = magic + le(version, 8) + le(static_cast<std::uint64_t>(code), 1) +
                        le(n_sequences, 8) + le(n_entries, 8);
    for (const auto length : lengths) bytes += le(length, 4);
    for (const auto offset : offsets) bytes += le(offset, 8);
    for (const auto document : documents) bytes += le(document, 8);
    return bytes;
  }
  void write(const std::string& prefix) const {
    write_file_atomically(prefix + ".idx", index());
    write_file_atomically(prefix + ".bin", data);
  }
};

TEST_F(ShardsTest, WritesTheBytesOfMegatronsLayout) {
  write_shard({{1, 2, 0x102}, {5}}, 1000);
  EXPECT_EQ(read_file(prefix + ".idx"), HandMade().index());
  EXPECT_EQ(read_file(prefix + ".bin"), HandMade().data);
}

TEST_F(ShardsTest, ReadsBytesWrittenByHandInBothTypes) {
  HandMade made;
  made.write(prefix);
  Ids ids(4);
  ShardReader(prefix).read(0, ids);
  EXPECT_EQ(ids, (Ids{1, 2, 0x102, 5}));
  made.code = 4;
  made.offsets = {0, 12};
  made.data = le(1, 4) + le(70000, 4) + le(3, 4) + le(5, 4);
  made.write(prefix);
  const ShardReader reader(prefix);
  reader.read(0, ids);
  EXPECT_EQ(ids, (Ids{1, 70000, 3, 5}));
  EXPECT_EQ(reader.document_begin(1), 3);
  EXPECT_EQ(reader.max_id(), 70000);
}

TEST_F(ShardsTest, ADocumentMayBeSeveralSequences) {
  HandMade made;
  made.n_sequences = 3;
  made.lengths = {2, 1, 1};
  made.offsets = {0, 4, 6};
  made.documents = {0, 2, 3};
  made.write(prefix);
  const ShardReader reader(prefix);
  EXPECT_EQ(reader.n_documents(), 2);
  EXPECT_EQ(reader.document_begin(1), 3);
  EXPECT_EQ(reader.document_of(2), 0);
  EXPECT_EQ(reader.document_of(3), 1);
}

TEST_F(ShardsTest, RoundTripsBothTypes) {
  for (const int vocab_size : {65536, 65537, 200000}) {
    const auto documents = random_id_documents(vocab_size);
    write_shard(documents, vocab_size);
    const ShardReader reader(prefix);
    ASSERT_EQ(reader.n_documents(), 200);
    EXPECT_EQ(std::filesystem::file_size(prefix + ".bin"),
              static_cast<std::uintmax_t>(reader.n_tokens() * (vocab_size > 65536 ? 4 : 2)));
    for (int document = 0; document < 200; ++document) {
      const auto begin = reader.document_begin(document);
      Ids ids(static_cast<std::size_t>(reader.document_begin(document + 1) - begin));
      reader.read(begin, ids);
      ASSERT_EQ(ids, documents[static_cast<std::size_t>(document)]);
      if (!ids.empty()) {
        EXPECT_EQ(reader.document_of(begin), document);
        EXPECT_EQ(reader.document_of(begin + static_cast<std::int64_t>(ids.size()) - 1), document);
      }
    }
  }
}

TEST_F(ShardsTest, AnUnfinishedWriterLeavesNothing) {
  {
    ShardWriter writer(prefix, 100);
    writer.add_document(Ids{1, 2, 3});
    EXPECT_EQ(writer.n_tokens(), 3);
    EXPECT_EQ(writer.n_documents(), 1);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(ShardsTest, AnEmptyShardOpens) {
  write_shard({}, 100);
  const ShardReader reader(prefix);
  EXPECT_EQ(reader.n_tokens(), 0);
  EXPECT_EQ(reader.n_documents(), 0);
  EXPECT_EQ(reader.document_begin(0), 0);
}

TEST_F(ShardsTest, RefusesIdsOutsideTheVocabulary) {
  ShardWriter writer(prefix, 100);
  EXPECT_THROW(writer.add_document(Ids{100}), Error);
  EXPECT_THROW(writer.add_document(Ids{-1}), Error);
}

struct Lie {
  const char* words;  // of the refusal
  void (*tell)(HandMade&);
};

TEST_F(ShardsTest, NamesEachLieOfAnIndex) {
  const Lie lies[] = {
      {"wrong magic", [](HandMade& made) { made.magic[0] = 'X'; }},
      {"unknown version: found 2, wanted 1", [](HandMade& made) { made.version = 2; }},
      {"code 6, wanted 4", [](HandMade& made) { made.code = 6; }},
      {"more sequences than fit", [](HandMade& made) { made.n_sequences = ~0ull; }},
      {"more sequences than fit: found 1537228672809129302",
       [](HandMade& made) { made.n_sequences = 1537228672809129302ull; }},
      {"number of document entries", [](HandMade& made) { made.n_entries = ~0ull; }},
      {"number of document entries", [](HandMade& made) { made.n_entries = 0; }},
      {"wrong size for its counts", [](HandMade& made) { made.n_entries = 2; }},
      {"wrong size for its counts", [](HandMade& made) { made.documents.push_back(2); }},
      {"sequence 0: length: found -3", [](HandMade& made) { made.lengths[0] = 0xFFFFFFFDu; }},
      {"ends inside sequence 1", [](HandMade& made) { made.lengths[1] = 2; }},
      {"sequence 1: byte offset: found 4, wanted 6", [](HandMade& made) { made.offsets[1] = 4; }},
      {"sequence 1: byte offset: found -6", [](HandMade& made) { made.offsets[1] = 0ull - 6; }},
      {"document 0: first sequence: found 1", [](HandMade& made) { made.documents[0] = 1; }},
      {"document 1: first sequence: found 9", [](HandMade& made) { made.documents[1] = 9; }},
      {"document 1: first sequence: found -1", [](HandMade& made) { made.documents[1] = ~0ull; }},
      {"documents cover: found 1 sequences, wanted 2",
       [](HandMade& made) { made.documents[2] = 1; }},
      {"ends inside sequence 1: found 7 bytes", [](HandMade& made) { made.data.pop_back(); }},
      {"size: found 10 bytes, wanted 8", [](HandMade& made) { made.data += "\1\2"; }},
  };
  for (const auto& lie : lies) {
    HandMade made;
    lie.tell(made);
    made.write(prefix);
    const std::string message = refusal();
    EXPECT_NE(message.find(lie.words), std::string::npos) << lie.words << "\n  in: " << message;
    EXPECT_EQ(message.find(prefix), 0u) << message;
  }
}

TEST_F(ShardsTest, RefusesEveryTruncationOfAnIndex) {
  HandMade made;
  made.write(prefix);
  EXPECT_EQ(refusal(), "");
  const std::string whole = made.index();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file_atomically(prefix + ".idx", whole.substr(0, size));
    EXPECT_NE(refusal(), "") << size;
  }
}

TEST_F(ShardsTest, RefusesANegativeIdAndMissingFiles) {
  EXPECT_NE(refusal().find("part.idx"), std::string::npos);
  HandMade made;
  made.code = 4;
  made.offsets = {0, 12};
  made.data = le(1, 4) + le(0xFFFFFFFFu, 4) + le(3, 4) + le(5, 4);
  made.write(prefix);
  EXPECT_NE(refusal().find("negative token id: found -1"), std::string::npos);
  std::filesystem::remove(prefix + ".bin");
  EXPECT_NE(refusal().find("part.bin"), std::string::npos);
}

}  // namespace
}  // namespace farthing
