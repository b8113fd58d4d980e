// main.cpp - the program's entry: registers the subcommands, runs one, turns its end into a status.
#include <CLI/CLI.hpp>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "config/share.h"
#if !defined(FARTHING_PLANNER_ONLY) && __has_include("machine/select_isa.h")
#include "machine/select_isa.h"
#define FARTHING_HAS_SELECT_ISA
#endif

namespace farthing {
namespace {

// The subcommand that was reached when parsing stopped.
const CLI::App& deepest_command(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

// "farthing data prepare"
std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

std::vector<std::string> known_words(const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(sub->get_name());
  }
  for (const CLI::Option* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) words.push_back("--" + name);
    for (const auto& name : option->get_snames()) words.push_back("-" + name);
  }
  return words;
}

int report_usage(const CLI::App& app, const CLI::ParseError& fault) {
  const CLI::App& command = deepest_command(app);
  const auto unknown = app.remaining(true);
  std::string message = fault.what();
  if (!unknown.empty()) {
    const std::string word = unknown.front().substr(0, unknown.front().find('='));
    const auto near = nearest_spelling(word, known_words(command));
    message = full_name(command) + " does not know \"" + word + "\"";
    if (!near.empty()) message += "; did you mean " + near + "?";
  }
  std::cerr << "farthing: " << message << "\n  try: " << full_name(command) << " --help\n";
  return static_cast<int>(ErrorCode::kUsage);
}

int finish(int status, const std::string& message) {
  std::cout.flush();
  if (!message.empty()) std::cerr << "farthing: " << message << std::endl;
  if (status == 0 && !std::cout) {
    std::cerr << "farthing: standard output: cannot write all of it" << std::endl;
    return static_cast<int>(ErrorCode::kOutOfResource);
  }
  return status;
}

int run(int argc, char** argv) {
  CLI::App app{"farthing trains mixture-of-experts language models and knows what every token cost.",
               "farthing"};
  app.set_version_flag("--version", std::string("farthing ") + FARTHING_VERSION);
  app.require_subcommand(1);
  add_registered_commands(app);  // before the footer, which they would inherit
  set_example(app, "farthing train recipes/tiny.toml --until 500steps");
  try {
    set_share_folder(share_folder());
    set_log_sink([](const std::string& line) { std::cerr << line << std::endl; });
#ifdef FARTHING_HAS_SELECT_ISA
    select_isa();
#endif
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    if (fault.get_exit_code() == 0) return app.exit(fault);
    return report_usage(app, fault);
  } catch (const Error& error) {
    return finish(static_cast<int>(error.code), error.message);
  } catch (const std::bad_alloc&) {
    return finish(static_cast<int>(ErrorCode::kOutOfResource), "out of memory");
  } catch (const std::exception& fault) {
    return finish(static_cast<int>(ErrorCode::kFailed), fault.what());
  }
  return finish(0, "");
}

}  // namespace
}  // namespace farthing

int main(int argc, char** argv) { return farthing::run(argc, argv); }
