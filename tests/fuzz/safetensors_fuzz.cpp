// safetensors_fuzz.cpp - a hostile .safetensors is refused, or every tensor in it can be read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/safetensors.h"
#include "scratch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto path = farthing::scratch_file("model.safetensors", bytes);
  try {
    const farthing::SafetensorsReader reader(path);
    for (const auto& [name, tensor] : reader.tensors()) {
      // Every element is at least a byte of the file, so nothing large can be asked for.
      const auto n_elements = static_cast<std::size_t>(tensor.n_elements());
      if (n_elements > size) std::abort();
      std::vector<float> values(n_elements);
      try {
        reader.read_as_float(tensor, values);
      } catch (const farthing::Error&) {
        continue;  // a number format that is not for weights
      }
    }
  } catch (const farthing::Error& error) {
    if (error.code != farthing::ErrorCode::kBadInput) std::abort();
  }
  return 0;
}
