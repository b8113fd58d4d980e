// recipe.h - a training run as its author writes it: TOML, every key known, every default named.
//
// Few dials; a 0 that says "derived" is settled by the trainer and recorded as a decision.  An
// unknown, misplaced or contradictory key is an error that names the nearest spelling; all faults
// are reported at once, each with file:line.  The resolved recipe is stored in the run folder and
// replays the run.  Ranges and the source of every default stand in recipe_fields.h; to_toml prints
// the sources beside the values.
//
// [model] names every field, or says preset = "small" (the [model] of another recipe) or
// from = "models/deepseek-v3" (a config.json), plus what differs.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/limits.h"
#include "config/model_config.h"

namespace farthing {

// A source of a mixture: a folder of `farthing data prepare`, or the prefix of one of its shards.
struct MixSource {
  std::string name;
  std::string data;
  double weight = 1;  // its share of tokens, before any stage, is weight / sum of weights

  bool operator==(const MixSource&) const = default;
};

// From so many tokens of the run on: other weights, in the order of the sources.
struct MixStage {
  double tokens = 0;
  std::vector<double> weights;

  bool operator==(const MixStage&) const = default;
};

struct DataRecipe {
  std::string train;      // folder made by `farthing data prepare` (holds train.bin/.idx, val.*)
  std::string tokenizer;  // tokenizer.json; empty: the one in the data folder
  int sequence_length = 512;
  bool document_mask = false;         // V3 pre-trains without
  std::uint64_t seed = 1;             // order of samples
  std::string packing = "cut";        // windows of the concatenated text, or "best_fit"
  double fim_rate = 0;                // share of documents rewritten to fill in their middle
  std::vector<MixSource> sources;     // instead of `train`
  std::vector<MixStage> stages;       // of the sources' weights, tokens ascending
  std::string stage_shape = "steps";  // weights hold until the next stage, or change "linear"ly

  bool operator==(const DataRecipe&) const = default;
};

enum class LrShape { kConstant, kCosine, kWsd, kDeepseekV3 };

struct TrainRecipe {
  std::string until;             // "500steps,2h,0.50usd"; the first reached ends the run
  int batch_tokens = 4096;       // tokens of one optimizer step
  int batch_tokens_start = 0;    // > 0: ramp from here ...
  double batch_ramp_tokens = 0;  // ... over this many tokens
  int micro_batch = 0;           // sequences; 0: derived
  double learning_rate = 3e-4;
  LrShape lr_shape = LrShape::kWsd;
  int warmup_steps = 0;         // 0: derived (2 % of the run, at most 2000)
  double decay_fraction = 0.2;  // wsd: the last share of the run
  double min_lr_ratio = 0.1;    // cosine and wsd end here
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;
  bool bf16_moments = false;
  // What backward computes again instead of keeping it: none; elementwise: outputs of norms and
  // SwiGLUs; v3: MLA's up-projections as well, as DeepSeek-V3.  It changes no bit.
  std::string recompute = "elementwise";
  double mtp_loss_weight = 0.3;
  std::string init_from;   // MODEL (fresh optimizer) or RUN@step (with its optimizer)
  std::uint64_t seed = 1;  // initial weights
  int eval_every = 0;      // steps; 0: derived, at the end only
  int eval_tokens = 0;     // of evaluations before the last, which is complete; 0: 262144

  bool operator==(const TrainRecipe&) const = default;
};

struct PrecisionRecipe {
  std::string matmul = "fp32";        // of linear layers: fp32, bf16, fp8, fp16; auto: measured
  std::string fp32_product = "none";  // of linear layers, to find what a low one costs: one of the
                                      // three (forward, input, weight) stays in FP32
  std::string head = "default";       // fp32, bf16; default: bf16, or fp32 with matmul = fp32
  std::string attention = "default";  // of its products, as head; its softmax is always FP32
  bool power_of_two_scales = true;    // of fp8's tiles; false: amax / 448
  int promotion_interval = 32;        // k between promotions of FP16 sums: 32, 64, 128
  std::string cached = "fp32";        // SwiGLU's inputs, until the backward: fp32, fp16, fp8
  std::string packed = "both";        // copies of weights kept in product order: none, one, both

  bool operator==(const PrecisionRecipe&) const = default;
};

struct BalanceRecipe {
  double bias_update_speed = 0.001;
  double sequence_loss_weight = 1e-4;
  int trace_every = 0;  // store sampled top-k ids per layer every N steps; 0: never

  bool operator==(const BalanceRecipe&) const = default;
};

struct CheckpointRecipe {
  int every = 0;  // steps; 0: derived from the cost of one (Young/Daly-like), at least at the end
  int keep_last = 2;
  int keep_every = 0;  // keep each step divisible by this; 0: none

  bool operator==(const CheckpointRecipe&) const = default;
};

struct GuardRecipe {
  bool stop_on_nonfinite = true;
  double max_loss_spike = 0;  // stop when loss > running mean + this many deviations; 0: off

  bool operator==(const GuardRecipe&) const = default;
};

struct ParallelRecipe {
  int threads = 0;  // 0: all available processors

  bool operator==(const ParallelRecipe&) const = default;
};

struct CostRecipe {
  std::string book = "default";  // a name under prices/ or a file
  std::optional<double> price;   // USD per core-hour, overrides the book's rent

  bool operator==(const CostRecipe&) const = default;
};

struct RunRecipe {
  std::string name;  // default: the recipe's file name
  std::string project = "default";
  std::string purpose = "experiment";  // experiment, final, failed, data, eval
  std::string parent;
  std::string phase = "pre-training";

  bool operator==(const RunRecipe&) const = default;
};

struct Recipe {
  ModelConfig model;
  DataRecipe data;
  TrainRecipe train;
  PrecisionRecipe precision;
  BalanceRecipe balance;
  CheckpointRecipe checkpoint;
  GuardRecipe guard;
  ParallelRecipe parallel;
  CostRecipe cost;
  RunRecipe run;

  bool operator==(const Recipe&) const = default;
};

// `path` a file, or a name under recipes/ (found by config/share.h).  `overrides` are "key=value"
// with dotted keys, applied before checking.  Errors: Error{kBadInput} with every fault, a line
// each.
Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides = {});
// A preset or a from is looked for beside `where` as well.
Recipe parse_recipe(const std::string& toml, const std::string& where,
                    const std::vector<std::string>& overrides = {});
// Every key with its value and, where that is the default, the default's source;
// parse_recipe(to_toml(r)) == r.
std::string to_toml(const Recipe& recipe);
// Of the canonical text: equal recipes have equal hashes.
std::string recipe_hash(const Recipe& recipe);

const char* to_string(LrShape shape);

}  // namespace farthing
