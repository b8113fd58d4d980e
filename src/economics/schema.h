// schema.h - does a JSON document have the form that a JSON Schema asks for?
//
// The part of draft 2020-12 that docs/receipt.schema.json uses: type const enum required properties
// additionalProperties (true, false) items minimum maximum minLength maxLength minItems oneOf anyOf
// $ref ("#/$defs/NAME") $defs; $schema $id title description are read over.  A schema with any
// other keyword is refused, so that nothing is silently not checked.
// Errors   Error{kBadInput} for such a schema, or a $ref that leads nowhere or in a circle.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace farthing {

struct Finding {
  std::string where;  // JSON pointer, "/energy/kwh"
  std::string what;
  bool is_warning = false;
};

// Every place where it fails; of oneOf and anyOf the branch that comes nearest.
std::vector<Finding> check_schema(const Json& document, const Json& schema);

}  // namespace farthing
