// finish_run.cpp - model folder with its card; receipt; line in the project's ledger.
#include "cli/finish_run.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/units.h"
#include "config/accounting.h"
#include "ledger/cost.h"
#include "ledger/history.h"
#include "ledger/ledger.h"
#include "model/hf_model.h"
#include "report/page.h"

namespace farthing {
namespace {

// The front matter is what model hubs read.
std::string model_card(const RunPaths& paths, const Recipe& recipe, const PriceBook& book) {
  const RunHistory history = read_history(paths.events);
  const Ledger ledger = make_ledger(history);
  const Cost cost = cost_of(ledger, book);
  const auto parameters = static_cast<double>(count_parameters(recipe.model).total());
  const auto active = static_cast<double>(count_active_parameters(recipe.model).total());
  std::string card = fmt::format(
      "---\nlibrary_name: farthing\npipeline_tag: text-generation\ntags: [deepseek_v3, mixture-of-"
      "experts]\n---\n# {}\n\nA language model of DeepSeek-V3's architecture, trained from scratch "
      "with farthing.\n\n| | |\n|---|---|\n",
      recipe.run.name);
  const auto row = [&](const char* key, const std::string& value) {
    card += fmt::format("| {} | {} |\n", key, value);
  };
  row("parameters", fmt::format("{} ({} active)", format_count(parameters), format_count(active)));
  row("sequence length", std::to_string(recipe.data.sequence_length));
  row("training tokens", format_count(static_cast<double>(ledger.tokens)));
  row("optimizer steps", std::to_string(ledger.steps));
  if (const StepRecord* last = history.last_step()) {
    row("final training loss", fmt::format("{:.4f} nats a token", last->loss));
  }
  if (!history.evals.empty()) {
    const EvalRecord& last = history.evals.back();
    row("held-out bits per byte", fmt::format("{:.4f}", last.bits_per_byte));
    for (const auto& [source, bits] : last.per_source) {
      row(("of it " + source).c_str(), fmt::format("{:.4f}", bits));
    }
  }
  row("training time", format_seconds(ledger.wall_seconds));
  row("cost", format_usd(cost.usd) + " at " + describe(book));
  row("of it electricity",
      fmt::format("{}, {}{}", format_usd(cost.electricity_usd), format_energy(cost.joules),
                  cost.joules_estimated ? " (estimated)" : ""));
  return card + "\nThe recipe is stored with the run and replays it.\n";
}

std::string state_of(RunEnd end) {
  switch (end) {
    case RunEnd::kFinished:
    case RunEnd::kFinishedBefore:
      return "finished";
    case RunEnd::kPreempted:
      return "preempted";
    case RunEnd::kInterrupted:
      return "interrupted";
  }
  return "";
}

}  // namespace

void export_model(const RunPaths& paths, const Recipe& recipe, const PriceBook& book,
                  const ModelConfig& config, const ParameterStore<float>& weights) {
  HfExport options;
  if (file_exists(paths.tokenizer)) options.tokenizer_json = read_file(paths.tokenizer);
  options.model_card = model_card(paths, recipe, book);
  save_hf_model(paths.model, config, weights, options);
}

void note_state(const RunPaths& paths, const Recipe& recipe, const PriceBook& book,
                const std::string& state) {
  const Ledger ledger =
      file_exists(paths.events) ? make_ledger(read_history(paths.events)) : Ledger{};
  append_project_line(paths, project_line(recipe.run, state, ledger, cost_of(ledger, book)));
}

void settle_run(const RunPaths& paths, const Recipe& recipe, const PriceBook& book,
                const RunOutcome& outcome) {
  const bool has_receipt = file_exists(paths.receipt_json) && file_exists(paths.receipt_html);
  if (outcome.end == RunEnd::kFinishedBefore && has_receipt) return;
  const Receipt receipt = write_receipts(paths, recipe.run, book);
  append_project_line(
      paths, project_line(recipe.run, state_of(outcome.end), receipt.ledger, receipt.cost));
}

}  // namespace farthing
