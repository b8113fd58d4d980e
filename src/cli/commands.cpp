// commands.cpp - the list of subcommands that files of src/cli have registered.
#include "cli/commands.h"

#include <algorithm>
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

void add_registered_commands(Command& app) {
  std::stable_sort(registered().begin(), registered().end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [order, add] : registered()) add(app);
}

}  // namespace farthing
