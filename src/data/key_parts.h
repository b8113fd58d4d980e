// key_parts.h - records split by the top bits of a key into parts that fit the memory, each then
// sorted.
//
// Memory   all records, or with `spills` kPartSpillBytes for each of at most 4096 parts and the
// parts
//          that are taken.
// Exact    equal keys always share a part, so groups of equal keys do not depend on their number.
// Errors   Error{kOutOfResource} for a full disk.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace farthing {

inline constexpr std::size_t kPartSpillBytes = std::size_t{1} << 16;  // of a part, written at once

// Entries split into parts by the top bits of a key; the parts lie on disk when all of them
// together are more than the memory holds.
template <class Entry>
class KeyParts {
 public:
  KeyParts(std::int64_t n_entries, std::int64_t part_bytes, bool spills, std::string folder)
      : folder_(std::move(folder)), spills_(spills) {
    const auto bytes = static_cast<std::int64_t>(sizeof(Entry)) * n_entries;
    while (bytes >> bits_ > part_bytes && bits_ < 12) ++bits_;
    if (bits_ < 3) bits_ = 3;  // work for several threads
    buffers_.resize(std::size_t{1} << bits_);
    files_.resize(buffers_.size());
  }

  std::size_t size() const { return buffers_.size(); }
  std::int64_t spilled_bytes() const { return spilled_bytes_; }

  void add(std::uint64_t key, const Entry& entry) {
    auto& buffer = buffers_[key >> (64 - bits_)];
    buffer.push_back(entry);
    if (spills_ && buffer.size() * sizeof(Entry) >= kPartSpillBytes) spill(key >> (64 - bits_));
  }

  void finish() {
    if (!spills_) return;
    for (std::size_t part = 0; part < size(); ++part) {
      if (!buffers_[part].empty()) spill(part);
      if (files_[part]) files_[part]->finish();
    }
  }

  // A part, sorted.  Each may be taken once.
  std::vector<Entry> take(std::size_t part) {
    std::vector<Entry> entries = std::move(buffers_[part]);
    if (spills_ && files_[part]) {
      const MappedFile mapped(path(part));
      entries.resize(mapped.bytes().size() / sizeof(Entry));
      std::memcpy(static_cast<void*>(entries.data()), mapped.bytes().data(),
                  entries.size() * sizeof(Entry));
      std::error_code ignored;
      std::filesystem::remove(path(part), ignored);
    }
    std::sort(entries.begin(), entries.end());
    return entries;
  }

 private:
  std::string path(std::size_t part) const { return folder_ + "/part-" + std::to_string(part); }

  void spill(std::size_t part) {
    auto& buffer = buffers_[part];
    if (!files_[part]) files_[part] = std::make_unique<FileWriter>(path(part));
    const std::size_t bytes = buffer.size() * sizeof(Entry);
    files_[part]->write({reinterpret_cast<const std::byte*>(buffer.data()), bytes});
    spilled_bytes_ += static_cast<std::int64_t>(bytes);
    buffer.clear();
  }

  std::string folder_;
  bool spills_;
  int bits_ = 0;
  std::vector<std::vector<Entry>> buffers_;
  std::vector<std::unique_ptr<FileWriter>> files_;
  std::int64_t spilled_bytes_ = 0;
};

}  // namespace farthing
