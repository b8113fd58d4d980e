// commands.h - how a file of src/cli becomes a subcommand of the program, and how it ends.
//
// One file per subcommand.  It registers itself, so that adding a file adds a command:
//
//   static void add_train_command(Command& app) {
//     auto options = std::make_shared<TrainOptions>();
//     Command* train = app.add_subcommand("train", "train a recipe, or resume its run");
//     train->add_option("recipe", options->recipe, "file, or a name under recipes/")->required();
//     set_example(*train, "farthing train recipes/tiny.toml --until 500steps");   // support.h
//     train->callback([options] { train_command(*options); });
//   }
//   static const CommandRegistration kTrain{add_train_command, 30};
//
// A nested one (`bench step`) asks for its parent by name; whoever comes first makes it:
//
//   Command* step = app.parent("bench", "measure this machine").add_subcommand("step", ...);
//
// Exit status.  A callback that returns means 0.  Every other end is a throw, caught in main:
//   Error{code, message}   prints "farthing: message" on stderr and exits with the code's value
//   Error{code, ""}        exits with it and prints nothing, where the output has said it all
//   std::bad_alloc         status 4;     any other exception: status 1
// Wrong flags are main's: status 2 with the nearest spelling.  A missing or bad file is status 3,
// so let read_file() complain. Results go to stdout, words about progress to stderr (log_line goes
// there).
#pragma once
#include "cli/command_line.h"

namespace farthing {

using AddCommand = void (*)(Command& app);

// A static object of this type in a file of src/cli adds its command.  --help lists by `order`:
//   10 doctor  20 data  25 tokenizer  30 train  40 generate  45 score  50 eval  60 check
//   70 report  75 compare  78 list  80 checkpoint  85 export/import  90 bench
struct CommandRegistration {
  CommandRegistration(AddCommand add, int order);
};

// Adds every registered command, in order.
void add_registered_commands(Command& app);

}  // namespace farthing
