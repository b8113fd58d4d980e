// readers.cpp - finds the input files and cuts them into documents.
#include "data/readers.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "data/json_lines.h"
#include "data/text_file.h"
#include "data/utf8.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

std::string_view without_compression(std::string_view name) {
  for (const std::string_view ending : {".gz", ".dz"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

bool is_json_lines(const std::string& path) {
  return without_compression(path).ends_with(".jsonl");
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

void add_folder(const std::string& folder, std::vector<std::string>& files) {
  const std::size_t before = files.size();
  std::error_code fault;
  const auto follow = fs::directory_options::follow_directory_symlink;
  fs::recursive_directory_iterator entry(folder, follow, fault), end;
  while (!fault && entry != end) {
    const std::string path = entry->path().string();
    const bool wanted = is_json_lines(path) || without_compression(path).ends_with(".txt");
    std::error_code gone;
    if (wanted && entry->is_regular_file(gone)) files.push_back(path);
    entry.increment(fault);
  }
  if (fault) throw_bad_input({folder, "cannot read: " + fault.message(), "", "", ""});
  if (files.size() == before) {
    throw_bad_input({folder, "no text in this folder", "", ".txt or .jsonl files", ""});
  }
}

void add_pattern(const std::string& pattern, std::vector<std::string>& files) {
  glob_t matches{};
  const int result = glob(pattern.c_str(), 0, nullptr, &matches);
  const std::vector<std::string> paths(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  globfree(&matches);
  if (result != 0 || paths.empty()) {
    throw_bad_input({pattern, "no such file, and nothing matches it", "", "", ""});
  }
  for (const std::string& path : paths) {
    fs::is_directory(path) ? add_folder(path, files) : files.push_back(path);
  }
}

}  // namespace

std::vector<std::string> find_input_files(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (fs::is_directory(input, ignored)) {
      add_folder(input, files);
    } else if (!file_exists(input) && input.find_first_of("*?[") != std::string::npos) {
      add_pattern(input, files);
    } else {
      files.push_back(input);
    }
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

struct DocumentReader::State {
  // The next document of the open file as it stands there; false at the file's end.
  bool raw_document(std::string& document) {
    if (is_json_lines(file->path())) return json_document(document);
    if (options.blank_line_documents) return paragraph(document);
    if (whole_file_read) return false;
    whole_file_read = true;
    document = mended(file->read_rest());
    return true;
  }

  bool json_document(std::string& document) {
    while (file->read_line(line)) {
      if (is_blank(line)) continue;
      const std::string fault = json.parse(mended(line), options.text_key, document);
      if (fault.empty()) return true;
      if (!options.skip_bad_lines) {
        throw_bad_input({file->path() + ":" + std::to_string(file->line_number()), fault, "",
                         "an object with the string \"" + options.text_key + "\"",
                         "--text-key names another key, --skip-bad-lines counts such lines"});
      }
      ++counts.bad_lines;
    }
    return false;
  }

  bool paragraph(std::string& document) {
    document.clear();
    while (file->read_line(line)) {
      if (!is_blank(line)) {
        if (!document.empty()) document += '\n';
        document += line;
        check_length(document);
      } else if (!document.empty()) {
        break;
      }
    }
    document = mended(document);
    return !document.empty();
  }

  void check_length(const std::string& document) const {
    if (static_cast<std::int64_t>(document.size()) <= kMaxTextBytes) return;
    throw_bad_input({file->path() + ":" + std::to_string(file->line_number()),
                     "a document too long", "",
                     "at most " + std::to_string(kMaxTextBytes) + " bytes", ""});
  }

  std::string mended(const std::string& text) {
    return is_valid_utf8(text) ? text : mend_utf8(text, &counts.replaced);
  }

  std::vector<std::string> files;
  ReadOptions options;
  std::int64_t bytes_total = 0;
  std::size_t next_file = 0;
  std::int64_t bytes_before = 0;  // of the files that are done
  std::optional<TextFile> file;
  bool whole_file_read = false;
  std::string line;
  JsonLineParser json;
  ReadCounts counts;
};

DocumentReader::DocumentReader(std::vector<std::string> files, ReadOptions options)
    : state_(std::make_unique<State>()) {
  state_->files = std::move(files);
  state_->options = std::move(options);
  for (const std::string& path : state_->files) {
    std::error_code fault;  // a missing file is named when it is opened
    const auto size = fs::file_size(path, fault);
    if (!fault) state_->bytes_total += static_cast<std::int64_t>(size);
  }
}

DocumentReader::~DocumentReader() = default;
DocumentReader::DocumentReader(DocumentReader&&) noexcept = default;

bool DocumentReader::next(std::string& document) {
  while (true) {
    if (!state_->file) {
      if (state_->next_file == state_->files.size()) return false;
      state_->file.emplace(state_->files[state_->next_file++]);
      state_->whole_file_read = false;
    }
    if (!state_->raw_document(document)) {
      state_->bytes_before += state_->file->file_offset();
      state_->file.reset();
    } else if (is_blank(document)) {
      ++state_->counts.empty_documents;
    } else {
      ++state_->counts.documents;
      return true;
    }
  }
}

const ReadCounts& DocumentReader::counts() const { return state_->counts; }

std::int64_t DocumentReader::bytes_consumed() const {
  return state_->bytes_before + (state_->file ? state_->file->file_offset() : 0);
}

std::int64_t DocumentReader::bytes_total() const { return state_->bytes_total; }

}  // namespace farthing
