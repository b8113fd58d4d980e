// constants.h - the measured constants of the time model: one set for every device and every run.
//
// Each has a value, a relative uncertainty (one standard deviation), what it means and where it is
// from.  "fitted" ones were fitted to published runs on A100, H100, B200 and GB200, with no run
// of DeepSeek-V3 on H800 among them (docs/log.md, bench/plan_fit.cpp).  [efficiency] in a cluster
// file overrides any by name.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "plan/cluster.h"

namespace farthing {

struct Constants {
  // Products, as shares of the largest product measured on the device (gemm_bf16, gemm_fp8).
  double gemm_ampere = 0.9473;
  double gemm_hopper = 0.8072;
  double gemm_blackwell = 0.6145;
  double gemm_other = 0.80;
  double gemm_fp8 = 1.266;        // of the FP8 product, scale per tensor
  double gemm_fp8_block = 0.865;  // of gemm_fp8: 128-wide tiles promoted to FP32
  double gemm_fp4 = 0.73;         // of the FP4 peak
  double gemm_assumed = 0.869;    // of the peak, where no product was measured
  double gemm_depth = 659.6;      // K at which a product has half its rate
  double gemm_wave = 0.95;        // waves lost at the end of a product
  double grouped_gemm = 0.9455;   // grouped products of experts, of the plain rate
  // Attention core, as shares of the BF16 peak; forward and backward.
  double flash2_ampere_forward = 0.468, flash2_ampere_backward = 0.265;
  double flash2_hopper_forward = 0.286, flash2_hopper_backward = 0.154;
  double flash3_forward = 0.625, flash3_backward = 0.497;  // Hopper
  double flash_blackwell_forward = 0.593, flash_blackwell_backward = 0.3718;
  double flash_other = 0.40;
  double unfused_core = 0.6907;  // products of an unfused core, of the BF16 peak
  double unfused_bytes = 9.74;   // moved per score, forward
  // Memory-bound work.
  double memory_share = 0.834;       // of the memory's rating
  double elementwise = 0.8677;       // passes over activations, of those that are counted
  double quantise_bytes = 6.13;      // moved per activation that is cast to FP8
  double kernel_seconds = 5.08e-06;  // every kernel's start and end on the device
  double host_seconds = 9.928e-06;   // the host's time for one kernel, without graphs
  double expert_launches =
      21.63;                  // of the host for one local expert, forward and backward, until 2026
  double host_sync = 0.95;    // share of the host's time that a routed block waits for
  double hand_fused = 0.685;  // memory-bound work of hand-fused kernels, of a library's
  double optimizer_bytes = 32.8;  // moved per parameter of a rank
  // Links.
  double scale_up_share = 0.877;
  double scale_out_share = 0.866;
  double deep_ep_share = 0.758;      // fused dispatch over the network
  double all_to_all_share = 0.55;    // library all-to-all
  double message_bytes = 5.26e+06;   // at which a collective has half its rate
  double paired_link_share = 0.766;  // rate of dispatch while products run, of its own
  double communication_tax = 0.179;  // slowdown of compute while links are busy
  double tp_hidden = 0.6513;  // share of tensor-parallel traffic behind products, when software can
  double dp_hidden = 0.8085;
  double fsdp_hidden = 0.797;
  double ep_hidden = 0.866;  // of what could be hidden at all, with paired schedules
  // Routing, waiting.
  double expert_imbalance = 0.20;  // relative spread of one expert's load, trained with balancing
  double wait_jitter = 0.00604;    // relative spread of one stage's time
  double straggler = 0.002027;     // added to a step per doubling of nodes
};

// What a table says about a constant.
struct ConstantRule {
  const char* name;
  double relative_sd;
  const char* meaning;
  const char* source;
};

// visit(rule, field) for every constant.
template <class ConstantsType, class Visitor>
void visit_constants(ConstantsType& constants, Visitor&& visit);

// The constants with a cluster's [efficiency] applied.  Errors: Error{kBadInput} for unknown names.
Constants constants_for(const Cluster& cluster);

}  // namespace farthing

#include "plan/constant_fields.h"
