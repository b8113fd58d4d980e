// simulate_plan.cpp - a plan's figures handed to the simulators.
#include "simulate/simulate_plan.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "plan/accounting.h"
#include "plan/pipeline_time.h"

namespace farthing {
namespace {

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
  s.job = job_of(plan.request.cluster, plan.best().layout.n_devices(), plan.checkpoint_bytes,
                 plan.n_steps, step.step_seconds);
  if (options.checkpoint_seconds > 0) s.job.checkpoint_seconds = options.checkpoint_seconds;
  s.model = reliability_of(plan.request.cluster);
  if (options.spares >= 0) s.model.spare_nodes = static_cast<int>(options.spares);
  s.outcome = simulate_run(s.job, s.model, options.seed, true);
  s.band = simulate_runs(s.job, s.model, options.n_runs, options.seed);
  const Quantiles& range = plan.range.step_seconds;
  s.inputs = run_inputs(plan.request.cluster, s.job, s.model, {range.p10, range.p50, range.p90});
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
