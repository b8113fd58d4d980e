// events_fuzz.cpp - any bytes are a history whose seconds are conserved and can be drawn, or an
// Error.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "report/page.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace farthing;
  ReportInput input;
  input.book.machine_years = input.book.machine_busy_share = input.book.sterling.value = 1;
  input.book.machine_cores = 1;
  try {
    input.history = parse_history({reinterpret_cast<const char*>(data), size}, "fuzz.jsonl");
    const Ledger ledger = make_ledger(input.history);
    const double gap = std::abs(ledger.seconds.total() - ledger.wall_seconds);
    if (gap > 1e-6 * std::abs(ledger.wall_seconds) + 1e-9) std::abort();
    to_html(input);
  } catch (const Error&) {
  }
  return 0;
}
