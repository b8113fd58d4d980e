// shards.cpp - Megatron's .bin/.idx written front to back, and read back without trusting a byte.
#include "data/shards.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "data/external_sort.h"

namespace farthing {
namespace {

constexpr std::string_view kMagic("MMIDIDX\0\0", 9);
constexpr std::uint64_t kVersion = 1;
constexpr std::uint8_t kInt32Code = 4;
constexpr std::uint8_t kUint16Code = 8;
constexpr std::size_t kHeaderBytes = 9 + 8 + 1 + 8 + 8;
constexpr std::size_t kWriteBytes = 1 << 20;

// The arrays of an index follow a header of 34 bytes, so that none of them is aligned.
template <class T>
T load(const std::byte* bytes, std::int64_t index = 0) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

std::string aside_name(const std::string& path) {
  return path + ".tmp-" + std::to_string(getpid());
}

void rename_into_place(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return;
  throw Error(ErrorCode::kFailed, to + ": cannot rename to it: " + std::strerror(errno));
}

[[noreturn]] void refuse(const std::string& path, const std::string& what, auto found, auto wanted,
                         const std::string& hint = "") {
  std::ostringstream found_text, wanted_text;
  found_text << found;
  wanted_text << wanted;
  throw_bad_input({path, what, found_text.str(), wanted_text.str(), hint});
}

struct IndexHeader {
  int token_bytes = 0;
  std::int64_t n_sequences = 0;
  std::int64_t n_documents = 0;
};

IndexHeader read_header(const MappedFile& index) {
  const auto bytes = index.bytes();
  const std::string& path = index.path();
  if (bytes.size() < kHeaderBytes) {
    refuse(path, "too short for a token index", std::to_string(bytes.size()) + " bytes",
           "at least " + std::to_string(kHeaderBytes));
  }
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    refuse(path, "wrong magic", "other bytes", "MMIDIDX", "is this a Megatron .idx file?");
  }
  const auto version = load<std::uint64_t>(bytes.data() + 9);
  if (version != kVersion) refuse(path, "unknown version", version, kVersion);
  const int code = load<std::uint8_t>(bytes.data() + 17);
  if (code != kInt32Code && code != kUint16Code) {
    refuse(path, "unknown token type", "code " + std::to_string(code), "4 (int32) or 8 (uint16)");
  }
  // Counts are compared with the file's size before anything is multiplied, so nothing overflows.
  const auto n_sequences = load<std::uint64_t>(bytes.data() + 18);
  const auto n_document_entries = load<std::uint64_t>(bytes.data() + 26);
  const std::uint64_t room = bytes.size() - kHeaderBytes;
  if (n_sequences > room / 12) refuse(path, "more sequences than fit", n_sequences, room / 12);
  const std::uint64_t entries_room = (room - n_sequences * 12) / 8;
  if (n_document_entries < 1 || n_document_entries > entries_room) {
    refuse(path, "number of document entries", n_document_entries,
           "1 to " + std::to_string(entries_room));
  }
  const std::uint64_t wanted = kHeaderBytes + n_sequences * 12 + n_document_entries * 8;
  if (bytes.size() != wanted) {
    refuse(path, "wrong size for its counts", std::to_string(bytes.size()) + " bytes", wanted);
  }
  return {code == kUint16Code ? 2 : 4, static_cast<std::int64_t>(n_sequences),
          static_cast<std::int64_t>(n_document_entries) - 1};
}

// Every sequence begins where the one before ends, and the last ends where the data ends.
void check_sequences(const MappedFile& index, const ShardBytes& data, const IndexHeader& header,
                     const std::byte* lengths, const std::byte* offsets) {
  const std::int64_t data_bytes = data.size();
  std::int64_t end = 0;
  for (std::int64_t sequence = 0; sequence < header.n_sequences; ++sequence) {
    const auto length = load<std::int32_t>(lengths, sequence);
    const auto offset = load<std::int64_t>(offsets, sequence);
    const std::string name = "sequence " + std::to_string(sequence);
    if (length < 0) refuse(index.path(), name + ": length", length, "0 or more");
    if (offset != end) refuse(index.path(), name + ": byte offset", offset, end);
    end += std::int64_t{length} * header.token_bytes;
    if (end > data_bytes) {
      refuse(data.path(), "ends inside " + name, std::to_string(data_bytes) + " bytes",
             "at least " + std::to_string(end), "the file is truncated, or not of this .idx");
    }
  }
  if (end != data_bytes) {
    refuse(data.path(), "size", std::to_string(data_bytes) + " bytes", end,
           "the .bin and .idx files do not belong together");
  }
}

void check_documents(const MappedFile& index, const IndexHeader& header,
                     const std::byte* documents) {
  std::int64_t previous = 0;
  for (std::int64_t document = 0; document <= header.n_documents; ++document) {
    const auto first = load<std::int64_t>(documents, document);
    if (first < previous || first > header.n_sequences || (document == 0 && first != 0)) {
      refuse(index.path(), "document " + std::to_string(document) + ": first sequence", first,
             document == 0
                 ? "0"
                 : std::to_string(previous) + " to " + std::to_string(header.n_sequences));
    }
    previous = first;
  }
  if (previous != header.n_sequences) {
    refuse(index.path(), "documents cover", std::to_string(previous) + " sequences",
           header.n_sequences);
  }
}

}  // namespace

struct ShardWriter::State {
  State(const std::string& path_prefix, int vocabulary)
      : prefix(path_prefix),
        vocab_size(vocabulary),
        token_bytes(vocabulary <= 65536 ? 2 : 4),
        data(aside_name(path_prefix + ".bin")),
        lengths(OffsetFile::temporary(aside_name(path_prefix + ".lengths"))),
        add_length(&lengths) {}

