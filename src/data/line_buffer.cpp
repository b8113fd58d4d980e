// line_buffer.cpp - a line grows piece by piece until it ends or is too long to be kept.
#include "data/line_buffer.h"

#include <algorithm>
#include <utility>

#include "data/text_file.h"

namespace farthing {
namespace {

constexpr std::size_t kLineBufferBytes = std::size_t{1} << 18;

// What is read of one line: kept while it is short enough, then only counted.
struct GrowingLine {
  std::string& out;
  std::size_t before;
  std::int64_t most;
  std::int64_t length = 0;

  void add(std::string_view piece) {
    length += static_cast<std::int64_t>(piece.size());
    if (length <= most) {
      out.append(piece);
    } else if (out.size() > before) {
      out.resize(before);
      out.shrink_to_fit();
    }
  }
};

}  // namespace

LineBuffer::LineBuffer(std::unique_ptr<ByteStream> bytes)
    : bytes_(std::move(bytes)), buffer_(kLineBufferBytes, '\0') {
  fill();
  if (unread().starts_with(kByteOrderMark)) begin_ += kByteOrderMark.size();
}

std::int64_t LineBuffer::read_line(std::string& out, std::int64_t most) {
  GrowingLine grown{out, out.size(), most};
  ++line_;
  do {
    const std::string_view rest = unread();
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    grown.add(rest.substr(0, length));
    begin_ += length;
    if (length < rest.size()) {
      ++begin_;
      break;
    }
  } while (fill());
  return grown.length;
}

std::int64_t LineBuffer::read_rest(std::string& out, std::int64_t most) {
  GrowingLine grown{out, out.size(), most};
  do {
    grown.add(unread());
    begin_ = end_;
  } while (fill());
  return grown.length;
}

bool LineBuffer::fill() {
  begin_ = end_ = 0;
  end_ = bytes_->read(buffer_.data(), buffer_.size());
  text_bytes_ += static_cast<std::int64_t>(end_);
  return end_ > 0;
}

}  // namespace farthing
