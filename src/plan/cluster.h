// cluster.h - devices, nodes, networks, storage and failures as figures that say where they are
// from.
//
//   Cluster cluster = load_cluster("h800-2048");        clusters/h800-2048.toml, or a path
//   cluster.network.scale_out.value                     SI: bytes per second, seconds, watts, 1/s
//
// A TOML figure is text with its unit, `scale_out = "400 Gbit/s"`, or a table of its own,
// `{value = "400 Gbit/s", date = "2024-12", source = "...", confidence = "published"}`, to which
// p10 and p90 may be added: the simulator then draws from that range; date, source and confidence
// of a section stand for every figure in it.  A file with `base = "NAME"` starts from that cluster,
// or from the device book's entry `device = "NAME"` (clusters/devices.toml), and overrides any
// line.  [efficiency] overrides the constants of plan/constants.h.
//
// Errors   Error{kBadInput}, all faults of a file at once: unit, range, unknown key, missing
// figure.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/units.h"

namespace farthing {

// `value` is SI (unit_name of its dimension), `text` as it was written.  Absent: text is empty.
struct Figure {
  double value = 0;
  std::string text;
  std::string unit;
  std::string date;
  std::string source;
  std::string confidence;   // published, derived, secondary, assumed, measured
  double p10 = 0, p90 = 0;  // SI, where the file gives them; both 0 otherwise
  bool is_known() const { return !text.empty(); }
};

struct Device {
  std::string name;
  std::string vendor;
  std::string kind = "gpu";  // gpu, npu, tpu, cpu
  std::string release;
  Figure fp32_peak, bf16_peak, fp8_peak, fp4_peak;  // dense, FLOP/s
  Figure gemm_bf16, gemm_fp8;                       // largest measured product, FLOP/s
  Figure memory;                                    // B
  Figure memory_bandwidth;                          // B/s
  Figure scale_up, scale_out;                       // B/s one way per device
  Figure power;                                     // W, rating
  Figure compute_units;                             // SMs, CUs, cores
};

struct Node {
  Figure devices;      // per node
  Figure host_memory;  // B
  Figure host_power;   // W beside the devices
  Figure cost_usd;     // not needed by the plan; kept for money
};

// Three tiers.  Bandwidth is per device, one way; latency is of one message.
struct Network {
  std::string topology = "fat tree";
  Figure scale_up_domain;  // devices that reach each other over scale_up
  Figure scale_up, scale_up_latency;
  Figure scale_out, scale_out_latency;
  Figure oversubscription;  // 1: full bisection
  Figure wan, wan_latency;  // between sites
  Figure sites;
};

struct Storage {
  Figure capacity;     // B
  Figure read, write;  // B/s, whole cluster
};

struct Reliability {
  Figure device_failures;   // 1/s for one device, all causes that stop the job
  Figure detect, restart;   // s
  Figure repair;            // s until a node is back
  Figure spares;            // nodes
  Figure checkpoint_every;  // s; absent: Young/Daly
  Figure stragglers;        // share of nodes that run slow
  Figure straggler_slowdown;
};

struct Spot {
  Figure availability;  // share of the time that capacity can be had
  Figure preemptions;   // 1/s per node
  Figure notice;        // s
};

inline constexpr double kUsualPue = 1.2;  // where the site states none
struct Facility {
  std::string region;  // of the price list, us or china; empty: not stated
  Figure pue;
  Figure load;  // share of the rating that training draws
};

struct RunSite;

struct Cluster {
  std::string name;
  std::string about;
  std::string path;  // the file it was read from
  Device device;
  Node node;
  Network network;
  Storage storage;
  Reliability reliability;
  Spot spot;
  Facility facility;
  Figure nodes;                              // without spares
  std::map<std::string, double> efficiency;  // overrides of constants, by name

  int devices_per_node() const { return static_cast<int>(node.devices.value); }
  int n_devices() const { return static_cast<int>(nodes.value) * devices_per_node(); }
  int scale_up_domain() const { return static_cast<int>(network.scale_up_domain.value); }
};

// One entry per figure of a cluster: its TOML path, what it measures, and the range that is sane.
struct FigureRule {
  const char* path;
  Dimension dimension;
  double low, high;
  bool required;
  bool whole = false;
};

// Visits every figure as visit(rule, Figure&); the order is that of the book's pages.
template <class ClusterType, class Visitor>
void visit_figures(ClusterType& cluster, Visitor&& visit);

// What a run on it says of the place.
RunSite site_of(const Cluster& cluster);
// A name under clusters/ or a path; `overrides` are "section.key=value".
Cluster load_cluster(const std::string& name, const std::vector<std::string>& overrides = {});
Cluster parse_cluster(const std::string& toml, const std::string& where,
                      const std::vector<std::string>& overrides = {});
// The device book's entry by name (h100-sxm).  Errors: Error{kBadInput} with the nearest spelling.
Device load_device(const std::string& name);
std::vector<std::string> list_devices();
std::string describe(const Device& device);  // "989 TFLOP/s BF16, 80.0 GB at 3.36 TB/s"
// The cluster with other devices, its network speeds taken from the new device's sheet.
Cluster with_device(Cluster cluster, const Device& device);
Cluster with_devices(Cluster cluster, int n_devices);

// Path, value, unit, text, date, source and confidence of every known figure.
Json to_json(const Cluster& cluster);

}  // namespace farthing

#include "plan/cluster_fields.h"
