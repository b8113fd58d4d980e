// readers.cpp - cuts files into records, and records into documents.
#include "data/readers.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "data/byte_stream.h"
#include "data/json_lines.h"
#include "data/line_buffer.h"
#include "data/parquet_file.h"
#include "data/tar.h"
#include "data/text_file.h"
#include "data/utf8.h"

namespace farthing {
namespace {

// Of spaces: a longer line ends no document.
constexpr std::int64_t kMaxBlankLineBytes = 1 << 16;

// One file of an archive as a stream of its own.
class MemberBytes : public ByteStream {
 public:
  explicit MemberBytes(TarReader& archive) : archive_(archive) {}
  std::size_t read(char* out, std::size_t n) override { return archive_.read(out, n); }
  std::int64_t file_offset() const override { return archive_.file_offset(); }

 private:
  TarReader& archive_;
};

}  // namespace

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

std::string describe_place(const std::string& path, const RawRecord& record) {
  std::string place = path;
  if (!record.member.empty()) place.append(": ").append(record.member);
  if (record.place > 0) place.append(1, ':').append(std::to_string(record.place));
  return place;
}

void throw_bad_line(const std::string& place, const std::string& fault,
                    const std::string& text_key) {
  throw_bad_input({place, fault, "", "an object with the string \"" + text_key + "\"",
                   "--text-key names another key, --skip-bad-lines counts such lines"});
}

struct RecordReader::State {
  using Kind = RawRecord::Kind;

  const std::string& path() const { return files[static_cast<std::size_t>(file)]; }
  bool checks_trees() const { return options.files != FileChoice::kText; }

  // The world's fault with this record: thrown, or made a record of.
  bool fault(RawRecord& record, std::string& bytes, const Complaint& complaint) {
    if (!options.skip_faults) throw_bad_input(complaint);
    bytes.resize(record.begin);
    record.kind = Kind::kFault;
    record.note = to_string(complaint);
    return true;
  }

  bool dropped(RawRecord& record, std::string& bytes, const char* reason) {
    bytes.resize(record.begin);
    record.kind = Kind::kDropped;
    record.note = reason;
    return true;
  }

  std::string where() const { return member.empty() ? path() : path() + ": " + member; }

  void open_file() {
    offset_before = offset;
    whole_read = false;
    member.clear();
    if (is_parquet_name(path())) {
      parquet = std::make_unique<ParquetFile>(path(), options.text_key);
      return;
    }
    auto peeked = std::make_unique<PeekedStream>(decompressed(open_file_bytes(path()), path()));
    if (is_tar(peeked->peek(512))) {
      archive.emplace(std::move(peeked), path());
      n_members = 0;
      return;
    }
    json_lines =
        is_json_lines_name(path()) || (path() == "-" && looks_like_json(peeked->peek(4096)));
    text.emplace(std::move(peeked));
  }

  static bool looks_like_json(std::string_view first) {
    const std::size_t begin = first.find_first_not_of(" \t\r\n");
    return begin != std::string_view::npos && first[begin] == '{';
  }

  // The next file of the archive that is wanted; false at its end.
  bool open_member() {
    std::int64_t size = 0;
    while (archive->next(member, size)) {
      if (!is_chosen(member, options.files)) continue;
      ++n_members;
      whole_read = false;
      json_lines = is_json_lines_name(member);
      text.emplace(decompressed(std::make_unique<MemberBytes>(*archive), where()));
      return true;
    }
    member.clear();
    if (n_members == 0) {
      throw_bad_input({path(), "no text in this archive", "", ".txt or .jsonl files",
                       "--files code takes source code, --files all everything"});
    }
    return false;
  }

  void close_file() {
    text.reset();
    archive.reset();
    parquet.reset();
    std::error_code ignored;
    const auto size = std::filesystem::file_size(path(), ignored);
    offset = offset_before + (ignored ? 0 : static_cast<std::int64_t>(size));
    ++file;
    ordinal = 0;
  }

  bool has_open() const { return text || archive || parquet; }

  // A record of the open file; false at its end.
  bool read_record(std::string& bytes, RawRecord& record) {
    if (parquet) {
      if (!parquet->next(bytes)) return false;
      record.place = parquet->row();
      return finish(bytes, record);
    }
    while (true) {
      if (text && read_text(bytes, record)) return true;
      text.reset();
      if (!archive || !open_member()) return false;
    }
  }

  bool read_text(std::string& bytes, RawRecord& record) {
    record.member = member;
    offset = offset_before + text->file_offset();
    if (!json_lines && !options.blank_line_documents) return read_whole(bytes, record);
    if (text->at_end()) {
      if (text->line() > 0 || whole_read || checks_trees()) return false;
      whole_read = true;  // said once
      return fault(record, bytes, {where(), "is empty", "", "text", ""});
    }
    return json_lines ? read_json_line(bytes, record) : read_paragraph(bytes, record);
  }

