// support.h - what subcommands share: examples, JSON and tables on stdout, one live line on stderr.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/units.h"
#include "cli/command_line.h"

namespace farthing {

// Shown at the end of the command's --help.
void set_example(Command& command, const std::string& example);
// --json, "print JSON for programs instead of text".
void add_json_flag(Command& command, bool& json);
// --threads N; 0 (the default) means all available.  Call apply_threads() in the callback.
// The overrides of --set, and after them that of --precision, where there is one.
std::vector<std::string> with_precision_override(std::vector<std::string> overrides,
                                                 const std::string& precision);
void add_threads_option(Command& command, int& threads);
// Sets the pool's size.  Errors: Error{kUsage} when negative or above 1024.
void apply_threads(int threads);

// A word that must say something (a path, a limit): "" is wrong use.
Option* refuse_empty(Option* option);

// What `parse` makes of a flag's value; a value that it refuses is wrong use of the command line.
template <class Parse>
auto flag_value(Parse&& parse) {
  try {
    return parse();
  } catch (const Error& error) {
    if (error.code == ErrorCode::kBadInput) throw Error(ErrorCode::kUsage, error.message);
    throw;
  }
}

// Of a flag that may be 0, or must be more.  Errors: Error{kUsage}.
double value_from_zero(const std::string& text, Dimension dimension, const char* flag);
double positive_value(const std::string& text, Dimension dimension, const char* flag);

// A file's bytes, or those of standard input for "-".
std::string read_input(const std::string& path);

bool stdout_is_terminal();
bool stderr_is_terminal();

// The command line for the foot of a page, without what only says where the answer goes; words
// quoted where a shell wants it.
// An HTML page written over nothing, or over another page.  Errors: Error{kBadInput} for a file
// that is something else: a shard is lost too easily.
void write_page(const std::string& path, const std::string& html);

void set_command_words(int argc, char** argv);
std::string command_as_given();

// Indented, one newline at the end, to stdout; strings that are not UTF-8 are replaced, not
// refused.
void print_json(const Json& json);

// Of the terminal that stdout is, or as COLUMNS in the environment says; 0: neither.
std::size_t output_columns();

// Rows of cells, the first row a heading; the first column to the left, the others to the right.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// The folder that holds recipes/, models/ and prices/: $FARTHING_SHARE, or where it was built.
std::string share_folder();

// One line on stderr, rewritten in place at most ten times a second; says nothing when stderr is
// not a terminal.  The destructor ends the line, so that what follows starts on its own.
class ProgressLine {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();
  // `shorter`, if given, where `text` is wider than the terminal; cut to its width anyhow.
  // REQUIRES: no '\n' in either.
  void show(std::string_view text, std::string_view shorter = {});
  // "1.2M of 5.0M tokens, 3.4k tokens/s, 12 s left", after `done` of `total` units.
  void show_share(double done, double total, std::string_view unit);
  void end();

 private:
  void write(std::string_view text, std::string_view shorter);

  bool on_terminal_;
  bool shown_ = false;
  double started_seconds_;
  double last_seconds_ = -1;
};

}  // namespace farthing
