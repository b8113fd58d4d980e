// run_loop.cpp - a run in motion: decide, step, report, evaluate, save, end.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/units.h"
#include "machine/resident.h"
#include "model/balance.h"
#include "train/heartbeat.h"
#include "train/run_state.h"

namespace farthing {
namespace {

constexpr std::int64_t kMostSampledTokens = 262144;  // unless train.eval_tokens says
constexpr std::int64_t kStepsPerExpertLoad = 25;  // one step in so many lists every expert's load
constexpr double kLeastSecondsBetweenSaves = 10;
constexpr double kSecondsBetweenFailures = 6 * 3600;  // of a personal machine or a spot instance
constexpr double kBytesPerSecondOfDisk = 5e8;         // before the first save is timed
constexpr double kForwardShare = 0.4;                 // of a step, for what an evaluation takes
constexpr double kFinalEvaluationShare = 0.3;         // of a limit in time, at most

Json sources_json(const std::vector<SourceScore>& scores) {
  Json sources = Json::array();
  for (const SourceScore& score : scores) {
    const bool has_bits = score.n_bytes > 0;
    sources.push_back({{"name", score.name},
                       {"loss", or_null(score.nats_per_token())},
                       {"bits_per_byte", has_bits ? or_null(score.bits_per_byte()) : Json()},
                       {"tokens", score.n_tokens},
                       {"bytes", score.n_bytes}});
  }
  return sources;
}

}  // namespace

RunOutcome Run::loop() {
  const Heartbeat heartbeat([this] { events_->write("heartbeat", {{"step", step_.load()}}); });
  saved_at_ = decided_at_ = events_->seconds();
  while (true) {
    settle_length();
    if (progress_at(decisions_.back(), tokens_) >= 1) {
      evaluate(/*final=*/true);
      if (asked_to_stop() == kGoOn) return finish();
    }
    const int asked = asked_to_stop();
    if (asked == kStopPreempted) return stop(RunEnd::kPreempted, "preempted");
    if (asked == kStopInterrupted) return stop(RunEnd::kInterrupted, "interrupted");
    take_step();
    const int every = recipe_.train.eval_every;
    if (every > 0 && step_ % every == 0) evaluate(/*final=*/false);
    maybe_save();
  }
}

int Run::asked_to_stop() const { return request_.stop == nullptr ? kGoOn : request_.stop->load(); }

double Run::elapsed_seconds() const { return past_.elapsed_seconds + events_->seconds(); }

// Decisions of an earlier attempt are taken over up to the furthest step that it reached.
void Run::settle_length() {
  if (decisions_.empty() || decisions_.back().until != recipe_.train.until) {
    const auto known = past_.decisions.find(step_);
    if (known != past_.decisions.end()) return decide(known->second);
    if (plan_.seconds && elapsed_seconds() >= *plan_.seconds) {
      say(fmt::format("the limit of {} is over, {} are gone: one step, then the end",
                      format_seconds(*plan_.seconds), format_seconds(elapsed_seconds())));
    }
    return decide(first_length(plan_, step_, tokens_));
  }
  const auto known = past_.decisions.find(step_);
  if (known != past_.decisions.end()) {
    if (known->second != decisions_.back()) decide(known->second);
    return;
  }
  if (step_ < past_.last_step || attempt_steps_ == 0) return;
  const auto revised =
      revised_length(plan_, decisions_.back(), pace(), events_->seconds() - decided_at_);
  if (revised) decide(*revised);
}

void Run::decide(const RunLength& length) {
  events_->write("decision",
                 {{"name", "run_length"}, {"value", to_json(length)}, {"why", length.reason}});
  decisions_.push_back(length);
  decided_at_ = events_->seconds();
}

Pace Run::pace() const {
  const double other = events_->seconds() - first_step_at_ - total_step_seconds_;
  const double overhead = std::max(0.0, other) / std::max(total_step_seconds_, 1e-9);
  const double state_bytes = 12.0 * static_cast<double>(trainer_->table().n_parameters());
  const double save = save_seconds_ > 0 ? save_seconds_ : state_bytes / kBytesPerSecondOfDisk;
  return {.step = step_,
          .tokens = tokens_,
          .elapsed_seconds = elapsed_seconds(),
          .step_seconds = step_seconds_ * (1 + overhead),
          .tail_seconds = 2 * save + evaluation_seconds()};
}

void Run::take_step() {
  const double begin = events_->seconds();
  if (attempt_steps_ == 0) first_step_at_ = begin;
  const double rate = learning_rate(recipe_.train, decisions_.back(), step_, tokens_);
  const int n_sequences = batch_sequences(recipe_, tokens_, recipe_.train.micro_batch);
  const int every = recipe_.balance.trace_every;
  const StepResult result = trainer_->train_step({.fill = &train_fill_,
                                                  .first_sample = next_sample_,
                                                  .n_sequences = n_sequences,
                                                  .learning_rate = rate,
                                                  .trace = every > 0 && step_ % every == 0});
  if (!result.stopped_because.empty()) guard_stop(result.stopped_because, result.losses.total);
  step_ += 1;
  tokens_ += result.n_tokens;
  next_sample_ += n_sequences;
  last_loss_ = result.losses.main;
  const double seconds = events_->seconds() - begin;
  // The mean forgets: the first steps count fully, later ones as much as the last thirty together.
  attempt_steps_ += 1;
  total_step_seconds_ += seconds;
  const double share =
      attempt_steps_ <= 2 ? 1 : std::max(0.03, 1.0 / static_cast<double>(attempt_steps_ - 1));
  step_seconds_ += share * (seconds - step_seconds_);
  report_step(result, rate, seconds);
}

void Run::report_step(const StepResult& result, double rate, double seconds) {
  Json max_vio = Json::array(), load = Json::array();
  double vio_sum = 0;
  for (const auto& counts : result.expert_counts) {
    if (counts.empty()) continue;
    max_vio.push_back(max_violation(counts));
    vio_sum += max_vio.back().get<double>();
    if (step_ % kStepsPerExpertLoad == 1) load.push_back(counts);
  }
  Json step = {{"step", step_.load()},
               {"tokens", tokens_},
               {"step_tokens", result.n_tokens},
               {"loss", or_null(result.losses.main)},
               {"total_loss", or_null(result.losses.total)},
               {"mtp_loss", result.losses.mtp},
               {"balance_loss", result.losses.balance},
               {"learning_rate", rate},
               {"grad_norm", result.gradient_norm},
               {"model_flops", flops_per_token_ * static_cast<double>(result.n_tokens)},
               {"seconds",
                {{"data_wait", result.data_seconds},
                 {"compute", result.forward_backward_seconds},
                 {"optimizer", result.optimizer_seconds}}}};
  if (!max_vio.empty()) {
    step["max_vio"] = vio_sum / static_cast<double>(max_vio.size());
    step["max_vio_by_layer"] = std::move(max_vio);
  }
  if (!load.empty()) step["expert_load"] = std::move(load);
  if (mixed_source_ != nullptr && step_ % kStepsPerExpertLoad == 1) {
    step["source_tokens"] = source_tokens();
  }
  write_closing("step", std::move(step));
  for (const ExpertTrace& trace : result.trace) {
    events_->write("trace", {{"step", step_.load()},
                             {"block", trace.block},
                             {"top_k", recipe_.model.num_experts_per_tok},
                             {"expert", trace.expert}});
  }
  if (!observer_.on_step) return;
  StepReport report{.step = step_, .tokens = tokens_, .loss = last_loss_};
  report.tokens_per_second =
      static_cast<double>(result.n_tokens) / std::max(step_seconds_, seconds * 1e-3);
  if (request_.peak_flops > 0) {
    report.share_of_peak = report.tokens_per_second * flops_per_token_ / request_.peak_flops;
  }
  report.usd = elapsed_seconds() * request_.usd_per_second;
  const RunLength& length = decisions_.back();
  report.progress = progress_at(length, tokens_);
  if (length.end_tokens >= 0) {
    const auto left = std::max<std::int64_t>(0, length.end_tokens - tokens_);
    report.seconds_left = static_cast<double>(left) / report.tokens_per_second;
  }
  observer_.on_step(report);
}

// An event that ends an interval also carries the joules since the one before it.
void Run::write_closing(const char* kind, Json fields) {
  const auto joules = request_.read_joules ? request_.read_joules() : std::nullopt;
  if (joules) {
    fields["joules"] = *joules - joules_before_;
    joules_before_ = *joules;
  }
  if (std::string_view(kind) == "run_end") {
    fields["peak_resident_bytes"] = peak_resident_bytes();
    fields["mapped_bytes"] = mapped_bytes();
  }
  events_->write(kind, fields);
}

// The achieved mixture: tokens of the run so far, by source.
Json Run::source_tokens() const {
  Json tokens = Json::object();
  const std::vector<std::int64_t> counts = mixed_source_->mixture().counts(next_sample_);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    tokens[recipe_.data.sources[i].name] = counts[i] * recipe_.data.sequence_length;
  }
  return tokens;
}

