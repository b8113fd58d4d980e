// run.cpp - a run's beginning: its folder, what it resumes from, its memory and its data.
#include "train/run.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/units.h"
#include "config/accounting.h"
#include "data/prefetch.h"
#include "model/hf_model.h"
#include "train/precision.h"
#include "train/run_state.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

void refuse_other_model(const CheckpointMeta& meta, const Recipe& recipe, const std::string& path) {
  if (meta.model != recipe.model) {
    throw_bad_input({path, "the checkpoint of another model", to_json(meta.model).dump(),
                     to_json(recipe.model).dump(), ""});
  }
}

// "RUN@500" -> {RUN, 500}; nullopt when it does not end in @ and digits.
std::optional<std::pair<std::string, std::int64_t>> split_run_at_step(const std::string& source) {
  const std::size_t at = source.rfind('@');
  if (at == std::string::npos || at + 1 == source.size() || source.size() - at > 19 ||
      source.find_first_not_of("0123456789", at + 1) != std::string::npos) {
    return std::nullopt;
  }
  return std::pair{source.substr(0, at), std::stoll(source.substr(at + 1))};
}

}  // namespace

RunOutcome train_run(const RunRequest& request, const RunObserver& observer) {
  Run run(request, observer);
  if (const auto before = run.finished_before()) return *before;
  return run.go();
}

Run::Run(const RunRequest& request, const RunObserver& observer)
    : request_(request),
      observer_(observer),
      folder_(RunFolder::open(request.folder)),
      recipe_(resumed_recipe(request.recipe, folder_.paths().recipe)),
      past_(read_past_run(folder_.paths().events, recipe_.train.until)) {
  check_moments(recipe_.train, folder_.paths().recipe);
}

std::optional<RunOutcome> Run::finished_before() {
  const auto entries = list_checkpoints(folder_.paths().checkpoints);
  if (!past_.finished || past_.until != recipe_.train.until || entries.empty()) return std::nullopt;
  if (!checkpoint_fault(entries.back().path).empty()) return std::nullopt;
  const CheckpointMeta meta = read_checkpoint_manifest(entries.back().path);
  return RunOutcome{.end = RunEnd::kFinishedBefore,
                    .step = meta.step,
                    .tokens = meta.tokens,
                    .loss = meta.last_loss,
                    .bits_per_byte = past_.val_bits_per_byte,
                    .weights_hash = meta.weights_hash};
}

void Run::say(const std::string& words) const {
  if (observer_.say) observer_.say(words);
}

void Run::settle_limits() {
  plan_.limits = parse_limits(recipe_.train.until, "until");
  plan_.seconds = seconds_limit(plan_.limits, request_.usd_per_second);
  if (!plan_.limits.any()) {
    throw_bad_input({"train.until", "a run without a limit", "nothing", "500steps, 2h, 0.50usd ...",
                     "set it in the recipe or with --until"});
  }
}

// A resumed run has its choice in the stored recipe.
void Run::settle_precision() {
  if (recipe_.precision.matmul != "auto") return;
  PrecisionChoice choice;
  recipe_ = with_precision(recipe_, &choice);
  say(fmt::format("precision auto takes {}: {}", choice.matmul, choice.why));
  early_decisions_.push_back({"precision", choice.matmul, choice.why});
}

// The micro-batch decides the order of sums, so it is part of the recipe that is stored.
void Run::settle_micro_batch() {
  const bool is_derived = recipe_.train.micro_batch == 0;
  const std::int64_t available = available_memory_bytes();
  recipe_.train.micro_batch = choose_micro_batch(recipe_, available);
  const auto table = memory_table(recipe_, recipe_.train.micro_batch);
  if (observer_.on_memory) observer_.on_memory(table, recipe_.train.micro_batch);
  if (!is_derived) return;
  early_decisions_.push_back(
      {"micro_batch", recipe_.train.micro_batch,
       fmt::format("{} of {} available", format_bytes(static_cast<double>(total_bytes(table))),
                   format_bytes(static_cast<double>(available)))});
}

