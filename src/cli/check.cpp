// check.cpp - farthing check: gradients, formats, instruction sets, bits, on this machine.
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "config/recipe.h"
#include "train/self_check.h"

namespace farthing {
namespace {

struct CheckOptions {
  std::string recipe;
  std::vector<std::string> overrides;
  int threads = 0;
  bool json = false;
};

Json rows_to_json(const std::vector<CheckRow>& rows) {
  Json list = Json::array();
  for (const CheckRow& row : rows) {
    list.push_back({{"subject", row.subject},
                    {"detail", row.detail},
                    {"error", row.error},
                    {"tolerance", row.tolerance},
                    {"passed", row.passed}});
  }
  return list;
}

std::string rows_to_table(const std::vector<CheckRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"check", "of", "error", "allowed", "verdict"}};
  for (const CheckRow& row : rows) {
    cells.push_back({row.subject, row.detail, fmt::format("{:.1e}", row.error),
                     row.tolerance == 0 ? "same bits" : fmt::format("{:.0e}", row.tolerance),
                     row.passed ? "ok" : "FAILED"});
  }
  return format_table(cells);
}

void check_command(const CheckOptions& options) {
  const Recipe recipe = load_recipe(options.recipe, options.overrides);
  apply_threads(options.threads);
  std::vector<CheckRow> rows;
  {
    ProgressLine progress;
    rows = self_check(recipe, [&](const std::string& what) { progress.show("checking " + what); });
  }
  const auto n_failed =
      std::count_if(rows.begin(), rows.end(), [](auto& row) { return !row.passed; });
  if (options.json) {
    print_json({{"rows", rows_to_json(rows)}, {"failed", n_failed}});
  } else {
    std::cout << rows_to_table(rows)
              << fmt::format("{} checks, {} failed\n", rows.size(), n_failed);
  }
  if (n_failed > 0) throw Error(ErrorCode::kFailed, "");
}

void add_check_command(Command& app) {
  auto options = std::make_shared<CheckOptions>();
  Command* check =
      app.add_subcommand("check", "compare this machine's arithmetic with the reference");
  check->add_option("recipe", options->recipe, "file, or a name under recipes/")->required();
  check->add_option("--set", options->overrides, "key=value, over the recipe");
  add_threads_option(*check, options->threads);
  add_json_flag(*check, options->json);
  set_example(*check, "farthing check tiny");
  check->callback([options] { check_command(*options); });
}

const CommandRegistration kCheck{add_check_command, 60};

}  // namespace
}  // namespace farthing
