// byte_stream.cpp - zlib, zstd and liblzma behind one read(), their silences made errors.
#include "data/byte_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#ifdef FARTHING_HAVE_LZMA
#include <lzma.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace farthing {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

class FileBytes : public ByteStream {
 public:
  explicit FileBytes(const std::string& path) : path_(path) {
    descriptor_ = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (descriptor_ < 0 || fstat(descriptor_, &status) != 0) {
      throw_bad_input({path, std::string("cannot read: ") + std::strerror(errno), "", "", ""});
    }
    if (S_ISREG(status.st_mode)) size_ = status.st_size;
    if (S_ISDIR(status.st_mode)) {
      close(descriptor_);
      throw_bad_input({path, "is a folder", "", "a file", ""});
    }
  }
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() override { close(descriptor_); }

  std::size_t read(char* out, std::size_t n) override {
    while (true) {
      const ssize_t got = ::read(descriptor_, out, n);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        throw_bad_input(
            {path_, "cannot read at byte " + std::to_string(offset_) + ": " + std::strerror(errno),
             "", "", ""});
      }
      offset_ += got;
      if (got == 0 && offset_ < size_) shrank();
      return static_cast<std::size_t>(got);
    }
  }
  std::int64_t file_offset() const override { return offset_; }

 private:
  [[noreturn]] void shrank() const {
    throw_bad_input({path_, "ends at byte " + std::to_string(offset_) + ", cut while it was read",
                     "", std::to_string(size_) + " bytes, which it had when it was opened", ""});
  }

  std::string path_;
  int descriptor_;
  std::int64_t offset_ = 0, size_ = 0;
};

// What the decompressors share: a buffer of compressed bytes and messages that say where.
class Decompressor : public ByteStream {
 public:
  Decompressor(std::unique_ptr<PeekedStream> bytes, std::string where)
      : bytes_(std::move(bytes)), where_(std::move(where)), buffer_(kBufferBytes, '\0') {}
  // Of the compressed bytes, those that were fetched but not used do not count.
  std::int64_t file_offset() const override { return bytes_->file_offset(); }

 protected:
  std::string_view unused() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void use(std::size_t n) {
    begin_ += n;
    used_ += static_cast<std::int64_t>(n);
  }
  // Fetches when nothing is unused; false at the end of the file.
  bool fetch() {
    if (begin_ < end_) return true;
    begin_ = 0;
    end_ = bytes_->read(buffer_.data(), buffer_.size());
    return end_ > 0;
  }
  // After a member: whether another begins.  Zeros are padding.
  bool another_member(std::string_view magic) {
    while (fetch() && unused()[0] == '\0') use(1);
    if (!fetch()) return false;
    if (unused()[0] == magic[0]) return true;
    damaged("bytes that belong to no compressed member");
  }
  [[noreturn]] void ends_inside() const {
    throw_bad_input({where_, "ends inside its compressed data", "the end at byte " + place(),
                     "a whole file", "the file is truncated"});
  }
  [[noreturn]] void damaged(const std::string& cause) const {
    throw_bad_input(
        {where_, "cannot read its compressed data at byte " + place() + ": " + cause, "", "", ""});
  }
  std::string place() const { return std::to_string(used_); }

 private:
  std::unique_ptr<PeekedStream> bytes_;
  std::string where_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::int64_t used_ = 0;
};

class GzipBytes : public Decompressor {
 public:
  GzipBytes(std::unique_ptr<PeekedStream> bytes, const std::string& where)
      : Decompressor(std::move(bytes), where) {
    CHECK(inflateInit2(&stream_, 15 + 16) == Z_OK);
  }
  ~GzipBytes() override { inflateEnd(&stream_); }

  std::size_t read(char* out, std::size_t n) override {
    n = std::min<std::size_t>(n, 1u << 30);
    while (true) {
      if (bad_) damaged(stream_.msg != nullptr ? stream_.msg : "damaged gzip data");
      if (member_ended_ && !another_member("\x1f")) return 0;
      if (member_ended_) inflateReset(&stream_);
      member_ended_ = false;
      if (!fetch()) ends_inside();
      const auto before = static_cast<uInt>(unused().size());
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(unused().data()));
      stream_.avail_in = before;
      stream_.next_out = reinterpret_cast<Bytef*>(out);
      stream_.avail_out = static_cast<uInt>(n);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      use(before - stream_.avail_in);
      bad_ = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR;
      member_ended_ = status == Z_STREAM_END;
      const std::size_t got = n - stream_.avail_out;
      if (got > 0) return got;  // what comes before the damage is given out first
    }
  }

 private:
  z_stream stream_{};
  bool member_ended_ = false, bad_ = false;
};

