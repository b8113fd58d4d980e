// idx_fuzz.cpp - any bytes as a .idx beside a .bin: refused by name, or read within bounds.
//
// The first byte is the number of bytes of .bin; the rest is the .idx.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/shards.h"
#include "scratch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bin = farthing::scratch_file("part.bin", std::string(data[0], '\1'));
  farthing::scratch_file("part.idx", {reinterpret_cast<const char*>(data) + 1, size - 1});
  const std::string prefix = bin.substr(0, bin.rfind('.'));
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