// Of an evaluation during training; 0: all.
std::int64_t Run::sample_tokens() const {
  const std::int64_t wanted =
      recipe_.train.eval_tokens > 0 ? recipe_.train.eval_tokens : kMostSampledTokens;
  return validation_ && wanted < validation_->n_tokens() ? wanted : 0;
}

// Of a token: as the last evaluation took, else in proportion to a step.
double Run::evaluation_seconds_per_token() const {
  return eval_seconds_per_token_ > 0
             ? eval_seconds_per_token_
             : kForwardShare * step_seconds_ / static_cast<double>(recipe_.train.batch_tokens);
}

// What the final one will take.
double Run::evaluation_seconds() const {
  if (!validation_) return 0;
  const std::int64_t sample = final_sample_tokens();
  return evaluation_seconds_per_token() *
         static_cast<double>(sample > 0 ? sample : validation_->n_tokens());
}

// Of the final evaluation; 0: all, unless that would take more than its share of a limit in time.
std::int64_t Run::final_sample_tokens() const {
  if (!validation_ || !plan_.seconds) return 0;
  const double share = kFinalEvaluationShare * *plan_.seconds / evaluation_seconds_per_token();
  if (share >= static_cast<double>(validation_->n_tokens())) return 0;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(share));
}

void Run::evaluate(bool final) {
  const std::int64_t sample = final ? final_sample_tokens() : sample_tokens();
  if (!validation_ || (evaluated_step_ == step_ && (evaluated_all_ || sample > 0))) return;
  const double begin = events_->seconds();
  EvaluateSettings settings = evaluate_settings(recipe_);
  settings.sample_tokens = sample;
  settings.context = &trainer_->idle_context();
  settings.cancelled = [this] { return asked_to_stop() != kGoOn; };
  if (final && sample > 0) {
    say(fmt::format(
        "the limit leaves time to score {} of {} held-out tokens; all: farthing eval {}", sample,
        validation_->n_tokens(), folder_.paths().folder));
  }
  std::vector<SourceScore> scores;
  try {
    scores = validation_->score(trainer_->model(), settings);
    if (scores.empty()) return;   // cancelled
  } catch (const Error& error) {  // no reason to lose the run
    if (error.code != ErrorCode::kBadInput) throw;
    bits_per_byte_ = 0;
    evaluated_step_ = step_;
    evaluated_all_ = true;
    events_->write("alert", {{"what", "evaluation"}, {"text", error.message}});
    return say("no evaluation: " + error.message);
  }
  evaluated_step_ = step_;
  const SourceScore score = total_score(scores);
  bits_per_byte_ = score.n_bytes > 0 ? score.bits_per_byte() : 0;
  evaluated_all_ = sample == 0;
  const double seconds = events_->seconds() - begin;
  eval_seconds_per_token_ = seconds / static_cast<double>(score.n_tokens);
  Json event = {{"step", step_.load()},
                {"loss", or_null(score.nats_per_token())},
                {"bits_per_byte", score.n_bytes > 0 ? or_null(bits_per_byte_) : Json()},
                {"tokens", score.n_tokens},
                {"bytes", score.n_bytes},
                {"complete", evaluated_all_},
                {"seconds", seconds}};
  if (scores.size() > 1) event["sources"] = sources_json(scores);
  if (mixed_source_ != nullptr) event["source_tokens"] = source_tokens();
  write_closing("eval", std::move(event));
}

