// serving.h - what a million tokens cost to serve, and what is left at a price.
//
// Money of a throughput (measured or predicted), for a day of traffic:
//   nodes = input / (86400 s * prefill) + output / (86400 s * decode)       tokens/s of one node
//   cost  = nodes * devices_per_node * 24 h * USD per device-hour, at least that of `floor_devices`
//           day and night (whole devices stand, whatever the traffic)
//   revenue = hits * hit price + misses * input price + output * output price   (per million)
//   cost-profit = revenue / cost - 1        gross margin = 1 - cost / revenue
//
// Predicted throughput of one device, in an instance of n devices, b sequences on each:
//   decode step  = max(attention, experts + wire) + latency, as two halves of a batch take turns
//                  (DeepSeek-V3 report, section 3.4.2); their sum, where a whole batch
//                  is faster
//   attention    = max(other weights read / bandwidth, FLOPs / peak)
//                  + max(cache read / bandwidth, core / peak) + kernel starts
//   experts      = max(expert weights read / bandwidth, fullest * FLOPs / peak) + kernel starts
//   wire  = fullest * b * MoE layers * copies * hidden * (1 byte out + 2 back) / link
//   fullest = 1 + sqrt(2 ln n * (spread^2 / experts of a device + 1 / sampled rows)): each layer
//         waits for the device with the most rows
//   core  = MLA: 2 * heads * (2 * kv_rank + rope) * context per layer, the absorbed form;
//           else 2 * heads * (qk + v) * context
//   prefill of one token that is not cached = max(work, wire)
//   work  = (matrix / peak + core over cached and new keys / peak) / (1 - units that communicate)
//           + bytes of the kernels between the products / bandwidth
// A prefill sends one copy to each distinct node (node-limited routing), a decode one per expert.
// Experts read per step: all * (1 - (1 - k / E)^(b n / 2)), twice where there are two halves.
// A dense model is split over n devices (tensor parallel), with two all-reduces a layer.
// n and b are searched: the most tokens/s per device within memory and the speed a reader is owed.
// Shares of peaks come from kernels' own publications and from the planner's constants, which were
// fitted to training runs; none was fitted to a serving deployment.
// Not modelled: the host's scheduling and admission, sequences of unequal length in a batch, moving
// caches from prefill to decode and from disk, instances that idle between bursts, failures.  So
// the prediction is of a saturated instance; published deployments lie below (ServeLoad::load).
//
// Source   DeepSeek-V3/R1 inference system overview, day 6 of the open-infra week (March 2025);
//          efficiencies: FlashMLA and DeepEP as published by their authors on H800.
// Units    bytes, seconds, FLOP/s, USD; a share is 0 to 1.
// Errors   Error{kBadInput} for prices or traffic that are negative or absurd;
//          Error{kOutOfResource} when no instance of at most kMostInstanceDevices holds the model.
#pragma once
#include <string>
#include <vector>

#include "plan/cluster.h"
#include "plan/constants.h"
#include "plan/model_book.h"

