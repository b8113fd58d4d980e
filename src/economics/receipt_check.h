// receipt_check.h - a receipt made by anyone: has it the form, and does it contradict itself?
//
// After the form (docs/receipt.schema.json) come the sums:
//   low <= usd <= high; parts add up to usd within 0.5 %
//   final_run <= all_runs <= research_and_development, each being part of the next
//   device_hours * usd_per_device_hour = final_run within 1 %
//   device_hours <= training_time_hours * devices
//   kWh over device-hours: 0.1 to 500 W for a core, 20 to 5000 W for another device
//   FLOPs over device-hours: below 1e17 FLOP/s for one device
//   training time within the dates; dates are dates, begun first
//   energy.pue at least 1; a hash has as many digits as its algorithm
// and of farthing's own keys, where present: seconds and usd by category add up to their totals,
// joules to kWh, core_seconds to device_hours.  A price older than 18 months at the run's end, and
// energy without a figure, are warnings.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "economics/schema.h"

namespace farthing {

// `schema` is docs/receipt.schema.json.  Errors first, warnings last.
std::vector<Finding> check_receipt(const Json& receipt, const Json& schema);

}  // namespace farthing
