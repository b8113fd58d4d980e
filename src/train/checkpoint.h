// checkpoint.h - the whole state of a run in a folder that is complete or absent.
//
//   checkpoints/step-000000500/manifest.json        what, and the XXH3 of every file
//                              master.safetensors   FP32 weights, correction biases included
//                              moment1.safetensors  m, FP32 or BF16
//                              moment2.safetensors  v
//
// Written aside (.tmp-...), every file fsynced, the folder renamed, its parent fsynced.  The
// manifest holds a checksum of itself, so any flipped bit is found.
// Errors   Error{kOutOfResource} for a full disk: nothing earlier is touched.  Error{kBadInput} for
//          a damaged or foreign checkpoint, naming the file.
// Cost     12 bytes a parameter written (8 with BF16 moments), read once more for the checksum.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "model/parameters.h"
#include "train/guard.h"
#include "train/lr_schedule.h"
#include "train/optimizer.h"

namespace farthing {

struct CheckpointMeta {
  std::int64_t step = 0;    // steps done
  std::int64_t tokens = 0;  // tokens seen
  std::int64_t next_sample = 0;
  std::int64_t n_updates = 0;  // of the optimizer
  int attempt = 0;
  bool bf16_moments = false;
  bool finished = false;  // the run has reached its end
  std::string isa;
  std::string recipe_hash;
  std::string weights_hash;
  std::vector<RunLength> decisions;  // the last one is in force
  LossStatistics loss_statistics;
  double last_loss = 0;
  ModelConfig model;
};

struct CheckpointEntry {
  std::int64_t step = 0;
  std::string path;
  std::int64_t bytes = 0;
};

// XXH3-128 over every entry's values in table order.
std::string weights_hash(const ParameterStore<float>& master);

// Saves under `folder` (RUN/checkpoints); fills meta's weights_hash and n_updates itself.
CheckpointEntry save_checkpoint(const std::string& folder, CheckpointMeta meta,
                                const ParameterStore<float>& master, const OptimizerState& state);

// Complete checkpoints by step, oldest first; leftovers of a broken save are not among them.
std::vector<CheckpointEntry> list_checkpoints(const std::string& folder);

// Errors   Error{kBadInput} when the manifest is missing, torn or changed.
CheckpointMeta read_checkpoint_manifest(const std::string& path);

// What is wrong with a checkpoint, "" when every byte is as it was written.
std::string checkpoint_fault(const std::string& path);

// The newest checkpoint without a fault; on_damaged(path, fault) is told of each newer one.
std::optional<CheckpointEntry> newest_intact_checkpoint(
    const std::string& folder,
    const std::function<void(const CheckpointEntry&, const std::string& fault)>& on_damaged);

// Fills master and the moments from a checkpoint of the same model and kind of moments.
// `state` null: the weights alone.
void load_checkpoint(const std::string& path, const ParameterStore<float>& master,
                     OptimizerState* state);

// Removes all but the last `keep_last` and those whose step divides by keep_every (0: none), and
// leftovers of broken saves; returns the steps removed.  REQUIRES keep_last >= 1.
std::vector<std::int64_t> prune_checkpoints(const std::string& folder, int keep_last,
                                            int keep_every);

}  // namespace farthing
