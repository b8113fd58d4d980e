// recipe_fields.h - every key of a recipe: its path, its field, its range, its default's source.
//
//   visit_recipe_fields(recipe, [](const char* path, auto& field, const SettingRule& rule) { ...
//   });
//
// [model] is visited by model_fields.h.  Paths and fields have the same names.
#pragma once
#include "config/recipe.h"
#include "config/settings.h"

namespace farthing {

inline constexpr double kMaxSteps = 1e9;
inline constexpr std::string_view kDeepseekV3Report = "DeepSeek-V3 report, section 4.2";

// `Data`, `Train` ... are const or not.
template <class Data, class Visitor>
void visit_data_fields(Data& data, Visitor&& visit) {
  visit("data.train", data.train, {});
  visit("data.tokenizer", data.tokenizer, {.source = "the data folder's own"});
  visit("data.sequence_length", data.sequence_length,
        {.low = 2, .high = 1 << 24, .source = "farthing's presets"});
  visit("data.document_mask", data.document_mask, {.source = kDeepseekV3Report});
  visit("data.seed", data.seed, {.source = "arbitrary"});
  visit("data.packing", data.packing, {.words = "cut best_fit", .source = kDeepseekV3Report});
  visit("data.fim_rate", data.fim_rate,
        {.low = 0, .high = 1, .source = "off; DeepSeek-V3 has 0.1"});
  visit("data.sources", data.sources, {.source = "none: data.train is the only one"});
  visit("data.stages", data.stages, {.source = "the weights stay"});
  visit("data.stage_shape", data.stage_shape,
        {.words = "steps linear", .source = "weights hold until the next stage"});
}

template <class Train, class Visitor>
void visit_train_fields(Train& train, Visitor&& visit) {
  visit("train.until", train.until, {});
  visit("train.batch_tokens", train.batch_tokens,
        {.low = 2, .high = 1 << 30, .source = "farthing's presets"});
  visit("train.batch_tokens_start", train.batch_tokens_start,
        {.low = 0, .high = 1 << 30, .source = "no ramp"});
  visit("train.batch_ramp_tokens", train.batch_ramp_tokens,
        {.low = 0, .high = 1e15, .source = "no ramp"});
  visit("train.micro_batch", train.micro_batch,
        {.low = 0, .high = 1 << 20, .source = "0: derived from memory"});
  visit("train.learning_rate", train.learning_rate,
        {.low = 0, .high = 10, .source = "GPT-3 paper, table 2.1, its 350M model"});
  visit("train.lr_shape", train.lr_shape,
        {.words = "constant cosine wsd deepseek_v3", .source = "arXiv:2404.06395 (WSD)"});
  visit("train.warmup_steps", train.warmup_steps,
        {.low = 0, .high = kMaxSteps, .source = "0: 2 % of the run, at most DeepSeek-V3's 2000"});
  visit("train.decay_fraction", train.decay_fraction,
        {.low = 0, .high = 1, .source = "arXiv:2405.18392: a fifth of the run is enough"});
  visit("train.min_lr_ratio", train.min_lr_ratio,
        {.low = 0, .high = 1, .source = "GPT-3 paper: down to a tenth"});
  visit("train.beta1", train.beta1, {.low = 0, .high = 0.9999999, .source = kDeepseekV3Report});
  visit("train.beta2", train.beta2, {.low = 0, .high = 0.9999999, .source = kDeepseekV3Report});
  visit("train.epsilon", train.epsilon, {.low = 1e-30, .high = 1, .source = "arXiv:1412.6980"});
  visit("train.weight_decay", train.weight_decay,
        {.low = 0, .high = 10, .source = kDeepseekV3Report});
  visit("train.clip_norm", train.clip_norm,
        {.low = 1e-12, .high = 1e12, .source = kDeepseekV3Report});
  visit("train.bf16_moments", train.bf16_moments, {.source = "the exact form"});
  visit("train.recompute", train.recompute,
        {.words = "none elementwise v3", .source = "next to no time, measured"});
  visit("train.mtp_loss_weight", train.mtp_loss_weight,
        {.low = 0, .high = 100, .source = kDeepseekV3Report});
  visit("train.init_from", train.init_from, {.source = "random weights"});
  visit("train.seed", train.seed, {.source = "arbitrary"});
  visit("train.eval_every", train.eval_every,
        {.low = 0, .high = kMaxSteps, .source = "0: at the end only"});
  visit("train.eval_tokens", train.eval_tokens,
        {.low = 0, .high = 1 << 30, .source = "0: 262144; the last: all"});
}

template <class SomeRecipe, class Visitor>
void visit_recipe_fields(SomeRecipe& recipe, Visitor&& visit) {
  visit_data_fields(recipe.data, visit);
  visit_train_fields(recipe.train, visit);
  visit("precision.matmul", recipe.precision.matmul,
        {.words = "fp32 bf16 fp8 fp16 auto", .source = "the yardstick"});
  visit("precision.fp32_product", recipe.precision.fp32_product,
        {.words = "none forward input weight", .source = "DeepSeek-V3 report, section 3.3: none"});
  visit("precision.head", recipe.precision.head,
        {.words = "default fp32 bf16 fp16", .source = "DeepSeek-V3 report, section 3.3: BF16"});
  visit("precision.attention", recipe.precision.attention,
        {.words = "default fp32 bf16 fp16", .source = "DeepSeek-V3 report, section 3.3: BF16"});
  visit("precision.power_of_two_scales", recipe.precision.power_of_two_scales,
        {.source = "DeepSeek-V3.1's scale_fmt ue8m0"});
  visit("precision.promotion_interval", recipe.precision.promotion_interval,
        {.low = 32, .high = 128, .source = "the most exact"});
  visit("precision.cached", recipe.precision.cached,
        {.words = "fp32 fp16 fp8", .source = "the exact form"});
  visit("precision.packed", recipe.precision.packed,
        {.words = "none one both", .source = "the fastest"});
  visit("balance.bias_update_speed", recipe.balance.bias_update_speed,
        {.low = 0, .high = 1, .source = kDeepseekV3Report});
  visit("balance.sequence_loss_weight", recipe.balance.sequence_loss_weight,
        {.low = 0, .high = 100, .source = kDeepseekV3Report});
  visit("balance.trace_every", recipe.balance.trace_every,
        {.low = 0, .high = kMaxSteps, .source = "0: never"});
  visit("checkpoint.every", recipe.checkpoint.every,
        {.low = 0, .high = kMaxSteps, .source = "0: derived from the cost of one"});
  visit("checkpoint.keep_last", recipe.checkpoint.keep_last,
        {.low = 1, .high = 1e6, .source = "one to resume from, one in case it is damaged"});
  visit("checkpoint.keep_every", recipe.checkpoint.keep_every,
        {.low = 0, .high = kMaxSteps, .source = "0: none"});
  visit("guard.stop_on_nonfinite", recipe.guard.stop_on_nonfinite,
        {.source = "nothing learns from NaN"});
  visit("guard.max_loss_spike", recipe.guard.max_loss_spike,
        {.low = 0, .high = 1e6, .source = "0: off"});
  visit("parallel.threads", recipe.parallel.threads,
        {.low = 0, .high = 1024, .source = "0: every processor"});
  visit("cost.book", recipe.cost.book, {.source = "prices/default.toml"});
  visit("cost.price", recipe.cost.price, {.low = 0, .high = 1e6, .source = "the book's"});
  visit("run.name", recipe.run.name, {.source = "the recipe's file name"});
  visit("run.project", recipe.run.project, {});
  visit("run.purpose", recipe.run.purpose, {.words = "experiment final failed data eval"});
  visit("run.parent", recipe.run.parent, {});
  visit("run.phase", recipe.run.phase, {});
}

}  // namespace farthing
