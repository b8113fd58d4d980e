// main.cpp - the program's entry: registers the subcommands, runs one, turns its end into a status.
#include <csignal>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "config/share.h"
#include "report/table.h"
#if !defined(FARTHING_PLANNER_ONLY) && __has_include("machine/select_isa.h")
#include "machine/select_isa.h"
#define FARTHING_HAS_SELECT_ISA
#endif

namespace farthing {
namespace {

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
  try {
    set_command_words(argc, argv);
    set_share_folder(share_folder());
    exit_when_a_file_is_cut();
    std::signal(SIGXFSZ, SIG_IGN);  // a file too large is an error of write()
    set_text_columns(output_columns());
    set_log_sink([](const std::string& line) { std::cerr << line << std::endl; });
#ifdef FARTHING_HAS_SELECT_ISA
    select_isa();
#endif
    const int status = run_command_line(
        argc, argv,
        "farthing trains mixture-of-experts language models and knows what every token cost.",
        "farthing train recipes/tiny.toml --until 500steps");
    return finish(status, "");
  } catch (const Error& error) {
    return finish(static_cast<int>(error.code), error.message);
  } catch (const std::bad_alloc&) {
    return finish(static_cast<int>(ErrorCode::kOutOfResource), "out of memory");
  } catch (const std::exception& fault) {
    return finish(static_cast<int>(ErrorCode::kFailed), fault.what());
  }
}

}  // namespace
}  // namespace farthing

int main(int argc, char** argv) { return farthing::run(argc, argv); }
