// shards.h - token files in Megatron's .bin/.idx form, with its document index.
//
// .idx  "MMIDIDX\0\0", u64 version 1, u8 dtype code (4 int32, 8 uint16), u64 n_sequences,
//       u64 n_documents + 1, i32 length[n_sequences], i64 byte_offset[n_sequences],
//       i64 document_index[n_documents + 1]
// .bin  the tokens, one sequence after another
// Here a sequence is a document, its end-of-text token included.
// Source   Megatron-LM's indexed dataset, as its published reader reads it.
// Errors   Error{kBadInput}: path, found, wanted; lengths and offsets are checked against the size
//          of .bin.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "data/shard_bytes.h"

namespace farthing {

// Memory of a writer is bounded, however many documents: their lengths wait in a temporary file.
class ShardWriter {
 public:
  // path_prefix without extension; uint16 when vocab_size <= 65536.
  ShardWriter(const std::string& path_prefix, int vocab_size);
  ~ShardWriter();
  void add_document(std::span<const std::int32_t> ids);
  void finish();  // fsync, rename both into place
  std::int64_t n_tokens() const;
  std::int64_t n_documents() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ShardReader {
 public:
  // The tokens are those of path_prefix.bin, or of path_prefix.bin.zst (shard_bytes.h).
  explicit ShardReader(const std::string& path_prefix, const ShardAccess& access = {});
  std::int64_t n_tokens() const { return n_tokens_; }
  std::int64_t n_documents() const { return n_documents_; }
  std::int64_t n_sequences() const { return n_sequences_; }
  // Copies tokens [first, first + out.size()) of the concatenation. REQUIRES in range.
  void read(std::int64_t first, std::span<std::int32_t> out) const;
  // First token of a document; document n_documents() ends the last.
  std::int64_t document_begin(std::int64_t document) const;
  // The document that token `position` belongs to: O(log n).
  std::int64_t document_of(std::int64_t position) const;
  int max_id() const;  // scans once; for checking against vocab_size
  const ShardBytes& bytes() const { return data_; }

 private:
  MappedFile index_;
  ShardBytes data_;
  std::int64_t n_tokens_ = 0, n_documents_ = 0, n_sequences_ = 0;
  int token_bytes_ = 0;
  const std::byte* lengths_ = nullptr;
  const std::byte* offsets_ = nullptr;
  const std::byte* documents_ = nullptr;
};

}  // namespace farthing
