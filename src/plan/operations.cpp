// operations.cpp - rooflines with efficiency curves, and the cost of collectives.
#include "plan/operations.h"

#include <algorithm>
#include <cmath>

namespace farthing {
namespace {

double bytes_of(NumberFormat format) {
  if (format == NumberFormat::kFp32) return 4;
  if (format == NumberFormat::kNvfp4) return 0.56;
  return is_fp8(format) ? 1.03 : 2;
}

double known_or(const Figure& figure, double otherwise) {
  return figure.is_known() ? figure.value : otherwise;
}

}  // namespace

Generation generation_of(const Device& device) {
  if (device.vendor != "NVIDIA") return Generation::kOther;
  if (!device.fp8_peak.is_known()) return Generation::kAmpere;
  return device.fp4_peak.is_known() ? Generation::kBlackwell : Generation::kHopper;
}

Operations::Operations(const Device& device, const Constants& constants, const Software& software)
    : device_(device),
      constants_(constants),
      software_(software),
      generation_(generation_of(device)),
      units_(known_or(device.compute_units, 128)),
      bandwidth_(device.memory_bandwidth.value * constants.memory_share) {}

double Operations::sustained(NumberFormat format) const {
  const Constants& c = constants_;
  const double peak16 = device_.bf16_peak.value;
  if (format == NumberFormat::kFp32) return known_or(device_.fp32_peak, peak16 / 8) * 0.85;
  double kept = c.gemm_other;
  if (generation_ == Generation::kAmpere) kept = c.gemm_ampere;
  if (generation_ == Generation::kHopper) kept = c.gemm_hopper;
  if (generation_ == Generation::kBlackwell) kept = c.gemm_blackwell;
  const double rate16 = known_or(device_.gemm_bf16, peak16 * c.gemm_assumed) * kept;
  if (format == NumberFormat::kNvfp4 && device_.fp4_peak.is_known()) {
    return device_.fp4_peak.value * c.gemm_fp4 * kept;
  }
  if (!is_fp8(format) || !device_.fp8_peak.is_known()) return rate16;
  const double largest8 = known_or(device_.gemm_fp8, device_.fp8_peak.value * c.gemm_assumed);
  const double rate8 = largest8 * kept * c.gemm_fp8;
  return format == NumberFormat::kFp8Block ? rate8 * c.gemm_fp8_block : rate8;
}

double Operations::wave_efficiency(double m, double n, double groups) const {
  const double tile_n = generation_ == Generation::kAmpere ? 128 : 256;
  const double rows = std::ceil(m / 128), columns = std::ceil(n / tile_n);
  const double padding = m * n / (rows * 128 * columns * tile_n);
  const double waves = groups * rows * columns / units_;
  return std::max(padding, 0.05) * waves / (waves + constants_.gemm_wave);
}

double Operations::gemm(double m, double n, double k, NumberFormat format, double groups) const {
  if (m <= 0 || n <= 0 || k <= 0 || groups <= 0) return 0;
  const double flops = 2 * m * n * k * groups;
  double rate = sustained(format) * k / (k + constants_.gemm_depth) * wave_efficiency(m, n, groups);
  if (groups > 1 && software_.framework != Framework::kDeepSeek) rate *= constants_.grouped_gemm;
  const double size = bytes_of(format);
  const double bytes = groups * (m * k * size + k * n * size + 2 * m * n);
  return std::max(flops / rate, bytes / bandwidth_) + constants_.kernel_seconds;
}

double Operations::elementwise(double bytes, double kernels) const {
  const double seconds =
      constants_.elementwise * bytes / bandwidth_ + kernels * constants_.kernel_seconds;
  return software_.framework == Framework::kDeepSeek ? seconds * constants_.hand_fused : seconds;
}

double Operations::core_forward(double flops, double scores) const {
  const Constants& c = constants_;
  const double peak = device_.bf16_peak.value;
  if (software_.attention == AttentionKernel::kUnfused) {  // both halves of the square
    return 2 * flops / (peak * c.unfused_core) + scores * c.unfused_bytes / bandwidth_ +
           5 * c.kernel_seconds;
  }
  double share = c.flash_other;
  if (generation_ == Generation::kAmpere) share = c.flash2_ampere_forward;
  if (generation_ == Generation::kHopper) share = c.flash2_hopper_forward;
  if (generation_ == Generation::kHopper && software_.attention == AttentionKernel::kFlash3) {
    share = c.flash3_forward;
  }
  if (generation_ == Generation::kBlackwell) share = c.flash_blackwell_forward;
  return flops / (peak * share) + c.kernel_seconds;
}

// The fused backward pass computes the scores again: 2.5 times the forward FLOPs.
double Operations::core_backward(double flops, double scores) const {
  const Constants& c = constants_;
  const double peak = device_.bf16_peak.value;
  if (software_.attention == AttentionKernel::kUnfused) {
    return 4 * flops / (peak * c.unfused_core) + scores * c.unfused_bytes * 1.3 / bandwidth_ +
           10 * c.kernel_seconds;
  }
  double share = c.flash_other * 0.85;
  if (generation_ == Generation::kAmpere) share = c.flash2_ampere_backward;
  if (generation_ == Generation::kHopper) share = c.flash2_hopper_backward;
  if (generation_ == Generation::kHopper && software_.attention == AttentionKernel::kFlash3) {
    share = c.flash3_backward;
  }
  if (generation_ == Generation::kBlackwell) share = c.flash_blackwell_backward;
  return 2.5 * flops / (peak * share) + 2 * c.kernel_seconds;
}

Group make_group(const Cluster& cluster, int ranks, int stride) {
  const int domain = cluster.scale_up_domain();
  const int inside = std::max(1, domain / std::max(1, stride));
  // A group that does not fill its last domain evenly is limited by the emptiest.
  int per_domain = std::min(ranks, inside);
  while (per_domain > 1 && ranks % per_domain != 0) --per_domain;
  return {ranks, per_domain};
}

Links::Links(const Cluster& cluster, const Constants& constants)
    : constants_(constants),
      up_(cluster.network.scale_up.value),
      up_latency_(cluster.network.scale_up_latency.value),
      out_(cluster.network.scale_out.value),
      out_latency_(cluster.network.scale_out_latency.value) {
  const auto& network = cluster.network;
  if (network.oversubscription.is_known()) out_ /= network.oversubscription.value;
  if (network.sites.is_known() && network.sites.value > 1 && network.wan.is_known()) {
    // A site's link is shared by its devices.
    const double per_device = network.wan.value * network.sites.value / cluster.n_devices();
    out_ = std::min(out_, per_device);
    if (network.wan_latency.is_known()) out_latency_ = network.wan_latency.value;
  }
}

double Links::ramp(double bytes) const { return bytes / (bytes + constants_.message_bytes); }

double Links::gather(double bytes, const Group& group) const {
  if (group.ranks <= 1 || bytes <= 0) return 0;
  const double domains = static_cast<double>(group.ranks) / group.per_domain;
  const double inside = group.per_domain;
  double seconds = 0, latency = 0;
  if (group.per_domain > 1) {
    seconds = bytes * (inside - 1) / inside / (up_ * constants_.scale_up_share * ramp(bytes));
    latency += up_latency_ * std::log2(inside);
  }
  if (domains > 1) {
    const double out = bytes * (domains - 1) / domains / inside /
                       (out_ * constants_.scale_out_share * ramp(bytes));
    seconds = std::max(seconds, out);
    latency += out_latency_ * 2 * std::log2(domains);
  }
  return seconds + latency;
}

double Links::exchange(double up_bytes, double out_bytes, const Group& group, double share) const {
  if (group.ranks <= 1) return 0;
  double seconds = 0;
  if (up_bytes > 0) seconds = up_bytes / (up_ * constants_.scale_up_share * ramp(up_bytes));
  if (out_bytes > 0) seconds = std::max(seconds, out_bytes / (out_ * share * ramp(out_bytes)));
  return seconds + up_latency_ + (out_bytes > 0 ? 2 * out_latency_ : 0);
}

double Links::send(double bytes, bool same_domain) const {
  return same_domain ? bytes / (up_ * constants_.scale_up_share) + up_latency_
                     : bytes / (out_ * constants_.scale_out_share) + out_latency_;
}

}  // namespace farthing
