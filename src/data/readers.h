// readers.h - files, folders and patterns in, documents of valid UTF-8 out, one at a time.
//
//   .jsonl[.gz]   one document a line: the string under `text_key`
//   other names   text, plain or gzip or dictzip: the whole file, or the stretches between blank lines
//
// Invalid UTF-8 becomes U+FFFD, counted.  Documents of white space alone are dropped, counted.
// Errors   Error{kBadInput}, path or path:line first; see text_file.h for what a file may be.
// Memory   one document and a buffer; a document has at most kMaxTextBytes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace farthing {

struct ReadOptions {
  std::string text_key = "text";
  bool blank_line_documents = false;  // text files: a blank line ends a document
  bool skip_bad_lines = false;        // .jsonl: count instead of refusing
};

struct ReadCounts {
  std::int64_t documents = 0;  // given out
  std::int64_t empty_documents = 0;
  std::int64_t bad_lines = 0;
  std::int64_t replaced = 0;  // U+FFFD put in
};

// The files that the inputs name, sorted and each once.  An input is a file, a folder (every .txt and
// .jsonl below it, .gz and .dz of them too) or a shell pattern.
std::vector<std::string> find_input_files(const std::vector<std::string>& inputs);

class DocumentReader {
 public:
  DocumentReader(std::vector<std::string> files, ReadOptions options);
  ~DocumentReader();
  DocumentReader(DocumentReader&&) noexcept;
  bool next(std::string& document);
  const ReadCounts& counts() const;
  std::int64_t bytes_consumed() const;  // of the files, as they lie on the disk
  std::int64_t bytes_total() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace farthing
