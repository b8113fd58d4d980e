// json.h - JSON in the order it was written; strict where a file may be hostile.
//
// Include <nlohmann/json.hpp> in the .cpp that uses a Json; headers need only this.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace farthing {

using Json = nlohmann::ordered_json;

// Parses a whole document.  Refuses: syntax errors, duplicate keys, nesting deeper than 64,
// trailing text.  `where` (a path, say) opens the message.  Errors: Error{kBadInput}.
Json parse_json(std::string_view text, const std::string& where);
// The same for a file; a missing or unreadable file is Error{kBadInput} as well.
Json read_json(const std::string& path);
// null for a number that is not finite, which JSON cannot hold.
Json or_null(double value);

}  // namespace farthing
