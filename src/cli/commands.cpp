// commands.cpp - the list of subcommands that files of src/cli have registered.
#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace farthing {
namespace {

// Filled before main by static objects in any order; a local static is made when first asked for.
std::vector<std::pair<int, AddCommand>>& registered() {
  static std::vector<std::pair<int, AddCommand>> commands;
  return commands;
}

}  // namespace

CommandRegistration::CommandRegistration(AddCommand add, int order) {
  registered().emplace_back(order, add);
}

void add_registered_commands(CLI::App& app) {
  std::stable_sort(registered().begin(), registered().end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [order, add] : registered()) add(app);
}

CLI::App& parent_command(CLI::App& app, const char* name, const char* description) {
  const auto known = app.get_subcommands([name](CLI::App* sub) { return sub->get_name() == name; });
  if (!known.empty()) return *known.front();
  CLI::App* parent = app.add_subcommand(name, description);
  parent->require_subcommand(1);
  parent->footer("Each has its own page, with an example:\n  farthing " + std::string(name) +
                 " COMMAND --help");
  return *parent;
}

}  // namespace farthing
