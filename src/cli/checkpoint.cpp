// checkpoint.cpp - farthing checkpoint: list, verify and prune the checkpoints of a run.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "ledger/run_folder.h"
#include "train/checkpoint.h"

namespace farthing {
namespace {

struct CheckpointOptions {
  std::string run;
  int keep_last = 2;
  int keep_every = 0;
  bool json = false;
};

std::vector<CheckpointEntry> entries_of(const std::string& run) {
  const RunPaths paths(run);
  if (!file_exists(paths.checkpoints)) {
    throw_bad_input({run, "not a run folder", "no checkpoints/ in it", "a folder of train", ""});
  }
  return list_checkpoints(paths.checkpoints);
}

void list_command(const CheckpointOptions& options, bool verify) {
  std::vector<std::vector<std::string>> rows = {{"step", "tokens", "loss", "size", "state"}};
  Json list = Json::array();
  int n_damaged = 0;
  for (const CheckpointEntry& entry : entries_of(options.run)) {
    std::string fault;
    CheckpointMeta meta;
    try {
      if (verify) fault = checkpoint_fault(entry.path);
      meta = read_checkpoint_manifest(entry.path);
    } catch (const Error& error) {
      fault = error.message;
    }
    n_damaged += fault.empty() ? 0 : 1;
    const std::string state = !fault.empty() ? fault : verify ? "intact" : "not verified";
    rows.push_back({std::to_string(entry.step), format_count(static_cast<double>(meta.tokens)),
                    std::to_string(meta.last_loss), format_bytes(static_cast<double>(entry.bytes)),
                    state});
    list.push_back({{"step", entry.step},
                    {"path", entry.path},
                    {"bytes", entry.bytes},
                    {"tokens", meta.tokens},
                    {"loss", meta.last_loss},
                    {"weights_hash", meta.weights_hash},
                    {"finished", meta.finished},
                    {"verified", verify},
                    {"fault", fault}});
  }
  if (options.json) {
    print_json(list);
  } else {
    std::cout << format_table(rows);
  }
  if (verify && n_damaged > 0) {
    throw Error{ErrorCode::kBadInput, std::to_string(n_damaged) + " damaged checkpoint(s)"};
  }
}

void prune_command(const CheckpointOptions& options) {
  (void)entries_of(options.run);
  const RunFolder folder = RunFolder::open(options.run);  // not while it trains
  const auto removed =
      prune_checkpoints(folder.paths().checkpoints, options.keep_last, options.keep_every);
  if (options.json) return print_json(Json{{"removed", removed}});
  for (const std::int64_t step : removed) std::cout << "removed step " << step << "\n";
  if (removed.empty()) std::cout << "nothing to remove\n";
}

void add_checkpoint_command(Command& app) {
  auto options = std::make_shared<CheckpointOptions>();
  Command& parent = app.parent("checkpoint", "list, verify or prune a run's checkpoints");
  const auto add = [&](const char* name, const char* words) {
    Command* command = parent.add_subcommand(name, words);
    command->add_option("run", options->run, "run folder")->required();
    add_json_flag(*command, options->json);
    set_example(*command, std::string("farthing checkpoint ") + name + " runs/tiny");
    return command;
  };
  add("list", "steps, losses and sizes")->callback([options] { list_command(*options, false); });
  add("verify", "read every byte against its checksum")->callback([options] {
    list_command(*options, true);
  });
  Command* prune = add("prune", "remove old checkpoints");
  prune->add_option("--keep-last", options->keep_last, "newest ones to keep")->range(1, 1 << 20);
  prune->add_option("--keep-every", options->keep_every, "keep steps that this divides; 0: none")
      ->range(0, 1 << 30);
  prune->callback([options] { prune_command(*options); });
}

const CommandRegistration kCheckpoint{add_checkpoint_command, 80};

}  // namespace
}  // namespace farthing
