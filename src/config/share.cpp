// share.cpp - the search for named files.
#include "config/share.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

std::string& share() {
  static std::string folder;
  return folder;
}

// A regular file for an extension, anything (a folder or a file) otherwise.
bool is_candidate(const std::string& path, const std::string& extension) {
  std::error_code ignored;
  return extension.empty() ? fs::exists(path, ignored) : fs::is_regular_file(path, ignored);
}

std::vector<std::string> folders_of(const std::string& kind) {
  std::vector<std::string> folders = {kind};
  if (!share().empty()) folders.push_back((fs::path(share()) / kind).string());
  return folders;
}

// What the user may have meant by a name that was not found.
std::string hint_for(const std::string& kind, const std::string& name,
                     const std::string& extension) {
  std::error_code ignored;
  if (fs::is_regular_file(name, ignored)) {
    return "a name without " + extension + " is looked up under " + kind +
           "/; the file that lies here is ./" + name;
  }
  if (fs::is_regular_file(name + extension, ignored))
    return "did you mean " + name + extension + "?";
  const std::string nearest = nearest_spelling(name, list_shared(kind, extension));
  return nearest.empty() ? "farthing list " + kind : "did you mean " + nearest + "?";
}

}  // namespace

void set_share_folder(const std::string& path) { share() = path; }
const std::string& share_folder_path() { return share(); }

std::string find_shared(const std::string& kind, const std::string& name,
                        const std::string& extension, const std::string& beside) {
  if (name.empty()) throw_bad_input({kind, "a name", "none", "a path, or a name", ""});
  std::vector<std::string> places;
  // A bare word is a name, even where a program called quickstart lies in the working folder.
  if (name.find('/') != std::string::npos || name.ends_with(extension)) {
    places.push_back(name);
    if (!beside.empty()) places.push_back((fs::path(beside) / name).string());
    if (!share().empty()) places.push_back((fs::path(share()) / name).string());
  }
  const auto n_plain = static_cast<std::ptrdiff_t>(places.size());
  for (const auto& folder : folders_of(kind)) {
    places.push_back((fs::path(folder) / name).string());
    places.push_back(places.back() + extension);
  }
  // "quickstart" is the recipe, not a program of that name that happens to lie here.
  const bool is_bare =
      !extension.empty() && fs::path(name).filename() == name && !name.ends_with(extension);
  if (is_bare) std::rotate(places.begin(), places.begin() + n_plain, places.end());
  for (const auto& place : places) {
    if (is_candidate(place, extension)) return place;
  }
  throw_bad_input({name, "no such file, and no such name under " + kind + "/",
                   fs::is_directory(name) ? "a folder" : "", "", hint_for(kind, name, extension)});
}

std::vector<std::string> list_shared(const std::string& kind, const std::string& extension) {
  std::vector<std::string> names;
  for (const auto& folder : folders_of(kind)) {
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder, failed)) {
      const fs::path& path = entry.path();
      if (!extension.empty() && path.extension() != extension) continue;
      names.push_back(extension.empty() ? path.filename().string() : path.stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace farthing