  void flush() {
    data.write(buffer);
    buffer.clear();
  }

  std::string prefix;
  int vocab_size;
  int token_bytes;
  FileWriter data;
  std::string buffer;
  OffsetFile lengths;  // of the documents, for finish()
  EntryWriter<std::int32_t> add_length;
  std::int64_t n_documents = 0, n_tokens = 0;
};

ShardWriter::ShardWriter(const std::string& path_prefix, int vocab_size) {
  CHECK(vocab_size > 0);
  state_ = std::make_unique<State>(path_prefix, vocab_size);
}

ShardWriter::~ShardWriter() = default;

void ShardWriter::add_document(std::span<const std::int32_t> ids) {
  CHECK(ids.size() <= std::size_t{std::numeric_limits<std::int32_t>::max()});
  for (const std::int32_t id : ids) {
    CHECK(id >= 0 && id < state_->vocab_size, "a token id outside the vocabulary");
    if (state_->token_bytes == 2) {
      append(state_->buffer, static_cast<std::uint16_t>(id));
    } else {
      append(state_->buffer, id);
    }
    if (state_->buffer.size() >= kWriteBytes) state_->flush();
  }
  state_->add_length.add(static_cast<std::int32_t>(ids.size()));
  ++state_->n_documents;
  state_->n_tokens += static_cast<std::int64_t>(ids.size());
}

void ShardWriter::finish() {
  State& state = *state_;
  state.flush();
  const std::string index_path = state.prefix + ".idx";
  FileWriter index(aside_name(index_path));
  const std::int64_t n_documents = state.n_documents;
  std::string bytes(kMagic);
  append(bytes, kVersion);
  append(bytes, state.token_bytes == 2 ? kUint16Code : kInt32Code);
  append(bytes, static_cast<std::uint64_t>(n_documents));
  append(bytes, static_cast<std::uint64_t>(n_documents + 1));
  const auto append_next = [&](auto number) {
    append(bytes, number);
    if (bytes.size() < kWriteBytes) return;
    index.write(bytes);
    bytes.clear();
  };
  state.add_length.flush();
  using Lengths = EntryStream<std::int32_t>;
  for (Lengths length(&state.lengths); length.peek() != nullptr; length.pop()) {
    append_next(*length.peek());
  }
  std::int64_t offset = 0;
  for (Lengths length(&state.lengths); length.peek() != nullptr; length.pop()) {
    append_next(offset);
    offset += std::int64_t{*length.peek()} * state.token_bytes;
  }
  for (std::int64_t document = 0; document <= n_documents; ++document) append_next(document);
  index.write(bytes);
  state.data.finish();
  index.finish();
  // The index last: a reader that finds it finds the data it describes.
  rename_into_place(aside_name(state.prefix + ".bin"), state.prefix + ".bin");
  rename_into_place(aside_name(index_path), index_path);
  sync_folder(std::filesystem::path(state.prefix).parent_path().string());
}

std::int64_t ShardWriter::n_tokens() const { return state_->n_tokens; }

std::int64_t ShardWriter::n_documents() const { return state_->n_documents; }

ShardReader::ShardReader(const std::string& path_prefix, const ShardAccess& access)
    : index_(path_prefix + ".idx"), data_(path_prefix, access) {
  const IndexHeader header = read_header(index_);
  lengths_ = index_.bytes().data() + kHeaderBytes;
  offsets_ = lengths_ + header.n_sequences * 4;
  documents_ = offsets_ + header.n_sequences * 8;
  check_sequences(index_, data_, header, lengths_, offsets_);
  check_documents(index_, header, documents_);
  token_bytes_ = header.token_bytes;
  n_sequences_ = header.n_sequences;
  n_documents_ = header.n_documents;
  n_tokens_ = data_.size() / token_bytes_;
}

void ShardReader::read(std::int64_t first, std::span<std::int32_t> out) const {
  const auto count = static_cast<std::int64_t>(out.size());
  CHECK(first >= 0 && first <= n_tokens_ - count, "tokens outside the shard");
  if (count == 0) return;
  if (token_bytes_ == 4) return data_.read(first * 4, std::as_writable_bytes(out));
  // Into the front half of `out`, then widened from the back.
  const auto halves = std::as_writable_bytes(out).first(out.size() * 2);
  data_.read(first * 2, halves);
  for (std::int64_t i = count - 1; i >= 0; --i) {
    out[static_cast<std::size_t>(i)] = load<std::uint16_t>(halves.data(), i);
  }
}

std::int64_t ShardReader::document_begin(std::int64_t document) const {
  CHECK(document >= 0 && document <= n_documents_);
  const auto sequence = load<std::int64_t>(documents_, document);
  if (sequence == n_sequences_) return n_tokens_;
  return load<std::int64_t>(offsets_, sequence) / token_bytes_;
}

std::int64_t ShardReader::document_of(std::int64_t position) const {
  CHECK(position >= 0 && position < n_tokens_);
  // The last document that begins at or before position; empty ones before it begin there as well.
  std::int64_t low = 0, high = n_documents_;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (document_begin(middle) <= position ? low : high) = middle;
  }
  return low;
}

int ShardReader::max_id() const {
  std::vector<std::int32_t> ids;
  std::int32_t largest = 0;
  for (std::int64_t first = 0; first < n_tokens_; first += static_cast<std::int64_t>(ids.size())) {
    ids.resize(static_cast<std::size_t>(std::min<std::int64_t>(n_tokens_ - first, 1 << 16)));
    read(first, ids);
    for (const std::int32_t id : ids) {
      if (id < 0) refuse(data_.path(), "a negative token id", id, "0 or more");
      largest = std::max(largest, id);
    }
  }
  return largest;
}

}  // namespace farthing
