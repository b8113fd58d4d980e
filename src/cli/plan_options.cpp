// plan_options.cpp - flags become a request.
#include "cli/plan_options.h"

#include <fmt/core.h>

#include <cmath>
#include <iostream>

#include "base/error.h"
#include "cli/support.h"
#include "plan/routing_trace.h"
#include "simulate/sizing.h"

namespace farthing {
namespace {

void add_layout_options(Command& plan, PlanOptions& o) {
  plan.add_option("--pp", o.pp, "pipeline stages; what is given is settled, the rest is searched")
      ->range(1, 1 << 20);
  plan.add_option("--ep", o.ep, "expert parallelism")->range(1, 1 << 20);
  plan.add_option("--tp", o.tp, "tensor parallelism")->range(1, 1 << 20);
  plan.add_option("--cp", o.cp, "context parallelism")->range(1, 1 << 20);
  plan.add_option("--vp", o.vp, "model chunks per rank")->range(1, 1 << 20);
  plan.add_option("--micro-batch", o.micro_batch, "sequences of a micro-batch")->range(1, 1 << 20);
  plan.add_option("--zero", o.zero, "0 to 3")->range(0, 3);
  plan.add_option("--schedule", o.schedule, "none gpipe 1f1b interleaved zb1p dualpipe dualpipev");
  plan.add_option("--recompute", o.recompute, "none selective cheap full");
}

LayoutPins pins_of(const PlanOptions& o) {
  LayoutPins pins;
  pins.pp = o.pp;
  pins.ep = o.ep;
  pins.tp = o.tp;
  pins.cp = o.cp;
  pins.vp = o.vp;
  pins.micro_batch = o.micro_batch;
  if (o.zero >= 0) pins.zero_stage = o.zero;
  if (!o.schedule.empty()) {
    pins.schedule = flag_value([&] { return parse_schedule(o.schedule, "--schedule"); });
  }
  if (!o.recompute.empty()) {
    pins.recompute = flag_value([&] { return parse_recompute(o.recompute, "--recompute"); });
  }
  return pins;
}

double value_up_to(double most, const std::string& text, Dimension dimension, const char* flag) {
  const double value = positive_value(text, dimension, flag);
  if (value <= most) return value;
  throw Error(ErrorCode::kUsage, fmt::format("{}: found \"{}\", wanted at most {:g}{}", flag, text,
                                             most, dimension == Dimension::kSeconds ? " s" : ""));
}

}  // namespace

PlanRequest make_plan_request(const PlanOptions& o) {
  PlanRequest request;
  request.model = load_model_shape(o.model);
  request.cluster = load_cluster(o.cluster.empty() ? "h100-512" : o.cluster, o.overrides);
  if (!o.device.empty()) {
    request.cluster = with_device(request.cluster, load_device(o.device));
    request.choose_devices = o.devices == 0 && !o.deadline.empty();
  }
  if (o.devices > 0) request.cluster = with_devices(request.cluster, o.devices);
  const TrainingDefaults usual = training_defaults(o.model);
  request.tokens = o.tokens.empty()
                       ? usual.tokens
                       : value_up_to(kMostTokens, o.tokens, Dimension::kCount, "--tokens");
  if (!o.deadline.empty()) {
    request.deadline_seconds =
        value_up_to(kMostDeadlineSeconds, o.deadline, Dimension::kSeconds, "--deadline");
  }
  request.batch.sequence_length = o.sequence_length > 0 ? o.sequence_length : usual.sequence_length;
  request.batch.global_batch = usual.global_batch;
  if (!o.global_batch.empty()) {
    const double batch = value_up_to(static_cast<double>(kMostGlobalBatch), o.global_batch,
                                     Dimension::kCount, "--global-batch");
    if (batch != std::floor(batch)) {
      throw Error(ErrorCode::kUsage, "--global-batch: found \"" + o.global_batch +
                                         "\", wanted a whole number of sequences");
    }
    request.batch.global_batch = static_cast<std::int64_t>(batch);
  }
  const std::string format = o.precision.empty() ? usual.precision : o.precision;
  request.precision = format.empty()
                          ? NumberFormat::kBf16
                          : flag_value([&] { return parse_format(format, "--precision"); });
  // A model's own precision is a default, not a demand.
  if (o.precision.empty() && is_fp8(*request.precision) &&
      !request.cluster.device.fp8_peak.is_known()) {
    request.precision = NumberFormat::kBf16;
  }
  request.software = software_of(
      o.software > 0 ? o.software : usual.software, flag_value([&] {
        return parse_framework(o.framework.empty() ? usual.framework : o.framework, "--framework");
      }),
      request.cluster.device);
  request.software->forced_balance = o.forced_balance;
  if (!o.routing.empty()) {
    const RoutingTrace trace = read_routing_trace(o.routing);
    request.cluster.efficiency["expert_imbalance"] = trace.spread;
    request.routing = trace.run + " (" + std::to_string(trace.n_steps) + " steps)";
  }
  request.pins = pins_of(o);
  return request;
}

void print_sizing(const Simulation& simulation, bool as_csv) {
  const std::vector<SizeLine> lines = size_cluster(simulation);
  std::cout << (as_csv ? to_csv(lines) : to_text(sizing_table(lines)));
}

void add_plan_options(Command& plan, PlanOptions& o) {
  plan.add_option("model", o.model, "a name under models/, a config.json or its folder");
  plan.add_option("--cluster", o.cluster, "a name under clusters/, a file, or here: this machine");
  plan.add_option("--device", o.device,
                  "other devices; with --deadline the fewest nodes whose median meets it");
  plan.add_option("--devices", o.devices, "other number of devices")->range(1, 1 << 20);
  plan.add_option("--tokens", o.tokens, "to train on, as 14.8T");
  plan.add_option("--deadline", o.deadline, "as 60d");
  plan.add_option("--seq", o.sequence_length, "sequence length")->range(1, 1 << 24);
  plan.add_option("--global-batch", o.global_batch, "sequences of a step");
  plan.add_option("--precision", o.precision, "fp32 fp16 bf16 fp8 fp8_block mxfp8 nvfp4");
  plan.add_option("--software", o.software, "year of the training software, as 2025.5")
      ->range(2015.0, 2040.0);
  plan.add_option("--framework", o.framework, "whose kernels and overlap: megatron fsdp deepseek");
  plan.add_flag("--forced-balance", o.forced_balance, "experts get equal loads, as in benchmarks");
  plan.add_option("--routing", o.routing,
                  "a run whose measured expert load is taken for this model's");
  plan.add_option("--set", o.overrides, "section.key=value of the cluster file");
  plan.add_flag("--bom", o.bom,
                "what to build instead of the plan: nodes, network, storage, power, spares");
  plan.add_flag("--csv", o.csv, "what to build, as CSV");
  add_layout_options(plan, o);
}

}  // namespace farthing
