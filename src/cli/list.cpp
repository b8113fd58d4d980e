// list.cpp - farthing list: the recipes, models, price books and scenarios that a bare name finds.
#include <fmt/core.h>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "config/accounting.h"
#include "config/recipe.h"
#include "config/share.h"
#include "economics/scenario.h"
#include "ledger/price_book.h"
#include "plan/cluster.h"
#include "plan/model_book.h"
#include "report/table.h"

namespace farthing {
namespace {

struct ListOptions {
  std::string kind;
  bool json = false;
};

std::string shape_words(const ModelConfig& config) {
  return fmt::format("{} parameters, {} active, {} layers, {} experts",
                     format_count(static_cast<double>(count_parameters(config).total())),
                     format_count(static_cast<double>(count_active_parameters(config).total())),
                     config.num_hidden_layers, config.n_routed_experts);
}

std::vector<std::string> names_of(const std::string& kind) {
  if (kind == "models") return list_model_shapes();
  if (kind == "devices") return list_devices();
  std::vector<std::string> names = list_shared(kind, ".toml");
  if (kind == "clusters") std::erase(names, "devices");  // the device book
  return names;
}

// One line about a file, or what is wrong with it: a list is no place to fail.
std::string words_about(const std::string& kind, const std::string& name) {
  try {
    if (kind == "recipes") return shape_words(load_recipe(name).model);
    if (kind == "prices") return describe(load_price_book(name));
    if (kind == "scenarios") return load_scenario(name, load_price_list()).title;
    if (kind == "models") return describe(load_model_shape(name));
    if (kind == "devices") return describe(load_device(name));
    const Cluster cluster = load_cluster(name);
    return fmt::format("{} x {}: {}", cluster.n_devices(), cluster.device.name, cluster.about);
  } catch (const Error& error) {
    return "unusable: " + error.message.substr(0, error.message.find('\n'));
  }
}

void list_command(const ListOptions& options) {
  std::vector<std::string> kinds = {"recipes", "models", "clusters",
                                    "devices", "prices", "scenarios"};
  if (!options.kind.empty()) kinds = {options.kind};
  Json json = Json::object();
  std::string text;
  for (const std::string& kind : kinds) {
    const auto names = names_of(kind);
    json[kind] = names;
    text += kind + "\n";
    Table table;
    for (const auto& name : names) table.rows.push_back({name, words_about(kind, name)});
    text += to_text(table);
  }
  if (options.json) {
    print_json(json);
  } else {
    std::cout << text;
  }
}

void add_list_command(Command& app) {
  auto options = std::make_shared<ListOptions>();
  Command* list =
      app.add_subcommand("list", "recipes, models, clusters, prices and scenarios by name");
  list->add_option("kind", options->kind,
                   "recipes, models, clusters, devices, prices or scenarios; all without it")
      ->one_of({"recipes", "models", "clusters", "devices", "prices", "scenarios"});
  add_json_flag(*list, options->json);
  set_example(*list, "farthing list recipes");
  list->callback([options] { list_command(*options); });
}

const CommandRegistration kList{add_list_command, 78};

}  // namespace
}  // namespace farthing
