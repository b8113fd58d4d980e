// constants.cpp - the constants of a cluster: the common ones with its overrides.
#include "plan/constants.h"

#include "base/error.h"

namespace farthing {

Constants constants_for(const Cluster& cluster) {
  Constants constants;
  std::vector<std::string> names;
  visit_constants(constants, [&](const ConstantRule& rule, double& field) {
    names.emplace_back(rule.name);
    const auto found = cluster.efficiency.find(rule.name);
    if (found != cluster.efficiency.end()) field = found->second;
  });
  for (const auto& [name, value] : cluster.efficiency) {
    bool known = false;
    for (const auto& other : names) known |= other == name;
    if (known) continue;
    const std::string near = nearest_spelling(name, names);
    throw_bad_input({cluster.path, "unknown key efficiency." + name, "", "",
                     near.empty() ? "" : "did you mean " + near + "?"});
  }
  return constants;
}

}  // namespace farthing
