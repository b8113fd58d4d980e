// software.cpp - when what became usual.
#include "plan/software.h"

#include <fmt/core.h>

#include "base/error.h"
#include "plan/operations.h"

namespace farthing {

Software software_of(double year, Framework framework, const Device& device) {
  Software software;
  software.year = year;
  software.framework = framework;
  const Generation generation = generation_of(device);
  // FlashAttention-2: July 2023.  Kernels written for Hopper: in Megatron's library by the end of
  // 2023 (cuDNN), elsewhere with FlashAttention-3 in mid 2024.
  const double written_for_device = framework == Framework::kFsdp ? 2024.5 : 2023.9;
  software.attention = year < 2023.0               ? AttentionKernel::kUnfused
                       : year < written_for_device ? AttentionKernel::kFlash2
                                                   : AttentionKernel::kFlash3;
  if (generation == Generation::kAmpere && software.attention == AttentionKernel::kFlash3) {
    software.attention = AttentionKernel::kFlash2;
  }
  software.dispatcher = year < 2025.2 && framework != Framework::kDeepSeek ? Dispatcher::kAllToAll
                                                                           : Dispatcher::kDeepEp;
  software.fused = year >= 2022.3;
  // XLA splits collectives and runs them beside the products that need them (Wang et al., ASPLOS
  // 2023, doi:10.1145/3567955.3567959); elsewhere it came later.
  const bool xla = device.kind == "tpu";
  software.hides_tp = xla || year >= 2023.5;
  software.hides_dp = xla || year >= 2022.6;
  software.launches_per_expert = year < 2026.15 && framework != Framework::kDeepSeek;
  software.hides_ep = framework == Framework::kDeepSeek;
  // Whole-iteration graphs of routed models: mid 2026, where memory is ample.
  software.graphs = year >= 2026.45 && device.memory.value > 150e9;
  return software;
}

Framework parse_framework(const std::string& word, const std::string& where) {
  if (word == "megatron") return Framework::kMegatron;
  if (word == "fsdp") return Framework::kFsdp;
  if (word == "deepseek") return Framework::kDeepSeek;
  throw_bad_input({where, "unknown framework", "\"" + word + "\"", "megatron, fsdp, deepseek", ""});
}

std::string describe(const Software& software) {
  const char* attention = software.attention == AttentionKernel::kUnfused  ? "unfused"
                          : software.attention == AttentionKernel::kFlash2 ? "fused"
                                                                           : "fused for the device";
  return fmt::format("software of {:.1f}: attention {}, traffic hidden:{}{}{}{}{}", software.year,
                     attention, software.hides_tp ? " TP" : "", software.hides_dp ? " DP" : "",
                     software.hides_ep ? " EP" : "",
                     software.graphs ? ", whole steps as graphs" : "",
                     software.forced_balance ? ", experts forced to equal load" : "");
}

}  // namespace farthing
