// rules_fuzz.cpp - a rules file is refused with its faults or obeyed, on a text that is the file
// itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "data/quality.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  farthing::CleanOptions options;
  try {
    farthing::read_rules(text, "rules.toml", options);
  } catch (const farthing::Error& error) {
    if (error.code != farthing::ErrorCode::kBadInput) std::abort();
    options = {};
    farthing::choose_rules("all", options);
  }
  text = farthing::normalised(text);
  farthing::QualityFilter(options).apply(text);
  return 0;
}
