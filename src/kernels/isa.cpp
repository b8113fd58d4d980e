// isa.cpp - asks the processor, keeps the choice, and tells Highway.
#include "kernels/isa.h"

#include <cpuid.h>
#include <hwy/targets.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "base/check.h"

namespace farthing {
namespace {

std::atomic<Isa>& choice() {
  static std::atomic<Isa> isa{best_isa()};
  return isa;
}

// Highway picks the best target that is left.
std::int64_t disabled_highway_targets(Isa isa) {
  constexpr std::int64_t kAvx512Targets = HWY_AVX3 | HWY_AVX3_DL;
  if (isa == Isa::kRef) return kAvx512Targets | HWY_AVX2;
  return isa == Isa::kAvx2 ? kAvx512Targets : 0;
}

// Asked of the processor itself: clang 14 has no name for the feature.
bool cpu_supports_fp16() {
#ifdef FARTHING_EMULATE
  return true;
#endif
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && ((d >> 23) & 1) != 0;
}

bool cpu_supports_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && ((a >> 5) & 1) != 0;
}

// Linux hands out the tiles' 8 kB of state only to processes that ask, once, for all their threads.
bool may_use_amx() {
#ifdef FARTHING_EMULATE
  return true;
#endif
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, its feature
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  const bool has_tiles = ((d >> 24) & 1) != 0 && ((d >> 22) & 1) != 0;
  static const bool may = has_tiles && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return may;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kRef:
      return "ref";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512bf16";
    case Isa::kAvx512Fp16:
      return "avx512fp16";
    case Isa::kAmx:
      return "amx";
  }
  return "unknown";
}

std::optional<Isa> isa_from_name(std::string_view name) {
  for (const Isa isa : kAllIsas) {
    if (isa_name(isa) == name) return isa;
  }
  return std::nullopt;
}

bool cpu_supports(Isa isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::kRef:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Bf16:
      return avx512 && cpu_supports_bf16();
    case Isa::kAvx512Fp16:
      return avx512 && cpu_supports_fp16();
    case Isa::kAmx:
      return avx512 && cpu_supports_fp16() && cpu_supports_bf16() && may_use_amx();
  }
  return false;
}

Isa best_isa() {
  Isa best = Isa::kRef;
  for (const Isa isa : kAllIsas) {
    if (cpu_supports(isa)) best = isa;
  }
  return best;
}

Isa current_isa() { return choice().load(std::memory_order_relaxed); }

void set_isa(Isa isa) {
  CHECK(cpu_supports(isa));
  choice().store(isa);
  hwy::DisableTargets(disabled_highway_targets(isa));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace farthing
