// constants.h - the measured constants of the time model: one set for every device and every run.
//
// Each has a value, a relative uncertainty (one standard deviation), what it means and where it is
// from.  "fitted" ones were fitted to published runs on A100, H100, B200 and GB200, with no run
// of DeepSeek-V3 on H800 among them (docs/log.md, bench/plan_fit.cpp).  [efficiency] in a cluster file
// overrides any by name.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "plan/cluster.h"

namespace farthing {

struct Constants {
  // Products, as shares of the largest product measured on the device (gemm_bf16, gemm_fp8).
  double gemm_ampere = 0.90;
  double gemm_hopper = 0.80;
  double gemm_blackwell = 0.80;
  double gemm_other = 0.75;
  double gemm_fp8 = 0.80;          // of the FP8 product, scale per tensor
  double gemm_fp8_block = 0.72;    // of gemm_fp8: 128-wide tiles promoted to FP32
  double gemm_fp4 = 0.55;          // of the FP4 peak
  double gemm_assumed = 0.78;      // of the peak, where no product was measured
  double gemm_depth = 320;         // K at which a product has half its rate
  double gemm_wave = 0.35;         // waves lost at the end of a product
  double grouped_gemm = 0.85;      // grouped products of experts, of the plain rate
  // Attention core, as shares of the BF16 peak; forward and backward.
  double flash2_ampere_forward = 0.60, flash2_ampere_backward = 0.50;
  double flash2_hopper_forward = 0.36, flash2_hopper_backward = 0.30;
  double flash3_forward = 0.60, flash3_backward = 0.46;
  double flash_other = 0.40;
  double unfused_core = 0.45;      // products of an unfused core, of the BF16 peak
  double unfused_bytes = 16;       // moved per score, forward
  // Memory-bound work.
  double memory_share = 0.80;      // of the memory's rating
  double elementwise = 1.0;        // passes over activations, of those that are counted
  double quantise_bytes = 6;       // moved per activation that is cast to FP8
  double kernel_seconds = 4e-6;    // every kernel's start and end on the device
  double host_seconds = 9e-6;      // the host's time for one kernel, without graphs
  double optimizer_bytes = 30;     // moved per parameter of a rank
  // Links.
  double scale_up_share = 0.75;
  double scale_out_share = 0.80;
  double deep_ep_share = 0.92;     // fused dispatch over the network
  double all_to_all_share = 0.55;  // library all-to-all
  double message_bytes = 4e6;      // at which a collective has half its rate
  double communication_tax = 0.15; // slowdown of compute while links are busy
  double tp_hidden = 0.50;         // share of tensor-parallel traffic behind products, when software can
  double dp_hidden = 0.85;
  double fsdp_hidden = 0.90;
  double ep_hidden = 0.90;         // of what could be hidden at all, with paired schedules
  // Routing, waiting.
  double expert_imbalance = 0.25;  // relative spread of one expert's load, trained with balancing
  double wait_jitter = 0.02;       // relative spread of one stage's time
  double straggler = 0.010;        // added per doubling of nodes beyond one, in percent / 100
  double software_year = 0.05;     // gain per year of maturity of a device's software
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
