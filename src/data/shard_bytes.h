// shard_bytes.h - the bytes of a .bin file: mapped, or of a .bin.zst through a bounded cache.
//
// NAME.bin.zst is Zstandard's seekable format: frames of at most 64 KiB of tokens, then a skippable
// frame with the sizes of all; every frame has its checksum, and `zstd -d` gives the .bin back.
// Blocks that were decompressed stay, the least recently used leave first.
//
// A throttle makes a slow disk of either: a read waits for what a disk of that bandwidth and
// latency would need, a whole block where the file is compressed, nothing where the cache has it.
//
// Source   zstd, contrib/seekable_format/zstd_seekable_compression_format.md (version 0.1.0).
// Errors   Error{kBadInput}: no seek table, sizes that contradict each other, a damaged frame.
// Memory   cache_bytes.
// Threads  read() may be called from several at once.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace farthing {

struct ShardAccess {
  std::int64_t cache_bytes = std::int64_t{64} << 20;
  double bytes_per_second = 0;  // of a throttled disk; 0: as fast as it is
  double seconds_per_read = 0;
};

class ShardBytes {
 public:
  // prefix.bin, or prefix.bin.zst where there is none.
  explicit ShardBytes(const std::string& prefix, const ShardAccess& access = {});
  ~ShardBytes();
  ShardBytes(ShardBytes&&) noexcept;
  std::int64_t size() const;  // of the tokens, decompressed
  std::int64_t stored_size() const;
  const std::string& path() const;
  // REQUIRES in range.
  void read(std::int64_t offset, std::span<std::byte> out) const;
  std::int64_t blocks_decompressed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// XXH3-128 of the tokens as they lie in a .bin, compressed or not.
std::string digest_of(const ShardBytes& bytes);

// Writes prefix.bin.zst from prefix.bin, whole or not at all, after reading it back.  Returns its
// size.  The .bin stays.
std::int64_t compress_shard(const std::string& prefix, int level = 9);

}  // namespace farthing
