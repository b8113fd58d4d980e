// software.h - what the training software of a year could do: kernels, overlap, host overhead.
//
// A run of 2021 had no fused attention; a run of 2026 replays whole layers as graphs.  The date is
// an input, so that the same constants serve old and new runs.
#pragma once
#include <string>

#include "plan/cluster.h"

namespace farthing {

enum class AttentionKernel { kUnfused, kFlash2, kFlash3 };
enum class Framework { kMegatron, kFsdp, kDeepSeek };
enum class Dispatcher { kAllToAll, kDeepEp };

struct Software {
  double year = 2026.0;  // 2025.5 is July 2025
  Framework framework = Framework::kMegatron;
  AttentionKernel attention = AttentionKernel::kFlash3;
  Dispatcher dispatcher = Dispatcher::kDeepEp;
  bool graphs = false;               // kernels replayed without the host
  bool launches_per_expert = false;  // the host starts casts and products expert by expert
  bool fused = true;                 // elementwise chains are one kernel
  bool hides_tp = true;              // products overlap tensor-parallel traffic
  bool hides_dp = true;              // gradients are reduced behind the backward pass
  bool hides_ep = false;             // dispatch of one micro-batch behind the compute of another
  bool forced_balance = false;       // every expert gets the same load: benchmarks alone
};

// What was usual in a year on a device.
Software software_of(double year, Framework framework, const Device& device);
// megatron, fsdp, deepseek.  Errors: Error{kBadInput}.
Framework parse_framework(const std::string& word, const std::string& where);
std::string describe(const Software& software);

}  // namespace farthing
