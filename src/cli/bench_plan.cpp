// farthing bench plan - the planner's error on published training runs.
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "plan/fit.h"
#include "plan/published.h"

namespace farthing {
namespace {

struct BenchPlanOptions {
  std::string file;
  bool json = false;
  bool rows = false;
  bool leave_out = false;
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
                            {"constant_mfu", row.baseline},
                            {"predicted_memory_bytes", row.memory_bytes}});
    if (row.measured_memory_bytes > 0) {
      json["rows"].back()["measured_memory_bytes"] = row.measured_memory_bytes;
    }
  }
  json["median_abs_error"] = result.all.median_abs;
  json["p90_abs_error"] = result.all.p90_abs;
  json["stated_layout"] = to_json(result.complete);
  json["rank_correlation"] = result.rank_correlation;
  json["configuration_rank_correlation"] = result.configuration_rank_correlation;
  json["configurations"] = result.n_configurations;
  json["rank_correlation_at_noise"] = {{"noise", kReleaseNoise},
                                       {"perfect_model", result.rank_ceiling}};
  json["memory"] = to_json(result.memory);
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
    std::vector<std::vector<std::string>> rows{
        {"run", "predicted", "measured", "error", "memory", "measured"}};
    for (const BenchRow& row : result.rows) {
      rows.push_back(
          {row.id, fmt::format("{:.0f}", row.predicted), fmt::format("{:.0f}", row.measured),
           percent(row.error), format_bytes(row.memory_bytes),
           row.measured_memory_bytes > 0 ? format_bytes(row.measured_memory_bytes) : "not stated"});
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
  if (result.memory.n_rows > 0) {
    text +=
        fmt::format("memory: {} runs, median error {:.1f} %, P90 {:.1f} %\n", result.memory.n_rows,
                    100 * result.memory.median_abs, 100 * result.memory.p90_abs);
  }
  text += fmt::format(
      "rank correlation of all runs {:.3f}; within one model on one device {:.3f} ({} "
      "configurations)\n  where a perfect model would reach {:.3f}, since two releases of one "
      "software differ by {:.0f} %\n",
      result.rank_correlation, result.configuration_rank_correlation, result.n_configurations,
      result.rank_ceiling, 100 * kReleaseNoise);
  for (const auto& [reason, count] : result.skipped) {
    text += fmt::format("{} rows skipped: {}\n", count, reason);
  }
  return text;
}

Json to_json(const std::vector<LeftOut>& groups) {
  Json json = Json::array();
  for (const LeftOut& each : groups) {
    json.push_back({{"group", each.error.group},
                    {"rows", each.error.n_rows},
                    {"median_error", each.error.median_error},
                    {"median_abs_error", each.error.median_abs_error},
                    {"moved_most", each.moved_most},
                    {"moved_by", each.moved_by}});
  }
  return json;
}

std::string to_text(const std::vector<LeftOut>& groups, const BenchResult& result) {
  std::vector<std::vector<std::string>> rows{{"group left out of the fit", "runs", "bias",
                                              "median error", "with it", "constant moved most"}};
  for (const LeftOut& each : groups) {
    double with = 0;
    for (const GroupBias& group : result.groups) {
      if (group.group == each.error.group) with = group.median_abs_error;
    }
    rows.push_back(
        {each.error.group, fmt::format("{}", each.error.n_rows), percent(each.error.median_error),
         fmt::format("{:.1f} %", 100 * each.error.median_abs_error),
         fmt::format("{:.1f} %", 100 * with),
         each.moved_most.empty() ? "none" : each.moved_most + " " + percent(each.moved_by)});
  }
  return "\n" + format_table(rows);
}

void bench_plan_command(const BenchPlanOptions& options) {
  std::vector<PublishedRun> runs;
  for (const auto& row : read_published(read_file(options.file), options.file)) {
    runs.push_back(to_run(row));
  }
  const BenchResult result = bench_plan(runs, Constants{});
  std::vector<LeftOut> left_out;
  if (options.leave_out) {
    ProgressLine progress;
    left_out = leave_groups_out(runs, Constants{}, [&](int done, int total) {
      progress.show_share(done, total, "groups");
    });
  }
  if (options.json) {
    Json json = to_json(result);
    if (options.leave_out) json["left_out"] = to_json(left_out);
    print_json(json);
    return;
  }
  std::cout << to_text(result, options.rows);
  if (options.leave_out) std::cout << to_text(left_out, result);
}

void add_bench_plan_command(Command& app) {
  auto options = std::make_shared<BenchPlanOptions>();
  Command* plan = app.parent("bench", "measure this machine, or the planner")
                      .add_subcommand("plan", "the planner's error on published training runs");
  plan->add_option("file", options->file, "CSV of runs, as bench/data/validation.csv")->required();
  plan->add_flag("--rows", options->rows, "show every run");
  plan->add_flag("--leave-out", options->leave_out,
                 "refit the fitted constants without each group and predict it (minutes)");
  add_json_flag(*plan, options->json);
  set_example(*plan, "farthing bench plan bench/data/validation.csv --json");
  plan->callback([options] { bench_plan_command(*options); });
}

const CommandRegistration kBenchPlan{add_bench_plan_command, 90};

}  // namespace
}  // namespace farthing
