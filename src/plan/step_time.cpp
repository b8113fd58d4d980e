// step_time.cpp - stages of a pipeline, their schedule, data parallelism and the optimizer.
#include "plan/step_time.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "plan/accounting.h"
#include "plan/block_time.h"
#include "plan/memory.h"
#include "plan/pipeline_time.h"

namespace farthing {
namespace {

// A stage's work for one micro-batch with what is exposed of its traffic.
struct Stage {
  BlockTime time;
  StepParts parts;  // of one micro-batch, F and B together
  StageCost seconds;
  double traffic = 0, exposed = 0;
  double ep = 0, compute = 0;
};

// Adds a stage's work to a step's; what comes after the pipeline is none of it.
void add_scaled(StepParts& sum, const StepParts& parts, double factor) {
  for (const auto part : {&StepParts::attention, &StepParts::attention_core, &StepParts::mlp,
                          &StepParts::experts, &StepParts::head, &StepParts::elementwise,
                          &StepParts::recompute, &StepParts::host, &StepParts::tp_exposed,
                          &StepParts::cp_exposed, &StepParts::ep_exposed, &StepParts::imbalance}) {
    sum.*part += factor * parts.*part;
  }
}

struct Context {
  const StepTimeRequest& request;
  BlockTimer timer;
  Links links;
  BlockTime dense, moe, embedding, head, mtp;
  double load;

