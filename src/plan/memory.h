// memory.h - bytes on the fullest device, by component.
//
//   weights      parameters of the rank x bytes of the format (+ FP32 master copy in the optimizer)
//   gradients    FP32 or BF16, whole or sharded (ZeRO-2, ZeRO-3)
//   optimizer    master and two moments, sharded from ZeRO-1 on
//   activations  saved by every layer of the stage for every micro-batch in flight, per recompute
//   mode transient    logits, gathered weights, dispatch buffers, the allocator's and the library's
//   own
//
// Source   Korthikanti et al. 2022 (arXiv:2205.05198), section 4; Rajbhandari et al. 2020
//          (arXiv:1910.02054); DeepSeek-V3 report, section 3.2.3 for what it recomputes.
#pragma once
#include <string>
#include <vector>

#include "plan/layout.h"
#include "plan/software.h"

namespace farthing {

struct MemoryUse {
  double weights = 0;
  double gradients = 0;
  double optimizer = 0;
  double activations = 0;
  double transient = 0;
  int stage = 0;  // the fullest, counted from 0
  double total() const { return weights + gradients + optimizer + activations + transient; }
};

// Of every stage; the fullest is what must fit.
std::vector<MemoryUse> memory_of_stages(const ModelShape& shape, const Layout& layout,
                                        const BatchShape& batch, const Software& software);
MemoryUse memory_use(const ModelShape& shape, const Layout& layout, const BatchShape& batch,
                     const Software& software);
// What a device offers after the driver and communication libraries took theirs.
double usable_memory(const Device& device);
// Parameters that a rank holds before ZeRO: [0] outside experts, [1] in experts.
struct RankParameters {
  double dense = 0;
  double experts = 0;
};
// `layers`: layers_of_stages().
RankParameters rank_parameters(const ModelShape& shape, const Layout& layout,
                               const std::vector<int>& layers, int stage);
// Bytes that one block keeps for one micro-batch until its backward pass.
double saved_activation_bytes(const ModelShape& shape, const Layout& layout,
                              const BatchShape& batch, const Software& software, bool is_moe);
// A whole checkpoint: FP32 master and both moments.
double checkpoint_bytes(const ModelShape& shape, const Layout& layout);

}  // namespace farthing