  bool read_whole(std::string& bytes, RawRecord& record) {
    if (whole_read) return false;
    whole_read = true;
    if (text->at_end()) {
      return checks_trees() ? dropped(record, bytes, "empty")
                            : fault(record, bytes, {where(), "is empty", "", "text", ""});
    }
    record.offset = text->text_offset();
    const std::int64_t length = text->read_rest(bytes, most_held());
    if (checks_trees() && length > std::min(options.max_file_bytes, options.max_document_bytes)) {
      return dropped(record, bytes, "file_too_large");
    }
    return length > most_held() ? too_long(record, bytes, length) : finish(bytes, record);
  }

  std::int64_t most_held() const {
    return std::min(options.max_document_bytes, options.max_held_bytes);
  }

  // Longer than any document may be, which is a fault of the file; or than the memory allows.
  bool too_long(RawRecord& record, std::string& bytes, std::int64_t length) {
    Complaint complaint{
        describe_place(path(), record), "a line or document too long",
        std::to_string(length) + " bytes from byte " + std::to_string(record.offset) + " on",
        "at most " + std::to_string(options.max_document_bytes),
        "cut it, or pass --documents blank-line or --max-document-size"};
    if (length > options.max_document_bytes) return fault(record, bytes, complaint);
    complaint.wanted = "at most " + std::to_string(options.max_held_bytes) + " with this --memory";
    complaint.hint = "more --memory, or a smaller --max-document-size with --on-error skip";
    throw Error(ErrorCode::kOutOfResource, to_string(complaint));
  }

  bool read_json_line(std::string& bytes, RawRecord& record) {
    while (!text->at_end()) {
      record.offset = text->text_offset();
      const std::int64_t length = text->read_line(bytes, most_held());
      record.place = text->line();
      if (length > most_held()) return too_long(record, bytes, length);
      if (is_blank(std::string_view(bytes).substr(record.begin))) {
        bytes.resize(record.begin);
        continue;
      }
      record.kind = Kind::kJsonLine;
      return finish(bytes, record);
    }
    return false;
  }

  // Of a paragraph that is too long the lines are read on to its end, and not kept.
  bool read_paragraph(std::string& bytes, RawRecord& record) {
    std::int64_t length = 0;
    while (!text->at_end()) {
      const bool begins = length == 0;
      if (begins) record.offset = text->text_offset();
      const std::size_t before = bytes.size();
      if (!begins) bytes += '\n';
      const std::size_t line_begin = bytes.size();
      const std::int64_t line =
          text->read_line(bytes, std::max(most_held() - length, kMaxBlankLineBytes));
      if (line <= kMaxBlankLineBytes && is_blank(std::string_view(bytes).substr(line_begin))) {
        bytes.resize(before);
        if (begins) continue;
        return end_paragraph(bytes, record, length);
      }
      if (begins) record.place = text->line();
      length += line + (begins ? 0 : 1);
      if (length > most_held()) bytes.resize(record.begin);
    }
    return length > 0 && end_paragraph(bytes, record, length);
  }

  bool end_paragraph(std::string& bytes, RawRecord& record, std::int64_t length) {
    return length > most_held() ? too_long(record, bytes, length) : finish(bytes, record);
  }

  // A NUL byte says that this is no text.
  bool finish(std::string& bytes, RawRecord& record) {
    record.size = bytes.size() - record.begin;
    const char* const first = bytes.data() + record.begin;
    const void* const nul = record.size == 0 ? nullptr : std::memchr(first, 0, record.size);
    if (nul == nullptr) return true;
    if (checks_trees() && record.place == 0) return dropped(record, bytes, "binary");
    const auto nul_offset = record.offset + (static_cast<const char*>(nul) - first);
    return fault(record, bytes,
                 {describe_place(path(), record), "binary file",
                  "a NUL byte at offset " + std::to_string(nul_offset), "text", ""});
  }

