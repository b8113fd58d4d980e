// zst_fuzz.cpp - any bytes as a .bin.zst: refused by name, or every byte of it can be read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/shard_bytes.h"
#include "scratch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path =
      farthing::scratch_file("packed.bin.zst", {reinterpret_cast<const char*>(data), size});
  try {
    const farthing::ShardBytes bytes(path.substr(0, path.size() - 8), {.cache_bytes = 1 << 20});
    std::vector<std::byte> part(4096);
    for (std::int64_t at = 0; at < bytes.size(); at += static_cast<std::int64_t>(part.size())) {
      part.resize(static_cast<std::size_t>(std::min<std::int64_t>(4096, bytes.size() - at)));
      bytes.read(at, part);
    }
  } catch (const farthing::Error& error) {
    if (error.code != farthing::ErrorCode::kBadInput) throw;
  }
  return 0;
}
