// past_run.h - what earlier attempts of a run left in its folder: recipe, events, decisions.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "config/recipe.h"
#include "train/lr_schedule.h"

namespace farthing {

// The keys in which two recipes differ, "train.seed (1, was 2)" each; train.until is not compared,
// since a run may be made longer or shorter.
std::vector<std::string> differing_keys(const Recipe& now, const Recipe& before);

// The recipe that this folder's run goes on with: `recipe` for a new one (nothing stored), else the
// stored one with the limit of `recipe`.  A key that the first attempt derived (train.micro_batch)
// may still be 0.  Errors   Error{kBadInput} naming every key that differs.
Recipe resumed_recipe(const Recipe& recipe, const std::string& stored_path);

Json to_json(const RunLength& length);
RunLength run_length_from_json(const Json& json);

struct PastRun {
  double elapsed_seconds = 0;                   // of all attempts, each until its last event
  double last_attempt_seconds = 0;              // of the last one
  double last_step_seconds = 0;                 // its clock at its last step, save or eval
  std::int64_t last_step = 0;                   // the furthest step under the present limits
  std::map<std::int64_t, RunLength> decisions;  // by at_step, of the present limits
  bool finished = false;                        // the last attempt ended with run_end, finished
  std::string until;             // the limits of the last decision, whatever they were
  double val_bits_per_byte = 0;  // of the last eval
};

// From events.jsonl; empty when there is none.  `until` is the limit now in force.
PastRun read_past_run(const std::string& events_path, const std::string& until);

}  // namespace farthing
