// shard_bytes.cpp - a mapping, or frames looked up in a seek table and kept for a while.
#include "data/shard_bytes.h"

#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <list>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace farthing {
namespace {

constexpr std::uint32_t kSkippableMagic = 0x184D2A5E;
constexpr std::uint32_t kSeekableMagic = 0x8F92EAB1;
constexpr std::size_t kFooterBytes = 9;
constexpr std::size_t kBlockBytes = 64 << 10;
constexpr std::size_t kMostBlockBytes = 64 << 20;  // of files made elsewhere

using Block = std::shared_ptr<const std::vector<std::byte>>;

std::uint32_t load32(const std::byte* bytes) {
  std::uint32_t value;
  std::memcpy(&value, bytes, 4);
  return value;
}

void append32(std::string& bytes, std::uint32_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), 4);
}

struct Frame {
  std::size_t begin, size;             // in the file
  std::int64_t text_begin, text_size;  // of the tokens
};

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw_bad_input({path, what, "", "a shard that farthing compressed (zstd, seekable)",
                   "zstd -d gives the .bin back where the frames are intact"});
}

// The frames that the table at the end lists.
std::vector<Frame> read_seek_table(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string& path = file.path();
  if (bytes.size() < 8 + kFooterBytes) refuse(path, "too short for a seek table");
  const std::byte* footer = bytes.data() + bytes.size() - kFooterBytes;
  if (load32(footer + 5) != kSeekableMagic) refuse(path, "no seek table at the end");
  const auto descriptor = static_cast<unsigned>(footer[4]);
  if ((descriptor & 0x7C) != 0) refuse(path, "a seek table with unknown flags");
  const std::size_t entry_bytes = (descriptor & 0x80) != 0 ? 12 : 8;
  const std::size_t n_frames = load32(footer);
  if (n_frames > (bytes.size() - 8 - kFooterBytes) / entry_bytes) {
    refuse(path, "a seek table longer than the file");
  }
  const std::size_t table_bytes = 8 + n_frames * entry_bytes + kFooterBytes;
  const std::byte* table = bytes.data() + bytes.size() - table_bytes;
  if (load32(table) != kSkippableMagic || load32(table + 4) != table_bytes - 8) {
    refuse(path, "a seek table of the wrong size");
  }
  std::vector<Frame> frames;
  std::size_t begin = 0;
  std::int64_t text_begin = 0;
  for (std::size_t i = 0; i < n_frames; ++i) {
    const std::byte* entry = table + 8 + i * entry_bytes;
    const std::size_t size = load32(entry), text_size = load32(entry + 4);
    if (text_size > kMostBlockBytes) refuse(path, "a frame of more than 64 MiB");
    frames.push_back({begin, size, text_begin, static_cast<std::int64_t>(text_size)});
    begin += size;
    text_begin += static_cast<std::int64_t>(text_size);
  }
  if (begin != bytes.size() - table_bytes) refuse(path, "frames that do not fill the file");
  return frames;
}

}  // namespace

struct ShardBytes::State {
  State(MappedFile mapped, const ShardAccess& how) : file(std::move(mapped)), access(how) {}

  Block block(std::size_t index);
  Block decompress(const Frame& frame) const;
  void wait_for_disk(std::size_t n_bytes) const;

  MappedFile file;
  ShardAccess access;
  bool compressed = false;
  std::vector<Frame> frames;
  std::int64_t size = 0;

  struct Kept {
    Block block;
    std::list<std::size_t>::iterator age;
  };
  std::mutex mutex;
  std::unordered_map<std::size_t, Kept> kept;
  std::list<std::size_t> by_age;  // the last used at the front
  std::int64_t kept_bytes = 0, n_decompressed = 0;
};

void ShardBytes::State::wait_for_disk(std::size_t n_bytes) const {
  double seconds = access.seconds_per_read;
  if (access.bytes_per_second > 0) {
    seconds += static_cast<double>(n_bytes) / access.bytes_per_second;
  }
  if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

Block ShardBytes::State::decompress(const Frame& frame) const {
  wait_for_disk(frame.size);
  auto text = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(frame.text_size));
  const std::size_t n =
      ZSTD_decompress(text->data(), text->size(), file.bytes().data() + frame.begin, frame.size);
  if (ZSTD_isError(n) || n != text->size()) {
    refuse(file.path(), "a damaged frame at byte " + std::to_string(frame.begin));
  }
  return text;
}

Block ShardBytes::State::block(std::size_t index) {
  {
    const std::lock_guard lock(mutex);
    const auto found = kept.find(index);
    if (found != kept.end()) {
      by_age.splice(by_age.begin(), by_age, found->second.age);
      return found->second.block;
    }
  }
  Block made = decompress(frames[index]);  // perhaps twice at once: the same bytes
  const std::lock_guard lock(mutex);
  ++n_decompressed;
  if (kept.contains(index)) return made;
  by_age.push_front(index);
  kept[index] = {made, by_age.begin()};
  kept_bytes += frames[index].text_size;
  while (kept_bytes > access.cache_bytes && by_age.size() > 1) {
    kept_bytes -= frames[by_age.back()].text_size;
    kept.erase(by_age.back());
    by_age.pop_back();
  }
  return made;
}

