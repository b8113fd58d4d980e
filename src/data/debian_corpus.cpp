// debian_corpus.cpp - which files of which packages, under which licence, into one file a source.
#include "data/debian_corpus.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "data/text_file.h"
#include "data/utf8.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

struct CorpusSource {
  const char* name;
  std::vector<std::string> packages;
  const char* licence;
  Documents (*clean)(std::string_view text);
  std::vector<std::string> files;  // under the root
};

// Aphorisms that are prose and fit for company.
std::vector<std::string> fortune_files() {
  std::vector<std::string> files;
  for (const char* topic :
       {"art",        "computers",     "cookie",      "debian",     "definitions", "disclaimer",
        "education",  "food",          "fortunes",    "goedel",     "humorists",   "kids",
        "law",        "linux",         "linuxcookie", "literature", "love",        "magic",
        "medicine",   "miscellaneous", "news",        "paradoxum",  "people",      "pets",
        "platitudes", "politics",      "riddles",     "science",    "sports",      "startrek",
        "tao",        "wisdom",        "work"}) {
    files.push_back(std::string("usr/share/games/fortunes/") + topic);
  }
  return files;
}

std::vector<CorpusSource> corpus_sources() {
  return {
      {"gcide", {"dict-gcide"}, "GPL-3+", clean_gcide, {"usr/share/dictd/gcide.dict.dz"}},
      {"foldoc",
       {"dict-foldoc"},
       "GFDL-1.1+, no invariant sections",
       clean_foldoc,
       {"usr/share/dictd/foldoc.dict.dz"}},
      {"jargon",
       {"jargon-text"},
       "public domain",
       clean_jargon,
       {"usr/share/doc/jargon-text/jargon.txt.gz"}},
      {"fortunes",
       {"fortunes", "fortunes-min"},
       "BSD; quotations",
       clean_fortunes,
       fortune_files()},
      {"devil", {"dict-devil"}, "public domain", clean_devil, {"usr/share/dictd/devil.dict.dz"}},
      {"manuals",
       {"debian-reference-en", "debian-policy", "debian-faq", "maint-guide"},
       "GPL-2+",
       clean_manual,
       {"usr/share/debian-reference/debian-reference.en.txt.gz",
        "usr/share/doc/debian-policy/policy.txt.gz",
        "usr/share/doc/debian/FAQ/debian-faq.en.txt.gz",
        "usr/share/doc/maint-guide/maint-guide.en.txt.gz"}},
      {"charters",
       {"miscfiles"},
       "public domain",
       clean_manual,
       {"usr/share/state/us-constitution.gz", "usr/share/state/us-declaration.gz"}},
  };
}

// Package -> version, from dpkg's own list.
std::map<std::string, std::string> installed_versions(const std::string& root) {
  std::map<std::string, std::string> versions;
  const std::string path = root + "/var/lib/dpkg/status";
  if (!file_exists(path)) return versions;
  TextFile status(path);
  std::string line, package;
  while (status.read_line(line)) {
    if (line.starts_with("Package: ")) package = line.substr(9);
    if (line.starts_with("Version: ")) versions[package] = line.substr(9);
  }
  return versions;
}

void check_files(const std::vector<CorpusSource>& sources, const std::string& root) {
  std::string missing, packages;
  for (const auto& source : sources) {
    const bool whole = std::all_of(source.files.begin(), source.files.end(), [&](const auto& file) {
      return file_exists(root + "/" + file);
    });
    if (whole) continue;
    for (const auto& package : source.packages) packages.append(" ").append(package);
    missing.append(missing.empty() ? "" : ", ").append(source.name);
  }
  if (packages.empty()) return;
  throw_bad_input({root, "no files for " + missing, "", "the packages" + packages,
                   "apt-get install" + packages});
}

Json write_source(const CorpusSource& source, const std::string& folder, const std::string& root,
                  const std::map<std::string, std::string>& versions) {
  std::int64_t n_documents = 0, n_bytes = 0;
  const std::string name = std::string(source.name) + ".jsonl";
  std::string lines;
  for (const std::string& file : source.files) {
    const std::string text = mend_utf8(TextFile(root + "/" + file).read_rest(), nullptr);
    for (const std::string& document : source.clean(text)) {
      lines += Json({{"text", document}}).dump() + "\n";
      ++n_documents;
      n_bytes += static_cast<std::int64_t>(document.size());
    }
  }
  write_file_atomically(folder + "/" + name, lines);
  std::string packages, package_versions;
  for (const std::string& package : source.packages) {
    const auto found = versions.find(package);
    packages += (packages.empty() ? "" : " ") + package;
    package_versions += (package_versions.empty() ? "" : " ") +
                        (found == versions.end() ? std::string("unknown") : found->second);
  }
  return {{"name", source.name},       {"file", name},
          {"package", packages},       {"version", package_versions},
          {"licence", source.licence}, {"documents", n_documents},
          {"bytes", n_bytes}};
}

}  // namespace

Json make_debian_corpus(const std::string& folder, const std::string& root) {
  const auto sources = corpus_sources();
  check_files(sources, root);
  make_folder(folder);
  const auto versions = installed_versions(root);
  Json described = Json::array();
  for (const auto& source : sources) {
    described.push_back(write_source(source, folder, root, versions));
  }
  const Json manifest = {{"sources", described}};
  write_file_atomically(folder + "/manifest.json", manifest.dump(2) + "\n");
  return manifest;
}

}  // namespace farthing
