// import_log_fuzz.cpp - a log is refused, or becomes events that the ledger can read.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "ledger/import_log.h"
#include "ledger/ledger.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const auto format : {farthing::LogFormat::kMegatron, farthing::LogFormat::kTorchtitan,
                            farthing::LogFormat::kCsv}) {
    std::string events;
    try {
      farthing::ImportContext context;
      context.tokens_per_step = 4096;
      context.sequence_length = 128;
      events = farthing::to_events(farthing::parse_log(text, "fuzz", format), context);
    } catch (const farthing::Error& error) {
      if (error.code != farthing::ErrorCode::kBadInput) std::abort();
      continue;
    }
    const auto ledger = farthing::make_ledger(farthing::parse_history(events, "events"));
    if (!std::isfinite(ledger.wall_seconds)) std::abort();
  }
  return 0;
}
