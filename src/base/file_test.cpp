// file_test.cpp - files that fail half-way leave what was there; locks exclude; devices survive.
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string pattern = testing::TempDir() + "farthing-file-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::size_t n_files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_;
};

// While it lives, no file may grow beyond `bytes`: what a full disk looks like to the writer.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

template <class Function>
Error error_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::kFailed, "nothing was thrown"};
}

TEST_F(FileTest, AtomicWriteReplacesTheWhole) {
  write_file_atomically(path("a"), "first, and longer");
  write_file_atomically(path("a"), "second");
  EXPECT_EQ(read_file(path("a")), "second");
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(FileTest, AtomicWriteOnAFullDiskKeepsTheOldFile) {
  write_file_atomically(path("a"), "old");
  {
    const SmallDisk disk(4096);
    const Error error =
        error_of([&] { write_file_atomically(path("a"), std::string(1 << 20, 'x')); });
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource) << error.message;
    EXPECT_NE(error.message.find(path("a")), std::string::npos) << error.message;
  }
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(n_files(), 1u) << "what was written aside is gone";
}

TEST_F(FileTest, AtomicWriteIntoNoFolderNamesThePath) {
  const Error error = error_of([&] { write_file_atomically(path("no/a"), "x"); });
  EXPECT_EQ(error.code, ErrorCode::kBadInput);
  EXPECT_EQ(error.message, path("no/a") + ": cannot write: No such file or directory");
  EXPECT_EQ(error_of([&] { write_file_atomically(folder_, "x"); }).code, ErrorCode::kBadInput);
}

TEST_F(FileTest, AFileInAFoldersPlaceIsBadInput) {
  write_file_atomically(path("a"), "x");
  for (const char* name : {"a", "a/", "a/b/c"}) {
    const Error error = error_of([&] { make_folder(path(name)); });
    EXPECT_EQ(error.code, ErrorCode::kBadInput) << name;
    EXPECT_NE(error.message.find(path("a")), std::string::npos) << error.message;
  }
  make_folder(path("b/c/"));
  make_folder(path("b/c"));
  EXPECT_TRUE(fs::is_directory(path("b/c")));
}

TEST_F(FileTest, ATentativeFolderGoesUnlessItIsKeptOrInUse) {
  fs::create_directory(path("there"));
  { const TentativeFolder made(path("there/b/c/")); }
  EXPECT_TRUE(fs::is_empty(path("there")));
  {
    const TentativeFolder made(path("there/b/c"));
    write_file_atomically(path("there/b/x"), "");
  }
  EXPECT_TRUE(file_exists(path("there/b/x")));
  EXPECT_FALSE(file_exists(path("there/b/c")));
  {
    TentativeFolder made(path("kept/c"));
    TentativeFolder moved = std::move(made);
    moved.keep();
  }
  EXPECT_TRUE(fs::is_directory(path("kept/c")));
}

TEST_F(FileTest, AWriterThatIsNotFinishedLeavesNothing) {
  {
    FileWriter writer(path("a"));
    writer.write("half");
    EXPECT_EQ(writer.bytes_written(), 4);
  }
  EXPECT_FALSE(file_exists(path("a")));
}

