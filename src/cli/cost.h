// cost.h - what the subcommands of `farthing cost` share.
//
// Each is a file of its own, src/cli/cost_NAME.cpp, that registers itself:
//
//   static void add_cost_claims(Command& app) {
//     Command* claims = cost_command(app).add_subcommand("claims", "what articles say");
//     ...
//   }
//   static const CommandRegistration kCostClaims{add_cost_claims, kCostOrder};
#pragma once
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "economics/page.h"

namespace farthing {

inline constexpr int kCostOrder = 76;  // in commands.h's list

Command& cost_command(Command& app);

struct CostOutput {
  std::string prices = "default";
  std::string html;  // a file, or empty
  bool json = false;
};
// --json, --html FILE and, where wanted, --prices NAME.
void add_cost_output(Command& command, CostOutput& output, bool with_prices);
// YYYY-MM-DD, of this machine's clock; FARTHING_TODAY in the environment overrides it.
std::string today();
// Writes a page that names this command and day, and says where on stdout, unless JSON goes there.
void write_page(const std::string& path, MoneyPage page, bool json);
// Breaks at spaces; every line begins with `indent` spaces.
std::string wrap_text(const std::string& text, std::size_t indent, std::size_t columns = 96);

}  // namespace farthing
