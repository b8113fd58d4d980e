// run.h - a training run from its folder to its end: resume, limits, events, checkpoints, stops.
//
//   RunOutcome outcome = train_run({.recipe = recipe, .folder = "runs/tiny", ...}, observer);
//
// A new folder begins a run; one that holds an unfinished run goes on with it, to the bit; one that
// holds a finished run is left alone.  What depends on speed or place (how far a time limit
// reaches, the micro-batch) is written down before it is used and replayed by every later attempt.
//
// Errors   Error{kBadInput} for a changed recipe, another model's checkpoint, another instruction
//          set without any_isa; Error{kOutOfResource} for memory (before the first step, with the
//          numbers) and disk; Error{kGuardStopped} after saving the state before the bad step;
//          Error{kFailed} when another process trains this folder.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/recipe.h"
#include "model/context.h"
#include "model/parameters.h"

namespace farthing {

// What a signal asks for; the step in work is finished and saved first.
enum StopRequest { kGoOn = 0, kStopPreempted = 1, kStopInterrupted = 2 };

enum class RunEnd { kFinished, kFinishedBefore, kPreempted, kInterrupted };

struct RunOutcome {
  RunEnd end = RunEnd::kFinished;
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  double loss = 0;           // of the last step
  double bits_per_byte = 0;  // of the validation split; 0: none
  std::string weights_hash;
  double attempt_seconds = 0;
};

struct RunForecast {
  double step_seconds = 0, memory_bytes = 0, joules_per_step = 0;
};

struct RunRequest {
  Recipe recipe;  // its train.until is the limit in force
  std::string folder;
  bool any_isa = false;
  std::string isa;  // of this process
  double usd_per_second = 0;
  // When the attempt began: what was measured before the run counts as its start-up.
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  double peak_flops = 0;                   // measured FP32 peak of the threads in use; 0: unknown
  const std::atomic<int>* stop = nullptr;  // a StopRequest
  // Joules since some beginning; absent where the machine has no meter.
  std::function<std::optional<double>()> read_joules = {};
  // What the planner expects of the settled recipe; absent where it knows nothing of the machine.
  std::function<std::optional<RunForecast>(const Recipe&)> forecast = {};
  // Called once at the end, before run_end: writes RUN/model.
  std::function<void(const ModelConfig&, const ParameterStore<float>&, const RunOutcome&)> finish =
      {};
};

struct StepReport {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  double loss = 0;
  double tokens_per_second = 0;  // of the recent steps
  double share_of_peak = 0;      // model FLOPs over the measured peak; 0: unknown
  double usd = 0;                // of all attempts
  double progress = 0;           // in [0, 1]
  double seconds_left = -1;      // -1: not known yet
};

struct RunObserver {
  std::function<void(const std::string&)> say = {};  // a sentence, rarely
  std::function<void(const std::vector<MemoryLine>&, int micro_batch)> on_memory = {};
  // The folder holds a run from here on; what is refused before leaves no folder.
  std::function<void()> on_begin = {};
  std::function<void(const StepReport&)> on_step = {};
};

RunOutcome train_run(const RunRequest& request, const RunObserver& observer);

}  // namespace farthing
