// run_events.cpp - attempts walked through chunk by chunk, a line for each.
#include "simulate/run_events.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "ledger/run_folder.h"

namespace farthing {
namespace {

std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return json + "\"";
}

class EventText {
 public:
  EventText(const SimulatedJob& job, const SimulatedOutcome& outcome, const RunDescription& words)
      : job_(job), outcome_(outcome), words_(words) {
    steps_per_event_ = std::max(1.0, std::ceil(job.n_steps / kMostStepEvents));
  }

  std::string write() {
    for (std::size_t i = 0; i < outcome_.attempts.size(); ++i) {
      number_ = static_cast<int>(i) + 1;
      write_attempt(outcome_.attempts[i]);
    }
    return std::move(text_);
  }

 private:
  void line(double t, const char* kind, const std::string& fields) {
    text_ += fmt::format(
        "{{\"time_unix\":{:.3f},\"t_monotonic\":{:.6f},\"attempt\":{},\"rank\":0,\"kind\":\"{}\"{}{"
        "}}}\n",
        words_.begun_unix + begin_ + t, t, number_, kind, fields.empty() ? "" : ",", fields);
  }
  // Of the time since it was last counted.
  std::string joules(double t) {
    if (!(words_.watts > 0)) return "";
    const double since = t - counted_;
    counted_ = t;
    return fmt::format(",\"joules\":{:.6g},\"joules_estimated\":true", since * words_.watts);
  }
  double steps_of(double useful) const { return std::floor(useful / job_.step_seconds + 1e-6); }

  void write_start(const SimulatedAttempt& attempt) {
    const double resumed = steps_of(attempt.resumed);
    std::string fields = fmt::format(
        "\"simulated\":true,\"seed\":{},\"model\":{},\"cluster\":{},\"device\":{},\"n_devices\":{},"
        "\"n_threads\":{},\"cpu\":{},\"isa\":\"simulated\",\"precision\":{},\"micro_batch\":{},"
        "\"parameters\":{:.0f},\"active_parameters\":{:.0f},\"model_flops_per_token\":{:.9g},"
        "\"fp32_peak_flops\":null,\"device_peak_flops\":{:.6g}",
        words_.seed, quoted(words_.model), quoted(words_.cluster), quoted(words_.device),
        job_.n_devices, job_.n_devices,
        quoted(fmt::format("{} x {} (simulated)", job_.n_devices, words_.device)),
        quoted(words_.precision), words_.micro_batch, words_.parameters, words_.active_parameters,
        words_.model_flops_per_token, words_.device_peak_flops);
    fields += site_fields(words_.site);
    if (number_ > 1) fields += fmt::format(",\"resumed_step\":{:.0f}", resumed);
    line(attempt.start_up, "run_start", fields + joules(attempt.start_up));
  }

  void write_step(double t, double done, double seconds) {
    const double tokens = done * words_.tokens_per_step;
    const double covered = done - last_step_;
    std::string fields =
        fmt::format("\"step\":{:.0f},\"tokens\":{:.0f},\"step_tokens\":{:.0f},\"steps\":{:.0f}",
                    done, tokens, covered * words_.tokens_per_step, covered);
    if (words_.expected_loss) {
      fields +=
          fmt::format(",\"loss\":{:.6g},\"estimated\":[\"loss\"]", words_.expected_loss(tokens));
    }
    fields += fmt::format(",\"seconds\":{{\"compute\":{:.6f}}},\"model_flops\":{:.9g}", seconds,
                          covered * words_.tokens_per_step * words_.model_flops_per_token);
    line(t, "step", fields + joules(t));
    last_step_ = done;
  }

  // Wall seconds of useful work from t on (t since the attempt's first step).
  double wall_of(const SimulatedAttempt& attempt, double t, double useful) const {
    if (attempt.slow_from < 0 || t + useful <= attempt.slow_from) return useful;
    const double fast = std::max(0.0, attempt.slow_from - t);
    return fast + (useful - fast) * slow_factor_of(attempt);
  }
  // The attempt's own, so that its parts add up to its length.
  double slow_factor_of(const SimulatedAttempt& attempt) const {
    const double after = attempt.run_seconds - attempt.slow_from;
    const double stalls = stalls_after_slow_;
    const double useful = useful_after_slow_;
    return useful > 0 ? std::max(1.0, (after - stalls) / useful) : 1;
  }

  void write_attempt(const SimulatedAttempt& attempt) {
    begin_ = attempt.begin;
    counted_ = 0;
    last_step_ = steps_of(attempt.resumed);
    if (number_ > 1) {
      const double lost = previous_end_ - steps_of(attempt.resumed) * job_.step_seconds;
      line(0, "restart",
           fmt::format("\"resumed_step\":{:.0f},\"lost_seconds\":{:.3f}", last_step_,
                       std::max(0.0, lost)));
    }
    const bool ran = attempt.run_seconds > 0;
    if (ran) {
      write_start(attempt);
      measure_slow_part(attempt);
      write_steps(attempt);
    }
    previous_end_ = attempt.reached;
    write_end(attempt, attempt.start_up + attempt.run_seconds);
  }