ShardBytes::ShardBytes(const std::string& prefix, const ShardAccess& access) {
  const bool plain = file_exists(prefix + ".bin") || !file_exists(prefix + ".bin.zst");
  state_ = std::make_unique<State>(MappedFile(prefix + (plain ? ".bin" : ".bin.zst")), access);
  state_->compressed = !plain;
  if (plain) {
    state_->size = static_cast<std::int64_t>(state_->file.bytes().size());
    return;
  }
  state_->frames = read_seek_table(state_->file);
  for (const Frame& frame : state_->frames) state_->size += frame.text_size;
}

ShardBytes::~ShardBytes() = default;
ShardBytes::ShardBytes(ShardBytes&&) noexcept = default;

std::int64_t ShardBytes::size() const { return state_->size; }
const std::string& ShardBytes::path() const { return state_->file.path(); }
std::int64_t ShardBytes::stored_size() const {
  return static_cast<std::int64_t>(state_->file.bytes().size());
}
std::int64_t ShardBytes::blocks_decompressed() const {
  const std::lock_guard lock(state_->mutex);
  return state_->n_decompressed;
}

void ShardBytes::read(std::int64_t offset, std::span<std::byte> out) const {
  CHECK(offset >= 0 && offset <= state_->size - static_cast<std::int64_t>(out.size()));
  if (out.empty()) return;
  if (!state_->compressed) {
    state_->wait_for_disk(out.size());
    std::memcpy(out.data(), state_->file.bytes().data() + offset, out.size());
    return;
  }
  const std::vector<Frame>& frames = state_->frames;
  auto frame = std::ranges::upper_bound(frames, offset, {}, &Frame::text_begin) - 1;
  for (; !out.empty(); ++frame) {
    const std::int64_t from = offset - frame->text_begin;
    const auto n = static_cast<std::size_t>(
        std::min<std::int64_t>(frame->text_size - from, static_cast<std::int64_t>(out.size())));
    if (n == 0) continue;
    const Block block = state_->block(static_cast<std::size_t>(frame - frames.begin()));
    std::memcpy(out.data(), block->data() + from, n);
    out = out.subspan(n);
    offset += static_cast<std::int64_t>(n);
  }
}

std::string digest_of(const ShardBytes& bytes) {
  StreamHash hash;
  std::vector<std::byte> piece(std::size_t{1} << 20);
  for (std::int64_t at = 0; at < bytes.size(); at += std::ssize(piece)) {
    const auto n = static_cast<std::size_t>(std::min(bytes.size() - at, std::ssize(piece)));
    bytes.read(at, std::span(piece).first(n));
    hash.add(std::span(piece).first(n));
  }
  return hash.hex();
}

std::int64_t compress_shard(const std::string& prefix, int level) {
  const MappedFile plain(prefix + ".bin");
  const std::string path = prefix + ".bin.zst";
  const std::string aside = path + ".tmp-" + std::to_string(getpid());
  FileWriter writer(aside);
  std::string table, packed(ZSTD_compressBound(kBlockBytes), '\0');
  std::uint32_t n_frames = 0;
  const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                        ZSTD_freeCCtx);
  if (!context) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);  // damage is found when read
  const auto bytes = plain.bytes();
  for (std::size_t begin = 0; begin < bytes.size(); begin += kBlockBytes) {
    const auto block = bytes.subspan(begin, std::min(kBlockBytes, bytes.size() - begin));
    const std::size_t n =
        ZSTD_compress2(context.get(), packed.data(), packed.size(), block.data(), block.size());
    if (ZSTD_isError(n)) throw Error(ErrorCode::kFailed, path + ": " + ZSTD_getErrorName(n));
    writer.write(std::string_view(packed).substr(0, n));
    append32(table, static_cast<std::uint32_t>(n));
    append32(table, static_cast<std::uint32_t>(block.size()));
    ++n_frames;
  }
  std::string end;
  append32(end, kSkippableMagic);
  append32(end, static_cast<std::uint32_t>(table.size() + kFooterBytes));
  end += table;
  append32(end, n_frames);
  end += '\0';
  append32(end, kSeekableMagic);
  writer.write(end);
  writer.finish();
  // Read back before anybody relies on it.
  const MappedFile written(aside);
  std::vector<std::byte> text(kBlockBytes);
  for (const Frame& frame : read_seek_table(written)) {
    const std::size_t n =
        ZSTD_decompress(text.data(), text.size(), written.bytes().data() + frame.begin, frame.size);
    if (ZSTD_isError(n) || std::memcmp(text.data(), bytes.data() + frame.text_begin, n) != 0) {
      throw Error(ErrorCode::kFailed, aside + ": what was written does not read back");
    }
  }
  std::filesystem::rename(aside, path);
  sync_folder(std::filesystem::path(prefix).parent_path().string());
  return writer.bytes_written();
}

}  // namespace farthing
