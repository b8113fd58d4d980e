// safetensors_fuzz.cpp - a hostile .safetensors is refused, or every tensor in it can be read.
//
// An input that begins with "index:" is the text of a model.safetensors.index.json instead.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/safetensors.h"
#include "model/safetensors_header.h"
#include "scratch_file.h"

namespace {

using namespace farthing;

void read_every_tensor(const SafetensorsReader& reader, std::size_t file_size) {
  for (const auto& [name, tensor] : reader.tensors()) {
    // Every element is at least a byte of the file, so nothing large can be asked for.
    const auto n_elements = static_cast<std::size_t>(tensor.n_elements());
    if (n_elements > file_size) std::abort();
    std::vector<float> values(n_elements);
    try {
      reader.read_as_float(tensor, values);
    } catch (const Error&) {
      continue;  // a number format that is not for weights
    }
  }
}

// Whatever the index says, its files lie in the folder itself.
void read_index(std::string_view text) {
  const std::filesystem::path folder =
      std::filesystem::path(scratch_file(kSafetensorsIndex, text)).parent_path();
  for (const auto& [tensor, path] : read_weight_map(folder.string())) {
    if (std::filesystem::path(path).lexically_normal().parent_path() != folder) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kIndex = "index:";
  try {
    if (bytes.starts_with(kIndex)) {
      read_index(bytes.substr(kIndex.size()));
    } else {
      read_every_tensor(SafetensorsReader(scratch_file("one.safetensors", bytes)), size);
    }
  } catch (const Error& error) {
    if (error.code != ErrorCode::kBadInput) std::abort();
  }
  return 0;
}
