// byte_stream.h - bytes of a file front to back: plain, gzip, dictzip, zstd or xz, in bounded
// memory.
//
// Compression is recognised by the first bytes, never by the name.  Several members or frames in a
// row are one stream; zero bytes behind the last are padding, anything else there is an error.
// Errors   Error{kBadInput}: path, the byte of the compressed file, what: missing, a folder,
//          truncated, damaged, an xz file where the program was built without liblzma.
// Memory   256 KiB and the decompressor's window: zstd 128 MiB at most, xz 256 MiB at most.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

namespace farthing {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Writes up to n bytes; 0 only at the end.  REQUIRES n > 0.
  virtual std::size_t read(char* out, std::size_t n) = 0;
  // Bytes of the file itself, as it lies on the disk, that are consumed.
  virtual std::int64_t file_offset() const = 0;
};

// "-" is the standard input.
std::unique_ptr<ByteStream> open_file_bytes(const std::string& path);
// Decompresses what `bytes` begins with, or passes it on.  `where` opens messages.
std::unique_ptr<ByteStream> decompressed(std::unique_ptr<ByteStream> bytes,
                                         const std::string& where);

// A look ahead at a stream: the first bytes stay to be read.  A fault that the look met is thrown
// when what was before it has been read.
class PeekedStream : public ByteStream {
 public:
  explicit PeekedStream(std::unique_ptr<ByteStream> bytes) : bytes_(std::move(bytes)) {}
  // The first n bytes of what is unread, fewer at the end.
  std::string_view peek(std::size_t n);
  std::size_t read(char* out, std::size_t n) override;
  std::int64_t file_offset() const override { return bytes_->file_offset(); }

 private:
  std::unique_ptr<ByteStream> bytes_;
  std::string ahead_;
  std::size_t begin_ = 0;
  std::exception_ptr fault_;
};

}  // namespace farthing
