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
#include "data/parquet_file.h"
#include "data/tar.h"
#include "data/text_file.h"
#include "data/utf8.h"

namespace farthing {
namespace {

constexpr std::size_t kLineBufferBytes = std::size_t{1} << 18;

bool is_json_lines(std::string_view path) {
  for (const std::string_view ending : {".gz", ".dz", ".zst", ".xz"}) {
    if (path.ends_with(ending)) path.remove_suffix(ending.size());
  }
  return path.ends_with(".jsonl");
}

// Lines of a stream; nothing longer than kMaxTextBytes is ever held.
class LineBuffer {
 public:
  explicit LineBuffer(std::unique_ptr<ByteStream> bytes)
      : bytes_(std::move(bytes)), buffer_(kLineBufferBytes, '\0') {
    fill();
    if (unread().starts_with(kByteOrderMark)) begin_ += kByteOrderMark.size();
  }

  bool at_end() { return begin_ == end_ && !fill(); }
  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  std::int64_t text_offset() const {
    return text_bytes_ - static_cast<std::int64_t>(end_ - begin_);
  }
  std::int64_t line() const { return line_; }
  std::int64_t file_offset() const { return bytes_->file_offset(); }

  // Appends the line without its '\n'; false when it was too long, its rest then is passed over.
  // REQUIRES !at_end().
  bool read_line(std::string& out) {
    const std::size_t before = out.size();
    bool fits = true;
    ++line_;
    do {
      const std::string_view rest = unread();
      const std::size_t length = std::min(rest.find('\n'), rest.size());
      fits = fits && append(out, before, rest.substr(0, length));
      begin_ += length;
      if (length < rest.size()) {
        ++begin_;
        break;
      }
    } while (fill());
    return fits;
  }

  // All that is left, passed over beyond `limit` bytes: false then.
  bool read_rest(std::string& out, std::int64_t limit) {
    const std::size_t before = out.size();
    bool fits = true;
    do {
      fits = fits && append(out, before, unread(), limit);
      begin_ = end_;
    } while (fill());
    return fits;
  }

 private:
  static bool append(std::string& out, std::size_t before, std::string_view piece,
                     std::int64_t limit = kMaxTextBytes) {
    if (static_cast<std::int64_t>(out.size() - before + piece.size()) > limit) {
      out.resize(before);
      return false;
    }
    out.append(piece);
    return true;
  }

  bool fill() {
    begin_ = end_ = 0;
    end_ = bytes_->read(buffer_.data(), buffer_.size());
    text_bytes_ += static_cast<std::int64_t>(end_);
    return end_ > 0;
  }

  std::unique_ptr<ByteStream> bytes_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::int64_t text_bytes_ = 0, line_ = 0;
};

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
    if (path().ends_with(".parquet")) {
      parquet = std::make_unique<ParquetFile>(path(), options.text_key);
      return;
    }
    auto peeked = std::make_unique<PeekedStream>(decompressed(open_file_bytes(path()), path()));
    if (is_tar(peeked->peek(512))) {
      archive.emplace(std::move(peeked), path());
      n_members = 0;
      return;
    }
    json_lines = is_json_lines(path()) || (path() == "-" && looks_like_json(peeked->peek(4096)));
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
      json_lines = is_json_lines(member);
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
    const std::int64_t limit =
        checks_trees() ? std::min(options.max_file_bytes, kMaxTextBytes) : kMaxTextBytes;
    offset_of_record = text->text_offset();
    if (!text->read_rest(bytes, limit)) {
      return checks_trees() ? dropped(record, bytes, "file_too_large") : too_long(record, bytes, 1);
    }
    return finish(bytes, record);
  }

  bool too_long(RawRecord& record, std::string& bytes, std::int64_t line) {
    return fault(record, bytes,
                 {where() + ":" + std::to_string(line), "a line or document too long", "",
                  "at most " + std::to_string(kMaxTextBytes) + " bytes",
                  "cut it, or pass --documents blank-line"});
  }

  bool read_json_line(std::string& bytes, RawRecord& record) {
    while (!text->at_end()) {
      offset_of_record = text->text_offset();
      const bool fits = text->read_line(bytes);
      record.place = text->line();
      if (!fits) return too_long(record, bytes, record.place);
      if (is_blank(std::string_view(bytes).substr(record.begin))) {
        bytes.resize(record.begin);
        continue;
      }
      record.kind = Kind::kJsonLine;
      return finish(bytes, record);
    }
    return false;
  }

  bool read_paragraph(std::string& bytes, RawRecord& record) {
    bool fits = true;
    while (!text->at_end()) {
      if (bytes.size() == record.begin) offset_of_record = text->text_offset();
      const std::size_t before = bytes.size();
      const bool begins = before == record.begin;
      if (!begins) bytes += '\n';
      fits = text->read_line(bytes) && fits;
      const std::string_view line = std::string_view(bytes).substr(before + (begins ? 0 : 1));
      if (is_blank(line)) {
        bytes.resize(before);
        if (!fits) return too_long(record, bytes, record.place);
        if (begins) continue;
        return finish(bytes, record);
      }
      if (begins) record.place = text->line();
      if (static_cast<std::int64_t>(bytes.size() - record.begin) > kMaxTextBytes) {
        bytes.resize(record.begin + 1);
        fits = false;
      }
    }
    if (!fits) return too_long(record, bytes, std::max<std::int64_t>(record.place, 1));
    return bytes.size() > record.begin && finish(bytes, record);
  }

  // A NUL byte says that this is no text.
  bool finish(std::string& bytes, RawRecord& record) {
    record.size = bytes.size() - record.begin;
    const char* const first = bytes.data() + record.begin;
    const void* const nul = record.size == 0 ? nullptr : std::memchr(first, 0, record.size);
    if (nul == nullptr) return true;
    if (checks_trees() && record.place == 0) return dropped(record, bytes, "binary");
    const auto nul_offset = offset_of_record + (static_cast<const char*>(nul) - first);
    return fault(
        record, bytes,
        {where(), "binary file", "a NUL byte at offset " + std::to_string(nul_offset), "text", ""});
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
  std::int64_t n_members = 0, offset_of_record = 0;
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
    mended = mend_utf8(bytes, &document.replaced);
    bytes = mended;
  }
  if (record.kind != RawRecord::Kind::kJsonLine) {
    document.text.assign(bytes);
    return;
  }
  document.fault = state.json.parse(bytes, state.options.text_key, document.text,
                                    state.options.keep_metadata ? &document.metadata : nullptr);
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