  // Useful and stalled seconds after a straggler appeared, walking the fast part.
  void measure_slow_part(const SimulatedAttempt& attempt) {
    stalls_after_slow_ = useful_after_slow_ = 0;
    if (attempt.slow_from < 0) return;
    const double cycle = outcome_.checkpoint_interval, stall = job_.checkpoint_stall_seconds;
    const double whole = std::floor(attempt.slow_from / (cycle + stall));
    const double rest = attempt.slow_from - whole * (cycle + stall);
    const double fast = whole * cycle + std::min(rest, cycle);
    const double total = attempt.reached - attempt.resumed;
    useful_after_slow_ = std::max(0.0, total - fast);
    const double cycles = std::floor((attempt.saved - attempt.resumed) / cycle + 1e-6);
    stalls_after_slow_ =
        std::max(0.0, cycles * stall - whole * stall - std::max(0.0, rest - cycle));
    if (saves_at_stop(attempt.reason)) stalls_after_slow_ += stall;
  }
  static bool saves_at_stop(AttemptEnd reason) {
    return reason == AttemptEnd::kFinished || reason == AttemptEnd::kPlanned ||
           reason == AttemptEnd::kStraggler;
  }

  void write_steps(const SimulatedAttempt& attempt) {
    const double cycle = outcome_.checkpoint_interval, chunk = steps_per_event_ * job_.step_seconds;
    const double stall = job_.checkpoint_stall_seconds;
    const double last = steps_of(attempt.reached) * job_.step_seconds;
    double useful = attempt.resumed, t = 0, next_save = attempt.resumed + cycle;
    while (useful < last - 1e-6 * job_.step_seconds) {
      const double to = std::min({useful + chunk, next_save, last});
      const double seconds =
          std::min(wall_of(attempt, t, to - useful), std::max(0.0, attempt.run_seconds - t));
      t += seconds;
      useful = to;
      write_step(attempt.start_up + t, steps_of(useful), seconds);
      if (useful >= next_save - 1e-6 * job_.step_seconds) {
        next_save += cycle;
        if (useful > attempt.saved + 1e-6 * job_.step_seconds) continue;  // died while writing
        const bool is_last = saves_at_stop(attempt.reason) && useful >= attempt.reached - 1e-6;
        if (is_last) break;  // write_end does it
        t = std::min(t + stall, attempt.run_seconds);
        write_checkpoint(attempt.start_up + t, useful);
      }
    }
  }
  void write_checkpoint(double t, double useful) {
    line(t, "checkpoint",
         fmt::format("\"step\":{:.0f},\"seconds\":{:.6f},\"bytes\":{:.0f}", steps_of(useful),
                     job_.checkpoint_stall_seconds, words_.checkpoint_bytes));
  }

  void write_end(const SimulatedAttempt& attempt, double t) {
    const bool saves = saves_at_stop(attempt.reason) ||
                       (attempt.reason == AttemptEnd::kPreempted &&
                        attempt.saved >= attempt.reached && attempt.run_seconds > 0);
    if (saves && steps_of(attempt.saved) > 0) write_checkpoint(t, attempt.saved);
    if (attempt.reason == AttemptEnd::kFinished) {
      line(t, "run_end",
           fmt::format("\"reason\":\"finished\",\"step\":{:.0f}{}", steps_of(attempt.reached),
                       joules(t)));
      return;
    }
    const std::string cause = attempt.cause < 0
                                  ? to_string(attempt.reason)
                                  : failure_causes()[static_cast<std::size_t>(attempt.cause)].name;
    line(t, "alert",
         fmt::format("\"what\":{},\"text\":{}", quoted(to_string(attempt.reason)),
                     quoted(fmt::format("{}: noticed after {:.0f} s, waited {:.0f} s", cause,
                                        attempt.detect, attempt.wait))));
    const double end = t + attempt.detect + attempt.wait;
    line(end, "heartbeat", fmt::format("\"step\":{:.0f}{}", last_step_, joules(end)));
  }

  const SimulatedJob& job_;
  const SimulatedOutcome& outcome_;
  const RunDescription& words_;
  double steps_per_event_ = 1;
  std::string text_;
  int number_ = 0;
  double begin_ = 0, counted_ = 0, last_step_ = 0, previous_end_ = 0;
  double stalls_after_slow_ = 0, useful_after_slow_ = 0;
};

}  // namespace

std::string to_events(const SimulatedJob& job, const SimulatedOutcome& outcome,
                      const RunDescription& description) {
  return EventText(job, outcome, description).write();
}

void write_run_folder(const std::string& folder, const std::string& events) {
  const RunPaths paths(folder);
  if (file_exists(paths.events)) {
    throw_bad_input(
        {folder, "already holds a run", "events.jsonl", "a new folder", "choose another --run"});
  }
  const RunFolder run = RunFolder::open(folder);
  write_file_atomically(run.paths().events, events);
}

}  // namespace farthing
