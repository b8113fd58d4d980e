// trainer.cpp - one step, in the order of its numbers.
#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/check.h"
#include "base/part_times.h"
#include "model/balance.h"
#include "train/precision.h"

namespace farthing {
namespace {

constexpr int kTracedTokens = 64;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t bytes_of(const Recipe& recipe, int micro_batch, int n_contexts, bool delay_weight) {
  const ParameterTable table(recipe.model);
  Arena measure = Arena::measuring();
  const ParameterStore<float> master(measure, table), gradients(measure, table);
  const OptimizerState optimizer(measure, table, recipe.train.bf16_moments);
  const PackedWeights packed(measure, table, make_model_ids(recipe.model, table),
                             matmul_of(recipe.precision), copies_of(recipe.precision));
  const ContextShape shape{micro_batch, recipe.data.sequence_length};
  for (int i = 0; i < n_contexts; ++i) {
    const Context<float> context(measure, recipe.model, shape,
                                 {true, delay_weight, keep_of(recipe)});
  }
  return measure.used();
}

int n_micro_batches_of(const Recipe& recipe, int micro_batch) {
  return recipe.train.batch_tokens / recipe.data.sequence_length / micro_batch;
}

int n_contexts_of(const Recipe& recipe, int micro_batch, bool delay_weight) {
  return delay_weight ? n_micro_batches_of(recipe, micro_batch) : 1;
}

ParameterStore<float> with_matmul(ParameterStore<float> weights, const Matmul& matmul) {
  weights.matmul = &matmul;
  return weights;
}

void add(Losses& total, const Losses& part) {
  total.main += part.main;
  total.mtp.resize(part.mtp.size());
  for (std::size_t depth = 0; depth < part.mtp.size(); ++depth) total.mtp[depth] += part.mtp[depth];
  total.balance += part.balance;
  total.total += part.total;
}

}  // namespace

Trainer::Trainer(const Recipe& recipe, int micro_batch, bool delay_weight)
    : recipe_(recipe),
      micro_batch_(micro_batch),
      delay_weight_(delay_weight),
      table_(recipe.model),
      arena_(bytes_of(recipe, micro_batch, n_contexts_of(recipe, micro_batch, delay_weight),
                      delay_weight)),
      master_(arena_, table_),
      gradients_(arena_, table_),
      optimizer_(arena_, table_, recipe.train.bf16_moments),
      model_(recipe.model, table_, master_),
      packed_(arena_, table_, model_.ids, matmul_of(recipe.precision), copies_of(recipe.precision)),
      matmul_(matmul_of(recipe.precision)),
      training_model_(recipe.model, table_, with_matmul(master_, matmul_)) {
  matmul_.packed = &packed_;
  check_moments(recipe.train, "recipe");
  const ContextShape shape{micro_batch, recipe.data.sequence_length};
  for (int i = 0; i < n_contexts_of(recipe, micro_batch, delay_weight); ++i) {
    contexts_.push_back(std::make_unique<Context<float>>(
        arena_, recipe.model, shape, ContextMode{true, delay_weight, keep_of(recipe)}));
  }
  batches_.resize(static_cast<std::size_t>(n_micro_batches_of(recipe, micro_batch)));
  for (Batch& batch : batches_) {
    batch.n_sequences = micro_batch;
    batch.sequence_length = recipe.data.sequence_length;
  }
}

StepResult Trainer::train_step(const StepRequest& request) {
  CHECK(request.n_sequences >= micro_batch_ && request.n_sequences % micro_batch_ == 0);
  StepResult result;
  const CollectParts collect(part_times_);
  const double begin = now_seconds();

  // 1. The whole global batch is read first: its loss is a mean over all of it.
  const int n_micro_batches = request.n_sequences / micro_batch_;
  {
    const TimedPart part("data");
    load_batches(request, n_micro_batches);
  }
  const LossScale scale = loss_scale(n_micro_batches, request.n_sequences);
  result.n_tokens = std::int64_t{request.n_sequences} * recipe_.data.sequence_length;
  const double have_data = now_seconds();

  // 2. Forward and backward of every micro-batch, as the schedule says; gradients add in FP32.
  {
    const TimedPhase phase(Phase::kUpdate);
    const TimedPart part("weights packed");
    packed_.refresh(master_);
  }
  {
    const TimedPhase phase(Phase::kUpdate);
    const TimedPart part("gradients cleared");
    clear_sums(gradients_);
  }
  result.expert_counts.resize(static_cast<std::size_t>(recipe_.model.n_blocks()));
  const RankSchedule schedule = delay_weight_ ? single_rank_schedule_delayed(n_micro_batches)
                                              : single_rank_schedule(n_micro_batches);
  for (const ScheduleOp& op : schedule) execute(op, scale, result);
  const double have_gradients = now_seconds();

  // 3. The guard judges before anything is changed.
  const TimedPhase update_phase(Phase::kUpdate);
  {
    const TimedPart part("gradient norm");
    result.gradient_norm = gradient_norm(gradients_, optimizer_);
  }
  result.stopped_because =
      guard_verdict(recipe_.guard, loss_statistics_, result.losses.total, result.gradient_norm);

  // 4. Clip and update; then the biases, by the loads of the whole global batch.
  if (result.stopped_because.empty()) {
    {
      const TimedPart part("AdamW");
      update(master_, gradients_, optimizer_, optimizer_step(recipe_.train, request.learning_rate),
             result.gradient_norm);
    }
    update_biases(result);
    loss_statistics_.add(result.losses.total);
    if (request.trace) keep_trace(*contexts_.front(), result);
  }

  const double end = now_seconds();
  result.data_seconds = have_data - begin;
  result.forward_backward_seconds = have_gradients - have_data;
  result.optimizer_seconds = end - have_gradients;
  return result;
}

void Trainer::load_batches(const StepRequest& request, int n_micro_batches) {
  for (int i = 0; i < n_micro_batches; ++i) {
    (*request.fill)(batches_[static_cast<std::size_t>(i)],
                    request.first_sample + std::int64_t{i} * micro_batch_);
  }
}

LossScale Trainer::loss_scale(int n_micro_batches, int n_sequences) const {
  double weight = 0;
  for (int i = 0; i < n_micro_batches; ++i) {
    weight += counted_weight(batches_[static_cast<std::size_t>(i)]);
  }
  return {.token = weight > 0 ? 1 / weight : 0,
          .sequence = 1.0 / n_sequences,
          .mtp_weight = recipe_.train.mtp_loss_weight,
          .balance_weight = recipe_.balance.sequence_loss_weight};
}

Context<float>& Trainer::context_of(int micro_batch) {
  return *contexts_[static_cast<std::size_t>(micro_batch) % contexts_.size()];
}

void Trainer::execute(const ScheduleOp& op, const LossScale& scale, StepResult& result) {
  Context<float>& context = context_of(op.micro_batch);
  const Batch& batch = batches_[static_cast<std::size_t>(op.micro_batch)];
  gradients_.is_fresh = op.micro_batch == 0;  // the first in every kind of op
  switch (op.kind) {
    case PhaseKind::kForward:
      forward(training_model_, context, batch);
      add(result.losses, loss<float>(training_model_, context, batch, scale, &gradients_));
      count_experts(context, result);
      break;
    case PhaseKind::kBackward:
      backward(training_model_, context, batch, gradients_);
      break;
    case PhaseKind::kBackwardInput:
      backward_input(training_model_, context, batch, gradients_);
      break;
    case PhaseKind::kBackwardWeight:
      backward_weight(training_model_, context, batch, gradients_);
      break;
  }
}

void Trainer::count_experts(const Context<float>& context, StepResult& result) const {
  for (int block = 0; block < recipe_.model.n_blocks(); ++block) {
    if (!context.is_moe(block)) continue;
    auto& counts = result.expert_counts[static_cast<std::size_t>(block)];
    const auto added = context.expert_counts(block);
    counts.resize(added.size());
    for (std::size_t expert = 0; expert < added.size(); ++expert) counts[expert] += added[expert];
  }
}

void Trainer::keep_trace(const Context<float>& context, StepResult& result) const {
  const int n_tokens = std::min(kTracedTokens, context.n_tokens());
  for (int block = 0; block < recipe_.model.n_blocks(); ++block) {
    if (!context.is_moe(block)) continue;
    ExpertTrace trace{block, {}};
    for (int token = 0; token < n_tokens; ++token) {
      const auto chosen = context.routing(block).expert[token];
      trace.expert.insert(trace.expert.end(), chosen.begin(), chosen.end());
    }
    result.trace.push_back(std::move(trace));
  }
}

void Trainer::update_biases(const StepResult& result) {
  for (int block = 0; block < recipe_.model.n_blocks(); ++block) {
    const auto& counts = result.expert_counts[static_cast<std::size_t>(block)];
    if (counts.empty()) continue;
    const int id = model_.ids.blocks[static_cast<std::size_t>(block)].router.bias;
    update_correction_bias(master_.values(id), counts, recipe_.balance.bias_update_speed);
  }
}

}  // namespace farthing