  explicit Context(const StepTimeRequest& asked)
      : request(asked),
        timer(asked),
        links(asked.cluster, asked.constants),
        embedding(timer.embedding()),
        head(timer.head()),
        load(timer.max_expert_load()) {
    const ModelShape& shape = asked.model;
    if (shape.n_moe_layers() < shape.num_hidden_layers) dense = timer.block(false);
    if (shape.is_moe()) moe = timer.block(true);
    if (shape.num_nextn_predict_layers > 0) mtp = timer.mtp();
  }
};

double exposed_tp(const Context& context, double tp, double products) {
  const Software& software = context.request.software;
  if (!software.hides_tp) return tp;
  const double hidden = std::min(context.request.constants.tp_hidden * tp, 0.8 * products);
  return tp - hidden;
}

// The host launches ahead, so that only what it cannot hide of a whole phase is waited for; but
// routed blocks need their row counts on the host first, and the device waits for what follows.
double host_wait(const Context& context, const PhaseTime& phase, double device_seconds) {
  const Software& software = context.request.software;
  const Constants& c = context.request.constants;
  if (software.graphs) return 0;
  const double slower = phase.kernels * c.host_seconds - device_seconds;
  const bool synchronises = software.framework != Framework::kDeepSeek;
  const double synced = synchronises ? phase.routed_kernels * c.host_seconds * c.host_sync : 0;
  return std::max({0.0, slower, synced});
}

void add_phase(const Context& context, Stage& stage, const PhaseTime& phase, double& seconds) {
  StepParts& parts = stage.parts;
  const double products = phase.attention + phase.mlp + phase.experts;
  const double tp = exposed_tp(context, phase.tp, products);
  const double cp = std::max(0.0, phase.cp - 0.8 * phase.core);
  const double imbalance = phase.experts * (context.load - 1);
  const double host = host_wait(context, phase, phase.compute() + phase.tp + phase.ep + imbalance);
  parts.attention += phase.attention;
  parts.attention_core += phase.core;
  parts.mlp += phase.mlp;
  parts.experts += phase.experts;
  parts.head += phase.head;
  parts.elementwise += phase.elementwise;
  parts.recompute += phase.recompute;
  parts.tp_exposed += tp;
  parts.cp_exposed += cp;
  parts.ep_exposed += phase.ep;  // corrected where micro-batches are paired
  parts.imbalance += imbalance;
  parts.host += host;
  stage.traffic += phase.tp + phase.cp + phase.ep;
  stage.exposed += tp + cp + phase.ep;
  stage.ep += phase.ep;
  stage.compute += phase.compute() + imbalance;
  seconds += phase.compute() + tp + cp + phase.ep + imbalance + host;
}

Stage make_stage(const Context& context, int first_layer, int n_layers, int index) {
  const StepTimeRequest& request = context.request;
  Stage stage;
  for (int layer = first_layer; layer < first_layer + n_layers; ++layer) {
    stage.time += request.model.is_moe_layer(layer) ? context.moe : context.dense;
  }
  if (index == 0) stage.time += context.embedding;
  if (index == request.layout.pp - 1) {
    stage.time += context.head;
    for (int i = 0; i < request.model.num_nextn_predict_layers; ++i) stage.time += context.mtp;
  }
  add_phase(context, stage, stage.time.forward, stage.seconds.forward);
  add_phase(context, stage, stage.time.backward_input, stage.seconds.backward_input);
  add_phase(context, stage, stage.time.backward_weight, stage.seconds.backward_weight);
  return stage;
}

std::vector<Stage> make_stages(const Context& context) {
  const std::vector<int> n_layers = layers_of_stages(context.request.model, context.request.layout);
  std::vector<Stage> stages;
  stages.reserve(n_layers.size());
  int layer = 0;
  for (std::size_t index = 0; index < n_layers.size(); ++index) {
    stages.push_back(make_stage(context, layer, n_layers[index], static_cast<int>(index)));
    layer += n_layers[index];
  }
  return stages;
}

// Activations of a micro-batch, to a neighbouring stage.
double send_seconds(const Context& context) {
  const StepTimeRequest& request = context.request;
  const Layout& layout = request.layout;
  if (layout.pp == 1) return 0;
  const double bytes = layout.micro_batch * double(request.batch.sequence_length) / layout.cp *
                       request.model.hidden_size * 2 / (layout.sequence_parallel ? layout.tp : 1);
  const bool near = layout.dp * layout.tp * layout.cp < request.cluster.scale_up_domain();
  return context.links.send(bytes, near);
}

bool is_dual(const Layout& layout) {
  return layout.pp > 1 && (layout.schedule == PipelineSchedule::kDualPipe ||
                           layout.schedule == PipelineSchedule::kDualPipeV);
}

// F of one micro-batch runs beside B of another: by the schedule, or by the software in any.
bool pairs(const StepTimeRequest& request) {
  return is_dual(request.layout) || (request.software.hides_ep && request.model.is_moe());
}

// Dispatch beside products: how long the links are busy, and what of it the products cannot cover.
struct Pairing {
  double traffic = 0, slowed = 0, leak = 0;
};

Pairing pairing_of(const Context& context, const Stage& stage) {
  const Constants& c = context.request.constants;
  Pairing pairing;
  pairing.traffic = stage.ep / c.paired_link_share;
  // Compute units are set aside for dispatch while a pair runs, whatever they have to move.
  pairing.slowed = stage.ep > 0 ? c.communication_tax * stage.compute : 0;
  const double compute = stage.compute + pairing.slowed;
  pairing.leak = (1 - c.ep_hidden) * std::min(pairing.traffic, compute) +
                 std::max(0.0, pairing.traffic - compute);
  return pairing;
}

// F of one micro-batch beside B of another: the longer of compute and traffic, and what leaks.
double paired_seconds(const Context& context, const Stage& stage) {
  const Pairing pairing = pairing_of(context, stage);
  return stage.seconds.total() - stage.ep + pairing.slowed + pairing.leak;
}

struct Pipeline {
  PipelineTime time;
  StepCosts costs;
  double jitter = 0;
  StepParts parts;
  double traffic = 0, exposed = 0;
};

StepCosts costs_of(const Context& context, const std::vector<Stage>& stages) {
  const Layout& layout = context.request.layout;
  const bool paired = pairs(context.request), dual = is_dual(layout);
  const int n_chunks = layout.schedule == PipelineSchedule::kInterleaved ? layout.vp
                       : layout.schedule == PipelineSchedule::kDualPipeV ? 2
                                                                         : 1;
  StepCosts costs;
  costs.send_seconds = send_seconds(context);
  for (int chunk = 0; chunk < n_chunks; ++chunk) {
    for (std::size_t i = 0; i < stages.size(); ++i) {
      // DualPipeV goes down one half of the ranks' chunks and back over the other.
      const bool back = n_chunks == 2 && dual && chunk == 1;
      const Stage& stage = stages[back ? stages.size() - 1 - i : i];
      const double alone = stage.seconds.total();  // 0 where a stage has no layer
      const double share = paired && alone > 0 ? paired_seconds(context, stage) / alone : 1;
      const double each = (dual ? 1 : share) / n_chunks;
      costs.stages.push_back({stage.seconds.forward * each, stage.seconds.backward_input * each,
                              stage.seconds.backward_weight * each, dual ? share : 1});
    }
  }
  return costs;
}

// The mean rank's work by part, and its traffic.
void add_work(const Context& context, const std::vector<Stage>& stages, double count,
              Pipeline& pipeline) {
  const bool paired = pairs(context.request);
  const double share = count / static_cast<double>(stages.size());
  for (const Stage& stage : stages) {
    add_scaled(pipeline.parts, stage.parts, share);
    pipeline.traffic += share * stage.traffic;
    const double leak = paired ? pairing_of(context, stage).leak : stage.ep;
    pipeline.exposed += share * (stage.exposed - stage.ep + leak);
  }
  // What pairing saves comes off the traffic; compute slowed by it is counted there.
  pipeline.parts.ep_exposed += pipeline.time.busy - pipeline.parts.total();
  pipeline.parts.bubble = pipeline.time.bubble();
}

// Sends wait where nothing else is left to do.
double exposed_sends(const StepTimeRequest& request, const Pipeline& pipeline,
                     std::int64_t n_micro_batches) {
  StepCosts instant = pipeline.costs;
  instant.send_seconds = 0;
  const PipelineTime without = pipeline_time(request.layout, n_micro_batches, instant,
                                             pipeline.jitter, request.whole_pipeline);
  return std::max(0.0, pipeline.time.seconds - without.seconds);
}

Pipeline run_pipeline(const Context& context, const std::vector<Stage>& stages,
                      std::int64_t n_micro_batches) {
  const StepTimeRequest& request = context.request;
  const double count = static_cast<double>(n_micro_batches);
  Pipeline pipeline;
  pipeline.costs = costs_of(context, stages);
  pipeline.jitter = request.layout.pp > 1 ? request.constants.wait_jitter : 0;
  pipeline.time = pipeline_time(request.layout, n_micro_batches, pipeline.costs, pipeline.jitter,
                                request.whole_pipeline);
  add_work(context, stages, count, pipeline);
  if (request.layout.pp > 1) {
    pipeline.traffic += 2 * count * pipeline.costs.send_seconds;
    if (request.whole_pipeline) {
      pipeline.exposed += exposed_sends(request, pipeline, n_micro_batches);
    }
  }
  return pipeline;
}

struct DataParallel {
  double seconds = 0, exposed = 0, optimizer = 0;
};

// Weights are gathered for the forward and backward pass of every micro-batch, gradients scattered.
DataParallel sharded_weights(const Context& context, const Pipeline& pipeline, double count,
                             const RankParameters& held) {
  const StepTimeRequest& request = context.request;
  const Layout& layout = request.layout;
  const Group dense = make_group(request.cluster, layout.dp * layout.cp, layout.tp);
  const Group experts = make_group(
      request.cluster, std::max(1, layout.dp * layout.cp * layout.tp / (layout.ep * layout.etp)),
      layout.ep * layout.etp);
  const double gather =
      context.links.gather(2 * held.dense, dense) + context.links.gather(2 * held.experts, experts);
  const double scatter =
      context.links.gather(4 * held.dense, dense) + context.links.gather(4 * held.experts, experts);
  const double gathers = layout.zero_stage == 3 ? 2 : 1;
  DataParallel data;
  data.seconds = count * (gathers * gather + scatter);
  const double hidden =
      std::min(data.seconds * request.constants.fsdp_hidden, 0.9 * pipeline.time.seconds);
  data.exposed = data.seconds - hidden + hidden * request.constants.communication_tax;
  return data;
}

DataParallel reduced_gradients(const Context& context, const std::vector<Stage>& stages,
                               const RankParameters& held) {
  const StepTimeRequest& request = context.request;
  const Layout& layout = request.layout;
  const Group dense = make_group(request.cluster, layout.dp * layout.cp, layout.tp);
  const Group experts = make_group(
      request.cluster, std::max(1, layout.dp * layout.cp * layout.tp / (layout.ep * layout.etp)),
      layout.ep * layout.etp);
  const double bytes = layout.zero_stage == 0 ? 8 : 6;  // FP32 gradients, BF16 weights back
  DataParallel data;
  data.seconds = context.links.gather(bytes * held.dense, dense) +
                 context.links.gather(bytes * held.experts, experts);
  double window = 0;  // the last backward pass and the first forward pass
  for (const Stage& stage : stages) window = std::max(window, stage.seconds.total());
  const double hidden =
      request.software.hides_dp ? std::min(data.seconds * request.constants.dp_hidden, window) : 0;
  data.exposed = data.seconds - hidden;
  return data;
}

DataParallel data_parallel(const Context& context, const Pipeline& pipeline,
                           const std::vector<Stage>& stages, double count) {
  const StepTimeRequest& request = context.request;
  const Layout& layout = request.layout;
  RankParameters held;
  const std::vector<int> layers = layers_of_stages(request.model, layout);
  for (int stage = 0; stage < layout.pp; ++stage) {
    const RankParameters each = rank_parameters(request.model, layout, layers, stage);
    if (each.dense + each.experts > held.dense + held.experts) held = each;
  }
  const bool every_micro_batch =
      layout.zero_stage == 3 ||
      (request.software.framework == Framework::kFsdp && layout.zero_stage == 2);
  DataParallel data = every_micro_batch ? sharded_weights(context, pipeline, count, held)
                                        : reduced_gradients(context, stages, held);
  const double copies = layout.zero_stage == 0 ? 1 : layout.dp * layout.cp;
  const double expert_copies =
      layout.zero_stage == 0
          ? 1
          : std::max(1, layout.dp * layout.cp * layout.tp / (layout.ep * layout.etp));
  const double owned = held.dense / copies + held.experts / expert_copies;
  const double read = (held.dense + held.experts) * 6;  // gradient norm, cast
  data.optimizer =
      (owned * request.constants.optimizer_bytes + read) /
          (request.cluster.device.memory_bandwidth.value * request.constants.memory_share) +
      200 * request.constants.kernel_seconds;
  return data;
}

}  // namespace

StepTime step_time(const StepTimeRequest& request) {
  const std::int64_t count = n_micro_batches(request.layout, request.batch.global_batch);
  CHECK(count >= 1);
  const Context context(request);
  const std::vector<Stage> stages = make_stages(context);
  const Pipeline pipeline = run_pipeline(context, stages, count);
  const DataParallel data = data_parallel(context, pipeline, stages, static_cast<double>(count));
  const double nodes =
      std::max(1.0, double(request.layout.n_devices()) / request.cluster.devices_per_node());
  StepTime time;
  time.parts = pipeline.parts;
  time.parts.dp_exposed = data.exposed;
  time.parts.optimizer = data.optimizer;
  time.costs = pipeline.costs;
  time.costs.tail_seconds = data.exposed + data.optimizer;
  time.costs.waiting_share = request.constants.straggler * std::log2(nodes);
  time.jitter = pipeline.jitter;
  time.parts.waiting = (pipeline.time.seconds + time.costs.tail_seconds) * time.costs.waiting_share;
  time.step_seconds = time.parts.total();
  time.bubble_share = time.parts.bubble / time.step_seconds;
  const double traffic = pipeline.traffic + data.seconds;
  time.hidden_communication_share =
      traffic > 0 ? std::clamp(1 - (pipeline.exposed + data.exposed) / traffic, 0.0, 1.0) : 0;
  time.max_expert_load = context.load;
  const double devices = request.layout.n_devices();
  time.tokens_per_second = request.batch.tokens() / time.step_seconds;
  time.tokens_per_second_per_device = time.tokens_per_second / devices;
  time.model_flops_per_second_per_device =
      time.tokens_per_second_per_device *
      model_flops_per_token(request.model, request.batch.sequence_length).total();
  time.mfu = time.model_flops_per_second_per_device / request.cluster.device.bf16_peak.value;
  return time;
}

}  // namespace farthing
