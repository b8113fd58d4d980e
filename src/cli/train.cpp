// train.cpp - farthing train: a recipe becomes a run, or its run goes on.
#include <fmt/core.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/finish_run.h"
#include "cli/plan_here.h"
#include "cli/support.h"
#include "config/limits.h"
#include "config/recipe.h"
#include "kernels/isa.h"
#include "ledger/cost.h"
#include "ledger/run_folder.h"
#include "machine/energy.h"
#include "machine/peaks.h"
#include "train/run.h"

namespace farthing {
namespace {

constexpr double kSecondsBetweenPlainLines = 10;

struct TrainOptions {
  std::string recipe;
  std::string folder;
  std::string until;
  std::string precision;
  std::vector<std::string> overrides;
  int threads = 0;
  bool any_isa = false;
  bool json = false;
};

// What a signal handler may touch.
std::atomic<int> stop_request{kGoOn};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_stop_signal(int signal) {
  stop_request = signal == SIGTERM ? kStopPreempted : kStopInterrupted;
}

// The second Ctrl-C ends the program at once.
void watch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

std::string to_line(const StepReport& report) {
  std::string line =
      fmt::format("step {} ({:.0f} %)  loss {:.4f}  {} tokens/s", report.step,
                  100 * report.progress, report.loss, format_rate(report.tokens_per_second));
  if (report.share_of_peak > 0) {
    line += fmt::format("  {:.0f} % of peak", 100 * report.share_of_peak);
  }
  line += "  " + format_usd(report.usd);
  if (report.seconds_left >= 0) line += "  " + format_seconds(report.seconds_left) + " left";
  return line;
}

// The same in less than 60 columns.
std::string to_short_line(const StepReport& report) {
  std::string line =
      fmt::format("{} {:.0f} %  {:.4f}  {} tok/s", report.step, 100 * report.progress, report.loss,
                  format_rate(report.tokens_per_second));
  if (report.share_of_peak > 0) line += fmt::format(" {:.0f} %", 100 * report.share_of_peak);
  line += "  " + format_usd(report.usd);
  if (report.seconds_left >= 0) line += "  " + format_seconds(report.seconds_left);
  return line;
}

void print_memory(const std::vector<MemoryLine>& table, int micro_batch) {
  std::vector<std::vector<std::string>> rows = {{"memory", ""}};
  double total = 0;
  for (const MemoryLine& line : table) {
    rows.push_back({line.part, format_bytes(static_cast<double>(line.bytes))});
    total += static_cast<double>(line.bytes);
  }
  rows.push_back({fmt::format("total, micro-batch of {}", micro_batch), format_bytes(total)});
  std::string text = format_table(rows);
  text.pop_back();
  log_line(text);
}

// The live line on a terminal; elsewhere a plain line now and then.
class Reporter {
 public:
  void show(const StepReport& report) {
    if (stderr_is_terminal()) return live_.show(to_line(report), to_short_line(report));
    const auto now = std::chrono::steady_clock::now();
    if (std::chrono::duration<double>(now - last_).count() < kSecondsBetweenPlainLines) return;
    last_ = now;
    log_line(to_line(report));
  }
  void say(const std::string& words) {
    live_.end();
    log_line(words);
  }