// What happened before there was a file for events.
void Run::open_events() {
  folder_.keep();
  events_ = std::make_unique<EventWriter>(folder_.paths().events, folder_.attempt(), /*rank=*/0,
                                          request_.began);
  if (observer_.on_begin) observer_.on_begin();
  for (const EarlyDecision& early : early_decisions_) {
    const Json value = std::visit([](const auto& known) { return Json(known); }, early.value);
    events_->write("decision", {{"name", early.name}, {"value", value}, {"why", early.why}});
  }
  for (const auto& [step, fault] : damaged_) {
    events_->write("alert", {{"what", "damaged checkpoint"}, {"step", step}, {"text", fault}});
  }
}

void Run::store_recipe() {
  if (!file_exists(folder_.paths().recipe)) {
    write_file_atomically(folder_.paths().recipe, to_toml(recipe_));
  }
}

void Run::copy_tokenizer() {
  const std::string& given = recipe_.data.tokenizer;
  const std::string source = tokenizer_path(recipe_.data);
  if (file_exists(folder_.paths().tokenizer)) return;
  if (!file_exists(source)) {
    if (!given.empty()) (void)read_file(source);  // says why
    return say("no tokenizer.json beside the data: this run's model will have none");
  }
  write_file_atomically(folder_.paths().tokenizer, read_file(source));
}

void Run::find_checkpoint() {
  checkpoint_ = newest_intact_checkpoint(
      folder_.paths().checkpoints, [&](const CheckpointEntry& entry, const std::string& fault) {
        damaged_.emplace_back(entry.step, fault);
        say("step " + std::to_string(entry.step) + " is damaged (" + fault +
            "); trying the checkpoint before it");
      });
  if (!checkpoint_ && !damaged_.empty()) say("no checkpoint is intact: begins again at step 0");
}

void Run::restore(const CheckpointEntry& entry) {
  const CheckpointMeta meta = read_checkpoint_manifest(entry.path);
  refuse_other_model(meta, recipe_, entry.path);
  if (meta.isa != request_.isa && !request_.any_isa) {
    throw_bad_input({entry.path, "saved with another instruction set", request_.isa, meta.isa,
                     "the bits would part: set FARTHING_ISA=" + meta.isa +
                         ", or accept that with "
                         "--any-isa"});
  }
  load_checkpoint(entry.path, trainer_->master(), &trainer_->optimizer());
  trainer_->loss_statistics() = meta.loss_statistics;
  step_ = meta.step;
  tokens_ = meta.tokens;
  next_sample_ = meta.next_sample;
  last_loss_ = meta.last_loss;
  decisions_ = meta.decisions;
  saved_step_ = meta.step;
  saved_finished_ = meta.finished;
}

void Run::begin_new() {
  if (recipe_.train.init_from.empty()) {
    initialize(trainer_->master(), recipe_.model, recipe_.train.seed);
  } else {
    begin_from(recipe_.train.init_from);
  }
}

void Run::begin_from(const std::string& source) {
  if (const auto branch = split_run_at_step(source)) {
    const std::string path =
        fmt::format("{}/checkpoints/step-{:09}", branch->first, branch->second);
    const std::string fault = checkpoint_fault(path);
    if (!fault.empty())
      throw_bad_input(
          {"train.init_from", "cannot begin from " + source, fault, "an intact checkpoint", ""});
    restore({branch->second, path, 0});
    decisions_.clear();
    saved_step_ = -1;
    return say(fmt::format("begins as {}, with its optimizer", source));
  }
  const std::string folder = fs::is_directory(source + "/model") ? source + "/model" : source;
  const LoadedModel loaded = load_hf_model(folder);
  for (int id = 0; id < trainer_->table().size(); ++id) {
    const Parameter& wanted = trainer_->table()[id];
    const int found = loaded.table->find(wanted.name);
    if (found < 0 || (*loaded.table)[found].n_rows != wanted.n_rows ||
        (*loaded.table)[found].n_cols != wanted.n_cols) {
      throw_bad_input({folder, "not the shape of this recipe's model: " + wanted.name,
                       found < 0 ? "no such tensor" : "another shape",
                       fmt::format("[{}, {}]", wanted.n_rows, wanted.n_cols), ""});
    }
    std::ranges::copy(loaded.weights.values(found), trainer_->master().values(id).begin());
  }
  say(fmt::format("begins with the weights of {}, with a fresh optimizer", source));
}

