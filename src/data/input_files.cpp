// input_files.cpp - finds the input files: folders, patterns, and which names are text or code.
#include <glob.h>

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

std::string_view without_compression(std::string_view name) {
  for (const std::string_view ending : {".gz", ".dz", ".zst", ".xz"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

bool is_text_name(std::string_view name) {
  if (name.ends_with(".parquet")) return true;
  name = without_compression(name);
  return name.ends_with(".txt") || name.ends_with(".jsonl");
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
  if (dot != std::string_view::npos && endings.contains(name.substr(dot + 1))) return true;
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

// A folder that cannot be listed is a file that cannot be read: what that means is for the reader.
void list_folder(const std::string& folder, FileChoice choice, std::vector<std::string>& files) {
  std::error_code fault, gone;
  fs::directory_iterator entry(folder, fault), end;
  for (; !fault && entry != end; entry.increment(fault)) {
    const std::string path = entry->path().string();
    if (entry->is_directory(gone)) {
      if (!is_loop(*entry)) list_folder(path, choice, files);
    } else if (is_chosen(path, choice) && entry->is_regular_file(gone)) {
      files.push_back(path);
    }
  }
  if (fault) files.push_back(folder);
}

void add_folder(const std::string& folder, FileChoice choice, std::vector<std::string>& files) {
  const std::size_t before = files.size();
  list_folder(folder, choice, files);
  if (files.size() > before) return;
  const bool text = choice == FileChoice::kText;
  throw_bad_input({folder, "no text in this folder", "",
                   text ? ".txt, .jsonl or .parquet files" : "files to read",
                   text ? "--files code takes source code, --files all everything" : ""});
}

void add_pattern(const std::string& pattern, FileChoice choice, std::vector<std::string>& files) {
  glob_t matches{};
  const int result = glob(pattern.c_str(), 0, nullptr, &matches);
  const std::vector<std::string> paths(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
  globfree(&matches);
  if (result != 0 || paths.empty()) {
    throw_bad_input({pattern, "no such file, and nothing matches it", "", "", ""});
  }
  for (const std::string& path : paths) {
    fs::is_directory(path) ? add_folder(path, choice, files) : files.push_back(path);
  }
}

}  // namespace

bool is_chosen(std::string_view path, FileChoice choice) {
  if (choice == FileChoice::kAll) return true;
  return choice == FileChoice::kCode ? is_code_name(path) : is_text_name(path);
}

std::vector<std::string> find_input_files(const std::vector<std::string>& inputs,
                                          FileChoice choice) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    if (fs::is_directory(input, ignored)) {
      add_folder(input, choice, files);
    } else if (!file_exists(input) && input.find_first_of("*?[") != std::string::npos) {
      add_pattern(input, choice, files);
    } else {
      files.push_back(input);
    }
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

}  // namespace farthing