TEST_F(FileTest, AFullDeviceIsOutOfResourceAndIsNotRemoved) {
  fs::create_symlink("/dev/full", path("full"));
  const auto write = [&] {
    FileWriter writer(path("full"));
    writer.write(std::string(100, 'x'));
  };
  EXPECT_EQ(error_of(write).code, ErrorCode::kOutOfResource);
  EXPECT_TRUE(fs::is_symlink(path("full")));
  const Error atomic = error_of([&] { write_file_atomically(path("full"), "x"); });
  EXPECT_EQ(atomic.code, ErrorCode::kOutOfResource);
  EXPECT_TRUE(fs::is_symlink(path("full")));
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(FileTest, ReadingWhatIsNotThereIsBadInput) {
  EXPECT_EQ(error_of([&] { read_file(path("none")); }).code, ErrorCode::kBadInput);
  EXPECT_EQ(error_of([&] { read_file(folder_); }).code, ErrorCode::kBadInput);
  EXPECT_EQ(error_of([&] { MappedFile(path("none")); }).code, ErrorCode::kBadInput);
  EXPECT_EQ(error_of([&] { MappedFile("/dev/null"); }).code, ErrorCode::kBadInput);
}

TEST_F(FileTest, AHugeFileIsRefusedByNameBeforeItIsRead) {
  write_file_atomically(path("huge"), "");
  fs::resize_file(path("huge"), std::uintmax_t{300} << 30);  // sparse
  const Error error = error_of([&] { read_file(path("huge")); });
  EXPECT_EQ(error.code, ErrorCode::kBadInput);
  EXPECT_NE(error.message.find(path("huge") + ": too large to be read whole: found 322122547200"),
            std::string::npos)
      << error.message;
}

TEST_F(FileTest, ReadsFilesWithoutASize) {
  EXPECT_NE(read_file("/proc/self/status").find("Pid:"), std::string::npos);
}

TEST_F(FileTest, MapsWholeFilesAndEmptyOnes) {
  write_file_atomically(path("a"), "mapped");
  write_file_atomically(path("empty"), "");
  MappedFile first(path("a"));
  EXPECT_EQ(first.bytes().size(), 6u);
  EXPECT_EQ(static_cast<char>(first.bytes()[5]), 'd');
  MappedFile second(path("empty"));
  EXPECT_TRUE(second.bytes().empty());
  second = std::move(first);
  EXPECT_EQ(second.bytes().size(), 6u);
  EXPECT_EQ(second.path(), path("a"));
}

TEST_F(FileTest, AppendsWholeLines) {
  {
    LineAppender log(path("log"));
    log.append("one");
    log.append("");
    log.sync();
  }
  LineAppender(path("log")).append("two");
  EXPECT_EQ(read_file(path("log")), "one\n\ntwo\n");
}

TEST_F(FileTest, AppendingToAFullDiskIsOutOfResource) {
  LineAppender log(path("log"));
  log.append("one");
  const SmallDisk disk(4);
  EXPECT_EQ(error_of([&] { log.append("two"); }).code, ErrorCode::kOutOfResource);
}

TEST_F(FileTest, ALockExcludesUntilItIsReleased) {
  {
    const auto lock = FileLock::try_lock(path("lock"));
    ASSERT_TRUE(lock.has_value());
    EXPECT_FALSE(FileLock::try_lock(path("lock")).has_value());
  }
  EXPECT_TRUE(FileLock::try_lock(path("lock")).has_value());
}

TEST_F(FileTest, ALockExcludesAnotherProcessAndDiesWithItsOwn) {
  int ready[2];
  int release[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(release), 0);
  const std::string lock_path = path("lock");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = FileLock::try_lock(lock_path);
    const char got = lock.has_value() ? 'y' : 'n';
    if (::write(ready[1], &got, 1) != 1) _exit(1);
    char wait = 0;
    _exit(::read(release[0], &wait, 1) == 1 ? 0 : 1);
  }
  char got = 0;
  ASSERT_EQ(::read(ready[0], &got, 1), 1);
  EXPECT_EQ(got, 'y');
  EXPECT_FALSE(FileLock::try_lock(lock_path).has_value());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(FileLock::try_lock(lock_path).has_value());
  for (const int descriptor : {ready[0], ready[1], release[0], release[1]}) close(descriptor);
}

TEST_F(FileTest, AMappedFileCutShortMeanwhileEndsTheProcessInWords) {
  const std::string cut = path("cut.bin");
  write_file_atomically(cut, std::string(100000, 'x'));
  EXPECT_EXIT(
      {
        exit_when_a_file_is_cut();
        const MappedFile file(cut);
        fs::resize_file(cut, 10);
        std::exit(file.bytes()[90000] == std::byte{'x'} ? 0 : 1);
      },
      ::testing::ExitedWithCode(3), "cut.bin: cut short while it was read");
}

TEST_F(FileTest, AnOffsetFileGrowsIsReadAnywhereAndLeavesNothing) {
  OffsetFile file = OffsetFile::temporary(path("spill"));
  EXPECT_EQ(n_files(), 0u);
  const std::string text = "abcdefgh";
  file.append(std::as_bytes(std::span(text)));
  file.append(std::as_bytes(std::span(text)));
  EXPECT_EQ(file.size(), 16);
  std::string read(6, '?');
  file.read(5, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, "fghabc");
  OffsetFile moved = std::move(file);
  moved.read(10, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, "cdefgh");
  write_file_atomically(path("there"), text);
  const OffsetFile there = OffsetFile::open(path("there"));
  fs::resize_file(path("there"), 3);
  EXPECT_THROW(there.read(2, std::as_writable_bytes(std::span(read))), Error);
}

TEST_F(FileTest, AnOffsetFileOnAFullDiskSaysSo) {
  OffsetFile file = OffsetFile::temporary(path("spill"));
  const SmallDisk disk(4);
  try {
    file.append(std::as_bytes(std::span(std::string_view("abcdefgh"))));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kOutOfResource);
  }
}

}  // namespace
}  // namespace farthing
