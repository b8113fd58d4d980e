// farthing bench plan - the planner's error on published training runs.
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "plan/published.h"

namespace farthing {
namespace {

struct BenchPlanOptions {
  std::string file;
  bool json = false;
  bool rows = false;
};

Json to_json(const ErrorSummary& summary) {
  return {{"rows", summary.n_rows},
          {"median_abs_error", summary.median_abs},
          {"p90_abs_error", summary.p90_abs}};
}

Json to_json(const BenchResult& result) {
  Json json{{"rows", Json::array()}};
  for (const BenchRow& row : result.rows) {
    json["rows"].push_back({{"id", row.id},
                            {"predicted_tokens_per_s_gpu", row.predicted},
                            {"measured", row.measured},
                            {"error", row.error},
                            {"states_layout", row.is_complete},
                            {"constant_mfu", row.baseline}});
  }
  json["median_abs_error"] = result.all.median_abs;
  json["p90_abs_error"] = result.all.p90_abs;
  json["stated_layout"] = to_json(result.complete);
  json["rank_correlation"] = result.rank_correlation;
  json["configuration_rank_correlation"] = result.configuration_rank_correlation;
  json["constant_mfu_baseline"] = to_json(result.baseline);
  json["constant_mfu_baseline"]["mfu"] = result.baseline_mfu;
  for (const GroupBias& group : result.groups) {
    json["groups"].push_back({{"group", group.group},
                              {"rows", group.n_rows},
                              {"median_error", group.median_error},
                              {"median_abs_error", group.median_abs_error}});
  }
  json["skipped"] = result.skipped;
  return json;
}

std::string percent(double share) { return fmt::format("{:+.1f} %", 100 * share); }

std::string to_text(const BenchResult& result, bool with_rows) {
  std::string text;
  if (with_rows) {
    std::vector<std::vector<std::string>> rows{{"run", "predicted", "measured", "error"}};
    for (const BenchRow& row : result.rows) {
      rows.push_back({row.id, fmt::format("{:.0f}", row.predicted),
                      fmt::format("{:.0f}", row.measured), percent(row.error)});
    }
    text += format_table(rows) + "\n";
  }
  std::vector<std::vector<std::string>> groups{{"group", "runs", "bias", "median error"}};
  for (const GroupBias& group : result.groups) {
    groups.push_back({group.group, fmt::format("{}", group.n_rows), percent(group.median_error),
                      fmt::format("{:.1f} %", 100 * group.median_abs_error)});
  }
  std::vector<std::vector<std::string>> sums{{"tokens/s per device", "runs", "median", "P90"}};
  const auto add = [&](const std::string& words, const ErrorSummary& summary) {
    sums.push_back({words, fmt::format("{}", summary.n_rows),
                    fmt::format("{:.1f} %", 100 * summary.median_abs),
                    fmt::format("{:.1f} %", 100 * summary.p90_abs)});
  };
  add("runs that state layout, micro-batch, precision, recompute", result.complete);
  add("all runs", result.all);
  add(fmt::format("a constant MFU of {:.1f} % instead", 100 * result.baseline_mfu),
      result.baseline);
  text += format_table(groups) + "\n" + format_table(sums);
  text += fmt::format("rank correlation {:.3f}; of the configurations of one model {:.3f}\n",
                      result.rank_correlation, result.configuration_rank_correlation);
  for (const auto& [reason, count] : result.skipped) {
    text += fmt::format("{} rows skipped: {}\n", count, reason);
  }
  return text;
}

void bench_plan_command(const BenchPlanOptions& options) {
  std::vector<PublishedRun> runs;
  for (const auto& row : read_published(read_file(options.file), options.file)) {
    runs.push_back(to_run(row));
  }
  const BenchResult result = bench_plan(runs, Constants{});
  if (options.json) {
    print_json(to_json(result));
  } else {
    std::cout << to_text(result, options.rows);
  }
}

void add_bench_plan_command(Command& app) {
  auto options = std::make_shared<BenchPlanOptions>();
  Command* plan = app.parent("bench", "measure this machine, or the planner")
                      .add_subcommand("plan", "the planner's error on published training runs");
  plan->add_option("file", options->file, "CSV of runs, as bench/data/validation.csv")->required();
  plan->add_flag("--rows", options->rows, "show every run");
  add_json_flag(*plan, options->json);
  set_example(*plan, "farthing bench plan bench/data/validation.csv --json");
  plan->callback([options] { bench_plan_command(*options); });
}

const CommandRegistration kBenchPlan{add_bench_plan_command, 90};

}  // namespace
}  // namespace farthing
