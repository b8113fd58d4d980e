// isa.h - which instruction set the kernels of this process use.
//
// Without set_isa the best one that the processor has.  machine/select_isa.h chooses; tests force.
// Exact    Between instruction sets the bits may differ; within one they do not.
#pragma once
#include <optional>
#include <string_view>

namespace farthing {

// kAvx512Bf16 and kAvx512Fp16 differ from kAvx512 only in products of BF16 and of FP16 operands;
// kAmx from kAvx512Fp16 in those of BF16 and FP8.
enum class Isa { kRef, kAvx2, kAvx512, kAvx512Bf16, kAvx512Fp16, kAmx };
inline constexpr Isa kAllIsas[] = {Isa::kRef,        Isa::kAvx2,       Isa::kAvx512,
                                   Isa::kAvx512Bf16, Isa::kAvx512Fp16, Isa::kAmx};

// "ref", "avx2", "avx512", "avx512bf16", "avx512fp16", "amx"
std::string_view isa_name(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);
// Asking for kAmx asks the kernel to let this process use its tiles.
bool cpu_supports(Isa isa);
Isa best_isa();

Isa current_isa();
// REQUIRES cpu_supports(isa).  Not to be called while kernels run.
void set_isa(Isa isa);

}  // namespace farthing
