// idx_fuzz.cpp - any bytes as a .idx beside a .bin: refused by name, or read within bounds.
//
// The first byte is the number of bytes of .bin; the rest is the .idx.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/shards.h"

namespace {

std::string make_prefix() {
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("farthing-idx-fuzz-" + std::to_string(getpid())))
          .string();
  std::filesystem::create_directories(folder);
  return folder + "/part";
}

void put(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string prefix = make_prefix();
  if (size == 0) return 0;
  put(prefix + ".bin", std::string(data[0], '\1'));
  put(prefix + ".idx", {reinterpret_cast<const char*>(data) + 1, size - 1});
  try {
    const farthing::ShardReader shard(prefix);
    shard.max_id();
    std::vector<std::int32_t> ids(static_cast<std::size_t>(shard.n_tokens()));
    shard.read(0, ids);
    std::int64_t end = 0;
    for (std::int64_t document = 0; document < shard.n_documents(); ++document) {
      CHECK(shard.document_begin(document) == end);
      end = shard.document_begin(document + 1);
      CHECK(end >= shard.document_begin(document) && end <= shard.n_tokens());
    }
    for (std::int64_t position = 0; position < end; ++position) {
      const auto document = shard.document_of(position);
      CHECK(shard.document_begin(document) <= position);
      CHECK(position < shard.document_begin(document + 1));
    }
  } catch (const farthing::Error& error) {
    if (error.code != farthing::ErrorCode::kBadInput) throw;
  }
  return 0;
}
