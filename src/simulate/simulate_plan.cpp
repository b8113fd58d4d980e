// simulate_plan.cpp - a plan's figures handed to the simulators.
#include "simulate/simulate_plan.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "plan/accounting.h"
#include "plan/pipeline_time.h"

namespace farthing {
namespace {

UncertainInput around(std::string name, double median, double factor, std::string unit,
                      std::string source) {
  const InputShape shape = median > 0 ? InputShape::kLognormal : InputShape::kFixed;
  return {std::move(name), shape,           median / factor,  median,
          median * factor, std::move(unit), std::move(source)};
}

// A figure's own range where its file gives one; `unit` times its SI value.
UncertainInput with_range(UncertainInput input, const Figure& figure, double unit) {
  if (!(figure.p90 > 0) || !(input.median > 0)) return input;
  input.low = figure.p10 * unit;
  input.high = figure.p90 * unit;
  return input;
}

std::string source_of(const Figure& figure, const char* otherwise) {
  return figure.is_known() ? figure.source : otherwise;
}

// In the order in which drawn_days() reads them.
std::vector<UncertainInput> inputs_of(const Simulation& s) {
  const Reliability& facts = s.plan.request.cluster.reliability;
  const Quantiles& step = s.plan.range.step_seconds;
  const double rate_factor = std::exp(1.2816 * s.model.rate_sigma);
  const double time_factor = std::exp(1.2816 * s.model.duration_sigma);
  return {
      {"step", InputShape::kLognormal, step.p10, step.p50, step.p90, "s",
       "the plan's range: constants of the time model"},
      with_range(around("failures per device", s.model.failures_per_device_hour, rate_factor, "1/h",
                        source_of(facts.device_failures, "arXiv:2410.21680") +
                            "; width: two clusters of arXiv:2410.21680"),
                 facts.device_failures, 3600),
      with_range(around("noticing a failure", s.model.detect_seconds, time_factor, "s",
                        source_of(facts.detect, "assumed")),
                 facts.detect, 1),
      with_range(around("restart", s.model.restart_seconds, time_factor, "s",
                        source_of(facts.restart, "assumed")),
                 facts.restart, 1),
      with_range(around("repair of a node", s.model.repair_seconds, time_factor, "s",
                        source_of(facts.repair, "assumed")),
                 facts.repair, 1),
      around("checkpoint stall", s.job.checkpoint_stall_seconds, 2, "s",
             "bytes over the storage's write rate; width assumed"),
      around("stragglers", s.model.stragglers_per_node_month, 3, "1/(node month)",
             source_of(facts.stragglers, "arXiv:2402.15627") + "; width assumed"),
      around("preemptions", s.model.preemptions_per_node_hour, 2, "1/(node h)",
             source_of(s.plan.request.cluster.spot.preemptions, "not stated"))};
}

double drawn_days(const SimulatedJob& base, const ReliabilityModel& facts,
                  std::span<const double> v, std::uint64_t seed) {
  SimulatedJob job = base;
  ReliabilityModel model = facts;
  job.step_seconds = v[0];
  model.failures_per_device_hour = v[1];
  model.detect_seconds = v[2];
  model.restart_seconds = v[3];
  model.repair_seconds = v[4];
  job.checkpoint_stall_seconds = v[5];
  model.stragglers_per_node_month = v[6];
  model.preemptions_per_node_hour = v[7];
  model.rate_sigma = 0;  // drawn above
  model.duration_sigma = 0;
  return simulate_run(job, model, seed).wall_seconds / 86400;
}

RunDescription words_of(const Simulation& s) {
  const Plan& plan = s.plan;
  RunDescription words;
  words.model = plan.request.model.name;
  words.cluster = plan.request.cluster.name;
  words.device = plan.request.cluster.device.name;
  words.precision = name(plan.best().layout.precision);
  words.begun_unix = s.options.begun_unix;
  words.tokens_per_step = plan.best().batch.tokens();
  const LossQuestion question = loss_question_of(plan);
  words.parameters = count_parameters(plan.request.model).total();
  words.active_parameters = count_active_parameters(plan.request.model).total();
  words.model_flops_per_token =
      model_flops_per_token(plan.request.model, plan.best().batch.sequence_length).total();
  words.device_peak_flops = plan.request.cluster.device.bf16_peak.value;
  words.micro_batch = plan.best().layout.micro_batch;
  words.checkpoint_bytes = plan.checkpoint_bytes;
  const Figure& pue = plan.request.cluster.facility.pue;
  words.watts = plan.power_watts / (pue.is_known() ? pue.value : kUsualPue);
  words.seed = s.options.seed;
  words.site = site_of(plan.request.cluster);
  words.loss_law = s.losses.front().law.name;
  words.expected_loss = [question](double tokens) {
    LossQuestion at = question;
    at.tokens = std::max(tokens, 1e6);
    return expected_losses(at).front().loss;
  };
  return words;
}

}  // namespace

Schedule schedule_of(const Plan& plan) {
  const Layout& layout = plan.best().layout;
  const auto n = n_micro_batches(layout, plan.best().batch.global_batch);
  return make_schedule(schedule_kind(layout.schedule), layout.pp, static_cast<int>(n), layout.vp);
}

SimulatedJob job_of(const Plan& plan) {
  SimulatedJob job;
  static_cast<JobExposure&>(job) =
      exposure_of(plan.request.cluster, plan.best().layout.n_devices(), plan.checkpoint_bytes);
  job.n_steps = std::max(1.0, std::ceil(plan.n_steps));
  job.step_seconds = plan.best().time.step_seconds;
  return job;
}

LossQuestion loss_question_of(const Plan& plan) {
  const ModelShape& model = plan.request.model;
  const double embedding = static_cast<double>(model.vocab_size) * model.hidden_size *
                           (model.tie_word_embeddings ? 1 : 2);
  LossQuestion question;
  question.active_parameters = std::max(1.0, count_active_parameters(model).total() - embedding);
  question.total_parameters = std::max(1.0, count_parameters(model).total() - embedding);
  question.tokens = plan.request.tokens;
  question.is_moe = model.is_moe();
  if (model.is_moe()) {  // a dense layer of the same model is four hidden sizes wide, by Krajewski
    question.granularity =
        std::max(1.0, 4.0 * model.hidden_size / std::max(1, model.moe_intermediate_size));
  }
  return question;
}

Simulation simulate_plan(const Plan& plan, const SimulationOptions& options) {
  CHECK(plan.fits);
  Simulation s;
  s.plan = plan;
  s.options = options;
  s.schedule = schedule_of(plan);
  const StepTime& step = plan.best().time;
  s.timeline = simulate_step(s.schedule, step.costs,
                             {.rank_slowdown = even_slowdown(s.schedule.n_ranks(), step.jitter)});
  s.job = job_of(plan);
  if (options.checkpoint_seconds > 0) s.job.checkpoint_seconds = options.checkpoint_seconds;
  s.model = reliability_of(plan.request.cluster);
  if (options.spares >= 0) s.model.spare_nodes = static_cast<int>(options.spares);
  s.outcome = simulate_run(s.job, s.model, options.seed, true);
  s.band = simulate_runs(s.job, s.model, options.n_runs, options.seed);
  s.inputs = inputs_of(s);
  s.days = sample_range(s.inputs,
                        [&](std::span<const double> v, std::uint64_t seed) {
                          return drawn_days(s.job, s.model, v, seed);
                        },
                        {.n_draws = options.n_draws, .n_repeats = 50, .seed = options.seed});
  s.losses = expected_losses(loss_question_of(plan));
  s.batch = batch_advice(s.losses.front().loss,
                         6 * loss_question_of(plan).active_parameters * plan.request.tokens);
  s.words = words_of(s);
  return s;
}

}  // namespace farthing