 private:
  ProgressLine live_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Of a machine that doctor --steps has measured with as many threads; a file that cannot be read or
// belongs to another machine says nothing, for a run must not fail for it.
std::optional<RunForecast> forecast_of(const Recipe& recipe, const PriceBook& book) {
  try {
    MachineFacts facts = load_machine();
    facts.watts_per_core = estimated_watts(1, book);
    if (facts.cpu != cpu_name() || facts.threads != num_threads() ||
        facts.isa != isa_name(current_isa())) {
      return std::nullopt;
    }
    const MachinePlan plan = plan_machine(facts, machine_question(recipe));
    return RunForecast{plan.step_seconds, plan.memory_bytes, plan.joules_per_step};
  } catch (const Error&) {
    return std::nullopt;
  }
}

Json to_json(const RunOutcome& outcome, const std::string& folder) {
  return {{"run", folder},
          {"finished", true},
          {"steps", outcome.step},
          {"tokens", outcome.tokens},
          {"final_loss", outcome.loss},
          {"val_bits_per_byte", outcome.bits_per_byte > 0 ? Json(outcome.bits_per_byte) : Json()},
          {"weights_hash", outcome.weights_hash}};
}

void print_summary(const RunOutcome& outcome, const std::string& folder) {
  std::vector<std::vector<std::string>> rows = {{"run", folder}};
  rows.push_back({"steps", std::to_string(outcome.step)});
  rows.push_back({"tokens", format_count(static_cast<double>(outcome.tokens))});
  rows.push_back({"final loss", fmt::format("{:.4f}", outcome.loss)});
  if (outcome.bits_per_byte > 0) {
    rows.push_back({"held-out bits per byte", fmt::format("{:.4f}", outcome.bits_per_byte)});
  }
  rows.push_back({"weights", outcome.weights_hash});
  rows.push_back({"model", folder + "/model"});
  rows.push_back({"receipt", folder + "/receipt.html"});
  std::cout << format_table(rows);
}

[[noreturn]] void throw_stopped(const RunOutcome& outcome) {
  const bool preempted = outcome.end == RunEnd::kPreempted;
  throw Error{preempted ? ErrorCode::kPreempted : ErrorCode::kInterrupted,
              fmt::format("stopped and saved at step {}; the same command goes on from there",
                          outcome.step)};
}

void train_command(const TrainOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  Recipe recipe =
      load_recipe(options.recipe, with_precision_override(options.overrides, options.precision));
  if (!options.until.empty()) recipe.train.until = options.until;
  apply_threads(options.threads != 0 ? options.threads : recipe.parallel.threads);
  const std::string folder = options.folder.empty() ? "runs/" + recipe.run.name : options.folder;
  const PriceBook book = load_price_book(recipe.cost.book, recipe.cost.price);
  const Cost second = cost_of({.seconds = 1, .cores = double(num_threads()), .joules = {}}, book);
  EnergyMeter meter(estimated_watts(1, book));
  watch_signals();

  RunOutcome outcome;
  {
    Reporter reporter;
    RunRequest request;
    request.began = began;
    request.recipe = recipe;
    request.folder = folder;
    request.any_isa = options.any_isa;
    request.isa = std::string(isa_name(current_isa()));
    request.usd_per_second = second.usd;
    request.peak_flops = measure_fp32_peak(num_threads());
    request.stop = &stop_request;
    if (meter.is_measured()) request.read_joules = [&meter] { return meter.joules(); };
    request.forecast = [&book](const Recipe& settled) { return forecast_of(settled, book); };
    request.finish = [&](const ModelConfig& config, const ParameterStore<float>& weights,
                         const RunOutcome& end) {
      reporter.say(fmt::format("step {}: trained; writing the model", end.step));
      export_model(RunPaths(folder), recipe, book, config, weights);
    };
    bool has_begun = false;  // the folder is ours
    const RunObserver observer{.say = [&](const std::string& words) { reporter.say(words); },
                               .on_memory = print_memory,
                               .on_begin =
                                   [&] {
                                     has_begun = true;
                                     note_state(RunPaths(folder), recipe, book, "started");
                                   },
                               .on_step = [&](const StepReport& r) { reporter.show(r); }};
    try {
      outcome = train_run(request, observer);
    } catch (const Error& error) {
      const bool by_guard = error.code == ErrorCode::kGuardStopped;
      if (has_begun) note_state(RunPaths(folder), recipe, book, by_guard ? "guard" : "failed");
      throw;
    }
  }
  settle_run(RunPaths(folder), recipe, book, outcome);
  if (outcome.end == RunEnd::kPreempted || outcome.end == RunEnd::kInterrupted) {
    throw_stopped(outcome);
  }
  if (outcome.end == RunEnd::kFinishedBefore) {
    log_line(folder + ": this run is finished; train further with a larger --until");
  }
  if (options.json) return print_json(to_json(outcome, folder));
  print_summary(outcome, folder);
}

void add_train_command(Command& app) {
  auto options = std::make_shared<TrainOptions>();
  Command* train = app.add_subcommand("train", "train a recipe, or go on with its run");
  train->add_option("recipe", options->recipe, "file, or a name under recipes/")->required();
  refuse_empty(train->add_option("--run", options->folder, "run folder; default runs/NAME"));
  refuse_empty(train->add_option("--until", options->until,
                                 "limit: 500steps, 2e6tok, 2h, 0.50usd, or several; "
                                 "time counts from the start, and one step is trained always"))
      ->check([](const std::string& text) {
        try {
          (void)parse_limits(text, "");
        } catch (const Error& error) {  // the option's name is put in front of it
          return error.message.substr(error.message.starts_with(": ") ? 2 : 0);
        }
        return std::string();
      });
  refuse_empty(train->add_option("--precision", options->precision,
                                 "of the products: fp32, bf16, fp8, fp16 or auto"));
  train->add_option("--set", options->overrides, "key=value over the recipe, repeatable");
  train->add_flag("--any-isa", options->any_isa, "resume a run of another instruction set");
  add_threads_option(*train, options->threads);
  add_json_flag(*train, options->json);
  set_example(*train,
              "farthing train tiny --set data.train=data/mine --run runs/first --until 500steps");
  train->callback([options] { train_command(*options); });
}

const CommandRegistration kTrain{add_train_command, 30};

}  // namespace
}  // namespace farthing
