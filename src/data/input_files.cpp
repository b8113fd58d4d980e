// input_files.cpp - finds the input files: folders, patterns, and which names are text or code.
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "data/readers.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

// Upper case counts as lower case.
bool has_ending(std::string_view name, std::string_view ending) {
  if (name.size() < ending.size()) return false;
  return std::equal(
      ending.begin(), ending.end(), name.end() - std::ssize(ending), [](char wanted, char c) {
        return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
      });
}

std::string_view without_compression(std::string_view name) {
  for (const std::string_view ending : {".gz", ".dz", ".zst", ".xz"}) {
    if (has_ending(name, ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

bool is_text_name(std::string_view name) {
  return is_parquet_name(name) || is_json_lines_name(name) ||
         has_ending(without_compression(name), ".txt");
}

bool is_code_name(std::string_view path) {
  static const std::set<std::string_view> endings = {
      "S",     "ada", "adb", "ads", "asm",   "awk",  "bash", "c",    "cc",   "clj", "cmake", "cpp",
      "cs",    "css", "cu",  "cxx", "d",     "dart", "dts",  "dtsi", "el",   "erl", "ex",    "f",
      "f90",   "go",  "h",   "hpp", "hs",    "html", "hxx",  "inc",  "java", "jl",  "js",    "json",
      "jsx",   "kt",  "l",   "lds", "lisp",  "lua",  "m",    "m4",   "mk",   "ml",  "mli",   "md",
      "pas",   "php", "pl",  "pm",  "proto", "ps1",  "py",   "r",    "rb",   "rs",  "rst",   "s",
      "scala", "sed", "sh",  "sql", "swift", "tcl",  "tex",  "toml", "ts",   "tsx", "txt",   "v",
      "vhd",   "vim", "xml", "y",   "yaml",  "yml",  "zig"};
  static const std::set<std::string_view> names = {
      "Makefile", "Kconfig", "Kbuild", "README", "CMakeLists.txt", "Dockerfile", "configure"};
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    std::string ending(name.substr(dot + 1));
    if (endings.contains(ending)) return true;
    for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (endings.contains(ending)) return true;
  }
  return names.contains(name.substr(0, dot)) || is_text_name(name);
}

// A linked folder that holds the folder it is linked from would go round for ever.
bool is_loop(const fs::directory_entry& entry) {
  std::error_code fault;
  if (!entry.is_symlink(fault)) return false;
  const fs::path target = fs::canonical(entry.path(), fault);
  const fs::path here = fs::canonical(entry.path().parent_path(), fault);
  if (fault) return false;
  return std::mismatch(target.begin(), target.end(), here.begin(), here.end()).first ==
         target.end();
}

// ".c", ".c.gz"; what a person would call the file.
std::string kind_of(const fs::directory_entry& entry) {
  std::error_code fault;
  if (!entry.exists(fault)) return "dangling links";
  if (!entry.is_regular_file(fault)) return "pipes and devices";
  const std::string name = entry.path().filename().string();
  const std::string_view bare = without_compression(name);
  const std::size_t dot = bare.rfind('.');
  if (dot != std::string_view::npos) return name.substr(dot);
  return bare.size() < name.size() ? name.substr(bare.size()) : "without suffix";
}

class Search {
 public:
  Search(FileChoice choice, const std::string& output) : choice_(choice) {
    std::error_code fault;  // an output folder that is not there yet is in no input
    if (!output.empty()) output_ = fs::canonical(output, fault);
  }

  void add(const std::string& input) {
    std::error_code ignored;
    if (fs::is_directory(input, ignored)) {
      add_folder(input);
    } else if (!file_exists(input) && input.find_first_of("*?[") != std::string::npos) {
      add_pattern(input);
    } else {
      found_.files.push_back(input);
    }
  }

  FoundFiles finish() {
    std::vector<std::string> files;
    files.swap(found_.files);
    std::sort(files.begin(), files.end());
    std::map<FileIdentity, std::string> known;
    for (const std::string& path : files) {
      const auto identity = identity_of(path);
      if (identity) {
        const auto [first, is_new] = known.emplace(*identity, path);
        if (!is_new) {
          found_.repeated.emplace_back(first->second, path);
          continue;
        }
      } else if (!found_.files.empty() && found_.files.back() == path) {
        continue;
      }
      found_.files.push_back(path);
    }
    return std::move(found_);
  }

 private:
  // A folder that cannot be listed is a file that cannot be read: what that means is for the
  // reader.
  void list_folder(const std::string& folder) {
    std::error_code fault, gone;
    fs::directory_iterator entry(folder, fault), end;
    for (; !fault && entry != end; entry.increment(fault)) {
      const std::string path = entry->path().string();
      if (entry->path().filename().string().starts_with('.')) {
        ++found_.ignored["hidden"];
      } else if (entry->is_directory(gone)) {
        if (is_loop(*entry)) continue;
        is_output(path) ? found_.outputs.push_back(path) : list_folder(path);
      } else if (is_chosen(path, choice_) && entry->is_regular_file(gone)) {
        found_.files.push_back(path);
      } else {
        ++found_.ignored[kind_of(*entry)];
      }
    }
    if (fault) found_.files.push_back(folder);
  }

  bool is_output(const std::string& folder) const {
    std::error_code fault;
    return !output_.empty() && fs::equivalent(folder, output_, fault);
  }

  void add_folder(const std::string& folder) {
    if (is_output(folder)) {
      throw_bad_input({folder, "is the output folder and an input", "", "two folders", ""});
    }
    const std::size_t before = found_.files.size();
    list_folder(folder);
    if (found_.files.size() > before) return;
    const bool text = choice_ == FileChoice::kText;
    throw_bad_input({folder, "no text in this folder", format_ignored(found_.ignored),
                     text ? ".txt, .jsonl or .parquet files" : "files to read",
                     text ? "--files code takes source code, --files all everything" : ""});
  }

  void add_pattern(const std::string& pattern) {
    glob_t matches{};
    const int result = glob(pattern.c_str(), 0, nullptr, &matches);
    const std::vector<std::string> paths(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
    globfree(&matches);
    if (result != 0 || paths.empty()) {
      throw_bad_input({pattern, "no such file, and nothing matches it", "", "", ""});
    }
    for (const std::string& path : paths) {
      fs::is_directory(path) ? add_folder(path) : found_.files.push_back(path);
    }
  }

  FileChoice choice_;
  fs::path output_;
  FoundFiles found_;
};

}  // namespace

bool is_parquet_name(std::string_view path) { return has_ending(path, ".parquet"); }

bool is_json_lines_name(std::string_view path) {
  return has_ending(without_compression(path), ".jsonl");
}

std::optional<FileIdentity> identity_of(const std::string& path) {
  struct stat status {};
  if (path == "-" || stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return FileIdentity{status.st_dev, status.st_ino};
}

std::string format_ignored(const std::map<std::string, std::int64_t>& ignored) {
  std::vector<std::pair<std::int64_t, std::string>> order;
  for (const auto& [kind, n] : ignored) order.emplace_back(-n, kind);
  std::sort(order.begin(), order.end());
  std::string out;
  for (const auto& [negative, kind] : order) {
    out += (out.empty() ? "" : ", ") + std::to_string(-negative) + " " + kind;
  }
  return out;
}

bool is_chosen(std::string_view path, FileChoice choice) {
  if (choice == FileChoice::kAll) return true;
  return choice == FileChoice::kCode ? is_code_name(path) : is_text_name(path);
}

FoundFiles search_input_files(const std::vector<std::string>& inputs, FileChoice choice,
                              const std::string& output) {
  Search search(choice, output);
  for (const std::string& input : inputs) search.add(input);
  return search.finish();
}

std::vector<std::string> find_input_files(const std::vector<std::string>& inputs,
                                          FileChoice choice) {
  return search_input_files(inputs, choice).files;
}

}  // namespace farthing
