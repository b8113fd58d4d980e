// block_time.cpp - the operations of a block in their order, with their shapes.
#include "plan/block_time.h"

#include <algorithm>
#include <cmath>

#include "plan/accounting.h"

namespace farthing {

PhaseTime& PhaseTime::operator+=(const PhaseTime& other) {
  attention += other.attention;
  core += other.core;
  mlp += other.mlp;
  experts += other.experts;
  head += other.head;
  elementwise += other.elementwise;
  recompute += other.recompute;
  tp += other.tp;
  cp += other.cp;
  ep += other.ep;
  kernels += other.kernels;
  routed_kernels += other.routed_kernels;
  return *this;
}

PhaseTime PhaseTime::operator*(double factor) const {
  PhaseTime scaled = *this;
  for (double* part : {&scaled.attention, &scaled.core, &scaled.mlp, &scaled.experts, &scaled.head,
                       &scaled.elementwise, &scaled.recompute, &scaled.tp, &scaled.cp, &scaled.ep,
                       &scaled.kernels, &scaled.routed_kernels}) {
    *part *= factor;
  }
  return scaled;
}

BlockTime& BlockTime::operator+=(const BlockTime& other) {
  forward += other.forward;
  backward_input += other.backward_input;
  backward_weight += other.backward_weight;
  return *this;
}

BlockTimer::BlockTimer(const StepTimeRequest& request)
    : request_(request),
      shape_(request.model),
      layout_(request.layout),
      operations_(request.cluster.device, request.constants, request.software),
      links_(request.cluster, request.constants),
      tokens_(static_cast<double>(request.layout.micro_batch) * request.batch.sequence_length /
              request.layout.cp),
      tokens_split_(request.layout.sequence_parallel ? tokens_ / request.layout.tp : tokens_) {}

// y [m, n] = x [m, k] w [k, n]; dx is [m, k] over n, dw is [k, n] over m.
void BlockTimer::add_product(BlockTime& time, double PhaseTime::*part,
                             const Product& product) const {
  const auto& [m, n, k, format, groups] = product;
  if (m <= 0 || n <= 0 || k <= 0) return;
  time.forward.*part += operations_.gemm(m, n, k, format, groups);
  time.backward_input.*part += operations_.gemm(m, k, n, format, groups);
  time.backward_weight.*part += operations_.gemm(k, n, m, format, groups);
  time.forward.kernels += 1;
  time.backward_input.kernels += 1;
  time.backward_weight.kernels += 1;
  if (!is_fp8(format) && format != NumberFormat::kNvfp4) return;
  // Inputs and gradients are cast once each, and transposed copies are written.
  const double bytes = request_.constants.quantise_bytes * groups;
  time.forward.elementwise += operations_.elementwise(bytes * m * k, 1);
  time.backward_input.elementwise += operations_.elementwise(bytes * m * n, 1);
  time.forward.kernels += 1;
  time.backward_input.kernels += 1;
}

void BlockTimer::add_elementwise(BlockTime& time, double bytes, double kernels) const {
  const double spread = request_.software.fused ? 1 : 1.8;
  time.forward.elementwise += operations_.elementwise(bytes * spread, kernels * spread);
  time.backward_input.elementwise +=
      operations_.elementwise(1.7 * bytes * spread, kernels * spread);
  time.forward.kernels += kernels * spread;
  time.backward_input.kernels += kernels * spread;
}

void BlockTimer::add_core(BlockTime& time) const {
  const double sequence = request_.batch.sequence_length;
  const double tokens = tokens_ / layout_.tp;
  const double flops = tokens * attention_core_flops(shape_, sequence);
  const double scores = tokens * shape_.num_attention_heads * sequence;
  time.forward.core += operations_.core_forward(flops, scores);
  time.backward_input.core += operations_.core_backward(flops, scores);
  if (shape_.is_sparse()) {
    const double indexer = tokens_ * indexer_core_flops(shape_, sequence);
    const double seconds = indexer / operations_.sustained(NumberFormat::kFp8Block);
    time.forward.core += seconds;
    time.backward_input.core += 2 * seconds;
  }
  const double kernels = request_.software.attention == AttentionKernel::kUnfused ? 5 : 1;
  time.forward.kernels += kernels;
  time.backward_input.kernels += 2 * kernels;
}

void BlockTimer::add_attention(BlockTime& time) const {
  const double hidden = shape_.hidden_size, heads = shape_.num_attention_heads;
  const double tp = layout_.tp;
  const NumberFormat format = layout_.precision;
  const double query = heads * shape_.qk_dim() / tp;
  double keys = 0;
  if (shape_.is_mla()) {
    const double rank = shape_.kv_lora_rank, rope = shape_.qk_rope_head_dim;
    const double up = heads * (shape_.qk_nope_head_dim + shape_.v_head_dim) / tp;
    if (shape_.q_lora_rank > 0) {
      add_product(time, &PhaseTime::attention,
                  {tokens_, double(shape_.q_lora_rank), hidden, format});
      add_product(time, &PhaseTime::attention,
                  {tokens_, query, double(shape_.q_lora_rank), format});
    } else {
      add_product(time, &PhaseTime::attention, {tokens_, query, hidden, format});
    }
    add_product(time, &PhaseTime::attention, {tokens_, rank + rope, hidden, format});
    add_product(time, &PhaseTime::attention, {tokens_, up, rank, format});
    keys = up + heads * rope / tp;
    // Latent norms; parts of heads are joined into contiguous queries and keys.
    add_elementwise(time, tokens_ * (4 * (rank + shape_.q_lora_rank) + 4 * (query + keys)), 4);
  } else {
    keys = 2.0 * std::max<double>(shape_.num_key_value_heads / tp, 1) * shape_.head_dim;
    add_product(time, &PhaseTime::attention, {tokens_, query + keys, hidden, format});
    if (!shape_.learned_positions) add_elementwise(time, tokens_ * 4 * (query + keys / 2), 1);
  }
  if (shape_.is_sparse()) {
    const double indexer = static_cast<double>(indexer_matrices(shape_));
    add_product(time, &PhaseTime::attention, {tokens_, indexer / hidden, hidden, format});
  }
  add_core(time);
  add_product(time, &PhaseTime::attention, {tokens_, hidden, heads * shape_.v_dim() / tp, format});
}

void BlockTimer::add_dense_mlp(BlockTime& time, int width, double tokens) const {
  if (width == 0) return;
  const double hidden = shape_.hidden_size, inner = static_cast<double>(width) / layout_.tp;
  const double up = (shape_.gated_mlp ? 2 : 1) * inner;
  add_product(time, &PhaseTime::mlp, {tokens, up, hidden, layout_.precision});
  add_product(time, &PhaseTime::mlp, {tokens, hidden, inner, layout_.precision});
  add_elementwise(time, tokens * 2 * (up + inner), 1);
}

double BlockTimer::max_expert_load() const {
  if (!shape_.is_moe() || request_.software.forced_balance || layout_.ep == 1) return 1;
  const double local = static_cast<double>(shape_.n_routed_experts) / layout_.ep;
  const double sd = request_.constants.expert_imbalance / std::sqrt(local);
  return 1 + sd * std::sqrt(2 * std::log(static_cast<double>(layout_.ep)));
}

// Rows of a rank: its group's tokens spread evenly; the fullest rank is step_time's business.
void BlockTimer::add_experts(BlockTime& time) const {
  const double hidden = shape_.hidden_size, experts = shape_.n_routed_experts;
  const double source = layout_.etp > 1 ? tokens_ : tokens_ / layout_.tp;
  const double rows = source * shape_.num_experts_per_tok;
  const double local = std::max(1.0, experts / layout_.ep);
  const double inner = static_cast<double>(shape_.moe_intermediate_size) / layout_.etp;
  const double up = (shape_.gated_mlp ? 2 : 1) * inner;
  const NumberFormat format = layout_.precision;
  add_product(time, &PhaseTime::experts, {rows / local, up, hidden, format, local});
  add_product(time, &PhaseTime::experts, {rows / local, hidden, inner, format, local});
  add_elementwise(time, rows * 2 * (up + inner), 1);
  add_elementwise(time, 2 * rows * 4 * hidden, 8);  // into expert order and back
  BlockTime router;                                 // FP32 scores, top-k
  add_product(router, &PhaseTime::elementwise, {source, experts, hidden, NumberFormat::kBf16});
  time += router;
  add_elementwise(time, source * experts * 12, 8);
  // Libraries launched casts and products expert by expert until they learned to group them.
  if (request_.software.launches_per_expert) {
    const double launches = request_.constants.expert_launches * local;
    time.forward.kernels += launches / 3;
    time.backward_input.kernels += launches / 3;
    time.backward_weight.kernels += launches / 3;
  }
  add_dense_mlp(time, shape_.shared_intermediate_size, tokens_);
}

// Copies that leave for other domains, and that travel inside the domain of arrival.
void BlockTimer::add_dispatch(BlockTime& time) const {
  if (layout_.ep == 1) return;
  const Constants& c = request_.constants;
  const Group group = make_group(request_.cluster, layout_.ep, layout_.etp);
  const double domains = static_cast<double>(group.ranks) / group.per_domain;
  const double top_k = shape_.num_experts_per_tok;
  const bool deduplicates = request_.software.dispatcher == Dispatcher::kDeepEp;
  const auto distinct = [](double places, double draws) {
    return places * (1 - std::pow(1 - 1 / places, draws));
  };
  double reached = distinct(domains, top_k);
  if (shape_.n_group > 1 && domains > 1) {  // node-limited routing
    const double limit = std::min<double>(domains, shape_.topk_group);
    reached = std::min(reached, distinct(std::max(1.0, limit), top_k));
  }
  const double source = layout_.etp > 1 ? tokens_ : tokens_ / layout_.tp;
  const double out = (deduplicates ? reached : top_k) * (domains - 1) / domains;
  const double ranks = layout_.ep;
  const double up = group.per_domain > 1
                        ? (deduplicates ? distinct(ranks, top_k) : top_k) * (ranks - 1) / ranks
                        : 0;
  const double share = deduplicates ? c.deep_ep_share : c.all_to_all_share;
  const bool fp8_dispatch = layout_.precision == NumberFormat::kFp8Block && deduplicates;
  const auto seconds = [&](double bytes) {
    const double size = source * shape_.hidden_size * bytes;
    return links_.exchange(up * size, out * size, group, share);
  };
  const double both = seconds(fp8_dispatch ? 1 + 4.0 / 128 : 2) + seconds(2);
  time.forward.ep += both;
  time.backward_input.ep += both;
  time.forward.kernels += 8;
  time.backward_input.kernels += 8;
}

// `gathers` pairs of all-gather and reduce-scatter of the residual stream.
void BlockTimer::add_tensor_traffic(BlockTime& time, double gathers) const {
  if (layout_.tp == 1) return;
  const Group group = make_group(request_.cluster, layout_.tp, 1);
  const double bytes = tokens_ * shape_.hidden_size * 2;
  const double seconds = gathers * links_.all_reduce(bytes, group);
  time.forward.tp += seconds;
  time.backward_input.tp += seconds * (layout_.sequence_parallel ? 1.5 : 1);
  time.forward.kernels += 2 * gathers;
  time.backward_input.kernels += 2 * gathers;
}

void BlockTimer::add_recompute(BlockTime& time) const {
  PhaseTime& backward = time.backward_input;
  const PhaseTime& forward = time.forward;
  switch (layout_.recompute) {
    case RecomputeMode::kNone:
      return;
    case RecomputeMode::kSelective:
      if (request_.software.attention == AttentionKernel::kUnfused) {
        backward.recompute += forward.core;
        backward.kernels += 5;
      }
      return;
    case RecomputeMode::kCheap:
      // Norms and activations are about half of the memory-bound work.
      backward.recompute += 0.4 * forward.elementwise;
      if (shape_.is_mla()) backward.recompute += 0.45 * forward.attention;
      backward.kernels += 6;
      return;
    case RecomputeMode::kFull:
      backward.recompute += forward.compute();
      backward.tp += forward.tp;
      backward.ep += forward.ep;
      backward.cp += forward.cp;
      backward.kernels += forward.kernels;
      backward.routed_kernels += forward.routed_kernels;
      return;
  }
}

BlockTime BlockTimer::block(bool is_moe) const {
  BlockTime time;
  const double hidden = shape_.hidden_size;
  add_elementwise(time, tokens_split_ * 20 * hidden, 4);  // two norms, two residual sums
  add_attention(time);
  if (is_moe) {
    add_experts(time);
    add_dispatch(time);
    time.forward.routed_kernels = time.forward.kernels;
    time.backward_input.routed_kernels = time.backward_input.kernels;
    time.backward_weight.routed_kernels = time.backward_weight.kernels;
    // With etp 1 the experts' tokens are split over tp already.
    add_tensor_traffic(time, layout_.etp > 1 || shape_.shared_intermediate_size > 0 ? 2 : 1);
  } else {
    add_dense_mlp(time, shape_.intermediate_size, tokens_);
    add_tensor_traffic(time, 2);
  }
  if (layout_.cp > 1) {
    const double keys = shape_.is_mla() ? 2.0 * shape_.num_attention_heads * shape_.v_head_dim
                                        : 2.0 * shape_.num_key_value_heads * shape_.head_dim;
    const double bytes = tokens_ * layout_.cp * 2 * keys / layout_.tp;
    const double seconds =
        links_.gather(bytes, make_group(request_.cluster, layout_.cp, layout_.tp));
    time.forward.cp += seconds;
    time.backward_input.cp += 2 * seconds;
  }
  add_recompute(time);
  return time;
}

BlockTime BlockTimer::embedding() const {
  BlockTime time;
  add_elementwise(time, tokens_split_ * 6.0 * shape_.hidden_size, 2);
  return time;
}

BlockTime BlockTimer::head() const {
  BlockTime time;
  const double rows = static_cast<double>(shape_.vocab_size) / layout_.tp;
  add_product(time, &PhaseTime::head,
              {tokens_, rows, double(shape_.hidden_size), NumberFormat::kBf16});
  add_elementwise(time, tokens_ * rows * 10, 4);  // logits in BF16 and FP32, and their gradient
  return time;
}

BlockTime BlockTimer::mtp() const {
  BlockTime time = block(shape_.is_moe());
  const double hidden = shape_.hidden_size;
  add_product(time, &PhaseTime::attention,
              {tokens_, hidden / layout_.tp, 2 * hidden, layout_.precision});
  time += head();
  time += embedding();
  return time;
}

}  // namespace farthing
