// page.h - the receipt as one self-contained HTML page: no file, font or address outside it.
//
// Light and dark by the reader's setting; wide and narrow screens; readable without its script,
// which adds the other axes, values under the pointer and zoom.
#pragma once
#include <string>

#include "ledger/run_folder.h"
#include "report/chart.h"
#include "report/receipt.h"

namespace farthing {

std::string to_html(const ReportInput& input);

// Writes receipt.json and receipt.html of a run from its events.
Receipt write_receipts(const RunPaths& paths, const RunRecipe& run, const PriceBook& book);

namespace page_parts {
extern const char* const kStyle;
extern const char* const kTicksScript;  // roundTicks(low, high, n), for other pages too
extern const char* const kScript;
}  // namespace page_parts

}  // namespace farthing
