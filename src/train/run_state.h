// run_state.h - the parts of a run in work; run.cpp sets them up, run_loop.cpp moves them on.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "data/loader.h"
#include "eval/evaluate.h"
#include "ledger/events.h"
#include "ledger/run_folder.h"
#include "train/checkpoint.h"
#include "train/past_run.h"
#include "train/run.h"
#include "train/run_length.h"
#include "train/trainer.h"

namespace farthing {

// What a run's evaluations and `farthing eval` of it have in common.
inline EvaluateSettings evaluate_settings(const Recipe& recipe) {
  return {.window = recipe.data.sequence_length, .document_mask = recipe.data.document_mask};
}

// Written as an event once there is a file for it.
struct EarlyDecision {
  std::string name;
  std::variant<int, std::string> value;
  std::string why;
};

class Run {
 public:
  // Takes the folder, resumes or begins, lays out memory.
  Run(const RunRequest& request, const RunObserver& observer);

  // The finished run that this folder holds, if it is one under the present limits.
  std::optional<RunOutcome> finished_before();
  RunOutcome go();

 private:
  // Set up (run.cpp).
  void settle_limits();
  void settle_precision();
  void settle_micro_batch();
  void open_events();
  void store_recipe();
  void copy_tokenizer();
  void find_checkpoint();
  void restore(const CheckpointEntry& entry);
  void begin_new();
  void begin_from(const std::string& source);
  void open_data();
  void announce();
  void say(const std::string& words) const;

  // The loop (run_loop.cpp).
  void settle_length();
  void decide(const RunLength& length);
  void take_step();
  void report_step(const StepResult& result, double learning_rate, double seconds);
  void evaluate(bool final);
  double evaluation_seconds_per_token() const;
  double evaluation_seconds() const;
  std::int64_t final_sample_tokens() const;
  int asked_to_stop() const;
  void maybe_save();
  CheckpointMeta meta(bool finished) const;
  void save(bool finished);
  RunOutcome loop();
  RunOutcome stop(RunEnd end, const char* reason);
  RunOutcome finish();
  [[noreturn]] void guard_stop(const std::string& verdict, double loss);
  void write_closing(const char* kind, Json fields);
  Json source_tokens() const;
  double elapsed_seconds() const;
  Pace pace() const;
  RunOutcome outcome(RunEnd end) const;
  std::int64_t sample_tokens() const;

  RunRequest request_;
  RunObserver observer_;
  RunFolder folder_;
  Recipe recipe_;  // resolved
  PastRun past_;
  std::unique_ptr<EventWriter> events_;
  std::vector<EarlyDecision> early_decisions_;
  std::vector<std::pair<std::int64_t, std::string>> damaged_;  // checkpoints: step, fault
  std::optional<CheckpointEntry> checkpoint_;                  // resumed from
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<SampleStream> train_source_;
  const MixedSource* mixed_source_ = nullptr;    // what train_source_ reads, if a mixture
  std::unique_ptr<ValidationSplit> validation_;  // null: none to evaluate on
  BatchFiller train_fill_;
  RunPlan plan_;
  std::vector<RunLength> decisions_;  // the last is in force

  std::atomic<std::int64_t> step_{0};
  std::int64_t tokens_ = 0;
  std::int64_t next_sample_ = 0;
  double last_loss_ = 0;
  double bits_per_byte_ = 0;
  std::int64_t evaluated_step_ = -1;
  bool evaluated_all_ = false;         // by the last evaluation
  double eval_seconds_per_token_ = 0;  // of the last evaluation; 0: none yet
  std::int64_t saved_step_ = -1;
  bool saved_finished_ = false;
  double save_seconds_ = 0;  // of the last save
  double saved_at_ = 0;      // the attempt's clock then
  double decided_at_ = 0;
  double step_seconds_ = 0;        // running mean
  double total_step_seconds_ = 0;  // of this attempt
  std::int64_t attempt_steps_ = 0;
  double first_step_at_ = 0;  // the attempt's clock
  double flops_per_token_ = 0;
  double joules_before_ = 0;
};

}  // namespace farthing