namespace farthing {

inline constexpr int kMostInstanceDevices = 512;

// Shares of the sheet's figures that serving kernels reach.
struct ServeEfficiency {
  // of the peak of the weights' format; the device's own measured GEMM first
  double matrix = 0.7;
  double fp8_block = Constants{}.gemm_fp8_block;       // tiles of 128 promoted to FP32
  double grouped = Constants{}.grouped_gemm;           // products of experts, of the plain rate
  double kernel_seconds = Constants{}.kernel_seconds;  // of a decode kernel, start and end
  double core = 0.66;      // of the BF16 peak: FlashMLA, 660 of 989 TFLOP/s on H800
  double bandwidth = 0.9;  // of memory: FlashMLA, 3,000 of 3,350 GB/s
  // of a link: DeepEP's normal kernels, 43 of 50 GB/s between nodes, 153 of 160 within
  double link = 0.86;
  double direct_link = 0.78;  // its low-latency kernels at 128 and 256 devices, 39 of 50 GB/s
  // of a device's compute units, while its normal kernels carry a prefill: 24 of 132
  double communication_units = 24.0 / 132;
  double prefill_rows = 16384;  // tokens of a device at once: DeepSeek's published profile
  // of one expert's load, relative; 0: every device has the same rows, as in a simulated balance
  double expert_spread = Constants{}.expert_imbalance;
  double memory = 0.9;  // of the memory may be filled
};

struct ServeLoad {
  double input_tokens_per_day = 608e9;
  double output_tokens_per_day = 168e9;
  double hit_share = 0.5625;             // of the input found in a cache of earlier prefixes
  double context = 4989;                 // mean tokens in the cache while decoding
  double prompt = 4096;                  // of a prefill
  double tokens_per_second_reader = 20;  // at least, for each reader
  double tokens_per_step = 1;            // above 1 with accepted drafts of an MTP module
  double bytes_per_weight = 1;           // FP8
  double bytes_per_cache_value = 2;      // BF16
  // Of the saturated throughput that is had, day and night: 0.75, what SGLang's deployment reaches
  // of this roofline (0.69 prefill, 0.81 decode), times 0.82, mean over peak nodes of a day's
  // traffic (DeepSeek: 226.75 of 278).  A measured throughput needs 1.
  double load = 0.6;
};

// Of a token that is in the cache, a prefill still has its share of the last one to do.
inline constexpr double kLeastMissed = 1e-3;

struct ServePrices {
  double usd_per_device_hour = 2;
  // Per million tokens: DeepSeek-R1's; NaN: not stated, and no revenue.
  double input_usd = 0.55, hit_usd = 0.14, output_usd = 2.19;
};

// Tokens per second of one device.
struct PhaseRate {
  double tokens_per_second = 0;
  int devices = 0;          // of one instance
  double sequences = 0;     // on one device
  double step_seconds = 0;  // decode: of a step; prefill: of a token on one device
  double work_seconds = 0, wire_seconds = 0;
  double memory_bytes = 0;  // used on one device
  std::string bound;        // "compute", "memory", "network", "speed"
};
PhaseRate predict_prefill(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                          const ServeEfficiency& efficiency = {});
// Of an instance of n devices, whether it fits or not.
PhaseRate predict_prefill_on(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                             int n, const ServeEfficiency& efficiency = {});
PhaseRate predict_decode(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                         const ServeEfficiency& efficiency = {});

// Devices of the smallest instance that holds the model and serves one reader as fast as he is
// owed, prefill and decode in turn.
int smallest_instance(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                      const ServeEfficiency& efficiency = {});

// Seconds of a decode step of an instance of n devices with so many sequences on each.
double predict_decode_step(const ModelShape& shape, const Cluster& cluster, const ServeLoad& load,
                           int n, double sequences, const ServeEfficiency& efficiency = {});

// Per node, as the publications count: prefill_rate includes the tokens found in the cache.
struct ServeRate {
  double prefill = 0, decode = 0;
  double devices_per_node = 8;
};

struct ServeDay {
  double prefill_nodes = 0, decode_nodes = 0;
  double used_usd = 0;  // of the share of the nodes that the traffic fills
  double cost_usd = 0;  // the same, or the least devices' where that is more
  double revenue_usd = 0;
  double cost_profit = 0, gross_margin = 0;
  double usd_per_million_input = 0;  // of all input, hits included
  double usd_per_million_miss = 0;   // if hits were free
  double usd_per_million_output = 0;
};
ServeDay serve_day(const ServeRate& rate, const ServeLoad& load, const ServePrices& prices,
                   double floor_devices = 0);

// The published day of 27 to 28 February 2025: 226.75 nodes of 8 H800 on average.
struct PublishedDay {
  ServeRate rate{.prefill = 73700, .decode = 14800, .devices_per_node = 8};
  ServeLoad load{.input_tokens_per_day = 608e9,
                 .output_tokens_per_day = 168e9,
                 .hit_share = 342.0 / 608,
                 .load = 1};
  ServePrices prices;
  // Its decode instance, and what a reader got: 20 to 22 tokens/s.  Speed times sequences is the
  // rate, so a device held 14,800 / 8 / 21 = 88 sequences on average.  DeepSeek's profile of the
  // same decode has 128 (github.com/deepseek-ai/profile-data).
  int decode_devices = 144;
  double tokens_per_second_reader = 21;
  double sequences() const {
    return rate.decode / rate.devices_per_node / tokens_per_second_reader;
  }
  double nodes = 226.75, cost_usd = 87072, revenue_usd = 562027, cost_profit = 5.45;
};

// DeepSeek's own profile of the same prefill and decode at full load, its experts balanced by
// simulation (github.com/deepseek-ai/profile-data; tokens of a node as SGLang read them off it,
// lmsys.org/blog/2025-05-05-large-scale-ep, "Overall Throughput").  SGLang takes the decode's
// attention to be that of drafts being verified.
struct PublishedProfile {
  ServeRate rate{.prefill = 62713, .decode = 18598, .devices_per_node = 8};
  ServeLoad load{.hit_share = 0, .context = 4096, .prompt = 4096, .load = 1};
  int prefill_devices = 32, decode_devices = 128;
  double sequences = 128;  // on a device
};

// SGLang's deployment of DeepSeek-V3 on 12 nodes of H100, 2,000-token prompts, about 100 ms between
// tokens, no cache (May 2025).
struct SglangDeployment {
  ServeRate rate{.prefill = 52300, .decode = 22300, .devices_per_node = 8};
  ServeLoad load{
      .hit_share = 0, .context = 2000, .prompt = 2000, .tokens_per_second_reader = 10, .load = 1};
};

// Training once and serving so many tokens: total = train + tokens * serve / 1e6.  NaN: not stated,
// and so is every sum of it.
struct Offer {
  std::string name;
  double train_usd = 0;
  double serve_usd_per_million = 0;
};
double lifetime_usd(const Offer& offer, double tokens);
double serving_usd(const Offer& offer, double tokens);
// Tokens from which the one that is dearer to train and cheaper to serve has won; NaN if never.
double lifetime_crossover(const Offer& a, const Offer& b);

// The least bill of an own model: at least `floor_devices` run day and night, whatever the traffic.
struct OwnServing {
  double train_usd = 0;
  double months = 12;
  double floor_devices = 8;
  double usd_per_device_hour = 2;
  double usd_per_million = 0;  // of the mix, where the floor does not bind
};
double own_usd(const OwnServing& own, double tokens_per_day);
// Tokens a day from which the own model beats an API at that price per million; NaN if never.
double own_beats_api_at(const OwnServing& own, double api_usd_per_million);

}  // namespace farthing
