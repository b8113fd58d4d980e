// cost.cpp - farthing cost: the parent of its subcommands and what they share.
#include "cli/cost.h"

#include <cstdlib>
#include <ctime>
#include <iostream>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "report/table.h"

namespace farthing {

Command& cost_command(Command& app) {
  return app.parent("cost", "what a model cost, in every sense of the word");
}

void add_cost_output(Command& command, CostOutput& output, bool with_prices) {
  add_json_flag(command, output.json);
  refuse_empty(
      command.add_option("--html", output.html, "write one self-contained page to this file"));
  if (!with_prices) return;
  command.add_option("--prices", output.prices, "price list: a file, or a name under prices/");
}

std::string today() {
  if (const char* given = std::getenv("FARTHING_TODAY")) return given;
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

void write_page(const std::string& path, MoneyPage page, bool json) {
  page.command = command_as_given();
  page.made_on = today();
  write_page(path, to_html(page));
  if (!json) std::cout << path << "\n";
}

std::string wrap_text(const std::string& text, std::size_t indent, std::size_t columns) {
  if (text.find_first_not_of(' ') == std::string::npos) return "";
  return wrap_prose(std::string(indent, ' ') + text.substr(text.find_first_not_of(' ')), indent,
                    prose_columns(columns));
}

}  // namespace farthing
