// cost_validate.cpp - farthing cost validate: a receipt made by anyone, checked for form and sums.
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/cost.h"
#include "cli/support.h"
#include "config/share.h"
#include "economics/receipt_check.h"
#include "economics/receipt_relations.h"
#include "report/table.h"

namespace farthing {
namespace {

struct ValidateOptions {
  std::string file;
  bool json = false;
};

// What was held to nothing, lest "valid" be read as more than it is.
std::string alone_words(const std::vector<std::string>& figures) {
  std::string names;
  for (const auto& name : figures) names += (names.empty() ? "" : ", ") + name;
  return names.empty()
             ? "Every figure is held to others."
             : "Stated alone, held to no other figure or within wide bounds only: " + names + ".";
}

void validate_command(const ValidateOptions& options) {
  const std::string form = find_shared("docs", "receipt.schema", ".json");
  const Json receipt = read_json(options.file);
  const std::vector<Finding> findings = check_receipt(receipt, read_json(form), today());
  const auto n = std::count_if(findings.begin(), findings.end(),
                               [](const Finding& finding) { return !finding.is_warning; });
  if (options.json) {
    Json json = {{"valid", n == 0}, {"findings", Json::array()}, {"unheld", Json::array()}};
    if (n == 0) json["unheld"] = unheld_figures(receipt);
    for (const auto& finding : findings) {
      json["findings"].push_back({{"where", finding.where},
                                  {"what", finding.what},
                                  {"severity", finding.is_warning ? "warning" : "error"}});
    }
    print_json(json);
  } else {
    for (const auto& finding : findings) {
      std::cout << wrapped(options.file + ": " + finding.where + ": " +
                           (finding.is_warning ? "warning: " : "") + finding.what);
    }
    std::cout << wrapped(options.file + (n == 0 ? ": a valid receipt, what it states agrees"
                                                : ": not valid; a receipt's form: " + form));
    if (n == 0) std::cout << wrapped(alone_words(unheld_figures(receipt)));
  }
  if (n > 0) throw Error(ErrorCode::kBadInput, "");
}

void add_cost_validate(Command& app) {
  auto options = std::make_shared<ValidateOptions>();
  Command* validate =
      cost_command(app).add_subcommand("validate", "check a receipt, anyone's: form and sums");
  validate->add_option("file", options->file, "receipt.json")->required();
  add_json_flag(*validate, options->json);
  set_example(*validate, "farthing cost validate runs/quickstart/receipt.json");
  validate->callback([options] { validate_command(*options); });
}

const CommandRegistration kCostValidate{add_cost_validate, kCostOrder};

}  // namespace
}  // namespace farthing
