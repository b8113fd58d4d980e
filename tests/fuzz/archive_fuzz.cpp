// archive_fuzz.cpp - gzip, zstd, xz and tar in any nesting: refused with a reason, or valid UTF-8.
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

void read_all(const std::string& path, farthing::ReadOptions options) {
  farthing::DocumentReader reader({path}, options);
  std::string document;
  while (reader.next(document)) {
    if (!farthing::is_valid_utf8(document)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto path = farthing::scratch_file("archive.tar", bytes);
  for (const auto files : {farthing::FileChoice::kText, farthing::FileChoice::kAll}) {
    for (const bool skip : {false, true}) {
      farthing::ReadOptions options;
      options.files = files;
      options.skip_faults = skip;
      options.blank_line_documents = skip;
      try {
        read_all(path, options);
      } catch (const farthing::Error& error) {
        if (error.code != farthing::ErrorCode::kBadInput || skip) std::abort();
      }
    }
  }
  return 0;
}
