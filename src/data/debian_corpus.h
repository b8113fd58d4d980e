// debian_corpus.h - a corpus of English made from files that Debian packages install.
//
// Dictionaries, glossaries, aphorisms and manuals: tools/corpus_packages.txt lists the packages.
// Layout, markup, pronunciations, etymologies, tables and code are taken off; what does not read as
// English sentences is dropped.  One document is an entry, an aphorism or a section.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace farthing {

using Documents = std::vector<std::string>;

// Webster's dictionary as dict-gcide holds it.
Documents clean_gcide(std::string_view text);
// The Free On-line Dictionary of Computing.
Documents clean_foldoc(std::string_view text);
// The Devil's Dictionary.
Documents clean_devil(std::string_view text);
// The Jargon File.
Documents clean_jargon(std::string_view text);
// Aphorisms with '%' between them.
Documents clean_fortunes(std::string_view text);
// A manual or a charter: numbered sections of paragraphs.
Documents clean_manual(std::string_view text);

// Writes FOLDER/NAME.jsonl for every source and FOLDER/manifest.json, which it returns:
// {"sources": [{name, file, package, version, licence, documents, bytes}]}.
// `root` is "/" or a folder where packages are unpacked.
// Errors   Error{kBadInput} that lists the packages whose files are missing.
Json make_debian_corpus(const std::string& folder, const std::string& root = "/");

}  // namespace farthing
