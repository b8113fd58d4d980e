// recipe_fuzz.cpp - a recipe is refused, or resolves and survives being written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "config/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string written;
  try {
    written = farthing::to_toml(farthing::parse_recipe(text, "fuzz"));
  } catch (const farthing::Error& error) {
    if (error.code != farthing::ErrorCode::kBadInput) std::abort();
    return 0;
  }
  if (farthing::to_toml(farthing::parse_recipe(written, "written")) != written) std::abort();
  return 0;
}
