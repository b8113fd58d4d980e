// cluster.cpp - reads clusters/*.toml and the device book.
#include "plan/cluster.h"

#include <fmt/core.h>

#include <cmath>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "config/share.h"
#include "ledger/history.h"

namespace farthing {
namespace {

constexpr int kDeepest = 8;  // bases of bases

struct Origin {
  std::string date, source, confidence;
};

Origin read_origin(Settings& settings, const std::string& section) {
  Origin origin;
  settings.read(section + ".date", origin.date, {});
  settings.read(section + ".source", origin.source, {});
  settings.read(section + ".confidence", origin.confidence,
                {.words = "published derived secondary assumed measured"});
  return origin;
}

bool is_plain(Dimension dimension) {
  return dimension == Dimension::kCount || dimension == Dimension::kShare;
}

// " GB/s"; nothing for plain numbers, whose unit is 1.
std::string unit_behind(Dimension dimension) {
  return is_plain(dimension) ? "" : std::string(" ") + unit_name(dimension);
}

void set_figure(Settings& settings, const FigureRule& rule, const std::string& path,
                const std::string& text, const Origin& origin, Figure& figure) {
  double value = 0;
  try {
    value = parse_as(text, rule.dimension, settings.where(path) + ": " + path);
  } catch (const Error& error) {
    settings.add_fault_line(error.message);
    return;
  }
  if (!(value >= rule.low && value <= rule.high)) {
    settings.add_fault(
        path, "\"" + text + "\"",
        fmt::format("{:g} to {:g}{}", rule.low, rule.high, unit_behind(rule.dimension)));
    return;
  }
  if (rule.whole && value != std::floor(value)) {
    settings.add_fault(path, "\"" + text + "\"", "a whole number");
    return;
  }
  figure = {.value = value,
            .text = text,
            .unit = unit_name(rule.dimension),
            .date = origin.date,
            .source = origin.source,
            .confidence = origin.confidence};
}

// Numbers without a unit are taken for counts and shares alone.
std::string read_text(Settings& settings, const FigureRule& rule, const std::string& path) {
  if (is_plain(rule.dimension) && settings.is_number(path)) {
    double number = 0;
    settings.read(path, number, {});
    return fmt::format("{}", number);
  }
  if (settings.is_number(path)) {
    double number = 0;
    settings.read(path, number, {});
    settings.add_fault(path, fmt::format("{}", number),
                       "text with its unit, as in \"1" + unit_behind(rule.dimension) + "\"");
    return "";
  }
  std::string text;
  settings.read(path, text, {});
  return text;
}

// P10 and P90 of a figure, both or neither, around its value.
void read_range(Settings& settings, const FigureRule& rule, const std::string& path,
                Figure& figure) {
  std::string absent;
  const bool is_given = settings.has(path + ".p10") || settings.has(path + ".p90");
  if (!is_given) {
    for (const char* edge : {".p10", ".p90"}) settings.read(path + edge, absent, {});
    return;
  }
  Figure low, high;
  for (const auto& [edge, found] : {std::pair{".p10", &low}, std::pair{".p90", &high}}) {
    const std::string text = read_text(settings, rule, path + edge);
    if (!text.empty()) set_figure(settings, rule, path + edge, text, {}, *found);
  }
  if (!low.is_known() || !high.is_known() || low.value > figure.value ||
      figure.value > high.value) {
    settings.add_fault(path, "p10 \"" + low.text + "\", p90 \"" + high.text + "\"",
                       "both, with the value between them");
    return;
  }
  figure.p10 = low.value;
  figure.p90 = high.value;
}

void read_figure(Settings& settings, const FigureRule& rule, const std::string& path,
                 const Origin& section, Figure& figure) {
  if (settings.has(path)) {
    const std::string text = read_text(settings, rule, path);
    if (!text.empty()) set_figure(settings, rule, path, text, section, figure);
  } else if (settings.has_section(path)) {
    Origin origin = read_origin(settings, path);
    if (origin.date.empty()) origin.date = section.date;
    if (origin.source.empty()) origin.source = section.source;
    if (origin.confidence.empty()) origin.confidence = section.confidence;
    const std::string text = read_text(settings, rule, path + ".value");
    if (!text.empty()) set_figure(settings, rule, path + ".value", text, origin, figure);
    read_range(settings, rule, path, figure);
  } else {
    std::string absent;
    settings.read(path, absent, {});  // makes the key known
  }
}

std::string device_book() { return find_shared("clusters", "devices", ".toml"); }

void read_device_words(Settings& settings, const std::string& section, Device& device) {
  settings.read(section + ".vendor", device.vendor, {});
  settings.read(section + ".kind", device.kind, {.words = "gpu npu tpu cpu"});
  settings.read(section + ".release", device.release, {});
}

std::string section_of(const char* path) {
  const std::string text = path;
  return text.substr(0, text.find('.'));
}

// Every required figure must be there once all bases were read.
void require_all(const Cluster& cluster, Settings& settings) {
  visit_figures(cluster, [&](const FigureRule& rule, const Figure& figure) {
    if (rule.required && !figure.is_known() && !settings.has(rule.path) &&
        !settings.has_section(rule.path)) {
      settings.add_fault(
          rule.path, "nothing", "a figure",
          is_plain(rule.dimension) ? "" : std::string("as in 1") + unit_behind(rule.dimension));
    }
  });
}

Cluster parse(const std::string& toml, const std::string& where,
              const std::vector<std::string>& overrides, int depth);

Cluster load(const std::string& name, const std::vector<std::string>& overrides, int depth) {
  const std::string path = find_shared("clusters", name, ".toml");
  Cluster cluster = parse(read_file(path), path, overrides, depth);
  cluster.path = path;
  const std::size_t slash = path.rfind('/');
  std::string stem = slash == std::string::npos ? path : path.substr(slash + 1);
  if (stem.ends_with(".toml")) stem.resize(stem.size() - 5);
  cluster.name = stem;
  return cluster;
}

void take_network_of_device(Cluster& cluster) {
  if (cluster.device.scale_up.is_known()) cluster.network.scale_up = cluster.device.scale_up;
  if (cluster.device.scale_out.is_known()) cluster.network.scale_out = cluster.device.scale_out;
}

void read_efficiency(Settings& settings, Cluster& cluster);

Cluster parse(const std::string& toml, const std::string& where,
              const std::vector<std::string>& overrides, int depth) {
  if (depth > kDeepest) throw_bad_input({where, "a base of itself", "", "", ""});
  Settings settings(toml, where, overrides);
  std::string base, device;
  settings.read("base", base, {});
  settings.read("cluster.device", device, {});
  Cluster cluster;
  if (!base.empty()) cluster = load(base, {}, depth + 1);
  if (!device.empty()) {
    cluster.device = load_device(device);
    take_network_of_device(cluster);
  }
  settings.read("cluster.about", cluster.about, {});
  settings.read("network.topology", cluster.network.topology, {});
  settings.read("facility.region", cluster.facility.region, {.words = "us china"});
  read_device_words(settings, "device", cluster.device);
  settings.read("device.name", cluster.device.name, {});
  std::map<std::string, Origin> origins;
  for (const char* section :
       {"cluster", "device", "node", "network", "storage", "reliability", "spot", "facility"}) {
    origins[section] = read_origin(settings, section);
  }
  visit_figures(cluster, [&](const FigureRule& rule, Figure& figure) {
    read_figure(settings, rule, rule.path, origins[section_of(rule.path)], figure);
  });
  read_efficiency(settings, cluster);
  require_all(cluster, settings);
  settings.finish();
  return cluster;
}

void read_efficiency(Settings& settings, Cluster& cluster) {
  for (const std::string& path : settings.keys("efficiency")) {
    double value = 0;
    settings.read(path, value, {.low = 0, .high = 1e6});
    cluster.efficiency[path.substr(std::string("efficiency.").size())] = value;
  }
}

}  // namespace

RunSite site_of(const Cluster& cluster) {
  const Figure& pue = cluster.facility.pue;
  return {.cluster = cluster.name,
          .region = cluster.facility.region,
          .spot = cluster.spot.preemptions.is_known(),
          .pue = pue.is_known() ? pue.value : 0,
          .pue_date = pue.date,
          .pue_source = pue.source,
          .pue_confidence = pue.confidence};
}

Cluster load_cluster(const std::string& name, const std::vector<std::string>& overrides) {
  return load(name, overrides, 0);
}

Cluster parse_cluster(const std::string& toml, const std::string& where,
                      const std::vector<std::string>& overrides) {
  Cluster cluster = parse(toml, where, overrides, 0);
  cluster.name = where;
  return cluster;
}

std::vector<std::string> list_devices() {
  const std::string path = device_book();
  const Settings settings(read_file(path), path);
  return settings.sections();
}

Device load_device(const std::string& name) {
  const std::string path = device_book();
  Settings settings(read_file(path), path);
  const std::vector<std::string> names = settings.sections();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const std::string near = nearest_spelling(name, names);
    throw_bad_input({path, "no device of that name", "\"" + name + "\"", "",
                     near.empty() ? "farthing list devices" : "did you mean " + near + "?"});
  }
  for (const auto& other : names) {
    if (other != name) settings.skip_section(other);
  }
  Device device;
  device.name = name;
  read_device_words(settings, name, device);
  const Origin origin = read_origin(settings, name);
  visit_device_figures(device, [&](const FigureRule& rule, Figure& figure) {
    read_figure(settings, rule, name + std::string(rule.path).substr(6), origin, figure);
  });
  settings.finish();
  return device;
}

