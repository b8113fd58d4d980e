// trainer.h - the state of a training run in memory, and one step of it.
//
// All memory is laid out before the first step, over the same code that measures it; a step
// allocates nothing of note.  The trainer knows no clock, file or limit: run.h does.
//
//   Trainer trainer(recipe, micro_batch);
//   initialize(trainer.master(), recipe.model, seed);      or load_checkpoint(...)
//   StepResult result = trainer.train_step({.fill = shard_batches(...), ...});
//
// Exact    Same recipe, same weights, same samples: same bits, for any number of threads and with
//          W delayed or not.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/part_times.h"
#include "config/recipe.h"
#include "model/context.h"
#include "model/linear.h"
#include "model/model.h"
#include "model/parameters.h"
#include "parallel/schedule.h"
#include "train/batches.h"
#include "train/guard.h"
#include "train/optimizer.h"

namespace farthing {

// Bytes of memory by part, for a run of this recipe with this micro-batch (sequences).
std::vector<MemoryLine> memory_table(const Recipe& recipe, int micro_batch);
std::int64_t total_bytes(const std::vector<MemoryLine>& table);
// What the kernels keep for each thread, made at its first product: packed blocks and tiles of
// attention's scores, keys and their gradients.
std::int64_t thread_buffer_bytes(const Recipe& recipe, int n_threads);
// train.recompute and precision.cached, of a recipe that was checked.
Keep keep_of(const Recipe& recipe);
// What the machine and the control group leave to this process now.
std::int64_t available_memory_bytes();

// The recipe's micro-batch, or the largest divisor of the step's sequences of at most 8192 tokens
// that fits.  Errors: Error{kOutOfResource} with the numbers when nothing fits.
int choose_micro_batch(const Recipe& recipe, std::int64_t available_bytes);

struct StepRequest {
  const BatchFiller* fill = nullptr;
  std::int64_t first_sample = 0;
  int n_sequences = 0;  // a multiple of the micro-batch
  double learning_rate = 0;
  bool trace = false;  // keep sampled choices of experts
};

// Top-k choices of the first tokens of a step: expert[token * top_k + slot].
struct ExpertTrace {
  int block = 0;
  std::vector<std::int32_t> expert;
};

struct StepResult {
  Losses losses;
  double gradient_norm = 0;
  std::int64_t n_tokens = 0;
  std::vector<std::vector<std::int64_t>> expert_counts;  // by block; empty where it is dense
  std::vector<ExpertTrace> trace;
  double data_seconds = 0;
  double forward_backward_seconds = 0;
  double optimizer_seconds = 0;
  std::string stopped_because;  // the guard's verdict; then nothing was updated
};

class Trainer {
 public:
  // delay_weight: W of every micro-batch at the end of the step, for tests.
  // Errors   Error{kOutOfResource} when the system refuses the memory.
  Trainer(const Recipe& recipe, int micro_batch, bool delay_weight = false);

  StepResult train_step(const StepRequest& request);

  // Between steps: a context to score text in, micro_batch sequences of sequence_length.
  Context<float>& idle_context() { return *contexts_.front(); }

  const ParameterTable& table() const { return table_; }
  const ParameterStore<float>& master() const { return master_; }
  const ParameterStore<float>& gradients() const { return gradients_; }
  OptimizerState& optimizer() { return optimizer_; }
  // In FP32 over the same weights, whatever the recipe's precision: for evaluation.
  const Model<float>& model() const { return model_; }
  LossStatistics& loss_statistics() { return loss_statistics_; }
  int micro_batch() const { return micro_batch_; }
  // Where the seconds of the steps since clear() went.
  PartTimes& part_times() { return part_times_; }

 private:
  void load_batches(const StepRequest& request, int n_micro_batches);
  LossScale loss_scale(int n_micro_batches, int n_sequences) const;
  void execute(const ScheduleOp& op, const LossScale& scale, StepResult& result);
  Context<float>& context_of(int micro_batch);
  void count_experts(const Context<float>& context, StepResult& result) const;
  void keep_trace(const Context<float>& context, StepResult& result) const;
  void update_biases(const StepResult& result);

  Recipe recipe_;
  int micro_batch_;
  bool delay_weight_;
  ParameterTable table_;
  Arena arena_;
  ParameterStore<float> master_, gradients_;
  OptimizerState optimizer_;
  Model<float> model_;
  PackedWeights packed_;
  Matmul matmul_;
  Model<float> training_model_;  // in the recipe's precision
  std::vector<std::unique_ptr<Context<float>>> contexts_;
  std::vector<Batch> batches_;
  LossStatistics loss_statistics_;
  PartTimes part_times_;
};

}  // namespace farthing
