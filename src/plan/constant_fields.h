// constant_fields.h - every constant by its name, uncertainty, meaning and source, once.
#pragma once
#include "plan/constants.h"

namespace farthing {

template <class ConstantsType, class Visitor>
void visit_constants(ConstantsType& c, Visitor&& visit) {
  using R = ConstantRule;
  visit(R{"gemm_ampere", 0.03, "sustained rate of products, of the largest measured (A100)",
          "fitted to published runs"},
        c.gemm_ampere);
  visit(R{"gemm_hopper", 0.04, "the same, H100 and kin: power and clocks under load",
          "fitted to published runs"},
        c.gemm_hopper);
  visit(R{"gemm_blackwell", 0.05, "the same, B200 and kin", "fitted to published runs"},
        c.gemm_blackwell);
  visit(R{"gemm_other", 0.12, "the same, other vendors", "assumed from the three above"},
        c.gemm_other);
  visit(R{"gemm_fp8", 0.05, "FP8 products, of the largest measured", "fitted to published runs"},
        c.gemm_fp8);
  visit(R{"gemm_fp8_block", 0.05, "FP8 in 128-wide tiles with FP32 promotion, of plain FP8",
          "DSV3-004 kernel trace (deepseek-ai/profile-data)"},
        c.gemm_fp8_block);
  visit(R{"gemm_fp4", 0.15, "FP4 products, of the peak", "fitted to published runs"}, c.gemm_fp4);
  visit(R{"gemm_assumed", 0.08, "largest product over the peak, where none was measured",
          "median of stas00/ml-engineering"},
        c.gemm_assumed);
  visit(R{"gemm_depth", 0.3, "K at which a product has half its rate", "fitted to published runs"},
        c.gemm_depth);
  visit(R{"gemm_wave", 0.3, "waves of tiles lost per product", "fitted to published runs"},
        c.gemm_wave);
  visit(R{"grouped_gemm", 0.08, "grouped products of experts, of plain ones",
          "fitted to published runs"},
        c.grouped_gemm);
  visit(R{"flash2_ampere_forward", 0.06, "fused core on A100, of the BF16 peak",
          "FlashAttention-2, arXiv:2307.08691, figure 5"},
        c.flash2_ampere_forward);
  visit(R{"flash2_ampere_backward", 0.06, "its backward pass", "FlashAttention-2, figure 6"},
        c.flash2_ampere_backward);
  visit(R{"flash2_hopper_forward", 0.08, "the same kernel on H100", "FlashAttention-2, figure 7"},
        c.flash2_hopper_forward);
  visit(R{"flash2_hopper_backward", 0.08, "its backward pass", "FlashAttention-2, figure 7"},
        c.flash2_hopper_backward);
  visit(R{"flash3_forward", 0.07, "fused core written for Hopper",
          "FlashAttention-3, arXiv:2407.08608, figure 5; DSV3-004"},
        c.flash3_forward);
  visit(R{"flash3_backward", 0.07, "its backward pass", "FlashAttention-3, figure 6; DSV3-004"},
        c.flash3_backward);
  visit(R{"flash_blackwell_forward", 0.1, "fused core on B200, of the BF16 peak",
          "fitted to published runs"},
        c.flash_blackwell_forward);
  visit(R{"flash_blackwell_backward", 0.1, "its backward pass", "fitted to published runs"},
        c.flash_blackwell_backward);
  visit(R{"flash_other", 0.2, "fused core, other vendors", "assumed"}, c.flash_other);
  visit(R{"unfused_core", 0.15, "batched products of an unfused core, of the BF16 peak",
          "fitted to published runs"},
        c.unfused_core);
  visit(R{"unfused_bytes", 0.15, "bytes moved per score of an unfused core, forward",
          "counted: scale, mask, softmax, dropout"},
        c.unfused_bytes);
  visit(R{"memory_share", 0.05, "bandwidth of a kernel that only moves data, of the rating",
          "stream tests of vendors"},
        c.memory_share);
  visit(R{"elementwise", 0.15, "passes over activations, of those counted",
          "fitted to published runs"},
        c.elementwise);
  visit(R{"quantise_bytes", 0.2, "bytes moved per activation cast to FP8",
          "counted: read BF16, write FP8 and its transpose"},
        c.quantise_bytes);
  visit(R{"kernel_seconds", 0.2, "start and end of a kernel on the device",
          "4 us, CUDA best practice"},
        c.kernel_seconds);
  visit(R{"host_seconds", 0.25, "time of the host for one kernel of a framework in Python",
          "fitted to published runs"},
        c.host_seconds);
  visit(R{"expert_launches", 0.3,
          "launches of the host per local expert of a layer, forward and backward, before grouped "
          "casts (2026)",
          "fitted to published runs"},
        c.expert_launches);
  visit(R{"host_sync", 0.25,
          "share of the host's time for a routed layer that the device waits for, without graphs",
          "fitted to published runs"},
        c.host_sync);
  visit(R{"hand_fused", 0.1, "memory-bound work of kernels fused by hand, of a library's",
          "DSV3-004 kernel trace"},
        c.hand_fused);
  visit(R{"optimizer_bytes", 0.15, "moved per parameter owned",
          "counted: FP32 master, gradient, two moments, BF16 copy"},
        c.optimizer_bytes);
  visit(R{"scale_up_share", 0.06, "collective over scale-up links, of one way rating",
          "nccl-tests: 360-370 of 450 GB/s on H100"},
        c.scale_up_share);
  visit(
      R{"scale_out_share", 0.08, "collective over the network, of the rating", "nccl-tests on NDR"},
      c.scale_out_share);
  visit(R{"deep_ep_share", 0.08, "fused dispatch over the network, of the rating",
          "DeepEP README: 43 to 58 GB/s on 50 GB/s links"},
        c.deep_ep_share);
  visit(
      R{"all_to_all_share", 0.2, "library all-to-all over the network", "fitted to published runs"},
      c.all_to_all_share);
  visit(R{"message_bytes", 0.3, "message at which a collective has half its rate", "nccl-tests"},
        c.message_bytes);
  visit(R{"paired_link_share", 0.1, "rate of dispatch while products run, of its rate alone",
          "DSV3-004 kernel trace: 80.4 ms"},
        c.paired_link_share);
  visit(R{"communication_tax", 0.3, "slowdown of compute while links are busy",
          "20 of 132 compute units: 20/112, DeepSeek-V3 report, section 3.2.2"},
        c.communication_tax);
  visit(R{"tp_hidden", 0.2, "tensor-parallel traffic hidden, where software can",
          "fitted to published runs"},
        c.tp_hidden);
  visit(R{"dp_hidden", 0.1, "gradient traffic hidden behind the last backward pass",
          "fitted to published runs"},
        c.dp_hidden);
  visit(R{"fsdp_hidden", 0.05, "traffic of sharded weights hidden behind compute",
          "fitted to published runs"},
        c.fsdp_hidden);
  visit(R{"ep_hidden", 0.05, "dispatch hidden, where micro-batches are paired",
          "DSV3-004 kernel trace"},
        c.ep_hidden);
  visit(R{"expert_imbalance", 0.3, "relative spread of the load of one expert under balancing",
          "Wang et al. 2024, arXiv:2408.15664"},
        c.expert_imbalance);
  visit(
      R{"wait_jitter", 0.5, "relative spread of the time of one stage", "fitted to published runs"},
      c.wait_jitter);
  visit(R{"straggler", 0.5, "added per doubling of nodes", "fitted to published runs"},
        c.straggler);
}

}  // namespace farthing
