// receipt_check.h - a receipt made by anyone: has it the form, and does it contradict itself?
//
// After the form (docs/receipt.schema.json) come the figures that follow from others, and those
// that no machine gives (economics/receipt_relations.h), and then:
//   low <= usd <= high
//   final_run <= all_runs <= research_and_development, each being part of the next
//   amortised <= programme, since a machine wears by at most its price
//   parts[] that bear the name of a part of claims/definitions.toml belong to their definition
//   the training time lies within the dates, which are dates, begun first
//   energy.basis is as joules_estimated says, hashes.weights as weights_hash
//   a hash has as many digits as its algorithm
//   zero is no way to say not stated
//   the run's dates are not to come, a simulation's aside
//   FLOPs have two tokens at least
//
// A price older than 18 months at the run's end or dated ahead, energy without a figure, and a key
// that is not of the schema are warnings.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "economics/schema.h"

namespace farthing {

// `schema` is docs/receipt.schema.json, `today` a YYYY-MM-DD.  Errors first, warnings last.
std::vector<Finding> check_receipt(const Json& receipt, const Json& schema,
                                   const std::string& today);

}  // namespace farthing
