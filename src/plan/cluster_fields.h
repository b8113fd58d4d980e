// cluster_fields.h - every figure of a cluster by its TOML path, dimension and sane range, once.
#pragma once
#include "plan/cluster.h"

namespace farthing {

// Figures of a [device]; `visit(rule, figure)`.
template <class DeviceType, class Visitor>
void visit_device_figures(DeviceType& device, Visitor&& visit) {
  using D = Dimension;
  visit(FigureRule{"device.fp32_peak", D::kFlopsPerSecond, 1e9, 1e17, false}, device.fp32_peak);
  visit(FigureRule{"device.bf16_peak", D::kFlopsPerSecond, 1e9, 1e17, true}, device.bf16_peak);
  visit(FigureRule{"device.fp8_peak", D::kFlopsPerSecond, 1e9, 1e17, false}, device.fp8_peak);
  visit(FigureRule{"device.fp4_peak", D::kFlopsPerSecond, 1e9, 1e18, false}, device.fp4_peak);
  visit(FigureRule{"device.gemm_bf16", D::kFlopsPerSecond, 1e9, 1e17, false}, device.gemm_bf16);
  visit(FigureRule{"device.gemm_fp8", D::kFlopsPerSecond, 1e9, 1e17, false}, device.gemm_fp8);
  visit(FigureRule{"device.memory", D::kBytes, 1e8, 1e14, true}, device.memory);
  visit(FigureRule{"device.memory_bandwidth", D::kBytesPerSecond, 1e9, 1e15, true},
        device.memory_bandwidth);
  visit(FigureRule{"device.scale_up", D::kBytesPerSecond, 1e7, 1e14, false}, device.scale_up);
  visit(FigureRule{"device.scale_out", D::kBytesPerSecond, 1e6, 1e14, false}, device.scale_out);
  visit(FigureRule{"device.power", D::kWatts, 1, 1e5, false}, device.power);
  visit(FigureRule{"device.compute_units", D::kCount, 1, 1e5, false}, device.compute_units);
}

template <class ClusterType, class Visitor>
void visit_figures(ClusterType& cluster, Visitor&& visit) {
  using D = Dimension;
  visit(FigureRule{"cluster.nodes", D::kCount, 1, 1e6, true, true}, cluster.nodes);
  visit_device_figures(cluster.device, visit);
  auto& node = cluster.node;
  visit(FigureRule{"node.devices", D::kCount, 1, 1024, true, true}, node.devices);
  visit(FigureRule{"node.host_memory", D::kBytes, 1e9, 1e15, false}, node.host_memory);
  visit(FigureRule{"node.host_power", D::kWatts, 0, 1e6, false}, node.host_power);
  visit(FigureRule{"node.cost_usd", D::kUsd, 1, 1e9, false}, node.cost_usd);
  auto& network = cluster.network;
  visit(FigureRule{"network.scale_up_domain", D::kCount, 1, 1e5, true, true},
        network.scale_up_domain);
  visit(FigureRule{"network.scale_up", D::kBytesPerSecond, 1e7, 1e14, true}, network.scale_up);
  visit(FigureRule{"network.scale_up_latency", D::kSeconds, 1e-8, 1, true},
        network.scale_up_latency);
  visit(FigureRule{"network.scale_out", D::kBytesPerSecond, 1e6, 1e14, true}, network.scale_out);
  visit(FigureRule{"network.scale_out_latency", D::kSeconds, 1e-8, 1, true},
        network.scale_out_latency);
  visit(FigureRule{"network.oversubscription", D::kCount, 1, 1000, false},
        network.oversubscription);
  visit(FigureRule{"network.wan", D::kBytesPerSecond, 1e3, 1e14, false}, network.wan);
  visit(FigureRule{"network.wan_latency", D::kSeconds, 1e-6, 10, false}, network.wan_latency);
  visit(FigureRule{"network.sites", D::kCount, 1, 1000, false, true}, network.sites);
  auto& storage = cluster.storage;
  visit(FigureRule{"storage.capacity", D::kBytes, 1e9, 1e20, false}, storage.capacity);
  visit(FigureRule{"storage.read", D::kBytesPerSecond, 1e6, 1e15, false}, storage.read);
  visit(FigureRule{"storage.write", D::kBytesPerSecond, 1e6, 1e15, false}, storage.write);
  auto& failures = cluster.reliability;
  visit(FigureRule{"reliability.device_failures", D::kPerSecond, 0, 1e-4, false},
        failures.device_failures);
  visit(FigureRule{"reliability.detect", D::kSeconds, 0, 1e6, false}, failures.detect);
  visit(FigureRule{"reliability.restart", D::kSeconds, 0, 1e6, false}, failures.restart);
  visit(FigureRule{"reliability.repair", D::kSeconds, 0, 1e8, false}, failures.repair);
  visit(FigureRule{"reliability.spares", D::kCount, 0, 1e6, false, true}, failures.spares);
  visit(FigureRule{"reliability.checkpoint_every", D::kSeconds, 1, 1e7, false},
        failures.checkpoint_every);
  visit(FigureRule{"reliability.stragglers", D::kShare, 0, 1, false}, failures.stragglers);
  visit(FigureRule{"reliability.straggler_slowdown", D::kShare, 0, 1, false},
        failures.straggler_slowdown);
  auto& spot = cluster.spot;
  visit(FigureRule{"spot.availability", D::kShare, 0, 1, false}, spot.availability);
  visit(FigureRule{"spot.preemptions", D::kPerSecond, 0, 1, false}, spot.preemptions);
  visit(FigureRule{"spot.notice", D::kSeconds, 0, 1e6, false}, spot.notice);
  visit(FigureRule{"facility.pue", D::kCount, 1, 5, false}, cluster.facility.pue);
  visit(FigureRule{"facility.load", D::kShare, 0.01, 1, false}, cluster.facility.load);
}

}  // namespace farthing