void Run::maybe_save() {
  const CheckpointRecipe& checkpoint = recipe_.checkpoint;
  if (checkpoint.every > 0) {
    if (step_ % checkpoint.every == 0) save(false);
    return;
  }
  // Young 1974: the interval that loses least is sqrt(2 * cost * time between failures).
  const double cost = std::max(save_seconds_, 0.002);
  const double interval =
      std::max(kLeastSecondsBetweenSaves, std::sqrt(2 * cost * kSecondsBetweenFailures));
  if (events_->seconds() - saved_at_ >= interval) save(false);
}

CheckpointMeta Run::meta(bool finished) const {
  CheckpointMeta meta;
  meta.step = step_;
  meta.tokens = tokens_;
  meta.next_sample = next_sample_;
  meta.attempt = folder_.attempt();
  meta.finished = finished;
  meta.isa = request_.isa;
  meta.recipe_hash = recipe_hash(recipe_);
  meta.decisions = decisions_;
  meta.loss_statistics = trainer_->loss_statistics();
  meta.last_loss = last_loss_;
  meta.model = recipe_.model;
  return meta;
}

void Run::save(bool finished) {
  if (saved_step_ == step_ && saved_finished_ == finished) return;
  const double begin = events_->seconds();
  events_->sync();
  const CheckpointEntry entry = save_checkpoint(folder_.paths().checkpoints, meta(finished),
                                                trainer_->master(), trainer_->optimizer());
  prune_checkpoints(folder_.paths().checkpoints, recipe_.checkpoint.keep_last,
                    recipe_.checkpoint.keep_every);
  saved_step_ = step_;
  saved_finished_ = finished;
  saved_at_ = events_->seconds();
  save_seconds_ = saved_at_ - begin;
  write_closing("checkpoint",
                {{"step", step_.load()}, {"seconds", save_seconds_}, {"bytes", entry.bytes}});
}

