// tar.h - the files in a tar archive, one after another.
//
// Source   POSIX.1-2001 ustar and pax (path, size), GNU's long names and its base-256 numbers.
//          Links, folders and devices are passed over; sparse files are an error.
// Errors   Error{kBadInput}, path and byte of the (decompressed) archive: a header whose checksum
// is
//          wrong, a file that ends early, a size that is no number.
// Memory   one header; an extended header has at most 1 MiB.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "data/byte_stream.h"

namespace farthing {

// Whether a stream that begins like this is a tar archive.  REQUIRES up to 512 bytes.
bool is_tar(std::string_view first_bytes);

class TarReader {
 public:
  TarReader(std::unique_ptr<ByteStream> bytes, std::string where);
  // The next regular file; false at the end.  What was not read of the one before is passed over.
  bool next(std::string& name, std::int64_t& size);
  // Reads on in the file of the last next(); 0 at its end.
  std::size_t read(char* out, std::size_t n);
  std::int64_t file_offset() const { return bytes_->file_offset(); }

 private:
  bool read_header(char* header);
  void read_whole(char* out, std::size_t n);
  std::string read_extended(std::int64_t size);
  void pass_over(std::int64_t n);
  [[noreturn]] void refuse(const std::string& what) const;

  std::unique_ptr<ByteStream> bytes_;
  std::string where_;
  std::int64_t offset_ = 0;
  std::int64_t left_ = 0, padding_ = 0;  // of the file being read
};

}  // namespace farthing
