// memory.cpp - what a rank holds.
#include "plan/memory.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "plan/accounting.h"

namespace farthing {
namespace {

int first_layer_of(const std::vector<int>& layers, int stage) {
  return std::accumulate(layers.begin(), layers.begin() + stage, 0);
}

bool is_dual(const Layout& layout) {
  return layout.schedule == PipelineSchedule::kDualPipe && layout.pp > 1;
}

// Micro-batches whose activations a stage keeps, in whole stages.
double in_flight(const Layout& layout, const BatchShape& batch, int stage) {
  const double count = static_cast<double>(n_micro_batches(layout, batch.global_batch));
  const double p = layout.pp;
  double live = 1;
  switch (layout.schedule) {
    case PipelineSchedule::kNone:
      live = 1;
      break;
    case PipelineSchedule::kGpipe:
      live = count;
      break;
    case PipelineSchedule::kOneFOneB:
      live = p - stage;
      break;
    case PipelineSchedule::kInterleaved:
      live =
          layout.vp > 1 ? (2 * (p - stage - 1) + (layout.vp - 1) * p + 1) / layout.vp : p - stage;
      break;
    case PipelineSchedule::kZb1p:
      live = p;
      break;
    case PipelineSchedule::kDualPipe:
    case PipelineSchedule::kDualPipeV:
      live = p + 1;
      break;
  }
  return std::max(1.0, std::min(live, count > 0 ? count : live));
}

double weight_bytes(NumberFormat format) {
  if (format == NumberFormat::kFp32) return 4;
  return format == NumberFormat::kFp8Block ? 1 : 2;  // FP8 copies of the sharded masters
}

RankParameters add(const RankParameters& a, const RankParameters& b) {
  return {a.dense + b.dense, a.experts + b.experts};
}

}  // namespace

RankParameters rank_parameters(const ModelShape& shape, const Layout& layout,
                               const std::vector<int>& layers, int stage) {
  const auto real = [](std::int64_t count) { return static_cast<double>(count); };
  const double hidden = shape.hidden_size, tp = layout.tp;
  const double attention =
      real(attention_matrices(shape) + indexer_matrices(shape)) / tp + 2 * hidden;
  const double expert = real(mlp_matrices(shape, shape.moe_intermediate_size));
  const double local = static_cast<double>(shape.n_routed_experts) / (layout.ep * layout.etp);
  const auto block = [&](bool is_moe) {
    if (!is_moe) {
      return RankParameters{attention + real(mlp_matrices(shape, shape.intermediate_size)) / tp, 0};
    }
    return RankParameters{attention +
                              real(mlp_matrices(shape, shape.shared_intermediate_size)) / tp +
                              hidden * shape.n_routed_experts,
                          local * expert};
  };
  const double table = static_cast<double>(shape.vocab_size) * hidden / tp;
  RankParameters held;
  const int first = first_layer_of(layers, stage);
  for (int i = 0; i < layers[static_cast<std::size_t>(stage)]; ++i) {
    held = add(held, block(shape.is_moe_layer(first + i)));
  }
  const bool is_last = stage == layout.pp - 1;
  if (stage == 0) held.dense += table;
  if (is_last && !(shape.tie_word_embeddings && layout.pp == 1)) held.dense += table;
  if (is_last) {
    for (int i = 0; i < shape.num_nextn_predict_layers; ++i) {
      held = add(held, block(shape.is_moe()));
      held.dense += 2 * hidden * hidden;
    }
  }
  return held;
}

double saved_activation_bytes(const ModelShape& shape, const Layout& layout,
                              const BatchShape& batch, const Software& software, bool is_moe) {
  const double tokens = static_cast<double>(layout.micro_batch) * batch.sequence_length / layout.cp;
  const double hidden = shape.hidden_size, tp = layout.tp;
  const double split = layout.sequence_parallel ? tp : 1;
  const double input = 2 * hidden / split;
  if (layout.recompute == RecomputeMode::kFull) return tokens * input;
  const bool cheap = layout.recompute == RecomputeMode::kCheap;
  const double eight = is_fp8(layout.precision) ? 0.5 : 1;  // inputs of products kept in FP8
  const double query = double(shape.num_attention_heads) * shape.qk_dim() / tp;
  const double value = double(shape.num_attention_heads) * shape.v_dim() / tp;
  double bytes = input + input;  // the residual before attention and before the MLP
  // DeepSeek-V3 keeps attention's output in 12 bits and the activations' inputs in FP8.
  const bool narrow = cheap && layout.precision == NumberFormat::kFp8Block;
  if (shape.is_mla()) {
    const double latent = 2.0 * (shape.q_lora_rank + shape.kv_lora_rank + shape.qk_rope_head_dim);
    bytes += latent + (narrow ? 1.5 : 2) * value + (cheap ? 0 : 2 * (2 * query + value));
  } else {
    const double keys = 2.0 * std::max<double>(shape.num_key_value_heads / tp, 1) * shape.head_dim;
    bytes += 2 * (query + keys) + 2 * value;
  }
  if (!cheap) bytes += 2 * input;  // the norms' outputs
  if (software.attention == AttentionKernel::kUnfused &&
      layout.recompute != RecomputeMode::kSelective) {
    bytes += 5.0 * shape.num_attention_heads / tp * batch.sequence_length;
  }
  const auto mlp = [&](double width, double rows) {
    const double up = (shape.gated_mlp ? 2 : 1) * width;
    return rows * ((narrow ? 1 : 2) * up + (cheap ? 0 : 2 * eight * width));
  };
  if (!is_moe) {
    return tokens * (bytes + 2 * hidden * eight / split + mlp(shape.intermediate_size / tp, 1));
  }
  const double rows = shape.num_experts_per_tok / (layout.etp > 1 ? 1.0 : tp);
  bytes += rows * hidden * 2 * eight + mlp(double(shape.moe_intermediate_size) / layout.etp, rows) +
           mlp(shape.shared_intermediate_size / tp, 1) + (cheap ? 0 : rows * hidden * 2);
  return tokens * bytes;
}

namespace {

double stage_activations(const ModelShape& shape, const Layout& layout, const BatchShape& batch,
                         const Software& software, const std::vector<int>& layers, int stage) {
  const int first = first_layer_of(layers, stage);
  double bytes = 0;
  for (int i = 0; i < layers[static_cast<std::size_t>(stage)]; ++i) {
    bytes += saved_activation_bytes(shape, layout, batch, software, shape.is_moe_layer(first + i));
  }
  if (stage == layout.pp - 1) {
    bytes += shape.num_nextn_predict_layers *
             saved_activation_bytes(shape, layout, batch, software, shape.is_moe());
  }
  return bytes * in_flight(layout, batch, stage);
}

// Logits in BF16 and FP32 with their gradient; a block at work; gathered weights; buffers.
double transient_bytes(const ModelShape& shape, const Layout& layout, const BatchShape& batch,
                       const Software& software, int stage) {
  const double tokens = static_cast<double>(layout.micro_batch) * batch.sequence_length / layout.cp;
  Layout whole = layout;
  whole.recompute = RecomputeMode::kNone;
  double bytes = saved_activation_bytes(shape, whole, batch, software, shape.is_moe());
  if (stage == layout.pp - 1) {
    const double per_logit = software.year < 2024 ? 8 : 4;  // fused losses keep one copy
    bytes = std::max(bytes, tokens * shape.vocab_size / layout.tp * per_logit);
  }
  if (layout.zero_stage == 3) {
    const double block =
        static_cast<double>(attention_matrices(shape) +
                            mlp_matrices(shape, shape.is_moe() ? shape.shared_intermediate_size
                                                               : shape.intermediate_size)) /
        layout.tp;
    bytes += 2 * 2 * block * 2;
  }
  if (layout.ep > 1)
    bytes += tokens / layout.tp * shape.num_experts_per_tok * shape.hidden_size * 4;
  return bytes + 1.5e9;
}

MemoryUse memory_of_stage(const ModelShape& shape, const Layout& layout, const BatchShape& batch,
                          const Software& software, const std::vector<int>& layers, int stage) {
  RankParameters held = rank_parameters(shape, layout, layers, stage);
  double live = stage_activations(shape, layout, batch, software, layers, stage);
  if (is_dual(layout)) {  // two stages, half of the micro-batches each
    const int mirror = layout.pp - 1 - stage;
    held = add(held, rank_parameters(shape, layout, layers, mirror));
    live = (live + stage_activations(shape, layout, batch, software, layers, mirror)) / 2;
  }
  const double copies = layout.dp * layout.cp;
  const double expert_copies =
      std::max(1, layout.dp * layout.cp * layout.tp / (layout.ep * layout.etp));
  const auto shared = [&](bool is_shared) {
    return is_shared ? held.dense / copies + held.experts / expert_copies
                     : held.dense + held.experts;
  };
  const bool bf16_moments = layout.precision == NumberFormat::kFp8Block;
  MemoryUse use;
  use.stage = stage;
  use.weights = shared(layout.zero_stage >= 3) * weight_bytes(layout.precision);
  use.gradients = shared(layout.zero_stage >= 2) * 4;
  use.optimizer = shared(layout.zero_stage >= 1) * (bf16_moments ? 8 : 12) *
                  (is_dual(layout) ? 0.5 : 1);  // one owner of the two copies
  use.activations = live;
  use.transient = transient_bytes(shape, layout, batch, software, stage);
  return use;
}

}  // namespace

std::vector<MemoryUse> memory_of_stages(const ModelShape& shape, const Layout& layout,
                                        const BatchShape& batch, const Software& software) {
  const std::vector<int> layers = layers_of_stages(shape, layout);
  std::vector<MemoryUse> uses;
  uses.reserve(layers.size());
  for (int stage = 0; stage < layout.pp; ++stage) {
    uses.push_back(memory_of_stage(shape, layout, batch, software, layers, stage));
  }
  return uses;
}

MemoryUse memory_use(const ModelShape& shape, const Layout& layout, const BatchShape& batch,
                     const Software& software) {
  const std::vector<MemoryUse> uses = memory_of_stages(shape, layout, batch, software);
  return *std::max_element(uses.begin(), uses.end(), [](const MemoryUse& a, const MemoryUse& b) {
    return a.total() < b.total();
  });
}

double usable_memory(const Device& device) { return device.memory.value * 0.96; }

double checkpoint_bytes(const ModelShape& shape, const Layout& layout) {
  const double parameters = static_cast<double>(count_parameters(shape).total());
  return parameters * (layout.precision == NumberFormat::kFp8Block ? 8 : 12);
}

}  // namespace farthing
