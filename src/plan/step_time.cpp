// step_time.cpp - stages of a pipeline, their schedule, data parallelism and the optimizer.
#include "plan/step_time.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "plan/accounting.h"
#include "plan/block_time.h"
#include "plan/memory.h"

namespace farthing {
namespace {

// A stage's work for one micro-batch with what is exposed of its traffic.
struct Stage {
  BlockTime time;
  StepParts parts;  // of one micro-batch, F and B together
  StageTime seconds;
  double traffic = 0, exposed = 0;
  double ep = 0, compute = 0;
};

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

// Layers of every stage: equal chunks, then spare slots are taken from the slowest stage.
std::vector<int> share_layers(const Context& context, const std::vector<double>& fixed) {
  const Layout& layout = context.request.layout;
  const int layers = context.request.model.num_hidden_layers;
  const int slots = layout.pp * layout.vp;
  const int per_chunk = (layers + slots - 1) / slots;
  std::vector<int> count(static_cast<std::size_t>(layout.pp), per_chunk * layout.vp);
  const BlockTime& usual = context.request.model.is_moe() ? context.moe : context.dense;
  const double block = usual.forward.compute() + usual.backward_input.compute() +
                       usual.backward_weight.compute() + usual.forward.ep + usual.backward_input.ep;
  for (int spare = per_chunk * slots - layers; spare > 0; --spare) {
    std::size_t slowest = 0;
    double most = -1;
    for (std::size_t stage = 0; stage < count.size(); ++stage) {
      const double seconds = fixed[stage] + count[stage] * block;
      if (count[stage] > 0 && seconds > most) {
        most = seconds;
        slowest = stage;
      }
    }
    --count[slowest];
  }
  return count;
}

double compute_of(const BlockTime& time) {
  return time.forward.compute() + time.backward_input.compute() + time.backward_weight.compute();
}

std::vector<Stage> make_stages(const Context& context) {
  const StepTimeRequest& request = context.request;
  const int pp = request.layout.pp;
  std::vector<double> fixed(static_cast<std::size_t>(pp), 0.0);
  fixed.front() += compute_of(context.embedding);
  fixed.back() +=
      compute_of(context.head) + request.model.num_nextn_predict_layers * compute_of(context.mtp);
  const std::vector<int> layers = share_layers(context, fixed);
  std::vector<Stage> stages(static_cast<std::size_t>(pp));
  int layer = 0;
  const double bytes = request.layout.micro_batch * double(request.batch.sequence_length) /
                       request.layout.cp * request.model.hidden_size * 2 /
                       (request.layout.sequence_parallel ? request.layout.tp : 1);
  const int ranks_per_stage = request.layout.dp * request.layout.tp * request.layout.cp;
  const bool near = ranks_per_stage < request.cluster.scale_up_domain();
  for (int index = 0; index < pp; ++index) {
    Stage& stage = stages[static_cast<std::size_t>(index)];
    for (int i = 0; i < layers[static_cast<std::size_t>(index)]; ++i, ++layer) {
      stage.time += request.model.is_moe_layer(layer) ? context.moe : context.dense;
    }
    if (index == 0) stage.time += context.embedding;
    if (index == pp - 1) {
      stage.time += context.head;
      for (int i = 0; i < request.model.num_nextn_predict_layers; ++i) stage.time += context.mtp;
    }
    add_phase(context, stage, stage.time.forward, stage.seconds.forward);
    add_phase(context, stage, stage.time.backward_input, stage.seconds.backward_input);
    add_phase(context, stage, stage.time.backward_weight, stage.seconds.backward_weight);
    stage.seconds.recompute = stage.time.backward_input.recompute;
    if (pp > 1) stage.seconds.send = context.links.send(bytes, near);
  }
  return stages;
}

bool pairs(const StepTimeRequest& request) {
  const PipelineSchedule schedule = request.layout.schedule;
  return schedule == PipelineSchedule::kDualPipe || schedule == PipelineSchedule::kDualPipeV ||
         (request.software.hides_ep && request.model.is_moe());
}

double leak_of(const Context& context, const Stage& stage) {
  const Constants& c = context.request.constants;
  const double compute = stage.compute * (1 + c.communication_tax);
  const double traffic = stage.ep / c.paired_link_share;
  return (1 - c.ep_hidden) * std::min(traffic, compute) + std::max(0.0, traffic - compute);
}

// F of one micro-batch beside B of another: the longer of compute and traffic, and what leaks.
double paired_seconds(const Context& context, const Stage& stage) {
  const Constants& c = context.request.constants;
  const double other = stage.seconds.total() - stage.ep - stage.compute;
  const double compute = stage.compute * (1 + c.communication_tax);
  return compute + leak_of(context, stage) + other;
}

void scale_parts(StepParts& parts, double factor) {
  for (double* part :
       {&parts.attention, &parts.attention_core, &parts.mlp, &parts.experts, &parts.head,
        &parts.elementwise, &parts.recompute, &parts.host, &parts.tp_exposed, &parts.cp_exposed,
        &parts.ep_exposed, &parts.pp_exposed, &parts.imbalance}) {
    *part *= factor;
  }
}

struct Pipeline {
  double seconds = 0;
  double bubble = 0;
  double paired = 0;
  StepParts parts;
  double traffic = 0, exposed = 0;
};

// Expected maximum of n waits of relative spread `jitter`: stages run at the pace of the slowest.
double jitter_factor(double jitter, int n) {
  return n <= 1 ? 1 : 1 + jitter * std::sqrt(2 * std::log(static_cast<double>(n)));
}

Pipeline run_dual(const Context& context, const std::vector<Stage>& stages, double count) {
  const int p = context.request.layout.pp;
  // A rank holds stage r and its mirror; half of the micro-batches pass each.
  double busiest = 0, paired = 0, backward = 0, weight = 0;
  for (std::size_t r = 0; r < stages.size() / 2; ++r) {
    const Stage& here = stages[r];
    const Stage& mirror = stages[stages.size() - 1 - r];
    const double mean = (paired_seconds(context, here) + paired_seconds(context, mirror)) / 2;
    busiest = std::max(busiest, mean);
    paired += mean / (stages.size() / 2.0);
    backward += (here.seconds.backward() + mirror.seconds.backward()) / stages.size();
    weight += (here.seconds.backward_weight + mirror.seconds.backward_weight) / stages.size();
  }
  Pipeline pipeline;
  const double jitter = jitter_factor(context.request.constants.wait_jitter, p);
  const double ideal = count * paired;
  pipeline.paired = busiest;
  pipeline.seconds = count * busiest * jitter +
                     std::max(0.0, (p / 2.0 - 1) * (paired + backward - 3 * weight)) +
                     2.0 * p * stages[0].seconds.send;
  pipeline.bubble = pipeline.seconds - ideal;
  // The mean rank: what the slowest does beyond it, the others wait for.
  StepParts sum;
  for (const Stage& stage : stages) {
    StepParts scaled = stage.parts;
    scale_parts(scaled, count / static_cast<double>(stages.size()));
    for (auto part : {&StepParts::attention, &StepParts::attention_core, &StepParts::mlp,
                      &StepParts::experts, &StepParts::head, &StepParts::elementwise,
                      &StepParts::recompute, &StepParts::host, &StepParts::tp_exposed,
                      &StepParts::cp_exposed, &StepParts::ep_exposed, &StepParts::imbalance}) {
      sum.*part += scaled.*part;
    }
    const double share = count / static_cast<double>(stages.size());
    pipeline.traffic += share * stage.traffic;
    pipeline.exposed += share * (leak_of(context, stage) + stage.exposed - stage.ep);
  }
  const double busy = sum.total();
  // What pairing saves comes off the traffic; compute slowed by it is counted there.
  sum.ep_exposed += ideal - busy;
  pipeline.parts = sum;
  return pipeline;
}

Pipeline run_plain(const Context& context, const std::vector<Stage>& stages, double count) {
  const Layout& layout = context.request.layout;
  const bool paired = pairs(context.request);
  std::vector<double> seconds;
  seconds.reserve(stages.size());
  for (const Stage& stage : stages) {
    seconds.push_back(paired ? paired_seconds(context, stage) : stage.seconds.total());
  }
  const auto slowest = std::max_element(seconds.begin(), seconds.end()) - seconds.begin();
  const Stage& stage = stages[static_cast<std::size_t>(slowest)];
  const double longest = seconds[static_cast<std::size_t>(slowest)];
  double others = std::accumulate(seconds.begin(), seconds.end(), 0.0) - longest;
  if (layout.schedule == PipelineSchedule::kZb1p) {
    double weights = 0;
    for (const Stage& each : stages) weights += each.seconds.backward_weight;
    others = std::max(0.0, others - 2 * (weights - stage.seconds.backward_weight));
  }
  Pipeline pipeline;
  const double jitter = jitter_factor(context.request.constants.wait_jitter, layout.pp);
  const int vp = layout.schedule == PipelineSchedule::kInterleaved ? layout.vp : 1;
  // Sends wait in a plain 1F1B: one each way for every micro-batch and chunk; vp chunks hide them.
  const double sends = layout.pp == 1 ? 0
                       : vp > 1       ? 2.0 * (layout.pp - 1) * stage.seconds.send
                                      : 2.0 * (count + layout.pp) * stage.seconds.send;
  pipeline.paired = paired ? longest : 0;
  pipeline.bubble = others / vp + count * longest * (jitter - 1);
  pipeline.seconds = count * longest + pipeline.bubble + sends;
  pipeline.parts = stage.parts;
  scale_parts(pipeline.parts, count);
  if (paired) pipeline.parts.ep_exposed += count * (longest - stage.seconds.total());
  pipeline.parts.pp_exposed = sends;
  pipeline.traffic = count * stage.traffic + sends;
  pipeline.exposed = sends + std::max(0.0, pipeline.parts.ep_exposed) + pipeline.parts.tp_exposed +
                     pipeline.parts.cp_exposed;
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
      std::min(data.seconds * request.constants.fsdp_hidden, 0.9 * pipeline.seconds);
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
  for (int stage = 0; stage < layout.pp; ++stage) {
    const RankParameters each = rank_parameters(request.model, layout, stage);
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
  const double count =
      static_cast<double>(n_micro_batches(request.layout, request.batch.global_batch));
  CHECK(count >= 1);
  const Context context(request);
  const std::vector<Stage> stages = make_stages(context);
  const bool dual = request.layout.schedule == PipelineSchedule::kDualPipe && request.layout.pp > 1;
  const Pipeline pipeline =
      dual ? run_dual(context, stages, count) : run_plain(context, stages, count);
  const DataParallel data = data_parallel(context, pipeline, stages, count);
  StepTime time;
  time.parts = pipeline.parts;
  time.parts.dp_exposed = data.exposed;
  time.parts.optimizer = data.optimizer;
  time.parts.bubble = pipeline.bubble;
  const double nodes =
      std::max(1.0, double(request.layout.n_devices()) / request.cluster.devices_per_node());
  const double waiting = request.constants.straggler * std::log2(nodes);
  const double busy = pipeline.seconds + data.exposed + data.optimizer;
  time.parts.bubble += busy * waiting;
  time.step_seconds = busy * (1 + waiting);
  for (const Stage& stage : stages) time.stages.push_back(stage.seconds);
  time.paired_seconds = pipeline.paired;
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
