// command_line.cpp - commands and options on CLI11, and what is said of a wrong command line.
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/support.h"

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

}  // namespace

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::range(double low, double high) {
  const auto whole = static_cast<long long>(low);
  const bool is_whole = static_cast<double>(whole) == low && option_->get_type_name() != "FLOAT";
  if (is_whole) {
    option_->check(CLI::Range(whole, static_cast<long long>(high)));
  } else {
    option_->check(CLI::Range(low, high));
    option_->check([](const std::string& text) -> std::string {  // NaN is neither below nor above
      double value = 0;
      const bool is_nan = CLI::detail::lexical_cast(text, value) && std::isnan(value);
      return is_nan ? "found " + text + ", wanted a number" : std::string();
    });
  }
  return this;
}

Option* Option::not_negative() {
  option_->check(CLI::NonNegativeNumber);
  return this;
}

Option* Option::one_of(const std::vector<std::string>& words) {
  option_->check(CLI::IsMember(words));
  return this;
}

Option* Option::check(std::function<std::string(const std::string&)> complaint) {
  option_->check([complaint = std::move(complaint)](const std::string& text) -> std::string {
    return complaint(text);
  });
  return this;
}
Option* Option::excludes(const Option* other) {
  option_->excludes(other->option_);
  return this;
}

Option* Option::needs(const Option* other) {
  option_->needs(other->option_);
  return this;
}

Option* Option::as_bytes() {
  option_->transform(CLI::AsSizeValue(false));
  return this;
}

Option* Option::one_at_a_time() {
  option_->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return this;
}

std::size_t Option::count() const { return option_->count(); }

Command* Command::add_subcommand(const std::string& name, const std::string& description) {
  children_.push_back(std::make_unique<Command>(*app_->add_subcommand(name, description)));
  return children_.back().get();
}

Command& Command::parent(const std::string& name, const std::string& description) {
  for (const auto& child : children_) {
    if (child->app_->get_name() == name) return *child;
  }
  Command& made = *add_subcommand(name, description);
  made.app_->require_subcommand(1);
  made.footer("Each has its own page, with an example:\n  farthing " + name + " COMMAND --help");
  return made;
}

Option* Command::keep(CLI::Option* option) {
  options_.push_back(std::make_unique<Option>(option));
  return options_.back().get();
}

Option* Command::add_option(const std::string& names, std::string& field, const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, int& field, const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, std::int64_t& field,
                            const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, std::uint64_t& field,
                            const std::string& help) {
  auto* option = app_->add_option(names, field, help);
  option->check([](const std::string& text) {  // which would wrap around
    return text.starts_with('-') ? "wanted 0 or more" : std::string();
  });
  return keep(option);
}
Option* Command::add_option(const std::string& names, double& field, const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, std::optional<int>& field,
                            const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, std::optional<double>& field,
                            const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, std::optional<std::string>& field,
                            const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option(const std::string& names, std::vector<std::string>& field,
                            const std::string& help) {
  return keep(app_->add_option(names, field, help));
}
Option* Command::add_option_callback(const std::string& names,
                                     const std::function<void(const std::string&)>& action,
                                     const std::string& help) {
  return keep(app_->add_option_function<std::string>(names, action, help));
}
Option* Command::add_flag(const std::string& names, bool& field, const std::string& help) {
  return keep(app_->add_flag(names, field, help));
}
Option* Command::add_flag_callback(const std::string& names, std::function<void()> action,
                                   const std::string& help) {
  return keep(app_->add_flag_callback(names, std::move(action), help));
}

Option* Command::option(const std::string& name) { return keep(app_->get_option(name)); }

void Command::callback(std::function<void()> action) { app_->callback(std::move(action)); }
void Command::footer(const std::string& text) { app_->footer(text); }

int run_command_line(int argc, char** argv, const std::string& description,
                     const std::string& example) {
  CLI::App app{description, "farthing"};
  app.set_version_flag("--version", std::string("farthing ") + FARTHING_VERSION);
  app.require_subcommand(1);
  Command root(app);
  add_registered_commands(root);  // before the footer, which they would inherit
  set_example(root, example);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& fault) {
    if (fault.get_exit_code() == 0) return app.exit(fault);
    return report_usage(app, fault);
  }
  return 0;
}

}  // namespace farthing
