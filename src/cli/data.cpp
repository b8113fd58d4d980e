// farthing data - a corpus to begin with, and the rules that clean one.
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
#include "data/quality.h"

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

// "50 to 100000", "at least 2", "at most 0.2".
std::string limits_of(const QualityRule& rule) {
  char text[64];
  if (std::isinf(rule.high)) {
    std::snprintf(text, sizeof(text), "at least %g", rule.low);
  } else if (rule.low <= 0) {
    std::snprintf(text, sizeof(text), "at most %g", rule.high);
  } else {
    std::snprintf(text, sizeof(text), "%g to %g", rule.low, rule.high);
  }
  return text;
}

void rules_command(bool json) {
  std::vector<std::vector<std::string>> rows = {{"rule", "passes", "of", "source"}};
  Json list = Json::array();
  for (const QualityRule& rule : quality_rules()) {
    rows.push_back({rule.name, limits_of(rule), rule.what, rule.source});
    list.push_back({{"name", rule.name},
                    {"measures", rule.what},
                    {"low", rule.low},
                    {"high", std::isinf(rule.high) ? Json() : Json(rule.high)},
                    {"source", rule.source}});
  }
  json ? print_json(list) : static_cast<void>(std::cout << format_table(rows));
}

void add_rules_command(Command& data) {
  auto json = std::make_shared<bool>(false);
  Command* rules = data.add_subcommand("rules", "the quality rules, their thresholds and sources");
  add_json_flag(*rules, *json);
  set_example(*rules, "farthing data rules");
  rules->callback([json] { rules_command(*json); });
}

void add_data_command(Command& app) {
  Command& data = app.parent("data", "prepare text for training, and look into it");
  add_corpus_command(data);
  add_rules_command(data);
}

const CommandRegistration kData{add_data_command, 20};

}  // namespace
}  // namespace farthing
