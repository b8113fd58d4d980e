// layout.h - how a model is spread over devices: parallel degrees, schedule, precision, recompute.
//
//   devices = pp * dp * tp * cp      ep * etp divides dp * cp * tp: experts share those ranks
//
// A micro-batch is `micro_batch` sequences on one rank of data parallelism; a step has
// global_batch / (dp * micro_batch) of them.  tp keeps its ranks adjacent, then cp, ep, dp, pp.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/cluster.h"
#include "plan/model_book.h"

namespace farthing {

enum class PipelineSchedule {
  kNone,
  kGpipe,
  kOneFOneB,
  kInterleaved,
  kZb1p,
  kDualPipe,
  kDualPipeV
};
enum class RecomputeMode {
  kNone,
  kSelective,  // the attention core alone (Korthikanti et al. 2022)
  kCheap,      // norms, activations, latent up-projections (DeepSeek-V3)
  kFull,       // every block again
};
enum class NumberFormat {
  kFp32,
  kFp16,
  kBf16,
  kFp8,       // one scale per tensor
  kFp8Block,  // DeepSeek-V3: 1x128 tiles, 128x128 blocks, FP32 promotion
  kMxfp8,
  kNvfp4,
};

struct Layout {
  int pp = 1, ep = 1, dp = 1, tp = 1, cp = 1;
  int vp = 1;   // model chunks per rank
  int etp = 1;  // tensor parallelism of the experts
  int micro_batch = 1;
  PipelineSchedule schedule = PipelineSchedule::kNone;
  int zero_stage = 1;  // 0: everything replicated; 1 optimizer; 2 gradients; 3 weights
  RecomputeMode recompute = RecomputeMode::kNone;
  NumberFormat precision = NumberFormat::kBf16;
  bool sequence_parallel = true;  // norms and residuals split over tp

  int n_devices() const { return pp * dp * tp * cp; }
  bool operator==(const Layout&) const = default;
};

// Parts of a layout that somebody has settled; 0 and absent ones are open.
struct LayoutPins {
  int pp = 0, ep = 0, tp = 0, cp = 0, vp = 0, micro_batch = 0;
  std::optional<int> zero_stage;
  std::optional<PipelineSchedule> schedule;
  std::optional<RecomputeMode> recompute;
  bool operator==(const LayoutPins&) const = default;
};
// "PP16 EP64, recompute cheap"; empty without any.
std::string describe(const LayoutPins& pins);

// Sequences in flight: global_batch sequences of sequence_length tokens a step.
struct BatchShape {
  int sequence_length = 4096;
  std::int64_t global_batch = 1;
  double tokens() const { return static_cast<double>(sequence_length) * global_batch; }
};
// Micro-batches of one rank in one step; 0 when it does not divide.
std::int64_t n_micro_batches(const Layout& layout, std::int64_t global_batch);

// Layers of each of the pp stages, in order: equal chunks, then the spare places are taken from
// whichever stage has most matrix work, head, extra prediction layers and all.
std::vector<int> layers_of_stages(const ModelShape& shape, const Layout& layout);

const char* name(PipelineSchedule schedule);
const char* name(RecomputeMode mode);
const char* name(NumberFormat format);
// Errors: Error{kBadInput} naming the words that would do.
PipelineSchedule parse_schedule(const std::string& word, const std::string& where);
RecomputeMode parse_recompute(const std::string& word, const std::string& where);
NumberFormat parse_format(const std::string& word, const std::string& where);

bool is_fp8(NumberFormat format);
// Whether the device multiplies the format: block-scaled mxfp8 and nvfp4 came with the units that
// multiply four bits.
bool has_products(const Device& device, NumberFormat format);
// "PP16 EP64 DP128, micro-batch 1, DualPipe, ZeRO-1, fp8_block, recompute cheap"
std::string describe(const Layout& layout);

// Why this layout cannot exist on the cluster, each with what would work; empty when it can.
// Memory is not looked at here.
std::vector<std::string> validate(const Layout& layout, const ModelShape& shape,
                                  const Cluster& cluster, const BatchShape& batch);

}  // namespace farthing
