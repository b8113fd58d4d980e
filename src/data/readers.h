// readers.h - files, folders and patterns in, documents of valid UTF-8 out, one at a time.
//
//   .jsonl        one document a line: the string under `text_key`
//   .parquet      one document a row: the string column `text_key` (parquet_file.h)
//   tar archive   each file in it that `files` takes, by the rules of this table
//   "-"           the standard input: JSON lines if it begins with '{', else text
//   other names   text: the whole file, or the stretches between blank lines
//
// All but Parquet may be compressed: gzip, dictzip, zstd, xz, recognised by their first bytes.
// Invalid UTF-8 becomes U+FFFD, counted.  Documents of white space alone are dropped, counted.
// Errors   Error{kBadInput}, path or path:line first, and the byte (of the decompressed file, or of
//          the member of an archive); with skip_faults a fault is counted instead: a record that
//          cannot be read (a bad line, a NUL byte, more than max_document_bytes), or the rest of a
//          file that cannot be read on.  Error{kOutOfResource}, never skipped: a document that is
//          allowed, but longer than max_held_bytes.
// Memory   one document and a buffer: what is too long is counted, not kept.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/text_file.h"

namespace farthing {

enum class FileChoice {
  kText,  // .txt .jsonl .parquet
  kCode,  // what programmers write: sources, scripts, build files, documentation
  kAll,   // every file
};

struct ReadOptions {
  std::string text_key = "text";
  bool blank_line_documents = false;                    // text files: a blank line ends a document
  bool skip_bad_lines = false;                          // .jsonl: count instead of refusing
  bool skip_faults = false;                             // the same for every fault
  FileChoice files = FileChoice::kText;                 // what folders and archives give
  std::int64_t max_file_bytes = std::int64_t{1} << 20;  // kCode, kAll: larger files are dropped
  bool keep_metadata = false;                           // of a .jsonl line: its other keys
  std::int64_t max_document_bytes = kMaxTextBytes;      // of a line too; more is a fault
  std::int64_t max_held_bytes = kMaxTextBytes;          // by the memory; more stops everything
};

struct ReadCounts {
  std::int64_t documents = 0;  // given out
  std::int64_t empty_documents = 0;
  std::int64_t bad_lines = 0;
  std::int64_t replaced = 0;  // U+FFFD put in
};

struct FoundFiles {
  std::vector<std::string> files;                             // sorted, each once
  std::map<std::string, std::int64_t> ignored;                // of folders, by suffix or kind
  std::vector<std::pair<std::string, std::string>> repeated;  // taken, and left out as the same
  std::vector<std::string> outputs;                           // left out
};
// The files that the inputs name.  An input is a file, "-", a folder (every file below it that
// `choice` takes, .gz .dz .zst .xz of them too; through links, loops apart; nothing hidden) or a
// shell pattern.  A folder that cannot be listed stands among the files, to be refused when read.
// The folder `output` below an input is left out.  Errors: Error{kBadInput} when it is an input.
FoundFiles search_input_files(const std::vector<std::string>& inputs, FileChoice choice,
                              const std::string& output = "");
// "90 .c, 2 hidden", the most frequent first.
std::string format_ignored(const std::map<std::string, std::int64_t>& ignored);
// Device and inode of a regular file; none for anything else.
using FileIdentity = std::pair<std::uint64_t, std::uint64_t>;
std::optional<FileIdentity> identity_of(const std::string& path);
// The files alone.
std::vector<std::string> find_input_files(const std::vector<std::string>& inputs,
                                          FileChoice choice = FileChoice::kText);
// By its name; upper case counts as lower case.
bool is_parquet_name(std::string_view path);
bool is_json_lines_name(std::string_view path);  // compressed or not
bool is_chosen(std::string_view path, FileChoice choice);

// A stretch of a file as it stands there: a document, or a word about why it is none.
struct RawRecord {
  enum class Kind { kText, kJsonLine, kDropped, kFault };
  Kind kind = Kind::kText;
  std::size_t begin = 0, size = 0;  // of its bytes in what next() appended to
  int file = 0;
  std::string member;       // of an archive
  std::int64_t place = 0;   // line or row, from 1; 0: the whole file
  std::int64_t offset = 0;  // of its first byte in the decompressed file or member
  std::string note;         // kDropped: the reason; kFault: a whole message
};

// "path", "path: member", either with ":line".
std::string describe_place(const std::string& path, const RawRecord& record);

class RecordReader {
 public:
  RecordReader(std::vector<std::string> files, ReadOptions options);
  ~RecordReader();
  RecordReader(RecordReader&&) noexcept;
  // Appends the record's bytes to `bytes`; false at the end.
  bool next(std::string& bytes, RawRecord& record);
  // How to come back: open files[file()] again and pass over `ordinal` records.
  int file() const;
  std::int64_t ordinal() const;
  void skip_to(int file, std::int64_t ordinal);
  const std::vector<std::string>& files() const;
  std::int64_t bytes_consumed() const;  // of the files, as they lie on the disk
  std::int64_t bytes_total() const;     // 0 for what has no size

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct RawDocument {
  std::string text;
  std::string metadata;  // the other keys, as a JSON object; empty: none
  std::int64_t replaced = 0;
  std::int64_t first_replaced = 0;  // its offset, where `replaced` is not 0
  std::string fault;                // empty: none; else what is wrong with the line
};

// Parses and repairs.  One for each thread.
class RecordParser {
 public:
  explicit RecordParser(ReadOptions options);
  ~RecordParser();
  void parse(const RawRecord& record, std::string_view bytes, RawDocument& document);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The refusal of a line with a fault.  Errors: always Error{kBadInput}.
[[noreturn]] void throw_bad_line(const std::string& place, const std::string& fault,
                                 const std::string& text_key);

bool is_blank(std::string_view text);

// The two together, on one thread.
class DocumentReader {
 public:
  DocumentReader(std::vector<std::string> files, const ReadOptions& options);
  ~DocumentReader();
  DocumentReader(DocumentReader&&) noexcept;
  bool next(std::string& document);
  const ReadCounts& counts() const;
  std::int64_t bytes_consumed() const;
  std::int64_t bytes_total() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