void Run::open_data() {
  std::string where = "data.sources";
  if (recipe_.data.sources.empty() && recipe_.data.train.empty()) {
    throw_bad_input({"data.train", "no text to train on", "nothing",
                     "a folder that `farthing data prepare` wrote",
                     "farthing data prepare my.txt --vocab-size " +
                         std::to_string(recipe_.model.vocab_size) +
                         " -o data/mine, then --set data.train=data/mine"});
  }
  if (recipe_.data.sources.empty()) {
    where = recipe_.data.train + "/train.bin";
    train_source_ =
        std::make_unique<SampleSource>(recipe_.data.train + "/train", recipe_.data.sequence_length,
                                       recipe_.data.seed, sample_options(recipe_.data));
  } else {
    auto mixed = std::make_unique<MixedSource>(recipe_.data);
    mixed_source_ = mixed.get();
    train_source_ = std::move(mixed);
  }
  // Two steps ahead: one is in work while the next is fetched.
  const int depth = std::min(4096, 2 * recipe_.train.batch_tokens / recipe_.data.sequence_length);
  train_source_ = std::make_unique<PrefetchedStream>(std::move(train_source_), depth, 1);
  train_fill_ = shard_batches(*train_source_, recipe_, where);
  try {
    const std::vector<ValidationPlace> places = validation_places(recipe_.data);
    if (places.empty()) return say("no val.bin beside train.bin: no evaluation");
    validation_ = std::make_unique<ValidationSplit>(places, recipe_.model,
                                                    evaluate_settings(recipe_), nullptr);
  } catch (const Error& error) {
    say("no evaluation: " + error.message);
  }
}

void Run::announce() {
  const double flops = model_flops_per_token(recipe_.model, recipe_.data.sequence_length).total();
  flops_per_token_ = flops;
  Json start = {{"run", recipe_.run.name},
                {"recipe_hash", recipe_hash(recipe_)},
                {"purpose", recipe_.run.purpose},
                {"project", recipe_.run.project},
                {"isa", request_.isa},
                {"precision", recipe_.precision.matmul},
                {"n_threads", num_threads()},
                {"cores", available_processors()},
                {"parameters", count_parameters(recipe_.model).total()},
                {"active_parameters", count_active_parameters(recipe_.model).total()},
                {"model_flops_per_token", flops},
                {"fp32_peak_flops", request_.peak_flops},
                {"micro_batch", recipe_.train.micro_batch}};
  if (const auto expected = request_.forecast ? request_.forecast(recipe_) : std::nullopt) {
    start["planned_step_seconds"] = expected->step_seconds;
    start["planned_memory_bytes"] = expected->memory_bytes;
    start["planned_joules_per_step"] = expected->joules_per_step;
  }
  if (folder_.attempt() > 1) start["resumed_step"] = step_.load();
  events_->write("run_start", start);
  if (folder_.attempt() == 1) return;
  const double lost = past_.last_attempt_seconds - past_.last_step_seconds;
  events_->write("restart", {{"resumed_step", step_.load()}, {"lost_seconds", lost}});
  say(fmt::format("resumes at step {}", step_.load()));
}

RunOutcome Run::go() {
  // 1. What needs no memory: limits and data.
  settle_limits();
  open_data();
  // 2. Memory, then the state: of a checkpoint, of another run or model, or random.
  settle_precision();
  settle_micro_batch();
  trainer_ = std::make_unique<Trainer>(recipe_, recipe_.train.micro_batch);
  find_checkpoint();
  checkpoint_ ? restore(*checkpoint_) : begin_new();
  // 3. From here on the folder holds a run.
  open_events();
  prune_checkpoints(folder_.paths().checkpoints, recipe_.checkpoint.keep_last,
                    recipe_.checkpoint.keep_every);
  plan_.recipe = recipe_;
  plan_.granularity = recipe_.train.micro_batch;
  store_recipe();
  copy_tokenizer();
  announce();
  // 4. Steps, until the limit or a signal.
  return loop();
}

}  // namespace farthing
