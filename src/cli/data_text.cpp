// data_text.cpp - farthing data text: the text of a split, as its tokens say it, back to stdout.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/support.h"
#include "data/shards.h"
#include "data/tokenizer.h"

namespace farthing {
namespace {

struct TextOptions {
  std::string folder;
  std::string split = "val";
};

// Documents follow each other as they were scored: nothing is put between them.
void text_command(const TextOptions& options) {
  const Tokenizer tokenizer = Tokenizer::load(options.folder + "/tokenizer.json");
  const ShardReader shard(options.folder + "/" + options.split);
  std::vector<std::int32_t> ids;
  for (std::int64_t document = 0; document < shard.n_documents() && std::cout; ++document) {
    const std::int64_t begin = shard.document_begin(document);
    ids.resize(static_cast<std::size_t>(shard.document_begin(document + 1) - begin));
    shard.read(begin, ids);
    std::cout << tokenizer.decode(ids, true);
  }
}

void add_text_command(Command& app) {
  auto options = std::make_shared<TextOptions>();
  Command& data = app.parent("data", "prepare text for training, and look into it");
  Command* text = data.add_subcommand("text", "write the text of a split to stdout");
  text->add_option("folder", options->folder, "folder of `data prepare`")->required();
  text->add_option("--split", options->split, "train, val, or another .idx there; default val");
  set_example(*text, "farthing data text data/book --split val | xz -9e | wc -c");
  text->callback([options] { text_command(*options); });
}
const CommandRegistration kDataText{add_text_command, 21};

}  // namespace
}  // namespace farthing