RunOutcome Run::outcome(RunEnd end) const {
  return {.end = end,
          .step = step_,
          .tokens = tokens_,
          .loss = last_loss_,
          .bits_per_byte = bits_per_byte_,
          .weights_hash = weights_hash(trainer_->master()),
          .attempt_seconds = events_->seconds()};
}

RunOutcome Run::stop(RunEnd end, const char* reason) {
  save(false);
  write_closing("run_end", {{"reason", reason}, {"step", step_.load()}});
  events_->sync();
  return outcome(end);
}

RunOutcome Run::finish() {
  save(true);
  RunOutcome result = outcome(RunEnd::kFinished);
  if (request_.finish) request_.finish(recipe_.model, trainer_->master(), result);
  write_closing("run_end", {{"reason", "finished"},
                            {"step", step_.load()},
                            {"loss", or_null(last_loss_)},
                            {"weights_hash", result.weights_hash}});
  events_->sync();
  return result;
}

void Run::guard_stop(const std::string& verdict, double loss) {
  save(false);
  const std::string words = fmt::format("step {}: {}", step_ + 1, verdict);
  events_->write("alert", {{"what", "guard"}, {"text", words}, {"loss", or_null(loss)}});
  write_closing("run_end", {{"reason", "guard"}, {"step", step_.load()}});
  events_->sync();
  throw Error{ErrorCode::kGuardStopped,
              fmt::format("stopped by the guard at {}; the state after step {} is saved, nothing "
                          "bad was applied",
                          words, step_.load())};
}

}  // namespace farthing
