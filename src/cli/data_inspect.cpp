// data_inspect.cpp - a look into token shards; shards that take less of the disk.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/inspect.h"
#include "data/shard_bytes.h"

namespace farthing {
namespace {

struct InspectCommand {
  std::string folder, html;
  InspectOptions options;
  bool json = false;
};

void inspect_command(const InspectCommand& command) {
  const Json inspection = inspect_data(command.folder, command.options);
  if (!command.html.empty()) write_page(command.html, inspection_html(inspection));
  if (command.json) return print_json(inspection);
  std::cout << inspection_text(inspection);
  if (!command.html.empty()) std::cout << "\nwritten: " << command.html << "\n";
}

struct CompressCommand {
  std::string folder;
  int level = 9;
  bool keep = false;
  bool json = false;
};

void compress_command(const CompressCommand& command) {
  namespace fs = std::filesystem;
  std::vector<std::string> prefixes;
  std::error_code fault;
  for (fs::directory_iterator entry(command.folder, fault), end; !fault && entry != end;
       entry.increment(fault)) {
    const std::string prefix = (entry->path().parent_path() / entry->path().stem()).string();
    if (entry->path().extension() == ".bin" && file_exists(prefix + ".idx")) {
      prefixes.push_back(prefix);
    }
  }
  if (fault) throw_bad_input({command.folder, "cannot read: " + fault.message(), "", "", ""});
  const bool done =
      std::any_of(fs::directory_iterator(command.folder), fs::directory_iterator(),
                  [](const auto& entry) { return entry.path().extension() == ".zst"; });
  if (prefixes.empty() && done) {
    throw_bad_input({command.folder, "its shards are compressed already", "", "", ""});
  }
  if (prefixes.empty()) {
    throw_bad_input({command.folder, "no token shards", "", ".bin and .idx files", ""});
  }
  std::sort(prefixes.begin(), prefixes.end());
  Json shards = Json::array();
  ProgressLine progress;
  for (const std::string& prefix : prefixes) {
    progress.show(prefix);
    const auto before = static_cast<std::int64_t>(fs::file_size(prefix + ".bin"));
    const std::int64_t after = compress_shard(prefix, command.level);
    if (!command.keep) fs::remove(prefix + ".bin");
    shards.push_back({{"shard", prefix}, {"bytes_before", before}, {"bytes", after}});
  }
  progress.end();
  if (command.json) return print_json({{"shards", shards}});
  std::vector<std::vector<std::string>> rows = {{"shard", "before", "after"}};
  for (const Json& shard : shards) {
    rows.push_back(
        {shard["shard"], format_bytes(shard["bytes_before"]), format_bytes(shard["bytes"])});
  }
  std::cout << format_table(rows);
}

void add_inspect(Command& data) {
  auto command = std::make_shared<InspectCommand>();
  Command* inspect = data.add_subcommand("inspect", "sizes, histograms and samples of shards");
  inspect->add_option("folder", command->folder, "folder with .bin and .idx files")->required();
  inspect->add_option("--seed", command->options.seed, "chooses the random samples")
      ->not_negative();
  inspect
      ->add_option("--sequence-length", command->options.sequence_length,
                   "of the windows whose packing is compared")
      ->range(2, 1 << 24);
  refuse_empty(inspect->add_option("--html", command->html, "write a self-contained page there"));
  add_json_flag(*inspect, command->json);
  set_example(*inspect, "farthing data inspect data/book --html book.html");
  inspect->callback([command] { inspect_command(*command); });
}

void add_compress(Command& data) {
  auto command = std::make_shared<CompressCommand>();
  Command* compress =
      data.add_subcommand("compress", "every .bin of a folder to .bin.zst, which training reads");
  compress->add_option("folder", command->folder, "folder with .bin and .idx files")->required();
  compress->add_option("--level", command->level, "of Zstandard")->range(1, 19);
  compress->add_flag("--keep", command->keep, "keep the .bin files");
  add_json_flag(*compress, command->json);
  set_example(*compress, "farthing data compress data/book");
  compress->callback([command] { compress_command(*command); });
}

void add_inspect_commands(Command& app) {
  Command& data = app.parent("data", "prepare text for training, and look into it");
  add_inspect(data);
  add_compress(data);
}

const CommandRegistration kDataInspect{add_inspect_commands, 21};

}  // namespace
}  // namespace farthing
