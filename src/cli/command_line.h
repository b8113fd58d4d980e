// command_line.h - a command's options as the files of src/cli declare them; CLI11 behind one door.
//
//   Command* train = app.add_subcommand("train", "train a recipe, or go on with its run");
//   train->add_option("recipe", options->recipe, "file, or a name under recipes/")->required();
//   train->add_option("--steps", options->steps, "steps to measure")->range(1, 100000);
//   train->callback([options] { train_command(*options); });
//
// A name without dashes is positional; "-o,--output" has two spellings.  The field keeps its value
// where the option is not given, and must outlive parsing.  Pointers belong to their command.
//
// Why not CLI11 itself: it is one header of templates, and costs every file that includes it four
// seconds of compilation; only command_line.cpp does.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace farthing {

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}
  Option* required();
  // Usage errors otherwise; --help shows them.
  Option* range(double low, double high);
  Option* not_negative();
  Option* one_of(const std::vector<std::string>& words);
  // `complaint` of the value: what is wrong with it, or "".
  Option* check(std::function<std::string(const std::string&)> complaint);
  Option* excludes(const Option* other);
  Option* needs(const Option* other);
  // "512MiB" and "2GB" as bytes, powers of 1024 both, for a whole number.
  Option* as_bytes();
  // Of a list: one value each time it is given, so that what follows may be a positional.
  Option* one_at_a_time();
  // How often it was given; asked inside the callback.
  std::size_t count() const;

 private:
  CLI::Option* option_;
};

class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  Command* add_subcommand(const std::string& name, const std::string& description);
  // The subcommand `name`, made at the first call; one of its own subcommands is required.
  Command& parent(const std::string& name, const std::string& description);

  Option* add_option(const std::string& names, std::string& field, const std::string& help);
  Option* add_option(const std::string& names, int& field, const std::string& help);
  Option* add_option(const std::string& names, std::int64_t& field, const std::string& help);
  Option* add_option(const std::string& names, std::uint64_t& field, const std::string& help);
  Option* add_option(const std::string& names, double& field, const std::string& help);
  Option* add_option(const std::string& names, std::optional<int>& field, const std::string& help);
  Option* add_option(const std::string& names, std::optional<double>& field,
                     const std::string& help);
  Option* add_option(const std::string& names, std::optional<std::string>& field,
                     const std::string& help);
  Option* add_option(const std::string& names, std::vector<std::string>& field,
                     const std::string& help);
  // `action` with the value, where it is given.
  Option* add_option_callback(const std::string& names,
                              const std::function<void(const std::string&)>& action,
                              const std::string& help);
  Option* add_flag(const std::string& names, bool& field, const std::string& help);
  Option* add_flag_callback(const std::string& names, std::function<void()> action,
                            const std::string& help);

  Option* option(const std::string& name);  // REQUIRES: one that was added

  void callback(std::function<void()> action);
  // Shown after --help's list.
  void footer(const std::string& text);

 private:
  Option* keep(CLI::Option* option);

  CLI::App* app_;
  std::vector<std::unique_ptr<Command>> children_;
  std::vector<std::unique_ptr<Option>> options_;
};

// Adds every registered command and runs the one that the arguments name.  Returns the exit status
// of --help, --version and wrong usage; what a command throws goes through.
int run_command_line(int argc, char** argv, const std::string& description,
                     const std::string& example);

}  // namespace farthing
