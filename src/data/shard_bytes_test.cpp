// shard_bytes_test.cpp - compressed shards read as the plain ones do; damage is named.
#include "data/shard_bytes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "data/shards.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

struct ShardBytesTest : testing::Test {
  ShardBytesTest()
      : folder(fs::temp_directory_path() / ("farthing-bytes-" + std::to_string(getpid()))),
        prefix((folder / "train").string()) {
    fs::create_directories(folder);
    ShardWriter writer(prefix, 70000);  // int32: about six blocks
    for (std::uint64_t document = 0; document < 100; ++document) {
      std::vector<std::int32_t> ids;
      for (std::uint64_t i = 0; i < 1000; ++i) {
        ids.push_back(static_cast<std::int32_t>(Rng(document, RngStream::kTest).below(i, 3000)));
      }
      writer.add_document(ids);
    }
    writer.finish();
    plain = read_all(ShardReader(prefix));
  }
  ~ShardBytesTest() override { fs::remove_all(folder); }

  static std::vector<std::int32_t> read_all(const ShardReader& shard) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(shard.n_tokens()));
    shard.read(0, ids);
    return ids;
  }
  void compress() {
    EXPECT_LT(compress_shard(prefix), 400'000);
    fs::remove(prefix + ".bin");
  }
  std::string refusal() {
    try {
      read_all(ShardReader(prefix));
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::kBadInput);
      EXPECT_EQ(error.message.find(prefix + ".bin.zst"), 0u) << error.message;
      return error.message;
    }
    return "accepted";
  }

  fs::path folder;
  std::string prefix;
  std::vector<std::int32_t> plain;
};

TEST_F(ShardBytesTest, CompressedReadsTheSame) {
  compress();
  const ShardReader shard(prefix, {.cache_bytes = 100'000});
  EXPECT_TRUE(read_all(shard) == plain);
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    const Rng rng(trial, RngStream::kTest);
    std::vector<std::int32_t> ids(rng.below(0, 40'000));
    const auto first = static_cast<std::int64_t>(rng.below(1, plain.size() - ids.size() + 1));
    shard.read(first, ids);
    ASSERT_TRUE(std::equal(ids.begin(), ids.end(), plain.begin() + first)) << trial;
  }
}

TEST_F(ShardBytesTest, TheCacheKeepsWhatItMayAndNoMore) {
  compress();
  const ShardReader roomy(prefix), tight(prefix, {.cache_bytes = 1});
  for (int round = 0; round < 3; ++round) {
    read_all(roomy);
    read_all(tight);
  }
  EXPECT_EQ(roomy.bytes().blocks_decompressed(), 7);
  EXPECT_EQ(tight.bytes().blocks_decompressed(), 21);
}

TEST_F(ShardBytesTest, SeveralThreadsShareACache) {
  compress();
  const ShardReader shard(prefix, {.cache_bytes = 100'000});
  std::vector<std::thread> threads;
  std::vector<int> wrong(3);
  for (int& n_wrong : wrong) {
    threads.emplace_back([&] { n_wrong = read_all(shard) != plain; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(3));
}

TEST_F(ShardBytesTest, DamageIsNamed) {
  compress();
  const std::string path = prefix + ".bin.zst", good = read_file(path);
  const auto with = [&](const std::string& bytes) {
    write_file_atomically(path, bytes);
    return refusal();
  };
  EXPECT_NE(with("").find("too short"), std::string::npos);
  EXPECT_NE(with(good.substr(0, good.size() - 1)).find("no seek table"), std::string::npos);
  EXPECT_NE(with(good.substr(1)).find("do not fill"), std::string::npos);
  std::string bad = good;
  bad[1000] = static_cast<char>(bad[1000] ^ 0x55);
  bad[1001] = static_cast<char>(bad[1001] ^ 0x55);
  EXPECT_NE(with(bad), "accepted");
  for (std::size_t i = 1; i <= 80; ++i) {  // every byte of the table and its footer
    bad = good;
    bad[bad.size() - i] = static_cast<char>(bad[bad.size() - i] ^ 0xFF);
    EXPECT_NE(with(bad), "accepted") << i;
  }
}

TEST_F(ShardBytesTest, AThrottleTakesItsTime) {
  const ShardReader slow(prefix, {.bytes_per_second = 1e6, .seconds_per_read = 0.01});
  std::vector<std::int32_t> ids(2500);  // 10 kB: 10 ms of bandwidth and 10 ms of latency
  const auto begin = std::chrono::steady_clock::now();
  slow.read(0, ids);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20));
}

}  // namespace
}  // namespace farthing
