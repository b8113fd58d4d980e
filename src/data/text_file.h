// text_file.h - a text file read front to back, plain or gzip or dictzip, in bounded memory.
//
// Compression is recognised by its first bytes, not by the name.  A UTF-8 byte order mark at the
// beginning is dropped.
// Errors   Error{kBadInput} with path: missing, a folder, empty, binary (a NUL byte), truncated or
//          damaged gzip, a line (or a file read whole) of more than kMaxTextBytes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace farthing {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
inline constexpr std::int64_t kMaxTextBytes = std::int64_t{256} << 20;

class TextFile {
 public:
  explicit TextFile(const std::string& path);
  ~TextFile();
  TextFile(TextFile&&) noexcept;
  TextFile& operator=(TextFile&&) noexcept;

  // The next line without its '\n'; false at the end.
  bool read_line(std::string& line);
  // Everything that is left.
  std::string read_rest();

  std::int64_t line_number() const;  // of the line read last, from 1
  std::int64_t file_offset() const;  // bytes of the file itself that are consumed
  const std::string& path() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
