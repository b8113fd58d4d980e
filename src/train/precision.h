// precision.h - the number formats that a recipe asks for, and the choice that `auto` makes.
//
//   auto   measures packed products of a usual shape in fp32, bf16 and fp16 on this machine and
//          takes the fastest; a lower precision only when it is at least kWorthwhile times as fast
//          as the next higher one.  fp8 is a choice of numerics, never of speed: it must be asked
//          for.
//
// The measurement is kept per processor, instruction set and number of threads in the user's cache
// folder ($XDG_CACHE_HOME/farthing or ~/.cache/farthing), so that a machine's choice stays what it
// was; a run stores the choice as a decision and in its recipe before its first step.
// Older kernels' measurements are made again.
// Errors   None: a cache that cannot be read is measured again, one that cannot be written is not.
#pragma once
#include <string>
#include <vector>

#include "config/recipe.h"
#include "model/linear.h"

namespace farthing {

// REQUIRES precision.matmul is not "auto".  `packed` is left null.
Matmul matmul_of(const PrecisionRecipe& precision);
PackedCopies copies_of(const PrecisionRecipe& precision);

inline constexpr double kWorthwhile = 1.1;

struct PrecisionChoice {
  struct Rate {
    std::string format;
    double flops = 0;  // per second, of the product
  };
  std::string matmul;  // "fp32", "bf16", "fp16"
  std::string why;
  std::vector<Rate> rates;  // by falling precision
  bool from_cache = false;
};
// What auto takes from these rates.
PrecisionChoice choose_precision(std::vector<PrecisionChoice::Rate> rates);
// On this machine, with current_isa() and num_threads(); about a second when nothing is cached.
PrecisionChoice measured_precision();
// The recipe with auto replaced; `choice` says by what where it was.
Recipe with_precision(const Recipe& recipe, PrecisionChoice* choice);

}  // namespace farthing
