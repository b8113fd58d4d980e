// line_buffer.h - lines of a stream, of which nothing longer than asked for is ever held.
//
// A UTF-8 byte order mark at the beginning is dropped.  A line ends with '\n' or with the stream.
// Errors   what the stream throws.
// Memory   256 KiB.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "data/byte_stream.h"

namespace farthing {

class LineBuffer {
 public:
  explicit LineBuffer(std::unique_ptr<ByteStream> bytes);

  bool at_end() { return begin_ == end_ && !fill(); }
  std::int64_t text_offset() const {  // of the next byte, in what the stream gives
    return text_bytes_ - static_cast<std::int64_t>(end_ - begin_);
  }
  std::int64_t line() const { return line_; }  // read last, from 1
  std::int64_t file_offset() const { return bytes_->file_offset(); }

  // Appends the line without its '\n' and returns its length; of a line longer than `most` nothing
  // is appended.  REQUIRES !at_end().
  std::int64_t read_line(std::string& out, std::int64_t most);
  // The same for all that is left.
  std::int64_t read_rest(std::string& out, std::int64_t most);

 private:
  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  bool fill();

  std::unique_ptr<ByteStream> bytes_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::int64_t text_bytes_ = 0, line_ = 0;
};

}  // namespace farthing
