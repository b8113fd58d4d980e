// file.cpp - POSIX files with errors that name the path.
#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"

namespace farthing {
namespace {

constexpr std::int64_t kMaxReadBytes = std::int64_t{2} << 30;  // of a file read whole

[[noreturn]] void throw_cannot(const char* verb, const std::string& path, int cause) {
  const bool full = cause == ENOSPC || cause == EDQUOT || cause == EFBIG || cause == ENOMEM;
  // A path that cannot be one is bad input; one that may not be written is a failure.
  const bool bad_path = std::strcmp(verb, "read") == 0 || cause == ENOENT || cause == ENOTDIR ||
                        cause == EISDIR || cause == ENAMETOOLONG;
  const ErrorCode code = full       ? ErrorCode::kOutOfResource
                         : bad_path ? ErrorCode::kBadInput
                                    : ErrorCode::kFailed;
  throw Error(code, path + ": cannot " + verb + ": " + std::strerror(cause));
}

int open_to_read(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw_cannot("read", path, errno);
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    close(descriptor);
    throw_cannot("read", path, EISDIR);
  }
  return descriptor;
}

void write_all(int descriptor, const char* data, std::size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_cannot("write", path, errno);
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

}  // namespace

std::string read_file(const std::string& path) {
  const int descriptor = open_to_read(path);
  std::string bytes;
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && status.st_size > 0 && status.st_size <= kMaxReadBytes) {
    bytes.reserve(static_cast<std::size_t>(status.st_size));
  }
  char buffer[1 << 16];
  while (true) {
    const auto size = std::max<std::int64_t>(status.st_size, std::ssize(bytes));
    if (size > kMaxReadBytes) {
      close(descriptor);
      throw_bad_input({path, "too large to be read whole", std::to_string(size) + " bytes",
                       "at most " + std::to_string(kMaxReadBytes), ""});
    }
    const ssize_t got = ::read(descriptor, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int cause = errno;
      close(descriptor);
      throw_cannot("read", path, cause);
    }
    if (got == 0) break;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  close(descriptor);
  return bytes;
}

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

void sync_folder(const std::string& path) {
  const int descriptor =
      open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_cannot("open", path, errno);
  const int result = fsync(descriptor);
  const int cause = errno;
  close(descriptor);
  if (result != 0 && cause != EINVAL) throw_cannot("sync", path, cause);
}

void make_folder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code fault;
  for (fs::path above = path; !above.empty() && above != above.root_path();
       above = above.parent_path()) {
    if (!fs::exists(above, fault) || fs::is_directory(above, fault)) continue;
    throw_bad_input({above.string(), "not a folder", "a file", "a folder, or a new name", ""});
  }
  fs::create_directories(path, fault);
  if (fault) throw_cannot("make the folder", path, fault.value());
}

TentativeFolder::TentativeFolder(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code fault;
  std::vector<std::string> missing;
  for (fs::path above = fs::absolute(path).lexically_normal();
       above.has_relative_path() && !fs::exists(above, fault); above = above.parent_path()) {
    if (above.has_filename()) missing.push_back(above.string());  // not "a/b/", which is "a/b"
  }
  made_ = std::move(missing);
  try {
    make_folder(path);
  } catch (...) {
    for (const std::string& folder : made_) fs::remove(folder, fault);
    throw;
  }
}

TentativeFolder::~TentativeFolder() {
  std::error_code ignored;
  for (const std::string& folder : made_) std::filesystem::remove(folder, ignored);
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    FileWriter device(path);  // /dev/stdout, a pipe: nothing to be atomic about
    device.write(bytes);
    device.finish();
    return;
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (access(parent.empty() ? "." : parent.c_str(), W_OK) != 0) throw_cannot("write", path, errno);
  const std::string aside = path + ".tmp-" + std::to_string(getpid());
  FileWriter writer(aside);
  writer.write(bytes);
  writer.finish();
  if (rename(aside.c_str(), path.c_str()) != 0) {
    const int cause = errno;
    unlink(aside.c_str());
    throw_cannot("rename to", path, cause);
  }
  sync_folder(parent);
}

FileWriter::FileWriter(std::string path) : path_(std::move(path)) {
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw_cannot("write", path_, errno);
  struct stat status {};
  removable_ = fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  if (removable_) unlink(path_.c_str());
}

void FileWriter::write(std::span<const std::byte> bytes) {
  CHECK(descriptor_ >= 0);
  write_all(descriptor_, reinterpret_cast<const char*>(bytes.data()), bytes.size(), path_);
  bytes_written_ += static_cast<std::int64_t>(bytes.size());
}

void FileWriter::finish() {
  CHECK(descriptor_ >= 0);
  if (fsync(descriptor_) != 0 && errno != EINVAL) throw_cannot("sync", path_, errno);
  const int result = close(std::exchange(descriptor_, -1));
  if (result != 0) throw_cannot("close", path_, errno);
}

