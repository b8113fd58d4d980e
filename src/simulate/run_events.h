// run_events.h - a simulated run as the events of an ordinary run folder.
//
// The seconds of every attempt add up to the simulated wall time: useful, slowed and unsaved steps
// are `step` events, checkpoints `checkpoint` events; detection and waiting are the open end of an
// attempt (lost), restarting its start_up.  Long runs write one `step` event for several steps (key
// `steps`), at most kMostStepEvents in all.  Every event of a simulated run that is no measurement
// says so: run_start has "simulated": true, losses are a law's and "estimated".
//
// Cost     about 3 MB and 30 ms for the longest run.
#pragma once
#include <functional>
#include <string>

#include "ledger/history.h"
#include "plan/run_simulation.h"

namespace farthing {

inline constexpr int kMostStepEvents = 5'000;

// What the events say besides time.
struct RunDescription {
  std::string model, cluster, device, precision;
  double begun_unix = 0;  // when the simulated run begins
  double tokens_per_step = 0;
  double parameters = 0, active_parameters = 0, model_flops_per_token = 0;
  double device_peak_flops = 0;  // of one device
  int micro_batch = 0;
  double checkpoint_bytes = 0;
  double watts = 0;  // of all nodes at work, without the PUE; 0: not stated
  std::uint64_t seed = 0;
  RunSite site;
  // Loss after so many tokens, by the law of that name; empty: no loss is written.
  std::function<double(double tokens)> expected_loss;
  std::string loss_law;
};

// REQUIRES outcome.attempts.
std::string to_events(const SimulatedJob& job, const SimulatedOutcome& outcome,
                      const RunDescription& description);

// Writes events.jsonl into a folder that has none.  Errors: Error{kBadInput} when it has.
void write_run_folder(const std::string& folder, const std::string& events);

}  // namespace farthing
