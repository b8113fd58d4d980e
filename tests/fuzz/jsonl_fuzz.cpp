// jsonl_fuzz.cpp - lines of JSON are refused with a reason, or give valid UTF-8 text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "data/readers.h"
#include "data/utf8.h"
#include "scratch_file.h"

namespace {

void read_all(const std::string& path, bool skip_bad_lines) {
  farthing::DocumentReader reader({path}, {.skip_bad_lines = skip_bad_lines});
  std::string document;
  while (reader.next(document)) {
    if (farthing::mend_utf8(document, nullptr) != document) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto path = farthing::scratch_file("lines.jsonl", bytes);
  for (const bool skip_bad_lines : {false, true}) {
    try {
      read_all(path, skip_bad_lines);
    } catch (const farthing::Error& error) {
      if (error.code != farthing::ErrorCode::kBadInput) std::abort();
    }
  }
  return 0;
}
