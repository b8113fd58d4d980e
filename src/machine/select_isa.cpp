// select_isa.cpp - reads FARTHING_ISA, or takes the best.
#include "machine/select_isa.h"

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace farthing {
namespace {

std::string choices() {
  std::string names;
  for (const Isa isa : kAllIsas) {
    if (cpu_supports(isa)) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  return names;
}

Isa wanted_isa() {
  const char* name = std::getenv("FARTHING_ISA");
  if (name == nullptr || *name == '\0') return best_isa();
  const auto isa = isa_from_name(name);
  if (!isa || !cpu_supports(*isa)) {
    throw_wrong_use({.where = "FARTHING_ISA",
                     .what = isa ? "this processor lacks it" : "unknown",
                     .found = name,
                     .wanted = "one of " + choices(),
                     .hint = "unset it to take the best"});
  }
  return *isa;
}

}  // namespace

Isa select_isa() {
  const Isa isa = wanted_isa();
  set_isa(isa);
  return isa;
}

}  // namespace farthing