class ZstdBytes : public Decompressor {
 public:
  ZstdBytes(std::unique_ptr<PeekedStream> bytes, const std::string& where)
      : Decompressor(std::move(bytes), where), context_(ZSTD_createDCtx()) {
    CHECK(context_ != nullptr);
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, 27);
  }
  ZstdBytes(const ZstdBytes&) = delete;
  ZstdBytes& operator=(const ZstdBytes&) = delete;
  ~ZstdBytes() override { ZSTD_freeDCtx(context_); }

  std::size_t read(char* out, std::size_t n) override {
    while (true) {
      const bool more_input = fetch();
      if (!more_input && !inside_frame_) return 0;
      ZSTD_inBuffer in{unused().data(), unused().size(), 0};
      ZSTD_outBuffer target{out, n, 0};
      const std::size_t status = ZSTD_decompressStream(context_, &target, &in);
      use(in.pos);
      if (ZSTD_isError(status) != 0) damaged(ZSTD_getErrorName(status));
      inside_frame_ = status != 0;
      if (target.pos > 0) return target.pos;
      if (!more_input) ends_inside();
    }
  }

 private:
  ZSTD_DCtx* context_;
  bool inside_frame_ = false;
};

#ifdef FARTHING_HAVE_LZMA
class XzBytes : public Decompressor {
 public:
  XzBytes(std::unique_ptr<PeekedStream> bytes, const std::string& where)
      : Decompressor(std::move(bytes), where) {
    CHECK(lzma_stream_decoder(&stream_, std::uint64_t{256} << 20, LZMA_CONCATENATED) == LZMA_OK);
  }
  ~XzBytes() override { lzma_end(&stream_); }

  std::size_t read(char* out, std::size_t n) override {
    while (!at_end_) {
      const bool more_input = fetch();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(unused().data());
      stream_.avail_in = unused().size();
      stream_.next_out = reinterpret_cast<std::uint8_t*>(out);
      stream_.avail_out = n;
      const std::size_t before = stream_.avail_in;
      const lzma_ret status = lzma_code(&stream_, more_input ? LZMA_RUN : LZMA_FINISH);
      use(before - stream_.avail_in);
      at_end_ = status == LZMA_STREAM_END;
      if (status == LZMA_MEMLIMIT_ERROR) damaged("it needs more than 256 MiB to decompress");
      if (status == LZMA_BUF_ERROR && !more_input) ends_inside();
      if (status != LZMA_OK && status != LZMA_STREAM_END && status != LZMA_BUF_ERROR) {
        damaged("damaged xz data");
      }
      const std::size_t got = n - stream_.avail_out;
      if (got > 0) return got;
    }
    return 0;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool at_end_ = false;
};
#endif

}  // namespace

std::string_view PeekedStream::peek(std::size_t n) {
  while (ahead_.size() - begin_ < n && !fault_) {
    const std::size_t before = ahead_.size();
    ahead_.resize(begin_ + n);
    std::size_t got = 0;
    try {
      got = bytes_->read(ahead_.data() + before, ahead_.size() - before);
    } catch (const Error&) {
      fault_ = std::current_exception();
    }
    ahead_.resize(before + got);
    if (got == 0) break;
  }
  return std::string_view(ahead_).substr(begin_, n);
}

std::size_t PeekedStream::read(char* out, std::size_t n) {
  if (begin_ == ahead_.size()) {
    if (fault_) std::rethrow_exception(fault_);
    return bytes_->read(out, n);
  }
  const std::size_t got = std::min(n, ahead_.size() - begin_);
  std::memcpy(out, ahead_.data() + begin_, got);
  begin_ += got;
  if (begin_ == ahead_.size()) {
    ahead_.clear();
    begin_ = 0;
  }
  return got;
}

std::unique_ptr<ByteStream> open_file_bytes(const std::string& path) {
  return std::make_unique<FileBytes>(path);
}

std::unique_ptr<ByteStream> decompressed(std::unique_ptr<ByteStream> bytes,
                                         const std::string& where) {
  auto peeked = std::make_unique<PeekedStream>(std::move(bytes));
  const std::string_view first = peeked->peek(6);
  if (first.starts_with("\x1f\x8b")) return std::make_unique<GzipBytes>(std::move(peeked), where);
  if (first.starts_with("\x28\xb5\x2f\xfd")) {
    return std::make_unique<ZstdBytes>(std::move(peeked), where);
  }
  if (first.starts_with(std::string_view("\xfd"
                                         "7zXZ\0",
                                         6))) {
#ifdef FARTHING_HAVE_LZMA
    return std::make_unique<XzBytes>(std::move(peeked), where);
#else
    throw_bad_input({where, "an xz file, and this program was built without liblzma", "", "",
                     "xz -dc FILE | farthing data prepare - -o DIR"});
#endif
  }
  return peeked;
}

}  // namespace farthing
