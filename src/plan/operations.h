// operations.h - seconds of one product, one attention core, one pass over memory, one collective.
//
//   product     FLOPs / (sustained * k/(k+k0) * waves/(waves+c)), or its bytes over the memory
//               sustained = the largest product measured on the device x what a long run keeps of
//               it
//   collective  bytes on the slowest tier / (rate * bytes/(bytes+b0)) + latency * hops
//
// Hierarchical collectives: a group with g ranks in one scale-up domain moves (g-1)/g of its bytes
// there and uses g network ports for the rest.
#pragma once
#include "plan/constants.h"
#include "plan/layout.h"
#include "plan/software.h"

namespace farthing {

enum class Generation { kAmpere, kHopper, kBlackwell, kOther };
Generation generation_of(const Device& device);

class Operations {
 public:
  Operations(const Device& device, const Constants& constants, const Software& software);

  // `groups` products of [m, k] x [k, n] in one launch.
  double gemm(double m, double n, double k, NumberFormat format, double groups = 1) const;
  // Of large products, FLOP/s.
  double sustained(NumberFormat format) const;
  // bytes moved by `kernels` kernels.
  double elementwise(double bytes, double kernels) const;
  // FLOPs of the causal core; `scores` are entries of the score matrices (unfused cores move them).
  double core_forward(double flops, double scores) const;
  double core_backward(double flops, double scores) const;

 private:
  double wave_efficiency(double m, double n, double groups) const;

  const Device& device_;
  const Constants& constants_;
  const Software& software_;
  Generation generation_;
  double units_, bandwidth_;
};

// Ranks of a group and how many of them share a scale-up domain.
struct Group {
  int ranks = 1;
  int per_domain = 1;
};
// A group of `ranks` whose neighbours are `stride` devices apart.
Group make_group(const Cluster& cluster, int ranks, int stride);

class Links {
 public:
  Links(const Cluster& cluster, const Constants& constants);
  // Reduce-scatter or all-gather of `bytes`, the size of the whole on each rank.
  double gather(double bytes, const Group& group) const;
  double all_reduce(double bytes, const Group& group) const { return 2 * gather(bytes, group); }
  // Every rank sends up_bytes inside its domain and out_bytes to other domains.
  double exchange(double up_bytes, double out_bytes, const Group& group, double share) const;
  double send(double bytes, bool same_domain) const;
  double out_rate() const { return out_; }  // B/s of one device, whole rating

 private:
  double ramp(double bytes) const;
  const Constants& constants_;
  double up_, up_latency_, out_, out_latency_;
};

}  // namespace farthing
