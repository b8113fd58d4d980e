// select_isa.cpp - reads FARTHING_ISA, or takes the best.
#include "machine/select_isa.h"

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace farthing {
namespace {

std::string choices(bool (*supports)(Isa)) {
  std::string names;
  for (const Isa isa : kAllIsas) {
    if (supports(isa)) names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  return names;
}

}  // namespace

Isa wanted_isa(const char* name, bool (*supports)(Isa)) {
  if (name == nullptr || *name == '\0') return best_isa();
  const auto isa = isa_from_name(name);
  if (!isa || !supports(*isa)) {
    throw_wrong_use({.where = "FARTHING_ISA",
                     .what = isa ? "this processor lacks it" : "unknown",
                     .found = name,
                     .wanted = "one of " + choices(supports),
                     .hint = "unset it to take the best"});
  }
  return *isa;
}

Isa select_isa() {
  const Isa isa = wanted_isa(std::getenv("FARTHING_ISA"), cpu_supports);
  set_isa(isa);
  return isa;
}

}  // namespace farthing
