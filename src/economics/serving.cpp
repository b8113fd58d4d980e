// serving.cpp - roofline of prefill and decode, and the money of a day.
#include "economics/serving.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/calendar.h"
#include "base/error.h"
#include "plan/accounting.h"

namespace farthing {
namespace {

constexpr double kDay = 86400, kMillion = 1e6;
constexpr double kNever = std::numeric_limits<double>::quiet_NaN();
// Kernels of one layer's decode: norms, products of the latents and of q, k, v, rotation, cache,
// core and its reduction, output product, casts, router; and two products with what is between.
constexpr double kAttentionKernels = 16, kExpertKernels = 3;
constexpr double kDispatchBytes = 1, kCombineBytes = 2;  // FP8 out, BF16 back

// What both phases need of a device and a model.
struct Roofline {
  double matrix_peak, grouped_peak, core_peak, bandwidth, memory;  // efficiencies applied
  double scale_up, scale_out, scale_out_direct;
  double expert_flops, other_flops;  // matrices, forward, one token, without the core
  double expert_bytes, other_bytes;  // weights
  double cache_bytes;                // of one token

  Roofline(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
           const ServeEfficiency& efficiency) {
    const Device& device = cluster.device;
    const bool fp8 = load.bytes_per_weight <= 1 && device.fp8_peak.is_known();
    const Figure& peak = fp8 ? device.fp8_peak : device.bf16_peak;
    const Figure& gemm = fp8 ? device.gemm_fp8 : device.gemm_bf16;
    matrix_peak = gemm.is_known() ? gemm.value : peak.value * efficiency.matrix;
    if (fp8) matrix_peak *= efficiency.fp8_block;
    grouped_peak = matrix_peak * efficiency.grouped;
    core_peak = device.bf16_peak.value * efficiency.core;
    bandwidth = device.memory_bandwidth.value * efficiency.bandwidth;
    memory = device.memory.value * efficiency.memory;
    scale_up = cluster.network.scale_up.value * efficiency.link;
    scale_out = cluster.network.scale_out.value * efficiency.link;
    scale_out_direct = cluster.network.scale_out.value * efficiency.direct_link;
    const auto active = count_active_parameters(shape);
    const auto all = count_parameters(shape);
    expert_flops = 2 * static_cast<double>(active.routed_experts);
    other_flops = 2 * static_cast<double>(active.main() - active.embedding) - expert_flops;
    expert_bytes = static_cast<double>(all.routed_experts) * load.bytes_per_weight;
    other_bytes = static_cast<double>(all.main()) * load.bytes_per_weight - expert_bytes;
    cache_bytes = kv_cache_bytes_per_token(shape, load.bytes_per_cache_value);
  }
};

// One layer, one token against `context` keys.
double decode_core_flops(const ModelShape& shape, double context) {
  const double keys = shape.is_sparse() ? std::min<double>(context, shape.index_topk) : context;
  const double width = shape.is_mla() ? 2.0 * shape.kv_lora_rank + shape.qk_rope_head_dim
                                      : shape.qk_dim() + shape.v_dim();
  return 2.0 * shape.num_attention_heads * width * keys +
         2.0 * shape.index_n_heads * shape.index_head_dim * context;
}

// All layers, one uncached token of a prompt whose first `hit_share` lies in the cache: the mean
// of keys 0 to L less that of keys 0 to hit L, as both are linear in the length (dense attention).
double prefill_core_flops(const ModelShape& shape, const ServeLoad& load) {
  const auto sum = [&](double length) {
    return length > 0 ? length * forward_flops_per_token(shape, length).attention_core : 0;
  };
  const double cached = std::min(load.hit_share, 0.999) * load.prompt;
  return (sum(load.prompt) - sum(cached)) / (load.prompt - cached);
}

// Bytes that the kernels between the products read and write for one token, all layers: norms,
// rotation and concatenation of q, k, v in BF16; rows of a product read in BF16 and written FP8.
double elementwise_bytes(const ModelShape& shape) {
  const double hidden = shape.hidden_size, heads = shape.num_attention_heads;
  const double latent = shape.q_lora_rank + shape.kv_lora_rank + shape.qk_rope_head_dim;
  const double kv_heads = shape.is_mla() ? heads : shape.num_key_value_heads;
  const double qkv = heads * shape.qk_dim() + kv_heads * (shape.qk_dim() + shape.v_dim());
  constexpr double kBf16 = 4, kQuantise = 3;  // read and written
  const double attention = kQuantise * (hidden + latent + heads * shape.v_dim()) + kBf16 * qkv;
  const double residuals = (kBf16 + kQuantise) * hidden;
  const double up = 2 * 2 + 1;  // gate and up read, their product written FP8
  const double dense = up * shape.intermediate_size;
  const double k = shape.num_experts_per_tok;
  const double experts = k * hidden * 2 +  // sorted by expert, FP8
                         k * hidden * 2 +  // weighted sum, read in BF16
                         up * (k * shape.moe_intermediate_size + shape.shared_intermediate_size);
  const double moe = shape.n_moe_layers();
  const double layers = shape.num_hidden_layers;
  return layers * (attention + residuals) + (layers - moe) * dense + moe * experts;
}

// The fullest of n devices over the mean: experts differ by `spread`, and a batch of rows is a
// sample; every layer waits for that device's products and for its link.
double fullest_device(const ModelShape& shape, int n, double rows, double spread) {
  if (n <= 1 || !shape.is_moe() || spread == 0) return 1;
  const double local = std::max(1.0, static_cast<double>(shape.n_routed_experts) / n);
  const double variance = spread * spread / local + 1 / (rows * shape.num_experts_per_tok);
  return 1 + std::sqrt(variance * 2 * std::log(static_cast<double>(n)));
}

// Distinct nodes among `nodes` that hold a token's experts, of the groups that it may choose from.
double expected_nodes(const ModelShape& shape, double nodes) {
  double eligible = nodes;
  if (shape.n_group > 1 && shape.topk_group > 0) {
    const double groups = shape.n_group;
    if (nodes >= groups) {
      eligible = shape.topk_group * nodes / groups;
    } else {  // a node holds several groups: missed if none of them is chosen
      double missed = 1;
      for (int i = 0; i < shape.topk_group; ++i) {
        missed *= std::max(0.0, groups - groups / nodes - i) / (groups - i);
      }
      eligible = nodes * (1 - missed);
    }
  }
  eligible = std::max(1.0, eligible);
  return eligible * (1 - std::pow(1 - 1 / eligible, shape.num_experts_per_tok));
}

// Seconds on the wire for one token of every layer.
// direct: every expert's copy crosses the network by itself (low-latency kernels); else one copy
// goes to each node and on from there over the scale-up links, both at once.
double wire_seconds(const ModelShape& shape, const Cluster& cluster, const Roofline& roof, int n,
                    bool direct) {
  if (n <= 1) return 0;
  const double domain = cluster.scale_up_domain();
  const double hidden = shape.hidden_size;
  if (!shape.is_moe()) {  // two all-reduces a layer, ring: 2 (n - 1) / n each way, BF16
    const double link = n <= domain ? roof.scale_up : roof.scale_out;
    return shape.num_hidden_layers * 2 * hidden * 2 * 2 * (n - 1) / n / link;
  }
  const double copy = shape.n_moe_layers() * hidden * (kDispatchBytes + kCombineBytes);
  const double experts = shape.num_experts_per_tok;
  if (n <= domain) return copy * experts * (n - 1) / n / roof.scale_up;
  const double away = 1 - domain / n;
  if (direct) return copy * experts * away / roof.scale_out_direct;
  return std::max(copy * expected_nodes(shape, n / domain) * away / roof.scale_out,
                  copy * experts * (1 - 1 / domain) / roof.scale_up);
}

// Overlapping, two halves of a batch take turns: one is in its attention while the other is with
// its experts.
struct DecodeStep {
  double attention = 0, experts = 0, wire = 0, latency = 0, memory = 0;
  bool overlaps = false, memory_bound = false;
  double seconds() const {
    const double exchange = experts + wire;
    return (overlaps ? std::max(attention, exchange) : attention + exchange) + latency;
  }
  std::string bound() const {
    if (overlaps && experts + wire > attention) return wire > experts ? "network" : "experts";
    return memory_bound ? "memory" : "compute";
  }
};

// In two halves that overlap, or whole: small batches would read the weights twice for nothing.
DecodeStep decode_step_in(double halves, const ModelShape& shape, const Cluster& cluster,
                          const Roofline& roof, const ServeLoad& load,
                          const ServeEfficiency& efficiency, int n, double sequences) {
  DecodeStep step;
  const double checked = std::ceil(load.tokens_per_step);  // positions computed per sequence
  const double rows = sequences * checked;
  step.overlaps = halves > 1;
  const double chosen = shape.is_moe()
                            ? 1 - std::pow(1 - static_cast<double>(shape.num_experts_per_tok) /
                                                   shape.n_routed_experts,
                                           rows / halves * n)
                            : 1;
  const double split = shape.is_moe() ? 1 : n;  // dense: the other weights are split too
  const double read = halves * roof.other_bytes / split / roof.bandwidth;
  const double matrix = rows * roof.other_flops / roof.matrix_peak;
  const double cache = sequences * load.context * roof.cache_bytes;
  const double core = rows * shape.num_hidden_layers * decode_core_flops(shape, load.context);
  const double keys = shape.is_sparse() ? std::min(1.0, shape.index_topk / load.context) : 1;
  const double cache_read = cache * keys / roof.bandwidth;
  step.attention = std::max(read, matrix) + std::max(cache_read, core / roof.core_peak);
  step.memory_bound = read > matrix;
  const double fullest = fullest_device(shape, n, rows / halves, efficiency.expert_spread);
  step.experts = std::max(halves * roof.expert_bytes * chosen / n / roof.bandwidth,
                          fullest * rows * roof.expert_flops / roof.grouped_peak);
  const double starts = halves * efficiency.kernel_seconds;
  step.attention += starts * shape.num_hidden_layers * kAttentionKernels;
  step.experts += starts * shape.num_hidden_layers * kExpertKernels;
  // Tensor parallel: every device sees the tokens of all n.
  const double tokens = shape.is_moe() ? rows : rows * n;
  step.wire = fullest * tokens * wire_seconds(shape, cluster, roof, n, true);
  const double latency = n <= cluster.scale_up_domain() ? cluster.network.scale_up_latency.value
                                                        : cluster.network.scale_out_latency.value;
  if (n > 1) step.latency = 2 * shape.num_hidden_layers * latency;
  step.memory = roof.other_bytes / split + roof.expert_bytes / n + cache;
  return step;
}

DecodeStep decode_step(const ModelShape& shape, const Cluster& cluster, const Roofline& roof,
                       const ServeLoad& load, const ServeEfficiency& efficiency, int n,
                       double sequences) {
  const DecodeStep whole = decode_step_in(1, shape, cluster, roof, load, efficiency, n, sequences);
  if (n <= 1 || !shape.is_moe() || sequences < 2) return whole;
  const DecodeStep halved = decode_step_in(2, shape, cluster, roof, load, efficiency, n, sequences);
  return halved.seconds() < whole.seconds() ? halved : whole;
}

std::vector<int> instance_sizes(const Cluster& cluster) {
  std::vector<int> sizes;
  const int node = cluster.devices_per_node();
  for (int n = 1; n < node; n *= 2) sizes.push_back(n);
  for (int nodes = 1; nodes * node <= std::min(kMostInstanceDevices, cluster.n_devices());
       nodes = nodes < 4 ? nodes + 1 : nodes + nodes / 4) {
    sizes.push_back(nodes * node);
  }
  return sizes;
}

bool may_split(const ModelShape& shape, const Cluster& cluster, int n) {
  if (shape.is_moe()) return n <= shape.n_routed_experts;
  return n <= cluster.scale_up_domain() && n <= shape.num_attention_heads;
}

[[noreturn]] void does_not_fit(const ModelShape& shape, const Cluster& cluster,
                               const std::string& why) {
  throw Error(ErrorCode::kOutOfResource,
              to_string({shape.name + " on " + cluster.name, "cannot be served", why,
                         "more or larger devices, fewer bytes per weight, or slower readers", ""}));
}

void check_positive(const char* what, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw_bad_input(
      {what, "out of range", fmt::format("{}", value), fmt::format("{} to {}", low, high), ""});
}

void check(const ServeLoad& load) {
  check_positive("input tokens per day", load.input_tokens_per_day, 0, 1e18);
  check_positive("output tokens per day", load.output_tokens_per_day, 0, 1e18);
  if (load.input_tokens_per_day + load.output_tokens_per_day == 0) {
    throw_bad_input({"tokens of a day", "0 in and 0 out", "", "tokens to serve, in or out", ""});
  }
  check_positive("share of cache hits", load.hit_share, 0, 1);
  check_positive("context", load.context, 1, 1e8);
  check_positive("prompt", load.prompt, 1, 1e8);
  check_positive("tokens per second of a reader", load.tokens_per_second_reader, 0, 1e5);
  check_positive("tokens per step", load.tokens_per_step, 1, 16);
  check_positive("bytes per weight", load.bytes_per_weight, 0.25, 4);
  check_positive("bytes per cache value", load.bytes_per_cache_value, 0.25, 4);
  check_positive("load", load.load, 0.001, 1);
}

}  // namespace

PhaseRate predict_prefill_on(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                             int n, const ServeEfficiency& efficiency) {
  check(load);
  const Roofline roof(shape, cluster, load, efficiency);
  const double core = prefill_core_flops(shape, load);
  const double split = shape.is_moe() ? 1 : n;
  PhaseRate rate;
  rate.devices = n;
  rate.memory_bytes =
      roof.other_bytes / split + roof.expert_bytes / n + load.prompt * roof.cache_bytes / split;
  const bool exchanges = shape.is_moe() && n > 1;
  const double units = exchanges ? 1 - efficiency.communication_units : 1;
  const double fullest =
      fullest_device(shape, n, efficiency.prefill_rows / 2, efficiency.expert_spread);
  rate.work_seconds = (roof.other_flops / roof.matrix_peak +
                       fullest * roof.expert_flops / roof.grouped_peak + core / roof.core_peak) /
                          units +
                      elementwise_bytes(shape) / split / roof.bandwidth;
  rate.wire_seconds =
      fullest * wire_seconds(shape, cluster, roof, n, false) * (shape.is_moe() ? 1 : n);
  // The all-reduces of tensor parallelism wait for their layer; dispatch overlaps the other half.
  rate.step_seconds = shape.is_moe() ? std::max(rate.work_seconds, rate.wire_seconds)
                                     : rate.work_seconds + rate.wire_seconds;
  rate.tokens_per_second = 1 / rate.step_seconds;
  rate.bound = rate.wire_seconds > rate.work_seconds ? "network" : "compute";
  return rate;
}

PhaseRate predict_prefill(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                          const ServeEfficiency& efficiency) {
  check(load);
  const double memory = Roofline(shape, cluster, load, efficiency).memory;
  PhaseRate best;
  for (const int n : instance_sizes(cluster)) {
    if (!may_split(shape, cluster, n)) continue;
    const PhaseRate rate = predict_prefill_on(shape, cluster, load, n, efficiency);
    if (rate.memory_bytes > memory) continue;
    if (rate.tokens_per_second > best.tokens_per_second * 1.001) best = rate;
  }
  if (best.devices == 0) does_not_fit(shape, cluster, "the weights exceed every instance's memory");
  return best;
}

double predict_decode_step(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                           int n, double sequences, const ServeEfficiency& efficiency) {
  check(load);
  const Roofline roof(shape, cluster, load, efficiency);
  return decode_step(shape, cluster, roof, load, efficiency, n, sequences).seconds();
}

PhaseRate predict_decode(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                         const ServeEfficiency& efficiency) {
  check(load);
  const Roofline roof(shape, cluster, load, efficiency);
  PhaseRate best;
  bool fits = false;
  for (const int n : instance_sizes(cluster)) {
    if (!may_split(shape, cluster, n)) continue;
    for (int n_sequences = 1; n_sequences <= 8192;
         n_sequences = static_cast<int>(std::ceil(n_sequences * 1.05))) {
      const double sequences = n_sequences;
      const DecodeStep step = decode_step(shape, cluster, roof, load, efficiency, n, sequences);
      if (step.memory > roof.memory) break;
      fits = true;
      if (load.tokens_per_step / step.seconds() < load.tokens_per_second_reader) break;
      const double tokens = sequences * load.tokens_per_step / step.seconds();
      if (tokens <= best.tokens_per_second * 1.001) continue;
      best = {tokens,    n,           sequences,   step.seconds(), step.attention + step.experts,
              step.wire, step.memory, step.bound()};
    }
  }
  if (!fits) does_not_fit(shape, cluster, "weights and one cache exceed every instance's memory");
  if (best.devices == 0) does_not_fit(shape, cluster, "no instance is as fast as the reader wants");
  return best;
}

int smallest_instance(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                      const ServeEfficiency& efficiency) {
  check(load);
  const Roofline roof(shape, cluster, load, efficiency);
  int for_prefill = 0, for_decode = 0;  // where no size does for both: an instance of each
  for (const int n : instance_sizes(cluster)) {
    if (!may_split(shape, cluster, n)) continue;
    const DecodeStep step = decode_step(shape, cluster, roof, load, efficiency, n, 1);
    const PhaseRate prefill = predict_prefill_on(shape, cluster, load, n, efficiency);
    const bool is_fast = load.tokens_per_step / step.seconds() >= load.tokens_per_second_reader;
    const bool prefills = prefill.memory_bytes <= roof.memory;
    const bool decodes = step.memory <= roof.memory && is_fast;
    if (prefills && decodes) return n;
    if (prefills && for_prefill == 0) for_prefill = n;
    if (decodes && for_decode == 0) for_decode = n;
  }
  if (for_prefill > 0 && for_decode > 0) return for_prefill + for_decode;
  does_not_fit(shape, cluster, "no instance holds it and is as fast as the reader wants");
}

ServeDay serve_day(const ServeRate& rate, const ServeLoad& load, const ServePrices& prices,
                   double floor_devices) {
  check(load);
  check_positive("prefill tokens per second of a node", rate.prefill, 1e-6, 1e12);
  check_positive("decode tokens per second of a node", rate.decode, 1e-6, 1e12);
  check_positive("USD per device-hour", prices.usd_per_device_hour, 1e-6, 1e6);
  for (const double price : {prices.input_usd, prices.hit_usd, prices.output_usd}) {
    if (!std::isnan(price)) check_positive("USD per million tokens", price, 0, 1e6);
  }
  ServeDay day;
  day.prefill_nodes = load.input_tokens_per_day / (kDay * rate.prefill * load.load);
  day.decode_nodes = load.output_tokens_per_day / (kDay * rate.decode * load.load);
  const double node_day = rate.devices_per_node * 24 * prices.usd_per_device_hour;
  day.used_usd = (day.prefill_nodes + day.decode_nodes) * node_day;
  day.cost_usd = std::max(day.used_usd, floor_devices * 24 * prices.usd_per_device_hour);
  const double hits = load.input_tokens_per_day * load.hit_share;
  const double misses = load.input_tokens_per_day - hits;
  day.revenue_usd = (hits * prices.hit_usd + misses * prices.input_usd +
                     load.output_tokens_per_day * prices.output_usd) /
                    kMillion;
  day.cost_profit = day.cost_usd > 0 ? day.revenue_usd / day.cost_usd - 1 : kNever;
  day.gross_margin = day.revenue_usd > 0 ? 1 - day.cost_usd / day.revenue_usd : kNever;
  const double idle = day.cost_usd / day.used_usd;  // what stands idle is paid by what is served
  day.usd_per_million_input = idle * node_day / (kDay * rate.prefill * load.load) * kMillion;
  day.usd_per_million_miss =
      load.hit_share < 1 ? day.usd_per_million_input / (1 - load.hit_share) : kNever;
  day.usd_per_million_output = idle * node_day / (kDay * rate.decode * load.load) * kMillion;
  return day;
}

double serving_usd(const Offer& offer, double tokens) {
  return tokens / kMillion * offer.serve_usd_per_million;
}

double lifetime_usd(const Offer& offer, double tokens) {
  return offer.train_usd + serving_usd(offer, tokens);
}

double lifetime_crossover(const Offer& a, const Offer& b) {
  const double train = a.train_usd - b.train_usd;
  const double serve = b.serve_usd_per_million - a.serve_usd_per_million;
  if (train == 0 || serve == 0 || train / serve < 0) return kNever;
  return train / serve * kMillion;
}

double own_usd(const OwnServing& own, double tokens_per_day) {
  const double days = own.months * kDaysPerYear / 12;
  const double floor = own.floor_devices * own.usd_per_device_hour * 24;
  return own.train_usd + days * std::max(floor, tokens_per_day / kMillion * own.usd_per_million);
}

double own_beats_api_at(const OwnServing& own, double api_usd_per_million) {
  const double days = own.months * kDaysPerYear / 12;
  const double floor = own.floor_devices * own.usd_per_device_hour * 24;
  // Either while the floor binds, or above it.
  const double bound = (own.train_usd / days + floor) / api_usd_per_million * kMillion;
  if (bound / kMillion * own.usd_per_million <= floor) return bound;
  const double gain = api_usd_per_million - own.usd_per_million;
  return gain > 0 ? own.train_usd / days / gain * kMillion : kNever;
}

}  // namespace farthing
