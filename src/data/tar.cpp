// tar.cpp - headers of 512 bytes, checked before they are believed.
#include "data/tar.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/error.h"

namespace farthing {
namespace {

constexpr std::size_t kTarBlock = 512;
constexpr std::int64_t kMaxExtendedBytes = 1 << 20;

std::string_view text_field(const char* header, std::size_t begin, std::size_t size) {
  return {header + begin, strnlen(header + begin, size)};
}

std::optional<std::int64_t> number_field(const char* header, std::size_t begin, std::size_t size) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(header + begin);
  std::int64_t value = 0;
  if ((bytes[0] & 0x80) != 0) {  // GNU: base 256
    if (bytes[0] != 0x80) return std::nullopt;
    for (std::size_t i = 1; i < size; ++i) {
      if (value > (std::numeric_limits<std::int64_t>::max() >> 9)) return std::nullopt;
      value = value << 8 | bytes[i];
    }
    return value;
  }
  std::size_t i = 0;
  while (i < size && bytes[i] == ' ') ++i;
  bool any = false;
  for (; i < size && bytes[i] >= '0' && bytes[i] <= '7'; ++i) {
    value = value * 8 + (bytes[i] - '0');
    any = true;
  }
  if (i < size && bytes[i] != ' ' && bytes[i] != '\0') return std::nullopt;
  return any ? std::optional(value) : std::nullopt;
}

// The sum of the header's bytes, its own field taken as spaces.
bool checksum_holds(const char* header) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < kTarBlock; ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return number_field(header, 148, 8) == sum;
}

// The value of a pax record "LENGTH KEY=VALUE\n"; the last one counts.
std::optional<std::string> pax_value(std::string_view records, std::string_view key) {
  std::optional<std::string> found;
  while (!records.empty()) {
    std::size_t length = 0, i = 0;
    for (; i < records.size() && records[i] >= '0' && records[i] <= '9' && i < 9; ++i) {
      length = length * 10 + static_cast<std::size_t>(records[i] - '0');
    }
    if (length <= i + 1 || length > records.size() || records[i] != ' ') break;
    const std::string_view record = records.substr(i + 1, length - i - 2);
    const std::size_t equals = record.find('=');
    if (record.substr(0, equals) == key && equals != std::string_view::npos) {
      found = record.substr(equals + 1);
    }
    records.remove_prefix(length);
  }
  return found;
}

}  // namespace

bool is_tar(std::string_view first_bytes) {
  return first_bytes.size() == kTarBlock && first_bytes.substr(257, 5) == "ustar" &&
         checksum_holds(first_bytes.data());
}

TarReader::TarReader(std::unique_ptr<ByteStream> bytes, std::string where)
    : bytes_(std::move(bytes)), where_(std::move(where)) {}

void TarReader::refuse(const std::string& what) const {
  throw_bad_input({where_, what + " at byte " + std::to_string(offset_) + " of the archive", "",
                   "a tar archive", ""});
}

void TarReader::read_whole(char* out, std::size_t n) {
  while (n > 0) {
    const std::size_t got = bytes_->read(out, n);
    if (got == 0) refuse("ends early");
    offset_ += static_cast<std::int64_t>(got);
    out += got;
    n -= got;
  }
}

void TarReader::pass_over(std::int64_t n) {
  char scratch[1 << 14];
  while (n > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::int64_t>(n, sizeof(scratch)));
    read_whole(scratch, part);
    n -= static_cast<std::int64_t>(part);
  }
}

// False at the end: two blocks of zeros, or the end of the bytes where a header would begin.
bool TarReader::read_header(char* header) {
  std::size_t have = 0;
  while (have < kTarBlock) {
    const std::size_t got = bytes_->read(header + have, kTarBlock - have);
    if (got == 0) break;
    have += got;
  }
  if (have == 0) return false;
  offset_ += static_cast<std::int64_t>(have);
  if (have < kTarBlock) refuse("ends early");
  const bool zeros = std::all_of(header, header + kTarBlock, [](char byte) { return byte == 0; });
  if (zeros) {  // the rest is padding; it is read, so that a damaged end is noticed
    char scratch[1 << 12];
    while (bytes_->read(scratch, sizeof(scratch)) > 0) continue;
    return false;
  }
  if (!checksum_holds(header)) refuse("a header with a wrong checksum");
  return true;
}

std::string TarReader::read_extended(std::int64_t size) {
  if (size > kMaxExtendedBytes) refuse("an extended header that is too long");
  std::string text(static_cast<std::size_t>(size), '\0');
  read_whole(text.data(), text.size());
  pass_over((512 - size % 512) % 512);
  return text;
}

bool TarReader::next(std::string& name, std::int64_t& size) {
  pass_over(left_ + padding_);
  left_ = padding_ = 0;
  std::optional<std::string> long_name, long_size;
  char header[kTarBlock];
  while (read_header(header)) {
    const auto found = number_field(header, 124, 12);
    if (!found || *found < 0) refuse("a header without a size");
    const char type = header[156];
    size = *found;
    if (type == 'L' || type == 'x') {
      const std::string text = read_extended(size);
      if (type == 'L') {
        long_name = text.substr(0, text.find('\0'));
      } else {
        if (auto path = pax_value(text, "path")) long_name = *path;
        long_size = pax_value(text, "size");
      }
      continue;
    }
    if (type == 'S') refuse("a sparse file");
    if (long_size) {
      const bool digits = !long_size->empty() && long_size->size() < 18 &&
                          long_size->find_first_not_of("0123456789") == std::string::npos;
      if (!digits) refuse("a size that is no number");
      size = std::stoll(*long_size);
    }
    const bool has_data = type == '0' || type == '\0' || type == '7' || type == 'g' || type == 'K';
    if (type == '0' || type == '\0' || type == '7') {
      const std::string prefix(text_field(header, 345, 155));
      name = text_field(header, 0, 100);
      if (std::memcmp(header + 257, "ustar\0", 6) == 0 && !prefix.empty())
        name.insert(0, "/").insert(0, prefix);
      if (long_name) name = *long_name;
      left_ = size;
      padding_ = (512 - size % 512) % 512;
      return true;
    }
    if (has_data) pass_over(size + (512 - size % 512) % 512);
    long_name.reset();
    long_size.reset();
  }
  return false;
}

std::size_t TarReader::read(char* out, std::size_t n) {
  n = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(n), left_));
  if (n == 0) return 0;
  const std::size_t got = bytes_->read(out, n);
  if (got == 0) refuse("ends early");
  offset_ += static_cast<std::int64_t>(got);
  left_ -= static_cast<std::int64_t>(got);
  return got;
}

}  // namespace farthing
