// select_isa.h - chooses the instruction set of this process; runs first in main.
//
// The best that the processor has, or the one that FARTHING_ISA names (ref, avx2, avx512,
// avx512bf16, avx512fp16, amx).  Sets our kernels and Highway's targets alike.
// Errors   Error{kUsage} when FARTHING_ISA names none of them, or one that this processor lacks.
#pragma once
#include "kernels/isa.h"

namespace farthing {

Isa select_isa();
// What `name` asks of a processor that has what `supports` says.  Errors as above.
Isa wanted_isa(const char* name, bool (*supports)(Isa));

}  // namespace farthing
