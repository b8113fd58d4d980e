// text_file.cpp - zlib's reader, which passes plain files through, with its silences made errors.
#include "data/text_file.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/error.h"

namespace farthing {
namespace {

constexpr unsigned kReadBytes = 1 << 18;

struct CloseGzip {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};

std::unique_ptr<gzFile_s, CloseGzip> open_text(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw_bad_input({path, "is a folder", "", "a file", ""});
  }
  errno = 0;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    throw_bad_input({path, std::string("cannot read: ") + std::strerror(errno), "", "", ""});
  }
  gzbuffer(file, kReadBytes);
  return std::unique_ptr<gzFile_s, CloseGzip>(file);
}

}  // namespace

struct TextFile::State {
  explicit State(const std::string& file_path) : path(file_path), file(open_text(file_path)) {
    buffer.resize(kReadBytes);
    if (!fill()) throw_bad_input({path, "is empty", "", "text", ""});
    if (unread().starts_with(kByteOrderMark)) begin += kByteOrderMark.size();
  }

  std::string_view unread() const { return {buffer.data() + begin, end - begin}; }

  // Replaces what was read by the next piece; false at the end.
  bool fill() {
    const int got = gzread(file.get(), buffer.data(), kReadBytes);
    int fault = Z_OK;
    const char* words = gzerror(file.get(), &fault);
    if (fault == Z_BUF_ERROR) {
      throw_bad_input({path, "ends inside its compressed data", "", "a whole gzip file",
                       "the file is truncated"});
    }
    if (got < 0) {
      const std::string cause = fault == Z_ERRNO ? std::strerror(errno) : words;
      throw_bad_input({path, "cannot read: " + cause, "", "", ""});
    }
    begin = 0;
    end = static_cast<std::size_t>(got);
    if (const void* nul = std::memchr(buffer.data(), 0, end)) {
      const auto offset = text_bytes + (static_cast<const char*>(nul) - buffer.data());
      throw_bad_input(
          {path, "binary file", "a NUL byte at offset " + std::to_string(offset), "text", ""});
    }
    text_bytes += got;
    return got > 0;
  }

  void append_unread(std::string& text, std::size_t count) {
    if (static_cast<std::int64_t>(text.size() + count) > kMaxTextBytes) {
      throw_bad_input({path + ":" + std::to_string(line_number + 1), "a line or document too long",
                       "", "at most " + std::to_string(kMaxTextBytes) + " bytes",
                       "cut it, or pass --documents blank-line"});
    }
    text.append(buffer, begin, count);
    begin += count;
  }

  std::string path;
  std::unique_ptr<gzFile_s, CloseGzip> file;
  std::string buffer;
  std::size_t begin = 0, end = 0;
  std::int64_t text_bytes = 0;
  std::int64_t line_number = 0;
};

TextFile::TextFile(const std::string& path) : state_(std::make_unique<State>(path)) {}
TextFile::~TextFile() = default;
TextFile::TextFile(TextFile&&) noexcept = default;
TextFile& TextFile::operator=(TextFile&&) noexcept = default;

bool TextFile::read_line(std::string& line) {
  line.clear();
  if (state_->unread().empty() && !state_->fill()) return false;
  while (true) {
    const std::size_t length = state_->unread().find('\n');
    if (length != std::string_view::npos) {
      state_->append_unread(line, length);
      ++state_->begin;
      break;
    }
    state_->append_unread(line, state_->unread().size());
    if (!state_->fill()) break;
  }
  ++state_->line_number;
  return true;
}

std::string TextFile::read_rest() {
  std::string text;
  do {
    state_->append_unread(text, state_->unread().size());
  } while (state_->fill());
  return text;
}

std::int64_t TextFile::line_number() const { return state_->line_number; }
std::int64_t TextFile::file_offset() const { return gzoffset(state_->file.get()); }
const std::string& TextFile::path() const { return state_->path; }

}  // namespace farthing
