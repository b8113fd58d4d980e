// farthing export - a model as a Hugging Face directory.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/load_model.h"
#include "cli/support.h"

namespace farthing {
namespace {

struct ExportOptions {
  std::string model;
  std::string to = "hf";
  std::string dtype = "f32";
  std::string output;
  bool json = false;
};

// The card that stands beside the weights or in the run's model/; without one, a line or two.
std::string model_card(const ModelPlace& place) {
  for (const std::string& path : {place.folder + "/README.md", place.run + "/model/README.md"}) {
    if (file_exists(path)) return read_file(path);
  }
  return "---\nlibrary_name: farthing\n---\n# " + place.folder +
         "\n\nA language model of DeepSeek-V3's architecture, exported by farthing.\n";
}

void export_command(const ExportOptions& options) {
  const ModelPlace place = find_model(options.model);
  const LoadedModel loaded = load_model(place);
  HfExport request = {.dtype = options.dtype == "bf16" ? Dtype::kBF16 : Dtype::kF32,
                      .model_card = model_card(place)};
  if (!place.tokenizer.empty()) {
    load_tokenizer_of(place, loaded.config);  // refuses one of another model
    request.tokenizer_json = read_file(place.tokenizer);
  }
  save_hf_model(options.output, loaded.config, loaded.weights, request);
  const auto n_parameters = loaded.table->n_parameters();
  if (options.json) {
    return print_json({{"model", place.folder},
                       {"output", options.output},
                       {"dtype", options.dtype},
                       {"parameters", n_parameters}});
  }
  std::cout << options.output << ": " << format_count(static_cast<double>(n_parameters))
            << " parameters in " << options.dtype << ", from " << place.folder << "\n";
}

void add_export_command(Command& app) {
  auto options = std::make_shared<ExportOptions>();
  Command* command = app.add_subcommand("export", "write a model as a Hugging Face directory");
  command->add_option("model", options->model, "run, checkpoint or Hugging Face directory")
      ->required();
  command->add_option("--to", options->to, "hf")->one_of({"hf"})->required();
  command->add_option("--dtype", options->dtype, "f32 or bf16; default f32")
      ->one_of({"f32", "bf16"});
  refuse_empty(command->add_option("-o,--output", options->output,
                                   "folder; an earlier export in it is replaced"))
      ->required();
  add_json_flag(*command, options->json);
  set_example(*command, "farthing export runs/tiny --to hf --dtype bf16 -o tiny-hf");
  command->callback([options] { export_command(*options); });
}
const CommandRegistration kExport{add_export_command, 85};

}  // namespace
}  // namespace farthing