std::string describe(const Device& device) {
  return fmt::format("{} BF16, {} at {}", device.bf16_peak.text, device.memory.text,
                     device.memory_bandwidth.text);
}

Cluster with_device(Cluster cluster, const Device& device) {
  cluster.device = device;
  take_network_of_device(cluster);
  return cluster;
}

Cluster with_devices(Cluster cluster, int n_devices) {
  const int per_node = cluster.devices_per_node();
  const int nodes = (n_devices + per_node - 1) / per_node;
  cluster.nodes.value = nodes;
  cluster.nodes.text = fmt::format("{}", nodes);
  if (n_devices < per_node) {  // a part of one node
    cluster.node.devices.value = n_devices;
    cluster.node.devices.text = fmt::format("{}", n_devices);
  }
  return cluster;
}

Json to_json(const Cluster& cluster) {
  Json json{{"name", cluster.name},
            {"about", cluster.about},
            {"device", cluster.device.name},
            {"devices", cluster.n_devices()},
            {"topology", cluster.network.topology}};
  visit_figures(cluster, [&](const FigureRule& rule, const Figure& figure) {
    if (!figure.is_known()) return;
    json["figures"][rule.path] = {{"value", figure.value},   {"unit", figure.unit},
                                  {"text", figure.text},     {"date", figure.date},
                                  {"source", figure.source}, {"confidence", figure.confidence}};
  });
  return json;
}

}  // namespace farthing
