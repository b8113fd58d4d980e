// share.h - where recipes, models and price books live, and how a bare name finds one.
//
// What has a slash or the extension is looked for as a path first; then every name as ./KIND/NAME
// and SHARE/KIND/NAME, with and without the extension; the share folder is
// the source tree or what an installed program passes at its start.
#pragma once
#include <string>
#include <vector>

namespace farthing {

// Called once, before the first search.
void set_share_folder(const std::string& path);
const std::string& share_folder_path();

// `kind` is a folder (recipes, models, prices), `extension` ".toml" or "" for a folder's entries.
// A path relative to `beside` (the folder of the file that names it) is tried too.
// Errors: Error{kBadInput} with the places searched and the nearest name.
std::string find_shared(const std::string& kind, const std::string& name,
                        const std::string& extension, const std::string& beside = "");

// The names that find_shared would find, sorted, without the extension.
std::vector<std::string> list_shared(const std::string& kind, const std::string& extension);

}  // namespace farthing
