// formula_fuzz.cpp - a formula is refused, or evaluates and has a program; so with a row of claims.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "economics/claims.h"
#include "economics/formula.h"

namespace {

template <class Body>
void refused_or_done(const Body& body) {
  try {
    body();
  } catch (const farthing::Error& error) {
    if (error.code != farthing::ErrorCode::kBadInput) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  refused_or_done([&] {
    const auto formula = farthing::Formula::parse(text, "fuzz");
    (void)formula.evaluate([](const std::string&) { return 2.5; });
    if (formula.program().empty() || formula.names().size() > text.size()) std::abort();
  });
  refused_or_done([&] { (void)farthing::make_claims(farthing::parse_csv(text, "fuzz")); });
  return 0;
}