LineAppender::LineAppender(const std::string& path) : path_(path) {
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw_cannot("write", path, errno);
}

LineAppender::~LineAppender() { close(descriptor_); }

void LineAppender::append(std::string_view line) {
  DCHECK(line.find('\n') == std::string_view::npos);
  std::string whole(line);
  whole += '\n';
  write_all(descriptor_, whole.data(), whole.size(), path_);
}

void LineAppender::sync() {
  if (fsync(descriptor_) != 0 && errno != EINVAL) throw_cannot("sync", path_, errno);
}

namespace {

// What is mapped, for a signal handler: no locks, no allocation.  Where the list is full a file has
// no name, and its SIGBUS is the system's.
constexpr int kMostMappings = 4096;
struct Mapping {
  std::atomic<const std::byte*> begin{nullptr};
  std::size_t size = 0;
  char path[240] = {};
};
Mapping mappings[kMostMappings];
std::mutex mappings_mutex;

void remember_mapping(const std::byte* begin, std::size_t size, const std::string& path) {
  const std::lock_guard lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin.load() != nullptr) continue;
    mapping.size = size;
    mapping.path[path.copy(mapping.path, sizeof(mapping.path) - 1)] = '\0';
    mapping.begin.store(begin);
    return;
  }
}

void forget_mapping(const std::byte* begin) {
  const std::lock_guard lock(mappings_mutex);
  for (Mapping& mapping : mappings) {
    if (mapping.begin.load() == begin) return mapping.begin.store(nullptr);
  }
}

void write_signal_safe(const char* text) {
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text, std::strlen(text));
}

void at_bus_error(int signal, siginfo_t* info, void*) {
  const auto* address = static_cast<const std::byte*>(info->si_addr);
  for (const Mapping& mapping : mappings) {
    const std::byte* begin = mapping.begin.load();
    if (begin == nullptr || address < begin || address >= begin + mapping.size) continue;
    write_signal_safe("\nfarthing: ");
    write_signal_safe(mapping.path);
    write_signal_safe(": cut short while it was read\n");
    _exit(static_cast<int>(ErrorCode::kBadInput));
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

void exit_when_a_file_is_cut() {
  struct sigaction action {};
  action.sa_sigaction = at_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

OffsetFile OffsetFile::open(const std::string& path) {
  const int descriptor = open_to_read(path);
  struct stat status {};
  fstat(descriptor, &status);
  return {path, descriptor, static_cast<std::int64_t>(status.st_size)};
}

OffsetFile OffsetFile::temporary(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) throw_cannot("write", path, errno);
  unlink(path.c_str());
  return {path, descriptor, 0};
}

OffsetFile::OffsetFile(OffsetFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(std::exchange(other.size_, 0)) {}

OffsetFile& OffsetFile::operator=(OffsetFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

OffsetFile::~OffsetFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void OffsetFile::append(std::span<const std::byte> bytes) {
  write_all(descriptor_, reinterpret_cast<const char*>(bytes.data()), bytes.size(), path_);
  size_ += static_cast<std::int64_t>(bytes.size());
}

void OffsetFile::read(std::int64_t offset, std::span<std::byte> out) const {
  CHECK(offset >= 0 && offset <= size_ - static_cast<std::int64_t>(out.size()));
  while (!out.empty()) {
    const ssize_t got = pread(descriptor_, out.data(), out.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_cannot("read", path_, errno);
    if (got == 0) throw_bad_input({path_, "cut short while it was read", "", "", ""});
    out = out.subspan(static_cast<std::size_t>(got));
    offset += got;
  }
}

std::string hash_of_file(const std::string& path) {
  const OffsetFile file = OffsetFile::open(path);
  StreamHash hash;
  std::vector<std::byte> piece(std::size_t{1} << 20);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = std::min<std::int64_t>(std::ssize(piece), file.size() - at);
    const std::span<std::byte> part(piece.data(), static_cast<std::size_t>(n));
    file.read(at, part);
    hash.add(part);
    at += n;
  }
  return hash.hex();
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int descriptor = open_to_read(path);
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    throw_bad_input({path, "not a regular file", "", "", ""});
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
      const int cause = errno;
      close(descriptor);
      throw_cannot("read", path, cause);
    }
    data_ = static_cast<const std::byte*>(data);
    remember_mapping(data_, size_, path);
  }
  close(descriptor);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  forget_mapping(data_);
  munmap(const_cast<std::byte*>(data_), size_);
}

std::optional<FileLock> FileLock::try_lock(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw_cannot("write", path, errno);
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return FileLock(descriptor);
  const int cause = errno;
  close(descriptor);
  if (cause == EWOULDBLOCK) return std::nullopt;
  throw_cannot("lock", path, cause);
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace farthing
