// history.h - the events of a run as values: steps, evaluations, checkpoints, attempts.
//
// Which second belongs to which category is settled here, event by event (docs/formats.md has the
// same rules in words); ledger.h adds them up.
//
//   An attempt lasts from 0 to the t_monotonic of its last event.  A closing event (run_start,
//   step, eval, checkpoint, run_end) takes all the time since the closing event before it:
//     run_start    start_up
//     step         up to its own seconds: data_wait as it says, the rest compute; what remains is
//                  start_up before the attempt's first step, and compute after it
//     eval         eval, after the same remainder rule
//     checkpoint   checkpoint, likewise
//     run_end      start_up without any step, else checkpoint (the model is being exported)
//   Heartbeats, decisions, alerts, restarts and traces close nothing.  What the last of them leaves
//   open is lost.  Steps and evaluations above a later attempt's resumed_step are recomputed.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace farthing {

enum class Category { kCompute, kDataWait, kCheckpoint, kEval, kStartUp, kRecomputed, kLost };
inline constexpr int kCategories = 7;
// "compute", "data_wait", "checkpoint", "eval", "start_up", "recomputed", "lost"
const char* to_string(Category category);

struct SecondsByCategory {
  std::array<double, kCategories> values{};
  double& operator[](Category category) { return values[static_cast<std::size_t>(category)]; }
  double operator[](Category category) const { return values[static_cast<std::size_t>(category)]; }
  double total() const;
  SecondsByCategory& operator+=(const SecondsByCategory& other);
};

struct StepRecord {
  int attempt = 0;
  std::int64_t step = 0;
  std::int64_t tokens = 0;  // cumulative, as the model has seen them
  std::int64_t step_tokens = 0;
  double run_seconds = 0;   // wall time of all attempts up to the end of this step
  double step_seconds = 0;  // as the trainer measured it
  double loss = 0;          // NaN where the event has none
  double learning_rate = 0;
  double grad_norm = 0;
  double balance_loss = 0;
  double max_vio = 0;
  double joules = 0;
  double model_flops = 0;
  std::vector<double> mtp_loss;
  std::vector<double> max_vio_by_layer;
  std::vector<std::vector<double>> expert_load;  // [moe block][expert], where the event has it
  bool recomputed = false;                       // a later attempt did it again
};

struct EvalRecord {
  std::int64_t step = 0;
  double run_seconds = 0;
  double bits_per_byte = 0;
  double loss = 0;
  double bytes = 0;                          // of the text that it scored; 0: not stated
  std::map<std::string, double> per_source;  // bits per byte, where there are several
  bool recomputed = false;
};

struct CheckpointRecord {
  std::int64_t step = 0;
  double seconds = 0;
  std::int64_t bytes = 0;
};

struct AttemptRecord {
  int attempt = 0;
  double begun_unix = 0;
  double wall_seconds = 0;
  double cores = 1;        // n_threads of run_start; before it, those of the attempt before
  bool has_begun = false;  // it wrote run_start, restart or a step
  std::optional<std::int64_t> resumed_step;  // what it began from; absent in a fresh start
  std::string end_reason;                    // of run_end; empty: killed, or still running
  double open_seconds = 0;                   // counted as lost
  SecondsByCategory seconds;                 // recomputed time already moved
};

// Where a simulated or imported run stood, as its cluster's file has it; empty: not stated.
struct RunSite {
  std::string cluster, region;  // region: of the price list, us or china
  bool spot = false;            // rented where it can be taken away
  double pue = 0;
  std::string pue_date, pue_source, pue_confidence;
};
// ,"pue":1.2,... as they follow other fields of a run_start; nothing where nothing is stated.
std::string site_fields(const RunSite& site);

// Of the last run_start; zero or empty where the event does not say.
struct RunStart {
  double n_threads = 0;
  double parameters = 0;
  double active_parameters = 0;
  double model_flops_per_token = 0;
  double fp32_peak_flops = 0;
  std::string isa, cpu, precision, recipe_hash;
  std::string device;  // of a simulated or imported run, whose cores are such devices
  RunSite site;
  bool simulated = false, imported = false;
  // What the planner said before the run began.
  double planned_step_seconds = 0, planned_memory_bytes = 0, planned_joules_per_step = 0;
};

// A decision or an alert, in words.
struct NoteRecord {
  int attempt = 0;
  double run_seconds = 0;
  std::string name;   // decision: name; alert: what
  std::string value;  // JSON text of a decision's value
  std::string why;    // decision: why; alert: text
};

struct RunHistory {
  std::vector<StepRecord> steps;  // in file order, recomputed ones included
  std::vector<EvalRecord> evals;
  std::vector<CheckpointRecord> checkpoints;
  std::vector<AttemptRecord> attempts;
  RunStart run_start;
  std::vector<NoteRecord> decisions;
  std::vector<NoteRecord> alerts;
  std::map<std::string, double> source_tokens;  // of the run so far, where data are mixed
  std::string weights_hash;                     // of the last step, where an event after it has it
  double joules = 0;
  bool joules_estimated = false;
  double peak_private_bytes = 0;  // of run_end, mapped files aside; 0: not stated

  const StepRecord* last_step() const;  // the last that was not recomputed; null without
  const EvalRecord* last_eval() const;  // likewise
};

// Errors: Error{kBadInput} with path:line for a damaged line or a key of the wrong type.
RunHistory read_history(const std::string& events_path);
RunHistory parse_history(const std::string& text, const std::string& path);

}  // namespace farthing
