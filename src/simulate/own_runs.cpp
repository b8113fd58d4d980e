// own_runs.cpp - event files found, read and weighed.
#include "simulate/own_runs.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "ledger/events.h"
#include "ledger/history.h"
#include "ledger/run_folder.h"
#include "report/table.h"

namespace farthing {
namespace {

namespace fs = std::filesystem;

void read_own_run(const std::string& folder, OwnRuns& found) {
  const RunPaths paths(folder);
  const std::string text = read_file(paths.events);
  bool simulated = false;
  read_events_text(text, paths.events, [&](const Json& event, const std::string&) {
    const auto key = event.find("simulated");
    simulated = simulated || (key != event.end() && *key == true);
  });
  if (simulated) {
    found.left_out.push_back(folder + ": simulated, its loss is a law's");
    return;
  }
  const RunHistory history = parse_history(text, paths.events);
  double sum = 0;
  int count = 0;
  for (auto step = history.steps.rbegin(); step != history.steps.rend(); ++step) {
    if (step->recomputed || !std::isfinite(step->loss) || count == kMeanSteps) continue;
    sum += step->loss;
    ++count;
  }
  const StepRecord* last = history.last_step();
  if (last == nullptr || count == 0) {
    found.left_out.push_back(folder + ": no step with a loss");
    return;
  }
  const double parameters = history.run_start.active_parameters > 0
                                ? history.run_start.active_parameters
                                : history.run_start.parameters;
  if (!(parameters > 0) || last->tokens <= 0 || !(sum > 0)) {
    found.left_out.push_back(folder + ": parameters or tokens not stated");
    return;
  }
  found.runs.push_back({paths.name(), parameters, static_cast<double>(last->tokens), sum / count});
}

void visit_folder(const std::string& folder, int depth, OwnRuns& found) {
  if (file_exists(RunPaths(folder).events)) return read_own_run(folder, found);
  if (depth == 0) return;
  std::vector<std::string> inner;
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(folder, fault)) {
    const std::string leaf = entry.path().filename().string();
    if (entry.is_directory(fault) && !leaf.starts_with('.')) inner.push_back(entry.path().string());
  }
  std::sort(inner.begin(), inner.end());
  for (const std::string& each : inner) visit_folder(each, depth - 1, found);
}

}  // namespace

OwnRuns read_own_runs(const std::string& folder) {
  std::error_code fault;
  if (!fs::is_directory(folder, fault)) {
    throw_bad_input({"--from-runs", "no such folder", folder, "a folder of runs", ""});
  }
  OwnRuns found;
  visit_folder(folder, 3, found);
  if (found.runs.empty()) {
    throw_bad_input({"--from-runs", "no run to fit", folder, "runs that farthing train has written",
                     found.left_out.empty() ? "" : found.left_out.front()});
  }
  return found;
}

ExpectedLoss expected_loss(const FittedLaw& law, double parameters, double tokens) {
  const double loss = law.loss(parameters, tokens);
  return {{fmt::format("your {} runs: {}", law.n_runs, law.what_was_fitted), "--from-runs",
           law.width, "each run predicted from the others", false},
          loss,
          loss * std::exp(-law.width),
          loss * std::exp(law.width),
          ""};
}

std::string extrapolation_words(const OwnRuns& runs, double parameters, double tokens) {
  double most_parameters = 0, most_tokens = 0;
  for (const OwnRun& run : runs.runs) {
    most_parameters = std::max(most_parameters, run.parameters);
    most_tokens = std::max(most_tokens, run.tokens);
  }
  const double farther = std::max(parameters / most_parameters, tokens / most_tokens);
  if (!(farther > 10.001)) return "";
  return wrapped(fmt::format(
      "Extrapolated: {:.3g} times the active parameters and {:.3g} times the tokens of the largest "
      "runs; the band is that of the runs among each other and knows nothing of so far a step.",
      parameters / most_parameters, tokens / most_tokens));
}

std::string to_text(const FittedLaw& law, const OwnRuns& runs) {
  std::string text = fmt::format(
      "L = {:.4g} + {:.4g} / N^{:.3f} + {:.4g} / D^{:.3f}   nats per token, of {} runs ({})\n"
      "residuals {:.2f} %, P10 to P90 within {:.2f} %\n\n",
      law.E, law.A, law.alpha, law.B, law.beta, law.n_runs, law.what_was_fitted, 100 * law.rms,
      100 * law.width);
  Table table{{"run", "active parameters", "tokens", "loss", "law"}, {}};
  for (const OwnRun& run : runs.runs) {
    table.rows.push_back({run.name, fmt::format("{:.4g}", run.parameters),
                          fmt::format("{:.4g}", run.tokens), fmt::format("{:.4f}", run.loss),
                          fmt::format("{:.4f}", law.loss(run.parameters, run.tokens))});
  }
  text += to_text(table);
  for (const std::string& line : runs.left_out) text += "left out: " + line + "\n";
  return text;
}

Json to_json(const FittedLaw& law, const OwnRuns& runs) {
  Json json = {{"E", law.E},
               {"A", law.A},
               {"alpha", law.alpha},
               {"B", law.B},
               {"beta", law.beta},
               {"runs", law.n_runs},
               {"fitted", law.what_was_fitted},
               {"rms", law.rms},
               {"width", law.width},
               {"left_out", runs.left_out}};
  for (const OwnRun& run : runs.runs) {
    json["points"].push_back({{"run", run.name},
                              {"active_parameters", run.parameters},
                              {"tokens", run.tokens},
                              {"loss", run.loss}});
  }
  return json;
}

}  // namespace farthing
