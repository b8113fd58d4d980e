// file.h - files: read whole, mapped, written so that a crash leaves the old or the new, locked.
//
// Errors   Error{kBadInput} for what cannot be read and for a path that cannot be one,
//          Error{kOutOfResource} for a full disk or a quota, Error{kFailed} for other write faults;
//          the message names the path and the cause.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace farthing {

std::string read_file(const std::string& path);  // at most 2 GiB, else Error{kBadInput}
bool file_exists(const std::string& path);

// Writes path.tmp-PID, fsyncs it, renames it over path, fsyncs the folder.  What is there and is no
// regular file (/dev/stdout, a pipe) is written to instead of replaced.
void write_file_atomically(const std::string& path, std::string_view bytes);
void sync_folder(const std::string& path);

// Makes a folder and those above it, where missing.  Errors: Error{kBadInput} when a file stands in
// the way, Error{kOutOfResource} for a full disk, else Error{kFailed}.
void make_folder(const std::string& path);

// A folder made for something that may yet fail: unless keep() was called, the destructor removes
// it and every folder above it that was made for it, where they are empty.
class TentativeFolder {
 public:
  explicit TentativeFolder(const std::string& path);
  TentativeFolder(TentativeFolder&&) = default;
  TentativeFolder& operator=(TentativeFolder&&) = delete;
  TentativeFolder(const TentativeFolder&) = delete;
  ~TentativeFolder();
  void keep() { made_.clear(); }

 private:
  std::vector<std::string> made_;  // innermost first
};

// A file written front to back with large writes; finish() fsyncs.  Without finish() the destructor
// removes it, if it is a regular file.
class FileWriter {
 public:
  explicit FileWriter(std::string path);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void finish();
  std::int64_t bytes_written() const { return bytes_written_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  bool removable_ = false;
  std::int64_t bytes_written_ = 0;
};

// A file that only grows, one whole line a call, each written with a single write().
class LineAppender {
 public:
  explicit LineAppender(const std::string& path);
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;
  ~LineAppender();
  // Adds '\n'.  REQUIRES: no '\n' in line.
  void append(std::string_view line);
  void sync();

 private:
  std::string path_;
  int descriptor_ = -1;
};

// A file read at any offset, with read() and not by a mapping, so that its pages are never this
// process's: one that is there, or a temporary one that grows at its end and goes with the process.
class OffsetFile {
 public:
  static OffsetFile open(const std::string& path);
  static OffsetFile temporary(const std::string& path);  // its name is free again at once
  OffsetFile(OffsetFile&& other) noexcept;
  OffsetFile& operator=(OffsetFile&& other) noexcept;
  OffsetFile(const OffsetFile&) = delete;
  ~OffsetFile();
  void append(std::span<const std::byte> bytes);
  // REQUIRES: the range lies inside.  Errors: Error{kBadInput} for a file that was cut meanwhile.
  void read(std::int64_t offset, std::span<std::byte> out) const;
  std::int64_t size() const { return size_; }

 private:
  OffsetFile(std::string path, int descriptor, std::int64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

// XXH3-128 of a file, read in pieces and not mapped, so that it adds nothing to what the process
// holds.
std::string hash_of_file(const std::string& path);

// A read-only mapping of a whole file; an empty file maps to an empty span.  Reading past what is
// left of a file that was cut short meanwhile is SIGBUS: see exit_when_a_file_is_cut().
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// From here on SIGBUS in a mapped file ends the process with the status of bad input and one line
// on stderr, "farthing: FILE: cut short while it was read"; any other SIGBUS as ever.
void exit_when_a_file_is_cut();

// An exclusive advisory lock, held until destroyed; nullopt when another process holds it.
class FileLock {
 public:
  static std::optional<FileLock> try_lock(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace farthing