  std::vector<std::string> files;
  ReadOptions options;
  int file = 0;
  std::int64_t ordinal = 0;
  std::int64_t offset = 0, offset_before = 0, bytes_total = 0;
  std::optional<TarReader> archive;  // before `text`, which may read from it
  std::optional<LineBuffer> text;
  std::unique_ptr<ParquetFile> parquet;
  std::string member;
  bool json_lines = false, whole_read = false;
  std::int64_t n_members = 0;
};

RecordReader::RecordReader(std::vector<std::string> files, ReadOptions options)
    : state_(std::make_unique<State>()) {
  state_->files = std::move(files);
  state_->options = std::move(options);
  for (const std::string& path : state_->files) {
    std::error_code fault;  // a missing file is named when it is opened
    const auto size = std::filesystem::file_size(path, fault);
    if (!fault) state_->bytes_total += static_cast<std::int64_t>(size);
  }
}

RecordReader::~RecordReader() = default;
RecordReader::RecordReader(RecordReader&&) noexcept = default;

bool RecordReader::next(std::string& bytes, RawRecord& record) {
  State& state = *state_;
  const std::size_t begin = bytes.size();
  while (state.file < static_cast<int>(state.files.size())) {
    record = {};
    record.begin = begin;
    record.file = state.file;
    try {
      if (!state.has_open()) state.open_file();
      if (!state.read_record(bytes, record)) {
        state.close_file();
        continue;
      }
    } catch (const Error& error) {  // the rest of the file cannot be read
      if (!state.options.skip_faults || error.code != ErrorCode::kBadInput) throw;
      bytes.resize(begin);
      record.kind = RawRecord::Kind::kFault;
      record.note = error.message;
      record.member = state.member;
      state.close_file();
      record.size = 0;
      return true;
    }
    record.size = bytes.size() - begin;
    ++state.ordinal;
    return true;
  }
  return false;
}

int RecordReader::file() const { return state_->file; }
std::int64_t RecordReader::ordinal() const { return state_->ordinal; }
const std::vector<std::string>& RecordReader::files() const { return state_->files; }
std::int64_t RecordReader::bytes_consumed() const { return state_->offset; }
std::int64_t RecordReader::bytes_total() const { return state_->bytes_total; }

void RecordReader::skip_to(int file, std::int64_t ordinal) {
  State& state = *state_;
  std::string bytes;
  RawRecord record;
  for (; state.file < file; ++state.file) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(state.path(), ignored);
    if (!ignored) state.offset += static_cast<std::int64_t>(size);
  }
  while (state.file == file && state.ordinal < ordinal && next(bytes, record)) bytes.clear();
}

struct RecordParser::State {
  ReadOptions options;
  JsonLineParser json;
};

RecordParser::RecordParser(ReadOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}
RecordParser::~RecordParser() = default;

void RecordParser::parse(const RawRecord& record, std::string_view bytes, RawDocument& document) {
  State& state = *state_;
  document.metadata.clear();
  document.fault.clear();
  document.replaced = 0;
  std::string mended;
  if (!is_valid_utf8(bytes)) {
    document.first_replaced = record.offset + static_cast<std::int64_t>(find_invalid_utf8(bytes));
    mended = mend_utf8(bytes, &document.replaced);
    bytes = mended;
  }
  if (record.kind != RawRecord::Kind::kJsonLine) {
    document.text.assign(bytes);
    return;
  }
  document.fault = state.json.parse(bytes, state.options.text_key, document.text,
                                    state.options.keep_metadata ? &document.metadata : nullptr);
  if (document.fault.empty()) return;
  if (document.fault.back() == '.') document.fault.pop_back();
  document.fault += ", in the line from byte " + std::to_string(record.offset) + " on";
}

struct DocumentReader::State {
  State(std::vector<std::string> files, const ReadOptions& read_options)
      : options(read_options), reader(std::move(files), read_options), parser(read_options) {}
  ReadOptions options;
  RecordReader reader;
  RecordParser parser;
  ReadCounts counts;
  std::string bytes;
};

DocumentReader::DocumentReader(std::vector<std::string> files, const ReadOptions& options)
    : state_(std::make_unique<State>(std::move(files), options)) {}
DocumentReader::~DocumentReader() = default;
DocumentReader::DocumentReader(DocumentReader&&) noexcept = default;

bool DocumentReader::next(std::string& document) {
  State& state = *state_;
  RawRecord record;
  RawDocument parsed;
  while (true) {
    state.bytes.clear();
    if (!state.reader.next(state.bytes, record)) return false;
    if (record.kind == RawRecord::Kind::kFault) {
      ++state.counts.bad_lines;
      continue;
    }
    if (record.kind == RawRecord::Kind::kDropped) {
      ++state.counts.empty_documents;
      continue;
    }
    state.parser.parse(record, state.bytes, parsed);
    state.counts.replaced += parsed.replaced;
    if (!parsed.fault.empty()) {
      if (!state.options.skip_bad_lines && !state.options.skip_faults) {
        const auto& path = state.reader.files()[static_cast<std::size_t>(record.file)];
        throw_bad_line(describe_place(path, record), parsed.fault, state.options.text_key);
      }
      ++state.counts.bad_lines;
    } else if (is_blank(parsed.text)) {
      ++state.counts.empty_documents;
    } else {
      ++state.counts.documents;
      document.swap(parsed.text);
      return true;
    }
  }
}

const ReadCounts& DocumentReader::counts() const { return state_->counts; }
std::int64_t DocumentReader::bytes_consumed() const { return state_->reader.bytes_consumed(); }
std::int64_t DocumentReader::bytes_total() const { return state_->reader.bytes_total(); }

}  // namespace farthing
