// farthing data - a look into token shards, and a corpus to begin with.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/debian_corpus.h"

namespace farthing {
namespace {

struct CorpusOptions {
  std::string folder;
  std::string root = "/";
  bool json = false;
};

void corpus_command(const CorpusOptions& options) {
  const Json manifest = make_debian_corpus(options.folder, options.root);
  if (options.json) return print_json(manifest);
  std::vector<std::vector<std::string>> rows = {{"source", "documents", "text", "licence"}};
  for (const Json& source : manifest["sources"]) {
    rows.push_back({source["name"], format_count(source["documents"]),
                    format_bytes(source["bytes"]), source["licence"]});
  }
  std::cout << format_table(rows);
}

void add_corpus_command(Command& data) {
  auto options = std::make_shared<CorpusOptions>();
  Command* corpus = data.add_subcommand(
      "corpus-debian", "English from Debian packages (tools/corpus_packages.txt) as .jsonl");
  refuse_empty(corpus->add_option("-o,--output", options->folder, "folder to write"))->required();
  corpus->add_option("--root", options->root, "where the packages are installed or unpacked");
  add_json_flag(*corpus, options->json);
  set_example(*corpus, "farthing data corpus-debian -o data/english");
  corpus->callback([options] { corpus_command(*options); });
}

void add_data_command(Command& app) {
  Command& data = app.parent("data", "prepare text for training, and look into it");
  add_corpus_command(data);
}

const CommandRegistration kData{add_data_command, 20};

}  // namespace
}  // namespace farthing
